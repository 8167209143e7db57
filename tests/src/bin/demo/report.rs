//! What the calls were, for people and as JSON.

use serde_json::{Value, json};
use trunkline_tests::call::{CallResult, Script};

use crate::acts::Acts;
use crate::scenario::CALLS;

/// Packets that latching may cost per direction.
pub(crate) const LATCHING: u32 = 3;

/// What the jitter may differ by between the daemon and the endpoint behind it, and the share of
/// itself besides: a busy machine lets either of them wait.
const JITTER_TOLERANCE: (f64, f64) = (10.0, 0.5);
/// Of a call without loss, on a machine that may be busy.
const LEAST_MOS: f64 = 3.5;

/// One call: what its endpoints saw, and the daemon's record of it.
pub(crate) struct Call {
    name: &'static str,
    script: Script,
    result: CallResult,
    /// Frames and plaintext frames that each tap saw.
    taps: Vec<(u64, u64)>,
    record: Value,
}

/// All of it.
pub(crate) struct Report {
    /// The daemon's status after the last call.
    pub(crate) status: Value,
    pub(crate) calls: Vec<Call>,
    pub(crate) acts: Acts,
    /// A flow entry as `bpftool map dump` printed it during a call.
    pub(crate) flow: Option<Value>,
    pub(crate) expects_xdp: bool,
}

impl Call {
    pub(crate) fn new(
        name: &'static str,
        script: Script,
        result: &CallResult,
        taps: &[(u64, u64)],
        record: Value,
    ) -> Call {
        Call {
            name,
            script,
            result: result.clone(),
            taps: taps.to_vec(),
            record,
        }
    }

    /// The path of both directions, if they agree.
    fn path(&self) -> &str {
        let directions = self.record["media"]["directions"].as_array();
        let mut paths = directions
            .into_iter()
            .flatten()
            .filter_map(|direction| direction["path"].as_str());
        let first = paths.next().unwrap_or("none");
        if paths.all(|path| path == first) {
            first
        } else {
            "mixed"
        }
    }

    fn expected_path(&self, xdp: bool) -> &'static str {
        match (
            xdp,
            self.script.caller.is_secure() || self.script.callee.is_secure(),
        ) {
            (false, _) => "socket",
            (true, true) => "af_xdp",
            (true, false) => "xdp",
        }
    }

    /// Plaintext seen on secure legs: by the endpoints in what arrived, by the taps on the wire.
    fn plaintext(&self) -> u64 {
        let endpoints: u64 = self
            .result
            .counts
            .iter()
            .map(|counts| u64::from(counts.plaintext))
            .sum();
        endpoints
            + self
                .taps
                .iter()
                .map(|(_, plaintext)| plaintext)
                .sum::<u64>()
    }

    /// What is wrong with the call; empty if nothing.
    fn faults(&self, xdp: bool) -> Vec<String> {
        let mut faults = Vec::new();
        if !self.result.is_complete(LATCHING) {
            faults.push("packets were lost or changed".to_owned());
        }
        if self.path() != self.expected_path(xdp) {
            faults.push(format!(
                "path {} instead of {}",
                self.path(),
                self.expected_path(xdp)
            ));
        }
        if self.plaintext() > 0 {
            faults.push(format!(
                "{} plaintext packets on a secure leg",
                self.plaintext()
            ));
        }
        // A tap that saw nothing has proven nothing.
        let sent: u64 = self
            .result
            .counts
            .iter()
            .map(|counts| u64::from(counts.sent))
            .sum();
        if self.taps.iter().any(|(frames, _)| *frames < sent) {
            faults.push("a tap did not see the call's packets".to_owned());
        }
        if self
            .result
            .counts
            .iter()
            .any(|counts| counts.reports_received == 0)
        {
            faults.push("no RTCP arrived".to_owned());
        }
        faults.extend(self.measuring_faults());
        faults
    }

    /// What the daemon measured of the way from a side (0: the caller's), from its record.
    fn measured(&self, side: usize) -> &Value {
        let name = ["caller", "callee"][side];
        let directions = self.record["media"]["directions"].as_array();
        directions
            .and_then(|all| all.iter().find(|direction| direction["from"] == name))
            .unwrap_or(&Value::Null)
    }

    /// What the daemon measured must be what the endpoints saw: all arrived on this network, so
    /// that nothing was lost before it, and what it sent on is what the other side received.
    fn measuring_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for side in [0, 1] {
            let (measured, from) = (self.measured(side), ["caller", "callee"][side]);
            let received = u64::from(self.result.received(1 - side));
            let jitter_ms = self.result.counts[1 - side].jitter_ms;
            if measured["packets"].as_u64() != Some(received) {
                let packets = &measured["packets"];
                faults.push(format!(
                    "{packets} packets measured from the {from}, but {received} arrived"
                ));
            }
            for (name, is_right) in [
                ("lost", measured["lost"] == 0),
                ("duplicated", measured["duplicated"] == 0),
                ("jitter_ms", is_near(&measured["jitter_ms"], jitter_ms)),
                ("mos", in_range(&measured["mos"], LEAST_MOS, 4.5)),
            ] {
                if !is_right {
                    let value = &measured[name];
                    faults.push(format!("{name} {value} measured from the {from}"));
                }
            }
        }
        faults
    }

    fn setup_ms(&self) -> f64 {
        (self.result.setup.as_secs_f64() * 10_000.0).round() / 10.0
    }

    /// A measure of both ways, as `0.21/0.18`.
    fn both(&self, name: &str) -> String {
        let said = [0, 1].map(|side| match self.measured(side)[name].as_f64() {
            Some(value) => format!("{value:.2}"),
            None => "-".to_owned(),
        });
        said.join("/")
    }

    fn leg(&self, name: &str) -> Value {
        let leg = &self.record[name];
        json!({"transport": leg["transport"], "profile": leg["profile"], "suite": leg["suite"]})
    }

    fn to_json(&self) -> Value {
        let counts = &self.result.counts;
        let measured = |name: &str| [0, 1].map(|side| self.measured(side)[name].clone());
        // sent[0] and received[0] are the caller's way to the callee.
        json!({
            "name": self.name,
            "legs": [self.leg("caller"), self.leg("callee")],
            "path": self.path(),
            "sent": [counts[0].sent, counts[1].sent],
            "received": [self.result.received(1), self.result.received(0)],
            "payload_errors": counts[0].payload_errors + counts[1].payload_errors,
            "setup_ms": self.setup_ms(),
            "lost": measured("lost"),
            "jitter_ms": measured("jitter_ms"),
            "mos": measured("mos"),
        })
    }
}

