//! The clock that the kernel's program and the relays share.

use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC`, nanoseconds: what `bpf_ktime_get_ns` reads. No system call where the kernel
/// has a vDSO.
#[inline]
pub(super) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // Never negative, and 2^64 ns are 584 years.
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn time_passes_in_nanoseconds() {
        let (began, before_ns) = (std::time::Instant::now(), super::now_ns());
        std::thread::sleep(std::time::Duration::from_millis(5));
        let passed_ns = super::now_ns() - before_ns;
        assert!((5_000_000..=began.elapsed().as_nanos() as u64).contains(&passed_ns));
    }
}
