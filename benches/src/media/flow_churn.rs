//! How fast calls come and go while others have traffic, and whether these lose a packet by it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use media_core::report::MediaEvent;
use media_core::session::CallId;
use serde_json::{Value, json};

use super::contender::{CALLS, Crypto, PRIORITY, Relay as _, Way, source};
use super::lab::Lab;
use super::measure::median;
use super::meter::LONGEST;
use super::ours::{MOST_CALLS, Ours, session};
use super::relaying::{Egress, Stage};
use super::report::{Aim, Section, rounded, short};
use super::sys::{self, Policy};
use super::{Objects, Options};

/// Packets per second of the calls that stay.
const RATE: f64 = 50_000.0;
/// Flows of a call: RTP and RTCP, both directions.
const FLOWS: f64 = 4.0;
/// Calls that come and go at a time.
const BATCH: u16 = 500;
/// Of the thread that changes flows: below the workers, which share its CPU here.
const CONTROL_PRIORITY: u8 = PRIORITY - 5;

pub fn measure(lab: &Lab, objects: &Objects, options: &Options) -> Result<Section> {
    let mut stage = Stage::new(lab, objects, options)?;
    let turns = if options.is_quick { 2 } else { 6 };
    let kernel = churn(&mut stage, Crypto::None, Egress::Xdp, turns).context("through XDP")?;
    let worker = churn(&mut stage, Crypto::ToSink, Egress::Skb, turns).context("through AF_XDP")?;
    let lost = kernel.lost + worker.lost;
    let line = |name: &str, churn: &Churn| {
        format!(
            "{name:7} {} installs/s, {} removals/s of flows beside {RATE:.0} packets/s; lost {} of {} packets",
            short(churn.installs()),
            short(churn.removals()),
            churn.lost,
            churn.sent
        )
    };
    Ok(Section {
        key: "flow_churn",
        values: json!({
            "installs_per_second": rounded(kernel.installs()),
            "removals_per_second": rounded(kernel.removals()),
            "lost": lost,
            "sent": kernel.sent + worker.sent,
            "xdp": kernel.json(),
            "af_xdp": worker.json(),
        }),
        lines: vec![line("xdp", &kernel), line("af_xdp", &worker)],
        aims: vec![Aim::at_most("flow_churn.lost", 0.0, lost as f64)],
    })
}

/// What one kind of calls gave.
struct Churn {
    /// Flows per second of each batch.
    installs: Vec<f64>,
    removals: Vec<f64>,
    sent: u64,
    lost: i64,
}

impl Churn {
    fn installs(&self) -> f64 {
        median(&self.installs)
    }

    fn removals(&self) -> f64 {
        median(&self.removals)
    }

    fn json(&self) -> Value {
        json!({
            "installs_per_second": rounded(self.installs()),
            "removals_per_second": rounded(self.removals()),
            "sent": self.sent,
            "lost": self.lost,
        })
    }
}

/// The calls that come and go are of the same kind as those that stay.
fn churn(stage: &mut Stage<'_>, crypto: Crypto, egress: Egress, turns: usize) -> Result<Churn> {
    let cpus = stage.cpus.clone();
    let policy = Policy::RealTime(PRIORITY);
    let mut ours = Ours::start(stage.lab, Way::OursXdp, crypto, &cpus, policy)?;
    sys::schedule_thread_named("media-control", Policy::RealTime(CONTROL_PRIORITY))
        .context("finding the control thread")?;
    let mut source = source(stage.lab, ours.calls(), false)?;
    let mut churn = Churn {
        installs: Vec::new(),
        removals: Vec::new(),
        sent: 0,
        lost: 0,
    };
    for _ in 0..turns {
        let is_over = AtomicBool::new(false);
        let (turn, batches) = std::thread::scope(|scope| {
            let ours = &mut ours;
            let (is_over, cpus) = (&is_over, &cpus);
            let changing = scope.spawn(move || -> Result<Vec<(f64, f64)>> {
                sys::pin(cpus)?;
                sys::schedule(Policy::RealTime(CONTROL_PRIORITY))?;
                let mut batches = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    batches.push(come_and_go(ours, crypto)?);
                }
                Ok(batches)
            });
            let turn = stage.passing_turn(egress, &mut *source, RATE, LONGEST);
            is_over.store(true, Ordering::Relaxed);
            let batches = changing
                .join()
                .unwrap_or_else(|_| Err(anyhow!("the thread that changes flows panicked")));
            Ok::<_, anyhow::Error>((turn?, batches?))
        })?;
        ensure!(!batches.is_empty(), "no call came and went");
        churn.sent += turn.used.sent;
        churn.lost += turn.used.sent as i64 - turn.arrived as i64;
        for (installs, removals) in batches {
            churn.installs.push(installs);
            churn.removals.push(removals);
        }
    }
    Ok(churn)
}

/// Flows per second of installing a batch until packets of all of it pass, and of removing it
/// until no packet of it passes any more. That the calls are reported as gone takes longer: their
/// grace for packets on their way is waited for, and not counted.
fn come_and_go(ours: &mut Ours, crypto: Crypto) -> Result<(f64, f64)> {
    const { assert!(CALLS + BATCH <= MOST_CALLS) }
    let calls = CALLS..CALLS + BATCH;
    let begun = Instant::now();
    let mut last = 0;
    for call in calls.clone() {
        last = ours.plane.apply(session(call, crypto));
    }
    ours.await_ready(last)?;
    let installed = begun.elapsed();

    let begun = Instant::now();
    for call in calls {
        ours.plane.remove(CallId(call.into()));
    }
    // Answered after everything that was asked before.
    ours.plane.verdicts();
    let removed = begun.elapsed();
    await_removed(ours)?;
    let per_second = |time: Duration| FLOWS * f64::from(BATCH) / time.as_secs_f64();
    Ok((per_second(installed), per_second(removed)))
}

fn await_removed(ours: &mut Ours) -> Result<()> {
    let begun = Instant::now();
    let mut gone = 0_u16;
    while gone < BATCH {
        match ours.events.try_recv() {
            Ok(MediaEvent::Removed { .. }) => gone += 1,
            Ok(MediaEvent::Failed { call, reason }) => bail!("call {}: {reason}", call.0),
            Ok(_) => {}
            Err(_) if begun.elapsed() > Duration::from_secs(10) => {
                bail!("{gone} of {BATCH} calls are removed after 10 s")
            }
            Err(_) => std::thread::sleep(Duration::from_micros(100)),
        }
    }
    Ok(())
}
