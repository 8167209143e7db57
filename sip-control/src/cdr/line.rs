//! A call record as JSON.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::{Duration, Instant};

use media_core::quality::{FarEnd, Mos};
use media_core::report::{DirectionReport, MediaReport};
use media_core::session::Side;
use serde::{Serialize, Serializer};
use sip_core::stack::{CallRecord, LegRecord, TriedTarget};

use crate::clock::{WallClock, rfc3339};

/// A call record; its fields are the names in the file. Times are UTC; `duration_s` counts from the
/// answer, `setup_ms` from the INVITE to the answer.
#[derive(Serialize)]
pub(crate) struct Record<'a> {
    call: u64,
    start: String,
    answer: Option<String>,
    end: String,
    setup_ms: Option<f64>,
    duration_s: f64,
    from: &'a str,
    to: &'a str,
    ended_by: &'static str,
    status: u16,
    code: Option<u32>,
    reason: &'a str,
    codec: Option<&'a str>,
    caller: Leg<'a>,
    callee: Option<Leg<'a>>,
    targets: Vec<Target<'a>>,
    /// Of a call that an operator placed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    first_party_targets: Vec<Target<'a>>,
    media: Option<Media<'a>>,
}

/// The record of a call, with the times of that clock.
pub(crate) fn record(call: &CallRecord, clock: WallClock) -> Record<'_> {
    let time = |then: Instant| rfc3339(clock.at(then));
    let lasted = |from: Instant, to: Instant| milliseconds(to.saturating_duration_since(from));
    Record {
        call: call.call.0,
        start: time(call.start),
        answer: call.answer.map(time),
        end: time(call.end),
        setup_ms: call.answer.map(|answer| lasted(call.start, answer)),
        duration_s: call
            .answer
            .map_or(0.0, |answer| lasted(answer, call.end) / 1000.0),
        from: &call.from,
        to: &call.to,
        ended_by: call.ended_by.name(),
        status: call.status,
        code: call.code,
        reason: &call.reason,
        codec: call.codec.as_deref(),
        caller: leg(&call.caller),
        callee: call.callee.as_ref().map(leg),
        targets: call.targets.iter().map(target).collect(),
        first_party_targets: call.first_party.iter().map(target).collect(),
        media: call.media.as_ref().map(media),
    }
}

/// One leg of a call, in records and in status.
#[derive(Serialize)]
pub(crate) struct Leg<'a> {
    call_id: &'a str,
    user: Option<&'a str>,
    trunk: Option<&'a str>,
    transport: &'static str,
    #[serde(serialize_with = "as_text")]
    remote: Option<std::net::SocketAddr>,
    profile: Option<&'a str>,
    suite: Option<&'static str>,
}

pub(crate) fn leg(leg: &LegRecord) -> Leg<'_> {
    Leg {
        call_id: &leg.sip_call_id,
        user: leg.user.as_deref(),
        trunk: leg.trunk.as_deref(),
        transport: leg.transport.uri_token(),
        remote: leg.remote,
        profile: leg.profile,
        suite: leg.suite.map(|suite| suite.name()),
    }
}

/// Where a call was tried.
#[derive(Serialize)]
pub(crate) struct Target<'a> {
    uri: &'a str,
    #[serde(serialize_with = "as_text")]
    address: Option<std::net::SocketAddr>,
    transport: Option<&'static str>,
    call_id: Option<&'a str>,
    status: Option<u16>,
    outcome: &'a str,
}

pub(crate) fn target(tried: &TriedTarget) -> Target<'_> {
    Target {
        uri: &tried.uri,
        address: tried.hop.map(|hop| hop.address),
        transport: tried.hop.map(|hop| hop.transport.uri_token()),
        call_id: tried.sip_call_id.as_deref(),
        status: tried.status,
        outcome: &tried.outcome,
    }
}

#[derive(Serialize)]
struct Media<'a> {
    directions: Vec<Direction<'a>>,
}

fn media(report: &MediaReport) -> Media<'_> {
    Media {
        directions: report.directions.iter().map(direction).collect(),
    }
}

#[derive(Serialize)]
struct Direction<'a> {
    from: &'static str,
    stream: usize,
    path: &'static str,
    packets: u64,
    bytes: u64,
    lost: u64,
    reordered: u64,
    duplicated: u64,
    longest_loss: u32,
    longest_pause_ms: f64,
    jitter_ms: Option<f64>,
    ssrc_changes: u64,
    digits: u64,
    mos: Option<f64>,
    far_end: Option<Heard>,
    dropped: BTreeMap<&'a str, u64>,
}

