//! The five calls, and the acts after them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use media_common::flow::ACTION_FORWARD;
use media_core::srtp::profile::Suite;
use serde_json::Value;
use trunkline_tests::agent::Authority;
use trunkline_tests::call::{self, CallResult, Progress, Script};
use trunkline_tests::edge::{Edge, EdgeOptions};
use trunkline_tests::stage::{Party, Stage};
use trunkline_tests::tap::Tap;

use crate::acts;
use crate::report::{Call, Report};
use crate::table::LiveTable;

/// 10 s of 20 ms packets.
const PACKETS: u32 = 500;

pub(crate) const CALLS: [(&str, Script); 5] = [
    (
        "tls-srtp to udp-rtp",
        Script {
            hold: true,
            ..script(Party::CarrierSecure, Party::PbxPlain, true)
        },
    ),
    (
        "udp-rtp to tls-srtp",
        script(Party::PbxPlain, Party::CarrierSecure, false),
    ),
    (
        "udp-rtp to udp-rtp",
        script(Party::CarrierPlain, Party::PbxPlain, true),
    ),
    (
        "tls-srtp to tls-srtp",
        script(Party::CarrierSecure, Party::PbxSecure, false),
    ),
    (
        "ipv6 srtp to ipv4 rtp",
        script(Party::CarrierSecureV6, Party::PbxPlain, true),
    ),
];

const fn script(caller: Party, callee: Party, caller_hangs_up: bool) -> Script {
    Script {
        caller,
        callee,
        packets: PACKETS,
        hold: false,
        caller_hangs_up,
        suite: Suite::AesCm128HmacSha1_80,
    }
}

/// Starts the daemon on the stage, plays every call, and gathers what everybody saw.
pub(crate) async fn play(daemon: &Path, stage: &Stage, show: bool) -> Result<Report> {
    let authority = Authority::new()?;
    // The carrier may be behind NAT: its media source is learned from its first packet.
    let trunk_lines = vec![(Party::CarrierPlain, "source = \"latch\"".to_owned())];
    let mut edge = Edge::start(
        daemon,
        stage,
        &authority,
        &acts::prepare(
            EdgeOptions {
                trunk_lines,
                ..EdgeOptions::default()
            },
            stage,
        ),
    )?;
    let names: Vec<&str> = CALLS.iter().map(|(name, _)| *name).collect();
    let mut table = LiveTable::new(show, &names);
    let (mut calls, mut flow) = (Vec::new(), None);
    for (index, (name, script)) in CALLS.into_iter().enumerate() {
        let progress = Progress::default();
        let taps = taps(stage, script)?;
        let placed = call::place(stage, &authority, script, index as u32 + 1, &progress);
        let result = watch(placed, &mut table, index, &progress, || {
            // The plain call's flow says most: it is forwarded in the kernel.
            if !script.caller.is_secure() && !script.callee.is_secure() {
                flow = dump_flow(stage);
            }
        })
        .await
        .with_context(|| {
            format!(
                "call {}: {name}\nthe daemon's log:\n{}",
                index + 1,
                edge.log()
            )
        })?;
        let record = edge.wait_for_records(index + 1)?.swap_remove(index);
        table.finish(index, &result);
        calls.push(Call::new(
            name,
            script,
            &result,
            &taps.iter().map(Tap::counts).collect::<Vec<_>>(),
            record,
        ));
    }
    drop(table);
    let say = |line: &str| {
        if show {
            println!("{line}");
        }
    };
    let acts = acts::play(&edge, stage, &authority, CALLS.len(), say).await?;
    let status = edge.status()?;
    edge.stop()?;
    Ok(Report {
        status,
        calls,
        acts,
        flow,
        expects_xdp: stage.namespaces().is_some(),
    })
}

/// A tap at each secure party.
fn taps(stage: &Stage, script: Script) -> Result<Vec<Tap>> {
    let Some(lab) = stage.namespaces() else {
        return Ok(Vec::new());
    };
    let secure = [script.caller, script.callee]
        .into_iter()
        .filter(|party| party.is_secure());
    secure
        .map(|party| Tap::start(lab.namespace(party.side()), stage.address(party)))
        .collect()
}

/// Keeps the table moving while the call lasts; `midway` runs once, when media flows.
async fn watch(
    placed: impl Future<Output = Result<CallResult>>,
    table: &mut LiveTable,
    index: usize,
    progress: &Progress,
    mut midway: impl FnMut(),
) -> Result<CallResult> {
    let mut placed = std::pin::pin!(placed);
    let mut ticks = tokio::time::interval(Duration::from_millis(250));
    for tick in 0_u32.. {
        tokio::select! {
            result = &mut placed => return result,
            _ = ticks.tick() => {}
        }
        table.show(
            index,
            &progress
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        if tick == 12 {
            midway();
        }
        if tick > 4 * 60 {
            bail!("the call takes longer than a minute");
        }
    }
    bail!("the clock stopped")
}

/// The first flow that the kernel forwards, as `bpftool map dump` prints it.
fn dump_flow(stage: &Stage) -> Option<Value> {
    let map = stage
        .bpffs()?
        .join(format!("trunkline/v{}/FLOWS", media_common::ABI_VERSION));
    let output = Command::new("bpftool")
        .args(["-j", "map", "dump", "pinned"])
        .arg(map)
        .output()
        .ok()?;
    let Ok(Value::Array(entries)) = serde_json::from_slice(&output.stdout) else {
        return None;
    };
    let forwards = |entry: &Value| entry["value"]["entry"]["action"] == ACTION_FORWARD;
    entries
        .into_iter()
        .map(|mut entry| entry["formatted"].take())
        .find(forwards)
}