/// Whether the daemon measured the jitter that the endpoint did.
fn is_near(measured: &Value, jitter_ms: f64) -> bool {
    let (ms, share) = JITTER_TOLERANCE;
    measured.as_f64().is_some_and(|measured| {
        (measured - jitter_ms).abs() <= ms + share * measured.max(jitter_ms)
    })
}

fn in_range(value: &Value, least: f64, most: f64) -> bool {
    value
        .as_f64()
        .is_some_and(|value| (least..=most).contains(&value))
}

impl Report {
    pub(crate) fn is_ok(&self) -> bool {
        self.calls.len() == CALLS.len()
            && self.faults().is_empty()
            && (self.flow.is_some() || !self.expects_xdp)
    }

    fn faults(&self) -> Vec<String> {
        let of_call = |call: &Call| {
            call.faults(self.expects_xdp)
                .into_iter()
                .map(|fault| format!("{}: {fault}", call.name))
                .collect::<Vec<_>>()
        };
        let of_calls = self.calls.iter().flat_map(of_call);
        of_calls.chain(self.acts.faults()).collect()
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut report = json!({
            "ok": self.is_ok(),
            "backend": self.status["backend"],
            "attach_mode": self.status["attach_mode"],
            "calls": self.calls.iter().map(Call::to_json).collect::<Vec<_>>(),
            "plaintext_on_secure_leg": self.calls.iter().map(Call::plaintext).sum::<u64>(),
            "verdicts": self.status["verdicts"],
            "flow": self.flow,
            "acts": self.acts.to_json(),
        });
        let faults = self.faults();
        if !faults.is_empty() {
            report["faults"] = faults.into();
        }
        report
    }

    pub(crate) fn print(&self) {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        println!(
            "\nBackend {}, attached {}\n",
            text(&self.status["backend"]),
            text(&self.status["attach_mode"])
        );
        println!(
            "  {:<22} {:<38} {:<7} {:>11} {:>11} {:>5} {:>11} {:>9} {:>9}",
            "call",
            "legs",
            "path",
            "→ sent/rcvd",
            "← sent/rcvd",
            "lost",
            "jitter ms",
            "MOS",
            "set-up ms"
        );
        for call in &self.calls {
            let counts = &call.result.counts;
            let ways = [0, 1].map(|side| (counts[side].sent, call.result.received(1 - side)));
            let lost: u32 = ways
                .iter()
                .map(|(sent, received)| sent.saturating_sub(*received))
                .sum();
            let legs = ["caller", "callee"].map(|leg| {
                let (transport, suite) = (
                    text(&call.record[leg]["transport"]),
                    &call.record[leg]["suite"],
                );
                format!(
                    "{transport} {}",
                    suite
                        .as_str()
                        .map_or("RTP", |suite| suite.trim_start_matches("AES_CM_128_HMAC_"))
                )
            });
            println!(
                "  {:<22} {:<38} {:<7} {:>11} {:>11} {lost:>5} {:>11} {:>9} {:>9.1}",
                call.name,
                legs.join(" → "),
                call.path(),
                format!("{}/{}", ways[0].0, ways[0].1),
                format!("{}/{}", ways[1].0, ways[1].1),
                call.both("jitter_ms"),
                call.both("mos"),
                call.setup_ms(),
            );
        }
        self.acts.print();
        self.print_verdicts();
        if let Some(flow) = &self.flow {
            println!(
                "\nA flow during the plain call (bpftool map dump), key {}",
                flow["key"]
            );
            for part in ["entry", "counters"] {
                println!("  {part}");
                for (field, value) in flow["value"][part].as_object().into_iter().flatten() {
                    println!("    {field:<18} {value}");
                }
            }
        }
        for fault in self.faults() {
            println!("\nFAULT {fault}");
        }
        println!(
            "\n{}",
            if self.is_ok() {
                "Every payload byte arrived; no plaintext on a secure leg."
            } else {
                "The demo failed."
            }
        );
    }

    fn print_verdicts(&self) {
        println!("\nVerdicts");
        let Some(verdicts) = self.status["verdicts"].as_object() else {
            return;
        };
        for (name, count) in verdicts {
            match count.as_object() {
                Some(drops) if drops.is_empty() => println!("  {name:<24} 0"),
                Some(drops) => drops.iter().for_each(|(reason, count)| {
                    println!("  {:<24} {count}", format!("{name} {reason}"));
                }),
                None => println!("  {name:<24} {count}"),
            }
        }
    }
}
