//! Flows as JSON: whose packets they are, where they come from and go, and what was counted.
//!
//! What the maps hold has the names that `bpftool map dump` prints.

use media_common::flow::NextHop;
use media_common::quality::{FlowCounters, FlowIncidents};
use media_core::quality::Mos;
use media_core::relay::Source;
use serde_json::{Map, Value, json};

use super::named;
use crate::cdr;
use crate::media::FlowStatus;

/// Every flow, in the order of calls.
pub(super) fn all(flows: &[FlowStatus]) -> Value {
    json!({ "flows": flows.iter().map(flow).collect::<Vec<_>>() })
}

/// Those of one call.
pub(super) fn of_call(flows: &[FlowStatus], call: u64) -> Vec<Value> {
    let flows = flows.iter().filter(|flow| flow.call.0 == call);
    flows.map(|status| Value::Object(flow(status))).collect()
}

/// The flow at an index of the flow table, with the counters of both halves.
pub(super) fn one(flows: &[FlowStatus], index: u32) -> Option<Value> {
    let status = flows.iter().find(|flow| flow.place.index == Some(index))?;
    let mut fields = flow(status);
    let half = |(counters, incidents): &(FlowCounters, FlowIncidents)| json!({"counters": counters_of(counters), "incidents": incidents_of(incidents)});
    fields.insert("kernel".to_owned(), half(&status.kernel));
    fields.insert("relay".to_owned(), half(&status.relay));
    Some(Value::Object(fields))
}

