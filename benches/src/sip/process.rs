//! A contender's processes: started in the edge, pinned, measured, and ended with all that they started.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use trunkline_tests::sys::{die_with_parent, in_child, signal};

use super::sys::process_cpu_time;
use crate::media::sys::{self, Policy};

/// How long processes may take to end when asked to, before they are asked again.
const FIRST_WORDS: Duration = Duration::from_secs(1);
/// And before they are killed.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// Of whatever is measured, as a service has it. With a real-time one, a thread that has work keeps the
/// others of the same contender waiting for a tenth of a second.
const POLICY: Policy = Policy::Ordinary;

/// A process and its descendants; ended when dropped.
pub struct Process {
    name: &'static str,
    child: Child,
}

impl Process {
    /// Starts `command` on those CPUs. Its output goes to `log`, which an error quotes.
    pub fn start(
        name: &'static str,
        mut command: Command,
        cpus: &[usize],
        log: &std::path::Path,
    ) -> Result<Process> {
        let cpus = cpus.to_vec();
        in_child(&mut command, move || {
            die_with_parent()?;
            sys::pin(&cpus)?;
            sys::schedule(POLICY)
        });
        let log = std::fs::File::create(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| {
                format!("starting {name} (cargo xtask setup --for bench installs it)")
            })?;
        Ok(Process { name, child })
    }

    /// Fails if it has ended.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} ended: {status}", self.name),
            None => Ok(()),
        }
    }

    /// Waits until `is_ready` says so.
    pub fn await_ready(&mut self, mut is_ready: impl FnMut() -> bool) -> Result<()> {
        let begun = Instant::now();
        while !is_ready() {
            self.check()?;
            ensure!(
                begun.elapsed() < Duration::from_secs(15),
                "{} does not get ready",
                self.name
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Whether it has ended within that time.
    fn await_end(&mut self, patience: Duration) -> bool {
        let begun = Instant::now();
        loop {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            if begun.elapsed() > patience {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// It and its descendants.
    pub fn pids(&self) -> Vec<u32> {
        let mut pids = vec![self.child.id()];
        let mut at = 0;
        while let Some(pid) = pids.get(at) {
            pids.extend(children(*pid));
            at += 1;
        }
        pids
    }

    /// CPU time since the start, of all its threads and descendants that are there.
    pub fn cpu_time(&self) -> Result<Duration> {
        let times = self.pids().into_iter().map(process_cpu_time);
        let sum = times.sum::<Result<Duration, _>>();
        sum.with_context(|| format!("reading the CPU time of {}", self.name))
    }

    /// Memory that is its own, and its share of what it shares (PSS), bytes.
    pub fn memory(&self) -> Result<u64> {
        self.pids().into_iter().map(proportional_set).sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pids = self.pids();
        // The second time says "at once": nobody waits for answers to the BYEs of an overload.
        for _ in 0..2 {
            if !self.await_end(Duration::ZERO) {
                let _ = signal(self.child.id(), libc::SIGTERM);
                self.await_end(FIRST_WORDS);
            }
        }
        // Descendants outlive a parent that was killed; these numbers were its own until now.
        if !self.await_end(LAST_WORDS) {
            for pid in pids {
                let _ = signal(pid, libc::SIGKILL);
            }
        }
        let _ = self.child.wait();
    }
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    tasks
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|list| {
            let pids: Vec<u32> = list.split(' ').filter_map(|pid| pid.parse().ok()).collect();
            pids
        })
        .collect()
}

fn proportional_set(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    Ok(kib.with_context(|| format!("no Pss in {path}"))? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_measured_with_its_children_and_ends_with_them() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & wait"]);
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        let process = Process { name: "sh", child };
        let begun = Instant::now();
        while process.pids().len() < 2 && begun.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let pids = process.pids();
        assert_eq!(pids.len(), 2);
        assert!(process.memory().unwrap() > 0);
        process.cpu_time().unwrap();
        drop(process);
        signal(pids[1], libc::SIGKILL).unwrap();
    }
}
