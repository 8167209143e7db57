//! After the calls: one whose first carrier is dead, and one that is transferred.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use trunkline_tests::acts::{self, Transferred};
use trunkline_tests::agent::Authority;
use trunkline_tests::call::CallResult;
use trunkline_tests::edge::{Edge, EdgeOptions};
use trunkline_tests::stage::{Party, Stage};

/// 2 s of 20 ms packets.
const PACKETS: u32 = 100;
/// Calls that each act leaves a record of.
const RECORDS: [usize; 2] = [1, 2];

pub(crate) struct Acts {
    failover: CallResult,
    /// The daemon's record of that call.
    record: Value,
    transfer: Transferred,
}

/// With the trunks and settings of the acts.
pub(crate) fn prepare(options: EdgeOptions, stage: &Stage) -> EdgeOptions {
    let mut trunk_lines = options.trunk_lines;
    trunk_lines.push((Party::PbxPlain, "refer = \"local\"".to_owned()));
    EdgeOptions {
        trunk_lines,
        extra: options.extra + &acts::failover_sections(stage),
        ..options
    }
}

/// Plays both acts; `records` are written already, and `say` tells what happens.
pub(crate) async fn play(
    edge: &Edge,
    stage: &Stage,
    authority: &Authority,
    records: usize,
    mut say: impl FnMut(&str),
) -> Result<Acts> {
    let number = records as u32 + 1;
    say("Failover: the PBX calls a number of two carriers, of which the first says nothing ...");
    let failover = acts::failover(stage, authority, PACKETS, number)
        .await
        .with_context(|| format!("failover\nthe daemon's log:\n{}", edge.log()))?;
    let record = edge.wait_for_records(records + RECORDS[0])?;
    let record = record.into_iter().nth(records).context("no record")?;
    say(&format!(
        "  answered by the second after {:.1} s",
        failover.setup.as_secs_f64()
    ));
    say("Transfer: a telephone refers its caller, on TLS and SRTP, to another telephone ...");
    let transfer = acts::transfer(stage, authority, PACKETS, number + 1)
        .await
        .with_context(|| format!("transfer\nthe daemon's log:\n{}", edge.log()))?;
    say(&format!(
        "  both talk after {} ms",
        transfer.took.as_millis()
    ));
    Ok(Acts {
        failover,
        record,
        transfer,
    })
}

impl Acts {
    /// What was not as it must be.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |is_right: bool, fault: &str| {
            if !is_right {
                faults.push(fault.to_owned());
            }
        };
        check(
            self.failover.is_complete(0) || self.failover.is_complete(crate::report::LATCHING),
            "failover: packets were lost or changed",
        );
        let statuses: Vec<&Value> = self.record["targets"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|target| &target["status"])
            .collect();
        check(
            statuses == [&Value::Null, &json!(200)],
            "failover: the record does not say that the first target was silent and the second answered",
        );
        check(
            self.transfer.is_complete(),
            "transfer: the parties did not hear all of each other, and nothing else",
        );
        faults
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "failover": {
                "setup_s": self.failover.setup.as_secs_f64(),
                "sent": [self.failover.counts[0].sent, self.failover.counts[1].sent],
                "received": [self.failover.received(1), self.failover.received(0)],
                "targets": self.record["targets"],
            },
            "transfer": {
                "took_ms": self.transfer.took.as_secs_f64() * 1000.0,
                "sent": self.transfer.sent,
                "heard": self.transfer.heard,
            },
        })
    }

    pub(crate) fn print(&self) {
        println!(
            "\nFailover: answered after {:.1} s",
            self.failover.setup.as_secs_f64()
        );
        for target in self.record["targets"].as_array().into_iter().flatten() {
            let word = |name: &str| target[name].as_str().unwrap_or("-").to_owned();
            println!("  {:<44} {}", word("uri"), word("outcome"));
        }
        let Transferred {
            took, sent, heard, ..
        } = &self.transfer;
        println!(
            "\nTransfer: done after {} ms; of {sent} packets the new party heard {}, the one that stayed {}",
            took.as_millis(),
            heard[1],
            heard[0]
        );
    }
}