fn flow(flow: &FlowStatus) -> Map<String, Value> {
    let (rule, planned) = match &flow.source {
        Source::Unknown => ("unknown", None),
        Source::Exactly(peer) => ("exactly", Some(*peer)),
        Source::Latch { latched, .. } => ("latch", *latched),
    };
    let expected = planned.or(flow.latched);
    let route = flow.routes.first();
    let quality = &flow.quality;
    let fields = json!({
        "flow": flow.place.index,
        "call": flow.call.0,
        "from": cdr::side(flow.from),
        "stream": flow.stream,
        "carries": flow.carries.name(),
        "path": flow.path.name(),
        "local": flow.local.to_string(),
        "source_rule": rule,
        "source": expected.map(|source| source.to_string()),
        "leaves_from": route.map(|route| route.from.to_string()),
        "remote": route.and_then(|route| route.to).map(|remote| remote.to_string()),
        "next_hops": flow.place.hops.iter().map(next_hop).collect::<Vec<_>>(),
        "packets": flow.packets,
        "bytes": flow.bytes,
        "dropped": flow.dropped,
        "drops": named(flow.drops.iter().copied()),
        "lost": quality.lost,
        "reordered": quality.reordered,
        "duplicated": quality.duplicated,
        "longest_loss": quality.longest_loss,
        "longest_pause_ms": cdr::in_ms(quality.longest_pause_us),
        "jitter_ms": quality.jitter_us.map(cdr::in_ms),
        "ssrc_changes": quality.ssrc_changes,
        "restarts": quality.restarts,
        "digits": quality.digits,
        "last_seen_ns": quality.last_seen_ns,
        "mos": flow.mos.map(Mos::as_f64),
        "far_end": flow.far_end.as_ref().map(cdr::far_end),
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn next_hop((to, index, hop): &(std::net::IpAddr, u16, NextHop)) -> Value {
    json!({
        "next_hop": index,
        "to": to.to_string(),
        "ifindex": hop.ifindex,
        "source_mac": mac(hop.source_mac),
        "destination_mac": mac(hop.destination_mac),
        "vlan": hop.vlan,
        "mtu": hop.mtu,
    })
}

fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

/// The fields of a struct by their own names, as the type information of the maps has them.
macro_rules! fields {
    ($value:expr, $type:ident { $($field:ident),* $(,)? }) => {{
        let $type { $($field),*, .. } = $value;
        named([$((stringify!($field), u64::from(*$field))),*].into_iter())
    }};
}

fn counters_of(counters: &FlowCounters) -> Map<String, Value> {
    fields!(
        counters,
        FlowCounters {
            packets,
            bytes,
            last_seen_ns,
            dropped,
            window,
            highest,
            timestamp,
            ssrc,
            jitter,
            longest_pause_us,
            ceiling_packets,
            ceiling_window,
            payload_type,
        }
    )
}

fn incidents_of(incidents: &FlowIncidents) -> Map<String, Value> {
    // Not the timestamp of the last digit: it is of no use, and a step nearer to the digit.
    fields!(
        incidents,
        FlowIncidents {
            lost,
            reordered,
            duplicated,
            longest_loss,
            ssrc_changes,
            restarts,
            rtcp,
            digits,
            wrong_source,
            malformed,
            wrong_payload_type,
            over_ceiling,
            unsendable,
            no_worker,
        }
    )
}

#[cfg(test)]
mod tests {
    use media_core::quality::{Codec, Quality};
    use media_core::relay::Route;
    use media_core::report::MediaPath;
    use media_core::session::{CallId, Side};

    use super::*;
    use crate::media::{Carried, Place};

    fn status(index: u32) -> FlowStatus {
        let counters = FlowCounters {
            packets: 500,
            jitter: 4096,
            ..FlowCounters::default()
        };
        let incidents = FlowIncidents {
            lost: 3,
            ..FlowIncidents::default()
        };
        let codec = Codec::named("PCMU", 8000);
        let quality = Quality::of(&counters, &incidents, codec);
        FlowStatus {
            call: CallId(4),
            from: Side::Callee,
            stream: 0,
            local: "192.0.2.1:30000".parse().unwrap(),
            place: Place {
                index: Some(index),
                hops: vec![(
                    [198, 51, 100, 7].into(),
                    2,
                    NextHop {
                        ifindex: 5,
                        destination_mac: [2, 0, 0, 0, 0, 0xab],
                        ..NextHop::default()
                    },
                )],
            },
            carries: Carried::Rtp,
            coding: codec,
            source: Source::Exactly("192.0.2.9:4000".parse().unwrap()),
            latched: None,
            routes: vec![Route {
                from: "198.51.100.1:30002".parse().unwrap(),
                to: Some("198.51.100.7:5004".parse().unwrap()),
            }],
            path: MediaPath::Xdp,
            packets: 500,
            bytes: 86_000,
            dropped: 2,
            drops: vec![("drop_ceiling", 2)],
            quality,
            mos: quality.mos(codec, [None; 2]),
            far_end: None,
            kernel: (counters, incidents),
            relay: Default::default(),
        }
    }

    #[test]
    fn a_flow_is_found_by_its_index_and_shows_both_halves_under_the_names_of_the_maps() {
        let flows = [status(7), status(8)];
        let found = one(&flows, 8).unwrap();
        for (pointer, expected) in [
            ("/flow", json!(8)),
            ("/from", json!("callee")),
            ("/source", json!("192.0.2.9:4000")),
            ("/remote", json!("198.51.100.7:5004")),
            ("/next_hops/0/destination_mac", json!("02:00:00:00:00:ab")),
            ("/drops/drop_ceiling", json!(2)),
            ("/lost", json!(3)),
            ("/jitter_ms", json!(0.125)),
            ("/kernel/counters/packets", json!(500)),
            ("/kernel/incidents/lost", json!(3)),
            ("/relay/counters/packets", json!(0)),
        ] {
            assert_eq!(found.pointer(pointer), Some(&expected), "{pointer}");
        }
        assert_eq!(one(&flows, 9), None);
        assert_eq!(of_call(&flows, 4).len(), 2);
        assert!(of_call(&flows, 5).is_empty());
        assert_eq!(all(&flows)["flows"].as_array().map(Vec::len), Some(2));
    }
}
