//! Calls that the API makes possible, shows and ends.

use serde_json::{Value, json};

use super::{Api, trunks};
use crate::support::{ok, receive, udp_peer, wait_until};

#[test]
fn ops_1_a_trunk_that_is_made_by_the_api_takes_the_next_call_and_outlives_a_restart() {
    let callee = udp_peer("127.0.0.3");
    let mut api = Api::start("");
    let caller = udp_peer("127.0.0.2");
    api.invite(&caller, "100", "before");
    receive(&caller, "SIP/2.0 403 ");
    for (path, body) in [
        ("/trunks", json!({"name": "caller", "acl": ["127.0.0.2"]})),
        (
            "/trunks",
            json!({"name": "callee", "acl": ["127.0.0.3"], "probe": "off",
                           "destination": format!("sip:{}", callee.local_addr().unwrap())}),
        ),
        ("/routes", json!({"from": "caller", "to": "callee"})),
    ] {
        let made = api.ask("POST", path, "", &body);
        assert_eq!(made.status, 201, "{}", made.body);
    }
    api.invite(&caller, "100", "after");
    receive(&callee, "INVITE sip:100@");
    api.daemon.restart();
    assert_eq!(api.get("/trunks/callee")["origin"], "store");
    let caller = udp_peer("127.0.0.2");
    api.invite(&caller, "101", "again");
    receive(&callee, "INVITE sip:101@");
}

#[test]
fn ops_3_a_call_is_seen_with_its_messages_and_hung_up() {
    let (caller, callee) = (udp_peer("127.0.0.2"), udp_peer("127.0.0.3"));
    let api = Api::start(&trunks(callee.local_addr().unwrap()));
    api.set_up([&caller, &callee], "seen");
    let calls = api.get("/calls");
    let call = &calls["items"][0];
    assert_eq!(call["state"], "answered", "{calls}");
    assert_eq!(call["caller"]["trunk"], "caller");
    let number = call["call"].as_u64().unwrap();
    let is_told = |details: &Value| {
        let timeline = details["timeline"].as_array().unwrap();
        timeline
            .iter()
            .any(|event| event["kind"] == "call_answered")
    };
    // Events come a moment after what they tell of.
    wait_until(|| is_told(&api.get(&format!("/calls/{number}"))));
    let details = api.get(&format!("/calls/{number}"));
    let messages = details["ladder"]["messages"].as_array().unwrap();
    assert!(
        messages[0]["summary"]
            .as_str()
            .unwrap()
            .starts_with("INVITE "),
        "{details}"
    );
    let trunk = api.get("/trunks/callee");
    assert_eq!(trunk["state"]["calls"], 1, "{trunk}");
    let done = api.ask(
        "POST",
        &format!("/calls/{number}/hang-up"),
        "",
        &Value::Null,
    );
    assert_eq!(done.status, 202, "{}", done.body);
    for peer in [&caller, &callee] {
        let (bye, from) = receive(peer, "BYE ");
        peer.send_to(ok(peer, &bye).as_bytes(), from).unwrap();
    }
    // The call is there until its ports are free again.
    let hang_up = format!("/calls/{number}/hang-up");
    wait_until(|| api.ask("POST", &hang_up, "", &Value::Null).status == 404);
    wait_until(|| api.get("/history")["items"][0]["call"] == number);
    assert_eq!(api.get(&format!("/calls/{number}"))["state"], "ended");
}
