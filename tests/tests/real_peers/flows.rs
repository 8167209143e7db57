//! What happens before, within and at the end of a call, with SIPp on both sides.

use std::net::SocketAddr;

use serde_json::Value;
use trunkline_tests::edge::EdgeOptions;
use trunkline_tests::lab::{Host, ipv4};
use trunkline_tests::privilege::require_root;
use trunkline_tests::stage::Party;

use crate::support::{House, assert_complete, call, tried};

fn plain() -> EdgeOptions {
    EdgeOptions::default()
}

#[test]
fn sig_2_sipp_prack_on_both_legs() {
    if require_root("the network lab") {
        let caller = ("prack_caller", &["-key", "wish", "Supported"][..]);
        let record = call("prack", &plain(), caller, ("prack_callee", &[]));
        assert_complete(&record, "caller");
    }
}

#[test]
fn sig_2_sipp_prack_on_the_callees_leg_alone() {
    if require_root("the network lab") {
        let (caller, callee) = (("early_caller", &[][..]), ("prack_callee", &[][..]));
        let record = call("prack-callee", &plain(), caller, callee);
        assert_complete(&record, "caller");
    }
}

#[test]
fn sig_2_sipp_prack_on_the_callers_leg_alone() {
    if require_root("the network lab") {
        let caller = ("prack_caller", &["-key", "wish", "Require"][..]);
        let record = call("prack-caller", &plain(), caller, ("early_callee", &[]));
        assert_complete(&record, "caller");
    }
}

#[test]
fn sig_2_sipp_update_carries_an_offer_each_way() {
    if require_root("the network lab") {
        let (caller, callee) = (("update_caller", &[][..]), ("update_callee", &[][..]));
        let record = call("update", &plain(), caller, callee);
        assert_complete(&record, "caller");
    }
}

#[test]
fn sig_2_sipp_a_call_is_held_and_resumed() {
    if require_root("the network lab") {
        let (caller, callee) = (("hold_caller", &[][..]), ("hold_callee", &[][..]));
        let record = call("hold", &plain(), caller, callee);
        assert_complete(&record, "caller");
    }
}

#[test]
fn sig_2_sipp_info_and_message_pass_within_a_call() {
    if require_root("the network lab") {
        let (caller, callee) = (("info_caller", &[][..]), ("info_callee", &[][..]));
        let record = call("info", &plain(), caller, callee);
        assert_complete(&record, "caller");
    }
}

#[test]
fn sig_1_sipp_a_ringing_call_is_cancelled() {
    if require_root("the network lab") {
        let (caller, callee) = (("cancel_caller", &[][..]), ("cancel_callee", &[][..]));
        let record = call("cancel", &plain(), caller, callee);
        assert_eq!(record["status"], 487, "{record:#}");
        assert_eq!(record["ended_by"], "caller", "{record:#}");
        assert_eq!(record["answer"], Value::Null, "{record:#}");
    }
}

#[test]
fn trk_3_sipp_a_302_leads_to_another_carrier() {
    if !require_root("the network lab") {
        return;
    }
    let house = House::open("redirect", &plain());
    let (first, caller) = (Party::CarrierPlain, Party::PbxPlain);
    let address = house.stage.address(Party::CarrierSecure);
    let other = house.post_at(first.side(), (address, 5070).into());
    let contact = format!("sip:3999@{}", other.address);
    let mut second = house.callee(other, "answering_callee", &[]);
    let redirect = ["-key", "contact", &contact];
    let mut first_one = house.callee(house.post(first), "redirecting_callee", &redirect);
    let mut caller = house.caller(caller, "uac", first.number(), &[]);
    house.finish(&mut [&mut caller, &mut first_one, &mut second]);
    let record = house.records(1).remove(0);
    assert_complete(&record, "caller");
    let expected = [
        format!("{} 302", house.post(first).address),
        format!("{} 200", other.address),
    ];
    assert_eq!(tried(&record), expected, "{record:#}");
    let messages = second.messages();
    assert!(
        messages.contains(&format!("INVITE {contact} SIP/2.0")),
        "{messages}"
    );
    house.close();
}

/// The number that leads to two carriers, of which the first answers when the second has.
const PAIR: &str = "6500";

#[test]
fn trk_3_sipp_a_carrier_that_answers_too_late_is_acknowledged_and_told_bye() {
    if !require_root("the network lab") {
        return;
    }
    let target = |address: SocketAddr| {
        format!("[[trunks.origination]]\nuri = \"sip:{address};transport=udp\"\npriority = ")
    };
    let [first, second] = [2, 3].map(|host| SocketAddr::new(ipv4(Host::Carrier, host), 5060));
    let trunk = format!(
        "[[trunks]]\nname = \"pair\"\nrealm = \"carrier\"\nprobe = \"off\"\nno_response = \"1s\"\n\
         {}1\n{}2\n[[routes]]\nprefix = \"{PAIR}\"\nto = \"pair\"\n",
        target(first),
        target(second)
    );
    let options = EdgeOptions {
        extra: trunk,
        ..plain()
    };
    let house = House::open("late", &options);
    let post = |address| house.post_at(Host::Carrier, address);
    let mut late = house.callee(post(first), "late_callee", &[]);
    let mut living = house.callee(post(second), "answering_callee", &[]);
    let mut caller = house.caller(Party::PbxPlain, "uac", PAIR, &["-d", "2000"]);
    house.finish(&mut [&mut caller, &mut living, &mut late]);
    let record = house.records(1).remove(0);
    assert_complete(&record, "caller");
    let expected = [format!("{first} -"), format!("{second} 200")];
    assert_eq!(tried(&record), expected, "{record:#}");
    house.close();
}
