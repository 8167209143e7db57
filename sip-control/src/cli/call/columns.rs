//! What of a call stands in a table.

use serde_json::Value;

use crate::cli::quality;
use crate::cli::table::{Cell, Column, Tone, words};

pub(super) const LIVE: [Column; 11] = [
    Column::right("CALL", |call| words(&call["call"]).into()),
    Column::left("STATE", state),
    Column::right("AGE", |call| {
        seconds(call["age_ms"].as_f64().map(|ms| ms / 1000.0))
    }),
    Column::left("FROM", |call| words(&call["from"]).into()),
    Column::left("TO", |call| words(&call["to"]).into()),
    Column::left("CALLER", |call| leg(&call["caller"])),
    Column::left("CALLEE", |call| leg(&call["callee"])),
    Column::left("PATH", path),
    Column::right("LOSS", loss),
    Column::right("JITTER", jitter),
    Column::right("MOS", mos),
];

pub(super) const ENDED: [Column; 10] = [
    Column::right("CALL", |call| words(&call["call"]).into()),
    Column::left("START", |call| start(&call["start"])),
    Column::left("FROM", |call| words(&call["from"]).into()),
    Column::left("TO", |call| words(&call["to"]).into()),
    Column::left("CALLER", |call| words(&call["caller"]["trunk"]).into()),
    Column::left("CALLEE", |call| words(&call["callee"]["trunk"]).into()),
    Column::right("STATUS", status),
    Column::right("TALKED", |call| {
        seconds(
            call["duration_s"]
                .as_f64()
                .filter(|_| !call["answer"].is_null()),
        )
    }),
    Column::right("MOS", mos),
    Column::left("ENDED BY", ended),
];

fn state(call: &Value) -> Cell {
    let tone = match call["state"].as_str() {
        Some("answered") => Tone::Good,
        Some("held") => Tone::Warning,
        _ => Tone::Plain,
    };
    Cell::toned(words(&call["state"]), tone)
}

/// `carrier tls SRTP`.
fn leg(leg: &Value) -> Cell {
    if leg.is_null() {
        return "-".into();
    }
    let is_secure = leg["profile"]
        .as_str()
        .map(|profile| profile.contains("SAVP") || !leg["suite"].is_null());
    let media = match is_secure {
        None => "",
        Some(true) => " SRTP",
        Some(false) => " RTP",
    };
    format!(
        "{} {}{media}",
        words(&leg["trunk"]),
        words(&leg["transport"])
    )
    .into()
}

fn directions(call: &Value) -> impl Iterator<Item = &Value> {
    call["media"]["directions"].as_array().into_iter().flatten()
}

/// The ways of both directions, once where they are one.
fn path(call: &Value) -> Cell {
    let mut paths: Vec<String> = directions(call)
        .map(|direction| words(&direction["path"]))
        .collect();
    paths.dedup();
    match paths.is_empty() {
        true => "-".into(),
        false => paths.join("/").into(),
    }
}

/// Of the direction that has lost more.
fn loss(call: &Value) -> Cell {
    let shares = directions(call).filter_map(|direction| {
        let (lost, packets) = (direction["lost"].as_f64()?, direction["packets"].as_f64()?);
        (lost + packets > 0.0).then(|| 100.0 * lost / (lost + packets))
    });
    match shares.reduce(f64::max) {
        None => "-".into(),
        Some(share) if share >= 1.0 => Cell::toned(format!("{share:.1} %"), Tone::Warning),
        Some(share) => format!("{share:.1} %").into(),
    }
}

/// Of the direction that has more.
fn jitter(call: &Value) -> Cell {
    let values = directions(call).filter_map(|direction| direction["jitter_ms"].as_f64());
    match values.reduce(f64::max) {
        None => "-".into(),
        Some(ms) => format!("{ms:.1} ms").into(),
    }
}

/// Of the direction that is worse.
fn mos(call: &Value) -> Cell {
    let values = directions(call).filter_map(|direction| direction["mos"].as_f64());
    match values.reduce(f64::min) {
        None => "-".into(),
        Some(mos) => Cell::toned(format!("{mos:.2}"), quality::tone(Some(mos))),
    }
}

/// `2026-11-30 05:36:33`, UTC as everywhere.
fn start(time: &Value) -> Cell {
    let text = words(time);
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    let time = time.split(['.', 'Z']).next().unwrap_or_default();
    format!("{date} {time}").trim_end().into()
}

/// `503 32011` where the code is ours.
fn status(call: &Value) -> Cell {
    let status = call["status"].as_u64();
    let text = match call["code"].as_u64() {
        Some(code) => format!("{} {code}", words(&call["status"])),
        None => words(&call["status"]),
    };
    match status {
        Some(200..300) => Cell::toned(text, Tone::Good),
        Some(487) | None => text.into(),
        Some(_) => Cell::toned(text, Tone::Bad),
    }
}

fn ended(call: &Value) -> Cell {
    match call["reason"].as_str() {
        None | Some("") => words(&call["ended_by"]).into(),
        Some(_) => format!("{}: {}", words(&call["ended_by"]), words(&call["reason"])).into(),
    }
}

/// `1:02:03`, `2:03`.
fn seconds(seconds: Option<f64>) -> Cell {
    let Some(seconds) = seconds.filter(|seconds| (0.0..1e12).contains(seconds)) else {
        return "-".into();
    };
    let whole = std::time::Duration::from_secs_f64(seconds).as_secs();
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}").into(),
        hours => format!("{hours}:{minutes:02}:{seconds:02}").into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::cli::table::{Look, table};

    use super::*;

    #[test]
    fn a_live_call_is_told_in_a_line() {
        let call = json!({
            "call": 7, "state": "answered", "age_ms": 3_723_000, "from": "+4930", "to": "100",
            "caller": {"trunk": "carrier", "transport": "tls", "profile": "RTP/SAVP", "suite": "x"},
            "callee": {"trunk": "pbx", "transport": "udp", "profile": "RTP/AVP", "suite": null},
            "media": {"directions": [
                {"from": "caller", "path": "af_xdp", "packets": 99, "lost": 1, "jitter_ms": 1.0, "mos": 4.4},
                {"from": "callee", "path": "af_xdp", "packets": 100, "lost": 0, "jitter_ms": 2.5, "mos": 4.1},
            ]},
        });
        let text = table(&LIVE, &[call], Look::default());
        let line = text.lines().nth(1).unwrap();
        let expected = "7  answered  1:02:03  +4930  100  carrier tls SRTP  pbx udp RTP  af_xdp  1.0 %  2.5 ms  4.10";
        assert_eq!(
            line.split_ascii_whitespace().collect::<Vec<_>>(),
            expected.split_ascii_whitespace().collect::<Vec<_>>()
        );
    }

    #[test]
    fn an_ended_call_says_how_it_ended() {
        let call = json!({
            "call": 8, "start": "2026-11-30T05:36:33.123Z", "answer": null, "duration_s": 0.0,
            "from": "a", "to": "b", "ended_by": "trunkline", "status": 404, "code": 32012,
            "reason": "no route", "caller": {"trunk": "carrier"}, "callee": null, "media": null,
        });
        let text = table(&ENDED, &[call], Look::default());
        let line = text.lines().nth(1).unwrap();
        assert!(line.contains("2026-11-30 05:36:33"), "{line}");
        assert!(line.contains("404 32012"), "{line}");
        assert!(line.ends_with("trunkline: no route"), "{line}");
        assert_eq!(seconds(Some(f64::NAN)), "-".into());
        assert_eq!(seconds(Some(125.9)), "2:05".into());
    }
}
