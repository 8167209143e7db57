mod bounds;
mod mirror;

use std::net::SocketAddr;
use std::sync::mpsc;

use media_core::quality::{Codec, Mos, Quality};
use media_core::report::{DirectionReport, MediaPath, MediaReport};
use media_core::session::{CallId, Side};
use sip_core::stack::{CallState, EndedBy, LegRecord, TriedTarget};
use sip_core::transport::{Host, ListenerId, Origin, Target, Transport};

use super::*;
use crate::events::NoPast;
use crate::media::FlowSample;

fn leg(call_id: &str, trunk: &str) -> LegRecord {
    LegRecord {
        sip_call_id: call_id.to_owned(),
        user: None,
        trunk: Some(trunk.to_owned()),
        transport: Transport::Tls,
        remote: Some(([192, 0, 2, 1], 5061).into()),
        profile: Some("RTP/SAVP"),
        suite: None,
    }
}

fn call(number: u64, answered: bool) -> LiveCall {
    let start = Instant::now();
    LiveCall {
        call: CallId(number),
        legs: [
            leg(&format!("a-{number}@peer"), "carrier"),
            leg(&format!("b-{number}@us"), "pbx"),
        ],
        from: format!("sip:+4910{number}@carrier.example"),
        to: format!("sip:+4366{number}@edge.example"),
        start,
        answer: answered.then_some(start),
        state: match answered {
            true => CallState::Answered,
            false => CallState::Ringing,
        },
        held: [false; 2],
        codec: None,
        targets: vec![tried(number)],
        first_party: Vec::new(),
    }
}

/// The first target, before the callee.
fn tried(number: u64) -> TriedTarget {
    TriedTarget {
        uri: "sip:dead.example".to_owned(),
        hop: None,
        sip_call_id: Some(format!("x-{number}@us")),
        status: Some(503),
        outcome: "503 Service Unavailable".to_owned(),
    }
}

fn record(number: u64) -> Box<CallRecord> {
    let live = call(number, true);
    let [caller, callee] = live.legs;
    Box::new(CallRecord {
        call: live.call,
        caller,
        callee: Some(callee),
        from: live.from,
        to: live.to,
        start: live.start,
        answer: live.answer,
        end: live.start + Duration::from_secs(3),
        ended_by: EndedBy::Callee,
        status: 200,
        code: None,
        reason: "hung up".to_owned(),
        codec: Some("PCMU".to_owned()),
        media: Some(MediaReport {
            directions: vec![DirectionReport {
                from: Side::Caller,
                stream: 0,
                path: MediaPath::Xdp,
                packets: 150,
                bytes: 25_800,
                quality: Quality {
                    rtp: 150,
                    ..Quality::default()
                },
                mos: Some(Mos::of_rating(90.0)),
                far_end: None,
                dropped: Vec::new(),
            }],
        }),
        targets: vec![tried(number)],
        first_party: Vec::new(),
    })
}

struct Setup {
    live: Arc<Live>,
    rows: mpsc::Receiver<CallRow>,
    hub: Arc<Hub>,
}

fn setup() -> Setup {
    let hub = Hub::new(1, Arc::new(NoPast));
    let settings = LiveSettings {
        ladder_bytes: 1 << 20,
        quality_below: 3.5,
        show_digits: false,
    };
    let (sender, rows) = mpsc::channel();
    let journal: Journal = Box::new(move |row| {
        // Whoever tests may not be interested.
        let _ = sender.send(row);
    });
    let live = Arc::new(Live::new(settings, Arc::clone(&hub), Some(journal)));
    Setup { live, rows, hub }
}

fn came(live: &Live, call_id: &str, start_line: &str) {
    let address: SocketAddr = ([192, 0, 2, 1], 5061).into();
    let origin = Origin {
        transport: Transport::Tls,
        listener: ListenerId(0),
        local: ([198, 51, 100, 1], 5061).into(),
        remote: address,
        connection: None,
        tls: None,
    };
    let bytes = message(call_id, start_line);
    let arrived = live.arriving(&origin, &bytes).unwrap();
    live.came(arrived, bytes);
}

fn left(live: &Live, call_id: &str, start_line: &str) {
    let target = Target {
        transport: Transport::Udp,
        listener: ListenerId(1),
        connection: None,
        host: Host::Name("pbx.example".to_owned()),
        address: None,
        port: 5060,
        by_service: false,
        trunk: None,
    };
    let local = ([10, 0, 0, 1], 5060).into();
    live.left(&target, Some(local), &message(call_id, start_line));
}

fn message(call_id: &str, start_line: &str) -> Vec<u8> {
    format!(
        "{start_line}\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\r\na=crypto:1 X inline:geheim\r\n"
    )
    .into_bytes()
}

/// Flows of every call, each good but those of the callee of call 7.
struct Looks(std::sync::atomic::AtomicU64);

impl Flows for Looks {
    fn samples(&self, calls: Vec<CallId>) -> Vec<FlowSample> {
        let looks = self.0.load(Ordering::Relaxed);
        let sample = |call: CallId, from: Side| {
            let is_bad = call.0 == 7 && from == Side::Callee;
            FlowSample {
                call,
                from,
                stream: 0,
                local: None,
                path: MediaPath::AfXdp,
                packets: looks * 250,
                bytes: looks * 43_000,
                dropped: 0,
                quality: Quality {
                    rtp: looks * 250,
                    lost: if is_bad { looks * 60 } else { 0 },
                    jitter_us: Some(500),
                    ..Quality::default()
                },
                coding: Codec::named("PCMU", 8000),
                mos: Some(Mos::of_rating(90.0)),
                round_trips_us: [None; 2],
            }
        };
        calls
            .into_iter()
            .flat_map(|call| [Side::Caller, Side::Callee].map(|from| sample(call, from)))
            .collect()
    }
}
