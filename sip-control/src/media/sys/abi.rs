//! Types of [`media_common`] as values of BPF maps.

use media_common::counters::Verdicts;
use media_common::flow::{MediaAddressList, NextHop};

/// A value of a map. `aya` and `media-common` know nothing of each other: this joins them.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::media) struct Abi<T>(pub(in crate::media) T);

macro_rules! map_values {
    ($($name:ty),* $(,)?) => {
        $(
            // SAFETY: `repr(transparent)` over a `repr(C)` struct of integers and arrays of
            // integers whose sizes media-common asserts to hold no implicit padding: every
            // bit pattern is a value.
            unsafe impl aya::Pod for Abi<$name> {}
        )*
    };
}

map_values!(MediaAddressList, NextHop, Verdicts);
