//! The time, read once for a few packets when they come in quick succession.
//!
//! The exact clock costs as much as a fifth of all that the program does with a packet: the processor
//! finishes everything before it reads its counter. Packets of one poll of the driver are taken
//! out of its queue within microseconds of each other, so up to [`GROUP`] of them share a reading,
//! but only while packets keep coming at less than [`QUICK_NS`] apart on this CPU. What
//! comes after a pause is timed by the clock itself, but for at most `GROUP - 1` packets after a
//! sudden one, which are then dated before it; never before the last tick of the kernel's timer (4 ms
//! at 250 Hz). Jitter is counted in units of 125 µs and averaged over sixteen packets.

/// Packets that share a reading at most.
pub const GROUP: u32 = 4;
/// Packets that come closer than this on the average come in quick succession, nanoseconds.
pub const QUICK_NS: u64 = 8_000;

/// What one CPU remembers of the clock.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// The last reading, `CLOCK_MONOTONIC`, nanoseconds.
    read_ns: u64,
    /// The kernel's tick at that time.
    tick: u64,
    /// How many packets may still have that reading.
    left: u32,
    /// How many packets it was meant for.
    meant_for: u32,
}

impl Clock {
    /// The time of a packet, `CLOCK_MONOTONIC`, nanoseconds. `tick` is the kernel's now; `read` reads
    /// the exact clock.
    #[inline(always)]
    pub fn now_ns(&mut self, tick: u64, read: impl FnOnce() -> u64) -> u64 {
        if self.left != 0 && self.tick == tick {
            self.left -= 1;
            return self.read_ns;
        }
        let now_ns = read();
        let served = self.meant_for.wrapping_sub(self.left);
        let passed_ns = now_ns.wrapping_sub(self.read_ns);
        let is_quick = passed_ns < u64::from(served).wrapping_mul(QUICK_NS);
        self.meant_for = if is_quick { GROUP } else { 1 };
        self.left = self.meant_for - 1;
        self.read_ns = now_ns;
        self.tick = tick;
        now_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK_NS: u64 = 4_000_000;

    /// What each of the packets, that arrive at those times, is told.
    fn told(arrivals: impl IntoIterator<Item = u64>) -> (Vec<(u64, u64)>, usize) {
        let mut clock = Clock::default();
        let mut readings = 0;
        let told = arrivals
            .into_iter()
            .map(|at| {
                let now = clock.now_ns(at / TICK_NS, || {
                    readings += 1;
                    at
                });
                (at, now)
            })
            .collect();
        (told, readings)
    }

    #[test]
    fn packets_that_come_apart_have_a_reading_each() {
        for gap_ns in [QUICK_NS, 100_000, 20_000_000, 3_600_000_000_000] {
            let (told, _) = told((1..200).map(|n| n * gap_ns));
            assert!(told.iter().all(|(at, now)| at == now), "{gap_ns} ns apart");
        }
    }

    #[test]
    fn packets_in_quick_succession_share_readings_and_are_dated_a_few_gaps_early_at_most() {
        for gap_ns in [100, 1_000, QUICK_NS - 1] {
            let packets = 10_000;
            let (told, readings) = told((0..packets).map(|n| TICK_NS * 7 + n * gap_ns));
            // A reading for each group, and one more after each tick.
            let ticks = packets * gap_ns / TICK_NS + 1;
            let most = packets / u64::from(GROUP) + 2 * ticks;
            assert!(readings as u64 <= most, "{readings} readings");
            for (at, now) in told {
                assert!(now <= at && at - now <= u64::from(GROUP - 1) * gap_ns);
            }
        }
    }

    #[test]
    fn after_a_burst_few_are_dated_before_the_pause_and_none_before_the_tick() {
        for pause_ns in [300_000, 3_000_000, 10_000_000, 1 << 40] {
            for length in 60..70 {
                let burst = |from: u64| (0..length).map(move |n| from + n * 500);
                let second = TICK_NS * 9 + length * 500 + pause_ns;
                let (told, _) = told(burst(TICK_NS * 9).chain(burst(second)));
                let early: Vec<_> = told.iter().filter(|(at, now)| at - now > 10_000).collect();
                assert!(early.len() < GROUP as usize, "{early:?}");
                assert!(told.iter().all(|(at, now)| now <= at && at - now < TICK_NS));
            }
        }
    }

    #[test]
    fn time_never_runs_backwards() {
        let gaps = [1, 50, 7_000, 9_000, 500_000, 5_000_000];
        let arrivals = (0..5_000usize).scan(1_u64, |at, n| {
            *at += gaps[n * n % 7 % gaps.len()];
            Some(*at)
        });
        let (told, _) = told(arrivals);
        assert!(told.is_sorted_by_key(|(_, now)| *now));
    }
}
