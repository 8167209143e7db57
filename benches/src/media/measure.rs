//! How a figure comes about: threads that nothing interrupts, turns, medians.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use trunkline_tests::lab::Namespace;

use super::sys::{self, Policy};

/// Of the thread that generates: before everything but the kernel's own.
const GENERATOR_PRIORITY: u8 = 50;

/// Runs `work` on a thread in the namespace that has one CPU to itself: real-time, pinned. It
/// must not run for longer than 0.9 s at a time.
pub fn alone<T: Send>(
    namespace: &Namespace,
    cpu: usize,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    namespace.enter(|| {
        sys::pin(&[cpu]).context("pinning the generator to a CPU")?;
        sys::schedule(Policy::RealTime(GENERATOR_PRIORITY))
            .context("giving the generator a real-time priority")?;
        work()
    })?
}

/// The middle of the samples.
pub fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

/// The middle of the differences of samples that were taken in turn.
pub fn median_difference(samples: &[f64], baseline: &[f64]) -> f64 {
    let differences: Vec<f64> = samples
        .iter()
        .zip(baseline)
        .map(|(sample, baseline)| sample - baseline)
        .collect();
    median(&differences)
}

/// Nanoseconds of each of so many packets.
pub fn per_packet_ns(time: Duration, packets: u64) -> f64 {
    time.as_nanos() as f64 / packets as f64
}

/// Fails if the run is to end.
pub fn go_on() -> Result<()> {
    if sys::is_stopped() {
        bail!("stopped before the end");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
        assert_eq!(median_difference(&[3.0, 9.0, 5.0], &[1.0, 1.0, 1.0]), 4.0);
    }
}
