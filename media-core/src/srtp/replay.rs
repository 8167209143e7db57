//! The replay list of one source (RFC 3711 section 3.3.2).

use super::error::SrtpError;

/// A sliding window over packet indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReplayWindow {
    highest: u64,
    /// Bit `n`: index `highest - n` was seen. In halves, the low one first: a `u128` would be
    /// aligned to 16 bytes, and there are many windows.
    seen: [u64; 2],
}

/// Indices that the window tells apart; RFC 3711 asks for at least 64.
pub(super) const WINDOW: u64 = 128;

impl ReplayWindow {
    /// A window that has seen `index` only. What came before it may still arrive late.
    pub(super) fn starting_at(index: u64) -> ReplayWindow {
        ReplayWindow {
            highest: index,
            seen: [1, 0],
        }
    }

    /// A window that counts everything up to `index` as seen.
    pub(super) fn closed_up_to(index: u64) -> ReplayWindow {
        ReplayWindow {
            highest: index,
            seen: [u64::MAX; 2],
        }
    }

    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    /// Whether a packet of that index may be new.
    pub(super) fn check(&self, index: u64) -> Result<(), SrtpError> {
        match self.highest.checked_sub(index) {
            None => Ok(()),
            Some(behind) if behind < WINDOW && self.seen() >> behind & 1 == 0 => Ok(()),
            Some(_) => Err(SrtpError::Replay),
        }
    }

    /// Marks an index that [`ReplayWindow::check`] has let pass.
    pub(super) fn mark(&mut self, index: u64) {
        match self.highest.checked_sub(index) {
            None => {
                let ahead = index - self.highest;
                self.set_seen(if ahead < WINDOW {
                    self.seen() << ahead | 1
                } else {
                    1
                });
                self.highest = index;
            }
            Some(behind) if behind < WINDOW => self.set_seen(self.seen() | 1 << behind),
            Some(_) => {}
        }
    }

    fn seen(&self) -> u128 {
        u128::from(self.seen[1]) << 64 | u128::from(self.seen[0])
    }

    fn set_seen(&mut self, seen: u128) {
        self.seen = [seen as u64, (seen >> 64) as u64];
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn late_packets_pass_once_and_only_within_the_window() {
        let mut window = ReplayWindow::starting_at(1000);
        for (index, fresh) in [
            (1000, false),
            (999, true),
            (999, false),
            (1001, true),
            (874, true),
            (873, false),
            (1128, true),
            (1001, false),
            (1000, false),
            (1002, true),
            (9999, true),
            (9999 - 127, true),
            (9999 - 128, false),
        ] {
            assert_eq!(window.check(index).is_ok(), fresh, "{index}");
            if fresh {
                window.mark(index);
            }
        }
    }

    #[test]
    fn a_closed_window_lets_only_later_indices_pass() {
        let window = ReplayWindow::closed_up_to(500);
        assert!((0..=500).all(|index| window.check(index).is_err()));
        assert!(window.check(501).is_ok());
    }

    proptest! {
        /// Against a list of everything seen.
        #[test]
        fn the_window_is_the_naive_list(
            first in 0_u64..1_000_000,
            steps in proptest::collection::vec(prop_oneof![8 => -140_i64..10, 1 => 0_i64..300, 1 => -100_000_i64..100_000], 1..400),
        ) {
            let mut window = ReplayWindow::starting_at(first);
            let mut seen = HashSet::from([first]);
            let mut highest = first;
            for step in steps {
                let index = highest.saturating_add_signed(step);
                let expected = index + WINDOW > highest && !seen.contains(&index);
                prop_assert_eq!(window.check(index).is_ok(), expected, "{} of {}", index, highest);
                if expected {
                    window.mark(index);
                    seen.insert(index);
                    highest = highest.max(index);
                }
                prop_assert_eq!(window.highest(), highest);
            }
        }
    }
}
