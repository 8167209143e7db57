//! Flows as the API tells them: whose packets they are, where they come from and go, and what was
//! counted.
//!
//! What the maps hold has the names that `bpftool map dump` prints.

use std::net::IpAddr;

use media_common::flow;
use media_common::quality::{FlowCounters, FlowIncidents};
use media_core::quality::Mos;
use media_core::relay::Source;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::named;
use crate::cdr;
use crate::media::FlowStatus;

/// What arrives at one of our ports, of a live call.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Flow {
    /// Its key in the map FLOWS.
    flow: Option<u32>,
    call: u64,
    /// The side that the packets come from: `caller`, `callee`.
    from: &'static str,
    /// Place of the m-line in the SDP.
    stream: usize,
    /// `rtp`, `rtcp`, `rtp+rtcp` on one port (RFC 5761), or `raw`.
    carries: &'static str,
    /// The way of most of its packets: `xdp`, `af_xdp`, `socket`.
    path: &'static str,
    /// Where its packets arrive.
    #[schema(example = "192.0.2.1:30000")]
    local: String,
    /// Where they may come from: `unknown` yet, `exactly`, or `latch`: from whom the first comes.
    source_rule: &'static str,
    source: Option<String>,
    leaves_from: Option<String>,
    /// Where they go.
    remote: Option<String>,
    next_hops: Vec<NextHop>,
    /// Sent on.
    packets: u64,
    bytes: u64,
    dropped: u64,
    /// The same by reason; those that occurred.
    #[schema(value_type = std::collections::HashMap<String, u64>)]
    drops: Map<String, Value>,
    lost: u64,
    reordered: u64,
    duplicated: u64,
    /// Packets in a row.
    longest_loss: u64,
    longest_pause_ms: f64,
    jitter_ms: Option<f64>,
    ssrc_changes: u64,
    restarts: u64,
    digits: u64,
    /// By the monotonic clock of the machine; 0: never.
    last_seen_ns: u64,
    mos: Option<f64>,
    /// What its receiver reports, where that was read.
    far_end: Option<cdr::Heard>,
    /// What the program in the kernel has counted; only where one flow is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    kernel: Option<Half>,
    /// The same, of the workers or the sockets.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    relay: Option<Half>,
}

/// How packets get to a peer.
#[derive(Debug, Serialize, ToSchema)]
struct NextHop {
    /// Its key in the map NEXT_HOPS.
    next_hop: u16,
    to: String,
    /// 0 while nobody knows.
    ifindex: u32,
    source_mac: String,
    #[schema(example = "02:00:00:00:00:01")]
    destination_mac: String,
    /// 0: none.
    vlan: u16,
    mtu: u16,
}

/// As in the maps FLOWS and INCIDENTS.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FlowHalf)]
struct Half {
    #[schema(value_type = std::collections::HashMap<String, u64>)]
    counters: Map<String, Value>,
    #[schema(value_type = std::collections::HashMap<String, u64>)]
    incidents: Map<String, Value>,
}

impl Flow {
    pub(super) fn new(status: &FlowStatus) -> Flow {
        let (source_rule, planned) = match &status.source {
            Source::Unknown => ("unknown", None),
            Source::Exactly(peer) => ("exactly", Some(*peer)),
            Source::Latch { latched, .. } => ("latch", *latched),
        };
        let route = status.routes.first();
        let quality = &status.quality;
        let text = |address: std::net::SocketAddr| address.to_string();
        Flow {
            flow: status.place.index,
            call: status.call.0,
            from: cdr::side(status.from),
            stream: status.stream,
            carries: status.carries.name(),
            path: status.path.name(),
            local: text(status.local),
            source_rule,
            source: planned.or(status.latched).map(text),
            leaves_from: route.map(|route| text(route.from)),
            remote: route.and_then(|route| route.to).map(text),
            next_hops: status.place.hops.iter().map(next_hop).collect(),
            packets: status.packets,
            bytes: status.bytes,
            dropped: status.dropped,
            drops: named(status.drops.iter().copied()),
            lost: quality.lost,
            reordered: quality.reordered,
            duplicated: quality.duplicated,
            longest_loss: quality.longest_loss.into(),
            longest_pause_ms: cdr::in_ms(quality.longest_pause_us),
            jitter_ms: quality.jitter_us.map(cdr::in_ms),
            ssrc_changes: quality.ssrc_changes,
            restarts: quality.restarts,
            digits: quality.digits,
            last_seen_ns: quality.last_seen_ns,
            mos: status.mos.map(Mos::as_f64),
            far_end: status.far_end.as_ref().map(cdr::far_end),
            kernel: None,
            relay: None,
        }
    }

    /// With the counters of both halves.
    pub(super) fn whole(status: &FlowStatus) -> Flow {
        Flow {
            kernel: Some(half(&status.kernel)),
            relay: Some(half(&status.relay)),
            ..Flow::new(status)
        }
    }
}

fn half((counters, incidents): &(FlowCounters, FlowIncidents)) -> Half {
    Half {
        counters: counters_of(counters),
        incidents: incidents_of(incidents),
    }
}

fn next_hop((to, index, hop): &(IpAddr, u16, flow::NextHop)) -> NextHop {
    NextHop {
        next_hop: *index,
        to: to.to_string(),
        ifindex: hop.ifindex,
        source_mac: mac(hop.source_mac),
        destination_mac: mac(hop.destination_mac),
        vlan: hop.vlan,
        mtu: hop.mtu,
    }
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
    use serde_json::json;

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
                    flow::NextHop {
                        ifindex: 5,
                        destination_mac: [2, 0, 0, 0, 0, 0xab],
                        ..flow::NextHop::default()
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
    fn a_flow_shows_both_halves_under_the_names_of_the_maps() {
        let found = serde_json::to_value(Flow::whole(&status(8))).unwrap();
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
        let listed = serde_json::to_value(Flow::new(&status(8))).unwrap();
        assert_eq!(listed["lost"], 3);
        assert_eq!(listed.get("kernel"), None);
    }
}
