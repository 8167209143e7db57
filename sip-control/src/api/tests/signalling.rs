//! Who answers for signalling: one call that it knows, one target, one registration.

use std::sync::Arc;
use std::time::Instant;

use media_core::session::CallId;
use serde_json::json;
use sip_core::stack::{CallState, ControlError, LegRecord, LiveCall, TriedTarget};
use sip_core::transport::Transport;
use tokio::sync::mpsc;

use crate::api::status::{OurRegistration, Snapshot, Target};
use crate::health::Monitor;
use crate::operation::Operation;

/// The call that signalling knows.
pub(super) const CALL: u64 = 7;

/// Answers for the loop of signalling.
pub(super) async fn answer(mut asked: mpsc::Receiver<Operation>, health: Arc<Monitor>) {
    let known = |call: CallId| match call.0 {
        CALL => Ok(()),
        _ => Err(ControlError::NoSuchCall),
    };
    let mut placed = 100;
    while let Some(operation) = asked.recv().await {
        match operation {
            Operation::Configure(_, done) => {
                let _ = done.send(());
            }
            Operation::HangUp(call, answer) => drop(answer.send(known(call))),
            Operation::Transfer {
                call,
                answer,
                target,
                ..
            } => {
                let bad = || ControlError::BadTarget(format!("{target:?} is no number"));
                let fine = target.starts_with('+').then_some(()).ok_or_else(bad);
                drop(answer.send(known(call).and(fine)));
            }
            Operation::Hold { answer, .. } => {
                drop(answer.send(Err(ControlError::WrongState("it rings"))));
            }
            Operation::Place(_, answer) => {
                placed += 1;
                drop(answer.send(Ok(CallId(placed))));
            }
            Operation::Drain(on, done) => {
                health.set_draining(on);
                let _ = done.send(());
            }
            Operation::Snapshot(answer) => drop(answer.send(snapshot())),
        }
    }
}

/// A call that is up.
pub(super) fn live_call(number: u64) -> LiveCall {
    let leg = |trunk: &str| LegRecord {
        sip_call_id: format!("{trunk}-{number}@us"),
        user: None,
        trunk: Some(trunk.to_owned()),
        transport: Transport::Tls,
        remote: Some(([192, 0, 2, 1], 5061).into()),
        profile: Some("RTP/SAVP"),
        suite: None,
    };
    let start = Instant::now();
    LiveCall {
        call: CallId(number),
        legs: [leg("fixed"), leg("carrier")],
        from: "sip:+49301@fixed.example".to_owned(),
        to: "sip:+43661@edge.example".to_owned(),
        start,
        answer: Some(start),
        state: CallState::Answered,
        held: [false; 2],
        codec: Some("PCMA".to_owned()),
        targets: vec![TriedTarget {
            uri: "sip:192.0.2.9".to_owned(),
            hop: None,
            sip_call_id: Some(format!("carrier-{number}@us")),
            status: Some(200),
            outcome: "200 OK".to_owned(),
        }],
        first_party: Vec::new(),
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        targets: vec![Target {
            trunk: "fixed".to_owned(),
            uri: "sip:198.51.100.9".to_owned(),
            priority: 0,
            weight: 1,
            state: "in_service",
            failed_probes: 0,
            latest_probe: Some("200 OK".to_owned()),
            probed_ms: Some(5),
        }],
        registrations: vec![OurRegistration {
            trunk: "fixed".to_owned(),
            aor: "sip:us@198.51.100.9".to_owned(),
            registered: true,
            expires_s: Some(60),
            failures: 0,
            problem: None,
        }],
        counters: json!({
            "calls": 1, "connections": 0, "bindings": 0, "records_lost": 0, "store_errors": 0,
            "signalling": {"requests": 3}, "transport": {},
        }),
        certificates: Vec::new(),
    }
}
