//! How many packets of a flow are let through in a window of time.

use super::FlowCounters;

/// Logarithm of the window that ceilings count in, nanoseconds: 1.07 s.
pub const CEILING_SHIFT: u32 = 30;

impl FlowCounters {
    /// Whether one more packet is within `ceiling` packets per 2^[`CEILING_SHIFT`] ns (0: any
    /// number is); counts it if so.
    #[inline(always)]
    pub fn admit(&mut self, ceiling: u16, now_ns: u64) -> bool {
        if ceiling == 0 {
            return true;
        }
        let window = (now_ns >> CEILING_SHIFT) as u8;
        if self.ceiling_window != window {
            self.ceiling_window = window;
            self.ceiling_packets = 0;
        }
        if self.ceiling_packets >= ceiling {
            return false;
        }
        self.ceiling_packets = self.ceiling_packets.wrapping_add(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ceiling_holds_within_its_window_and_opens_with_the_next() {
        let mut counters = FlowCounters::default();
        let window_ns = 1u64 << CEILING_SHIFT;
        for window in [1, 2, 7] {
            let passed = (0..1000)
                .filter(|n| counters.admit(60, window * window_ns + n * window_ns / 1000))
                .count();
            assert_eq!(passed, 60, "window {window}");
        }
        assert!((0..1000).all(|_| FlowCounters::default().admit(0, 5)));
    }
}
