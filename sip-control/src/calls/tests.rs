use std::net::SocketAddr;
use std::sync::mpsc;

use media_core::quality::{Codec, Mos, Quality};
use media_core::report::{DirectionReport, MediaPath, MediaReport};
use media_core::session::{CallId, Side};
use serde_json::{Value, json};
use sip_core::stack::{CallState, EndedBy, LegRecord, TriedTarget};
use sip_core::transport::{Host, ListenerId, Origin, Target, Transport};

use super::*;
use crate::events::{Filter, NoPast};
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

#[test]
fn ops_4_a_ladder_names_every_try_of_a_placed_calls_first_party() {
    let Setup { live, .. } = setup();
    let mut placed = call(1, true);
    // The first did not answer; the second did, and is the caller.
    placed.first_party = ["f-1@us", "a-1@peer"]
        .map(|id| TriedTarget {
            sip_call_id: Some(id.to_owned()),
            ..tried(1)
        })
        .to_vec();
    live.changed(placed);
    left(&live, "f-1@us", "INVITE sip:phone.example SIP/2.0");
    left(&live, "a-1@peer", "INVITE sip:phone.example SIP/2.0");
    left(&live, "x-1@us", "INVITE sip:dead.example SIP/2.0");
    left(&live, "b-1@us", "INVITE sip:pbx.example SIP/2.0");
    let ladder = live.ladder(1).unwrap();
    let messages = ladder.messages.iter();
    let legs: Vec<&str> = messages.map(|message| message.leg.as_str()).collect();
    assert_eq!(legs, ["first party 1", "caller", "target 1", "callee"]);
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
    let live = Arc::new(Live::new(settings, Arc::clone(&hub), journal));
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

#[test]
fn ops_2_a_call_is_seen_from_its_start_and_then_in_the_store_with_all_its_messages() {
    let Setup { live, rows, .. } = setup();
    live.changed(call(1, false));
    came(&live, "a-1@peer", "INVITE sip:+43661@edge.example SIP/2.0");
    left(&live, "x-1@us", "INVITE sip:dead.example SIP/2.0");
    left(&live, "b-1@us", "INVITE sip:pbx.example SIP/2.0");
    let seen = serde_json::to_value(live.get(1).unwrap()).unwrap();
    assert_eq!(
        (&seen["state"], &seen["answer"]),
        (&json!("ringing"), &Value::Null)
    );
    assert_eq!(seen["caller"]["trunk"], "carrier");
    live.changed(call(1, true));
    assert_eq!(live.get(1).unwrap().state(), "answered");
    let ladder = live.ladder(1).unwrap();
    let legs: Vec<&str> = ladder
        .messages
        .iter()
        .map(|message| message.leg.as_str())
        .collect();
    assert_eq!(legs, ["caller", "target 1", "callee"]);

    live.ended(record(1));
    assert!(live.get(1).is_none());
    let known: CallRow = live.just_ended(1).unwrap();
    live.finish_ended(Some(Instant::now()));
    assert!(rows.try_recv().is_err(), "the last ACK may still come");
    came(&live, "a-1@peer", "ACK sip:us SIP/2.0");
    live.take_messages();
    live.finish_ended(None);
    let row = rows.try_recv().unwrap();
    assert_eq!((row.record.clone(), row.status), (known.record, 200));
    assert_eq!(live.just_ended(1).unwrap(), row, "until the store has it");
    let record: Value = serde_json::from_str(&row.record).unwrap();
    assert_eq!(record["ended_by"], "callee");
    let ladder: Value = serde_json::from_str(row.ladder.as_ref().unwrap()).unwrap();
    let legs: Vec<&str> = ladder["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["leg"].as_str().unwrap())
        .collect();
    assert_eq!(legs, ["caller", "target 1", "callee", "caller"]);
    let first = &ladder["messages"][0];
    assert_eq!(
        (
            &first["from"],
            &first["to"],
            &first["direction"],
            &first["summary"]
        ),
        (
            &json!("192.0.2.1:5061"),
            &json!("198.51.100.1:5061"),
            &json!("in"),
            &json!("INVITE sip:+43661@edge.example")
        )
    );
    let second = &ladder["messages"][1];
    assert_eq!(
        (&second["from"], &second["to"]),
        (&json!("10.0.0.1:5060"), &json!("pbx.example:5060"))
    );
    assert!(!ladder.to_string().contains("geheim"));
    // It was over before anybody looked at its flows: its whole is one sample.
    let quality: Value = serde_json::from_str(row.quality.as_ref().unwrap()).unwrap();
    assert_eq!(quality["directions"][0]["samples"][0]["packets"], 150);
    assert_eq!(row.mos_min, Some(4.34));
    assert_eq!(live.health().ladder_bytes, 0);
}

#[test]
fn ops_2_a_refused_call_that_never_was_up_has_a_row_too() {
    let Setup { live, rows, .. } = setup();
    let mut refused = record(9);
    (refused.callee, refused.media, refused.answer) = (None, None, None);
    (refused.status, refused.code) = (403, Some(32201));
    live.ended(refused);
    live.settle();
    live.finish_ended(None);
    let row = rows.try_recv().unwrap();
    assert_eq!(
        (row.status, row.code, row.answer_ms),
        (403, Some(32201), None)
    );
    assert_eq!(
        (row.ladder, row.quality, row.callee_trunk),
        (None, None, None)
    );
}

#[test]
fn ops_1_lists_are_found_by_trunk_and_text_newest_first_page_by_page() {
    let Setup { live, .. } = setup();
    for number in 1..=25 {
        live.changed(call(number, true));
    }
    let numbers = |query: &LiveQuery| {
        let page = live.list(query);
        let numbers: Vec<u64> = page.items.iter().map(LiveView::call).collect();
        (numbers, page.next)
    };
    let mut query = LiveQuery {
        limit: 10,
        ..LiveQuery::default()
    };
    assert_eq!(numbers(&query), ((16..=25).rev().collect(), Some(16)));
    query.before = Some(6);
    assert_eq!(numbers(&query), ((1..=5).rev().collect(), None));
    query.before = None;
    query.search = Some("SIP:+436617".to_owned());
    assert_eq!(numbers(&query), (vec![17], None));
    query.search = Some("b-3@US".to_owned());
    assert_eq!(numbers(&query), (vec![3], None));
    query.search = None;
    query.trunk = Some("nobody".to_owned());
    assert_eq!(numbers(&query), (vec![], None));
    assert_eq!(live.count(), 25);
}

#[test]
fn ops_3_low_quality_is_told_with_the_call_and_its_trunk() {
    let Setup { live, hub, .. } = setup();
    live.changed(call(7, true));
    live.changed(call(8, true));
    let flows = Looks(1.into());
    // The start of the calls lies as far back as the looks say.
    for (number, look) in [(1, 5), (2, 10), (3, 15), (4, 20)] {
        flows.0.store(number, Ordering::Relaxed);
        for id in [7, 8] {
            let mut earlier = call(id, true);
            earlier.start = Instant::now()
                .checked_sub(Duration::from_secs(look))
                .unwrap();
            live.changed(earlier);
        }
        live.sample(&flows, live.entries());
    }
    hub.hand_on_for_tests();
    let told = hub.recent(10, &Filter::default());
    assert_eq!(told.len(), 1, "once, of one direction");
    let body: Value = serde_json::from_str(&told[0].body).unwrap();
    assert_eq!(
        (&body["kind"], &body["call"], &body["trunk"]),
        (&json!("quality_low"), &json!(7), &json!("pbx"))
    );
    assert_eq!(
        (&body["data"]["from"], &body["data"]["below"]),
        (&json!("callee"), &json!(3.5))
    );
    let seen = serde_json::to_value(live.get(7).unwrap()).unwrap();
    assert_eq!(seen["media"]["directions"][1]["quality_low"], true);
    assert_eq!(seen["mos"][0]["samples"].as_array().unwrap().len(), 4);
}

#[test]
fn ops_1_ten_thousand_calls_are_read_within_20_ms_while_they_are_looked_at() {
    let Setup { live, .. } = setup();
    for number in 1..=10_000 {
        live.changed(call(number, true));
    }
    live.settle();
    let flows = Arc::new(Looks(1.into()));
    let (sampling, looks) = (Arc::clone(&live), Arc::clone(&flows));
    let sampler = std::thread::spawn(move || {
        let mut slowest = Duration::ZERO;
        for look in 1..=20 {
            looks.0.store(look, Ordering::Relaxed);
            let begun = Instant::now();
            sampling.sample(&*looks, sampling.entries());
            slowest = slowest.max(begun.elapsed());
            std::thread::sleep(Duration::from_millis(20));
        }
        slowest
    });
    let mut took = Vec::new();
    for round in 0..300_u64 {
        let query = LiveQuery {
            limit: 100,
            search: (round % 3 == 0).then(|| "4366".to_owned()),
            ..LiveQuery::default()
        };
        let begun = Instant::now();
        let page = live.list(&query);
        assert_eq!(
            serde_json::to_vec(&page.items)
                .map(|json| json.len() > 10_000)
                .ok(),
            Some(true)
        );
        live.get(1 + round).unwrap();
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    let slowest_look = sampler.join().unwrap();
    let p99 = took[took.len() * 99 / 100];
    println!(
        "list and get: p50 {:?}, p99 {p99:?}; a look at all: {slowest_look:?}",
        took[took.len() / 2]
    );
    // Without optimisation and with other tests beside it: the bench measures what is promised.
    assert!(p99 < Duration::from_millis(200), "{p99:?}");
    let health = live.health();
    assert_eq!(health.calls, 10_000);
    assert!(health.quality_bytes < 32 << 20, "{health:?}");
}

#[test]
fn ops_1_more_messages_than_can_be_taken_are_counted_and_nothing_waits() {
    let Setup { live, .. } = setup();
    for number in 0..20_000 {
        came(&live, &format!("flood-{number}"), "INVITE sip:x SIP/2.0");
    }
    assert_eq!(live.health().messages_lost, 20_000 - 16_384);
    live.take_messages();
    let health = live.health();
    assert!(
        health.ladder_bytes <= 1 << 20 && health.ladder_evicted > 0,
        "{health:?}"
    );
}

#[test]
fn ops_2_calls_that_end_while_it_stops_are_written_before_it_has() {
    let Setup { rows, hub, .. } = setup();
    let settings = LiveSettings {
        ladder_bytes: 0,
        quality_below: 0.0,
        show_digits: false,
    };
    drop(rows);
    let (sender, rows) = mpsc::channel();
    let journal: Journal = Box::new(move |row| sender.send(row).unwrap());
    let flows = Arc::new(Looks(1.into()));
    let (live, threads) = Live::start(settings, hub, flows, journal).unwrap();
    for number in 1..=100 {
        live.changed(call(number, true));
        live.ended(record(number));
    }
    let begun = Instant::now();
    live.close(threads);
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(rows.try_iter().count(), 100);
}