fn direction(report: &DirectionReport) -> Direction<'_> {
    let quality = &report.quality;
    Direction {
        from: side(report.from),
        stream: report.stream,
        path: report.path.name(),
        packets: report.packets,
        bytes: report.bytes,
        lost: quality.lost,
        reordered: quality.reordered,
        duplicated: quality.duplicated,
        longest_loss: quality.longest_loss,
        longest_pause_ms: in_ms(quality.longest_pause_us),
        jitter_ms: quality.jitter_us.map(in_ms),
        ssrc_changes: quality.ssrc_changes,
        digits: quality.digits,
        mos: report.mos.map(Mos::as_f64),
        far_end: report.far_end.as_ref().map(far_end),
        dropped: report
            .dropped
            .iter()
            .map(|(reason, count)| (*reason, *count))
            .collect(),
    }
}

/// What the receiver of a direction reported in its RTCP, in records and in status.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = FarEnd)]
pub(crate) struct Heard {
    fraction_lost: f64,
    cumulative_lost: i64,
    jitter_ms: Option<f64>,
    round_trip_ms: Option<f64>,
}

pub(crate) fn far_end(report: &FarEnd) -> Heard {
    Heard {
        fraction_lost: (f64::from(report.fraction_lost) / 256.0 * 1000.0).round() / 1000.0,
        cumulative_lost: report.cumulative_lost.into(),
        jitter_ms: report.jitter_us.map(in_ms),
        round_trip_ms: report.round_trip_us.map(in_ms),
    }
}

fn as_text<T: Display, S: Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
}

/// Microseconds as milliseconds.
pub(crate) fn in_ms(us: u32) -> f64 {
    f64::from(us) / 1000.0
}

/// A side as records and status name it.
pub(crate) fn side(side: Side) -> &'static str {
    match side {
        Side::Caller => "caller",
        Side::Callee => "callee",
    }
}

