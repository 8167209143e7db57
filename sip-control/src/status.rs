//! The status of a daemon, for people.

use std::fmt::Write;

use serde_json::Value;

/// What `trunkline status` prints.
pub fn table(status: &Value) -> String {
    let mut text = format!(
        "trunkline {}, media by {}{}\n",
        word(&status["version"]),
        word(&status["backend"]),
        status["attach_mode"]
            .as_str()
            .map(|mode| format!(" ({mode})"))
            .unwrap_or_default()
    );
    if status["draining"] == true {
        let since = word(&status["draining_since"]);
        let _ = writeln!(text, "draining since {since}: new calls are refused");
    }
    for target in status["targets"].as_array().into_iter().flatten() {
        text += &target_line(target);
    }
    for registration in status["registrations"].as_array().into_iter().flatten() {
        text += &registration_line(registration);
    }
    for call in status["calls"].as_array().into_iter().flatten() {
        text += &call_line(call);
    }
    if let Some(more) = status["more_calls"].as_u64().filter(|more| *more > 0) {
        let _ = writeln!(text, "{more} earlier calls: trunkline call list");
    }
    for certificate in status["certificates"].as_array().into_iter().flatten() {
        text += &certificate_line(certificate);
    }
    for section in ["verdicts", "counters"] {
        let _ = writeln!(text, "{section}");
        counts(&status[section], "  ", &mut text);
    }
    text
}

fn target_line(target: &Value) -> String {
    let latest = match target["latest_probe"].as_str() {
        Some(latest) => format!(", probe: {latest}"),
        None => String::new(),
    };
    format!(
        "target {} {}: {} (priority {}, weight {}{latest})\n",
        word(&target["trunk"]),
        word(&target["uri"]),
        word(&target["state"]),
        target["priority"],
        target["weight"]
    )
}

fn certificate_line(certificate: &Value) -> String {
    let names: Vec<&str> = certificate["names"]
        .as_array()
        .into_iter()
        .flatten()
        .map(word)
        .collect();
    format!(
        "certificate of {}: {} ({}) until {}, {} days left\n",
        word(&certificate["used_by"]),
        names.join(", "),
        word(&certificate["key"]),
        word(&certificate["not_after"])
            .split('T')
            .next()
            .unwrap_or("-"),
        certificate["days_left"]
    )
}

fn registration_line(registration: &Value) -> String {
    let state = match (&registration["expires_s"], &registration["problem"]) {
        (Value::Null, Value::Null) => "not yet registered".to_owned(),
        (Value::Null, problem) => format!("NOT registered: {}", word(problem)),
        (left, Value::Null) => format!("registered for {left} s"),
        (left, problem) => format!("registered for {left} s, refresh failed: {}", word(problem)),
    };
    let (trunk, aor) = (word(&registration["trunk"]), word(&registration["aor"]));
    format!("registration {trunk}: {aor} {state}\n")
}

fn call_line(call: &Value) -> String {
    let leg = |name: &str| {
        let leg = &call[name];
        format!(
            "{} {} {}",
            word(&leg["trunk"]),
            word(&leg["transport"]),
            word(&leg["profile"])
        )
    };
    let flows: Vec<String> = call["media"]["directions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|flow| {
            format!(
                "{} {} {}",
                word(&flow["from"]),
                word(&flow["path"]),
                flow["packets"]
            )
        })
        .collect();
    format!(
        "call {}: {} -> {} | {}\n",
        call["call"],
        leg("caller"),
        leg("callee"),
        flows.join(", ")
    )
}

/// Counters that are not zero, groups indented.
fn counts(value: &Value, indent: &str, text: &mut String) {
    for (name, count) in value.as_object().into_iter().flatten() {
        match count {
            Value::Object(_) => {
                let _ = writeln!(text, "{indent}{name}");
                counts(count, &format!("{indent}  "), text);
            }
            count if count.as_u64() == Some(0) => {}
            count => {
                let _ = writeln!(text, "{indent}{name:<28} {count}");
            }
        }
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn people_see_calls_and_what_is_not_zero() {
        let status = json!({
            "version": "0.1.0", "backend": "xdp", "attach_mode": "native",
            "draining": true, "draining_since": "2026-11-30T09:00:00.000Z", "more_calls": 7,
            "targets": [
                {"trunk": "pbx", "uri": "sip:192.0.2.9", "priority": 0, "weight": 1,
                 "state": "in_service", "latest_probe": null},
                {"trunk": "pbx", "uri": "sip:192.0.2.10", "priority": 1, "weight": 10,
                 "state": "out_of_service", "latest_probe": "no response"},
            ],
            "registrations": [
                {"trunk": "carrier", "aor": "sip:a@b", "expires_s": 60, "problem": null},
                {"trunk": "other", "aor": "sip:c@d", "expires_s": null, "problem": "403 Forbidden"},
            ],
            "calls": [{
                "call": 3,
                "caller": {"trunk": "carrier", "transport": "tls", "profile": "RTP/SAVP"},
                "callee": {"trunk": "pbx", "transport": "udp", "profile": null},
                "media": {"directions": [{"from": "caller", "path": "af_xdp", "packets": 17}]},
            }],
            "certificates": [{
                "used_by": "listener tls", "names": ["edge.example.com", "*.sip.example.com"],
                "key": "ECDSA", "not_after": "2027-03-01T00:00:00.000Z", "days_left": 92,
            }],
            "verdicts": {"redirect": 0, "xsk": 34, "drop": {"drop_replay": 1}},
            "counters": {"calls": 1, "transport": {"framing_lost": 0}},
        });
        let expected = "trunkline 0.1.0, media by xdp (native)\n\
            draining since 2026-11-30T09:00:00.000Z: new calls are refused\n\
            target pbx sip:192.0.2.9: in_service (priority 0, weight 1)\n\
            target pbx sip:192.0.2.10: out_of_service (priority 1, weight 10, probe: no response)\n\
            registration carrier: sip:a@b registered for 60 s\n\
            registration other: sip:c@d NOT registered: 403 Forbidden\n\
            call 3: carrier tls RTP/SAVP -> pbx udp - | caller af_xdp 17\n\
            7 earlier calls: trunkline call list\n\
            certificate of listener tls: edge.example.com, *.sip.example.com (ECDSA) until 2027-03-01, 92 days left\n\
            verdicts\n  xsk                          34\n  drop\n    drop_replay                  1\n\
            counters\n  calls                        1\n  transport\n";
        assert_eq!(table(&status), expected);
    }
}
