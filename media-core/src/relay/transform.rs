//! The protection of both legs.

use media_common::counters::DropReason;

use super::config::{FlowConfig, Transform};
use super::latch::{Admitted, WellFormed};

/// The contexts of a flow's keys.
pub(super) struct Crypto {
    copies: bool,
}

impl Crypto {
    pub(super) fn new(config: &FlowConfig) -> Crypto {
        Crypto {
            copies: matches!(config.transform, Transform::Copy),
        }
    }

    pub(super) fn update(&mut self, config: &FlowConfig) {
        *self = Crypto::new(config);
    }

    pub(super) fn transform(
        &mut self,
        packet: WellFormed,
        datagram: &[u8],
        out: &mut [u8],
        _leaves: bool,
    ) -> Result<(usize, Admitted), DropReason> {
        if !self.copies {
            return Err(DropReason::NoPeer);
        }
        let out = out.get_mut(..datagram.len()).ok_or(DropReason::TooLong)?;
        out.copy_from_slice(datagram);
        Ok((out.len(), Admitted::by_form(&packet)))
    }
}
