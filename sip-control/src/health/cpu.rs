//! What share of a CPU each kind of thread of this process takes.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;

/// Threads of one name.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct CpuShare {
    pub(crate) thread: String,
    /// Of one CPU, all threads of the name together, since the look before: more than 1 for several.
    pub(crate) share: f64,
}

/// Measures from look to look.
#[derive(Debug, Default)]
pub(super) struct CpuMeter {
    latest: Option<(Instant, BTreeMap<u32, u64>)>,
    shares: Vec<CpuShare>,
}

impl CpuMeter {
    pub(super) fn measure(&mut self, now: Instant) {
        let threads = threads();
        let times = threads.iter().map(|(id, _, ns)| (*id, *ns)).collect();
        let Some((then, before)) = self.latest.replace((now, times)) else {
            return;
        };
        let passed_ns = now.saturating_duration_since(then).as_nanos() as f64;
        if passed_ns == 0.0 {
            return;
        }
        let mut shares: BTreeMap<String, f64> = BTreeMap::new();
        for (id, name, ns) in threads {
            let used = ns.saturating_sub(before.get(&id).copied().unwrap_or(0));
            *shares.entry(name).or_default() += used as f64 / passed_ns;
        }
        let told = shares.into_iter().map(|(thread, share)| CpuShare {
            thread,
            share: (share * 1000.0).round() / 1000.0,
        });
        self.shares = told.collect();
    }

    pub(super) fn shares(&self) -> Vec<CpuShare> {
        self.shares.clone()
    }
}

/// Number, name and nanoseconds on a CPU of every thread. What cannot be read is left out.
fn threads() -> Vec<(u32, String, u64)> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    let one = |task: std::fs::DirEntry| {
        let id = task.file_name().to_str()?.parse().ok()?;
        let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
        // The first of its fields: time spent on the CPU (proc(5)).
        let schedule = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        let ns = schedule.split_ascii_whitespace().next()?.parse().ok()?;
        Some((id, name.trim_end().to_owned(), ns))
    };
    tasks.flatten().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_is_seen_by_name() {
        let mut meter = CpuMeter::default();
        let worker = std::thread::Builder::new()
            .name("busy-one".to_owned())
            .spawn(|| {
                let begun = Instant::now();
                while begun.elapsed().as_millis() < 400 {
                    std::hint::spin_loop();
                }
            });
        std::thread::sleep(std::time::Duration::from_millis(50));
        meter.measure(Instant::now());
        std::thread::sleep(std::time::Duration::from_millis(200));
        meter.measure(Instant::now());
        let shares = meter.shares();
        let busy = shares
            .iter()
            .find(|share| share.thread == "busy-one")
            .unwrap();
        assert!(busy.share > 0.02 && busy.share < 1.5, "{busy:?}");
        worker.unwrap().join().unwrap();
    }
}