/// With three decimals.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use media_core::quality::Quality;
    use media_core::report::MediaPath;
    use media_core::session::CallId;
    use media_core::srtp::profile::Suite;
    use sip_core::stack::EndedBy;
    use sip_core::transport::Transport;

    use sip_core::trunk::Hop;

    use serde_json::{Value, json};

    use super::*;

    fn written(call: &CallRecord) -> Value {
        serde_json::to_value(record(call, WallClock::now())).unwrap()
    }

    fn some_leg(suite: Option<Suite>) -> LegRecord {
        LegRecord {
            sip_call_id: "a1@b.example".to_owned(),
            user: Some("alice".to_owned()),
            trunk: Some("carrier".to_owned()),
            transport: if suite.is_some() {
                Transport::Tls
            } else {
                Transport::Udp
            },
            remote: Some(([192, 0, 2, 1], 5061).into()),
            profile: Some(if suite.is_some() {
                "RTP/SAVP"
            } else {
                "RTP/AVP"
            }),
            suite,
        }
    }

    #[test]
    fn a_record_tells_the_whole_call() {
        let start = Instant::now();
        let call = CallRecord {
            call: CallId(7),
            caller: some_leg(Some(Suite::AesCm128HmacSha1_80)),
            callee: Some(some_leg(None)),
            from: "sip:+431@carrier.example".to_owned(),
            to: "sip:+4366@edge.example".to_owned(),
            start,
            answer: Some(start + Duration::from_micros(12_345)),
            end: start + Duration::from_micros(10_012_345),
            ended_by: EndedBy::Callee,
            status: 200,
            code: None,
            reason: "hung up \"early\"".to_owned(),
            codec: Some("PCMU".to_owned()),
            media: Some(MediaReport {
                directions: vec![DirectionReport {
                    from: Side::Caller,
                    stream: 0,
                    path: MediaPath::AfXdp,
                    packets: 500,
                    bytes: 91_000,
                    quality: Quality {
                        rtp: 498,
                        lost: 5,
                        reordered: 1,
                        duplicated: 2,
                        longest_loss: 3,
                        longest_pause_us: 61_500,
                        jitter_us: Some(1_250),
                        digits: 4,
                        ..Quality::default()
                    },
                    mos: Some(Mos::of_rating(90.0)),
                    far_end: Some(FarEnd {
                        fraction_lost: 64,
                        cumulative_lost: 5,
                        jitter_us: None,
                        round_trip_us: Some(35_000),
                    }),
                    dropped: vec![("drop_replay", 2)],
                }],
            }),
            targets: vec![
                TriedTarget {
                    uri: "sip:nowhere.example".to_owned(),
                    hop: None,
                    sip_call_id: None,
                    status: None,
                    outcome: "nowhere.example does not exist".to_owned(),
                },
                TriedTarget {
                    uri: "sip:pbx.example".to_owned(),
                    hop: Some(Hop {
                        transport: Transport::Udp,
                        address: ([192, 0, 2, 1], 5060).into(),
                    }),
                    sip_call_id: Some("a1@b.example".to_owned()),
                    status: Some(200),
                    outcome: "answered".to_owned(),
                },
            ],
            first_party: vec![TriedTarget {
                uri: "sip:phone.example".to_owned(),
                hop: None,
                sip_call_id: Some("f1@b.example".to_owned()),
                status: Some(480),
                outcome: "480 Temporarily Unavailable".to_owned(),
            }],
        };
        let value = written(&call);
        assert_eq!(value["call"], 7);
        assert_eq!(value["setup_ms"], 12.345);
        assert_eq!(value["duration_s"], 10.0);
        assert_eq!(value["ended_by"], "callee");
        assert_eq!(value["reason"], "hung up \"early\"");
        assert_eq!(
            value["caller"],
            json!({"call_id": "a1@b.example", "user": "alice", "trunk": "carrier", "transport": "tls", "remote": "192.0.2.1:5061",
                   "profile": "RTP/SAVP", "suite": "AES_CM_128_HMAC_SHA1_80"})
        );
        assert_eq!(value["callee"]["suite"], Value::Null);
        assert_eq!(
            value["media"]["directions"],
            json!([{"from": "caller", "stream": 0, "path": "af_xdp", "packets": 500, "bytes": 91_000,
                    "lost": 5, "reordered": 1, "duplicated": 2, "longest_loss": 3,
                    "longest_pause_ms": 61.5, "jitter_ms": 1.25, "ssrc_changes": 0, "digits": 4,
                    "mos": 4.34,
                    "far_end": {"fraction_lost": 0.25, "cumulative_lost": 5, "jitter_ms": null,
                                "round_trip_ms": 35.0},
                    "dropped": {"drop_replay": 2}}])
        );
        assert_eq!(
            value["targets"],
            json!([{"uri": "sip:nowhere.example", "address": null, "transport": null, "call_id": null,
                    "status": null, "outcome": "nowhere.example does not exist"},
                   {"uri": "sip:pbx.example", "address": "192.0.2.1:5060", "transport": "udp",
                    "call_id": "a1@b.example", "status": 200, "outcome": "answered"}])
        );
        assert_eq!(
            value["first_party_targets"],
            json!([{"uri": "sip:phone.example", "address": null, "transport": null,
                    "call_id": "f1@b.example", "status": 480, "outcome": "480 Temporarily Unavailable"}])
        );
        let written = value["start"].as_str().unwrap();
        assert_eq!(
            (written.len(), &written[10..11], &written[23..]),
            (24, "T", "Z")
        );
        assert!(!value.to_string().contains('\n'));
    }

    #[test]
    fn a_refused_call_has_a_record_too() {
        let start = Instant::now();
        let call = CallRecord {
            call: CallId(8),
            caller: some_leg(None),
            callee: None,
            from: "sip:a@b.example".to_owned(),
            to: "sip:c@d.example".to_owned(),
            start,
            answer: None,
            end: start,
            ended_by: EndedBy::Trunkline,
            status: 403,
            code: Some(32201),
            reason: "source address not allowed".to_owned(),
            codec: None,
            media: None,
            targets: Vec::new(),
            first_party: Vec::new(),
        };
        let value = written(&call);
        assert_eq!(
            (&value["status"], &value["code"]),
            (&json!(403), &json!(32201))
        );
        for absent in ["answer", "setup_ms", "callee", "media", "codec"] {
            assert_eq!(value[absent], Value::Null, "{absent}");
        }
        assert!(value.get("first_party_targets").is_none());
        assert_eq!(value["duration_s"], 0.0);
    }
}
