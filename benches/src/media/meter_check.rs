//! Whether [`meter`](super::meter) counts right: known loads, counted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::json;
use trunkline_tests::lab::run;

use super::contender::{CALLS, Crypto, PRIORITY, far_port, source};
use super::lab::{IN, Lab};
use super::measure::median;
use super::meter::LONGEST;
use super::nat::{Routed, Translated};
use super::relaying::{Egress, Stage, Turn, unrelayed};
use super::report::{Section, rounded, short};
use super::sys::{self, Policy};
use super::{Objects, Options};

/// Half of what a slow machine's address translation manages beside the generator.
const RATE: f64 = 50_000.0;
/// A turn that another guest of the machine has disturbed is repeated, so often at most.
const ATTEMPTS: usize = 3;

pub fn measure(lab: &Lab, objects: &Objects, options: &Options) -> Result<Section> {
    let mut stage = Stage::new(lab, objects, options)?;
    let turns = if options.is_quick { 1 } else { 3 };
    let mut threads = Vec::new();
    let mut softirqs = Vec::new();
    for _ in 0..turns {
        threads.push(thread(&mut stage)?);
        softirqs.push(softirq(&mut stage)?);
    }
    let (thread, softirq) = (median(&threads), median(&softirqs));
    Ok(Section {
        key: "meter",
        values: json!({
            "counted_to_known_thread": rounded(thread),
            "softirq_elsewhere_to_here": rounded(softirq),
        }),
        lines: vec![
            format!(
                "counted / CPU time of a thread with pauses  {}",
                short(thread)
            ),
            format!(
                "what NAT adds on the other CPU / on the same   {}",
                short(softirq)
            ),
        ],
        aims: Vec::new(),
    })
}

/// What is counted of a thread that works and pauses, to what the kernel accounts to it; what
/// there is without it is subtracted.
fn thread(stage: &mut Stage<'_>) -> Result<f64> {
    let without = idle_turn(stage)?;
    let is_over = AtomicBool::new(false);
    let cpus = stage.cpus.clone();
    let (turn, known) = std::thread::scope(|scope| {
        let is_over = &is_over;
        let working = scope.spawn(move || -> Result<Duration> {
            sys::pin(&cpus[..1])?;
            sys::schedule(Policy::RealTime(PRIORITY))?;
            // Only while the turn counts, which begins after a rest.
            let begun = sys::thread_cpu_time();
            while !is_over.load(Ordering::Relaxed) {
                let work = Instant::now();
                while work.elapsed() < Duration::from_micros(300) {}
                std::thread::sleep(Duration::from_micros(700));
            }
            Ok(sys::thread_cpu_time() - begun)
        });
        let begun = Instant::now();
        let turn = idle_turn(stage);
        let wall = begun.elapsed();
        is_over.store(true, Ordering::Relaxed);
        let known = working.join().map_err(|_| anyhow!("panicked"))??;
        let turn = turn?;
        // The thread works at the same pace before and after the counting.
        let counted_for = turn.used.time + super::meter::DRAIN;
        let share = counted_for.as_secs_f64() / wall.as_secs_f64();
        Ok::<_, anyhow::Error>((turn, known.as_secs_f64() * share))
    })?;
    let counted = turn.used.contender.as_secs_f64() - without.used.contender.as_secs_f64();
    Ok(counted / known)
}

/// A turn whose packets are dropped at the ingress.
fn idle_turn(stage: &mut Stage<'_>) -> Result<Turn> {
    stage.drop_turn(
        super::contender::Way::Rtpengine,
        Crypto::None,
        1_000.0,
        LONGEST,
    )
}

/// What address translation adds to IP forwarding, with the softirqs steered to the other CPU, to
/// the same on the generator's own CPU. Steering itself costs interrupts, in both alike.
fn softirq(stage: &mut Stage<'_>) -> Result<f64> {
    let lab = stage.lab;
    let mut packets = source(lab, &unrelayed(Crypto::None), false)?;
    let mut turn = |stage: &mut Stage<'_>| -> Result<f64> {
        let mut loss = 0.0;
        for _ in 0..ATTEMPTS {
            let turn = stage.passing_turn(Egress::Skb, &mut *packets, RATE, LONGEST)?;
            loss = turn.loss();
            if loss < 0.01 {
                return Ok(turn.us_per_packet());
            }
        }
        bail!(
            "{:.1} % of the packets were lost, {ATTEMPTS} times over",
            100.0 * loss
        )
    };
    let mut added = |stage: &mut Stage<'_>| -> Result<f64> {
        let routed = {
            let _rules = Routed::new(lab)?;
            turn(stage)?
        };
        let _rules = Translated::new(lab, far_port(0)..=far_port(CALLS - 1))?;
        Ok(turn(stage)? - routed)
    };
    let here = added(stage)?;
    let mask: usize = stage.cpus.iter().map(|cpu| 1 << cpu).sum();
    steer(lab, mask)?;
    let elsewhere = added(stage);
    steer(lab, 0)?;
    Ok(elsewhere? / here)
}

/// Has the edge's ingress handled by those CPUs (receive packet steering).
fn steer(lab: &Lab, mask: usize) -> Result<()> {
    // `ip netns exec` shows the namespace's own interfaces under /sys.
    let write = format!("echo {mask:x} > /sys/class/net/{IN}/queues/rx-0/rps_cpus");
    run(std::process::Command::new("ip").args([
        "netns",
        "exec",
        lab.edge.name(),
        "sh",
        "-c",
        &write,
    ]))
    .context("steering softirqs")
}
