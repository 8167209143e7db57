//! What is seen of a call while it is up, and afterwards.

use serde_json::{Value, json};
use sip_core::stack::TriedTarget;

use super::super::*;
use super::{Looks, Setup, call, came, left, record, setup, tried};
use crate::events::Filter;

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
    assert_eq!((&row.record, row.status), (&known.record, 200));
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
fn ops_2_without_a_store_a_call_that_was_over_a_moment_ago_is_known_all_the_same() {
    let Setup { live, .. } = setup();
    let live = Live::new(live.settings, Arc::clone(&live.hub), None);
    live.changed(call(1, true));
    came(&live, "a-1@peer", "INVITE sip:+43661@edge.example SIP/2.0");
    live.ended(record(1));
    live.take_messages();
    let known = live.just_ended(1).unwrap();
    live.finish_ended(None);
    assert_eq!(live.just_ended(1).unwrap(), known);
    assert!(known.ladder.unwrap().contains("INVITE sip:+43661"));
    assert_eq!(lock(&live.ladder).bytes(), 0, "its room is for others");
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
