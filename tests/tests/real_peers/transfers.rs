//! REFER (SIG-7) with SIPp as all three parties.

use serde_json::Value;
use trunkline_tests::edge::EdgeOptions;
use trunkline_tests::privilege::require_root;
use trunkline_tests::stage::Party;

use crate::support::{House, assert_complete};

/// The one who is called, and refers.
const TRANSFEROR: Party = Party::CarrierPlain;
/// The one who calls.
const CALLER: Party = Party::PbxPlain;
/// The number of the new party.
const NEW: &str = "6100";

fn options(mode: &str, extra: String) -> EdgeOptions {
    EdgeOptions {
        trunk_lines: vec![(TRANSFEROR, format!("refer = \"{mode}\""))],
        extra,
        ..EdgeOptions::default()
    }
}

#[test]
fn sig_7_sipp_a_refer_passes_and_its_notifies_come_back() {
    if !require_root("the network lab") {
        return;
    }
    let house = House::open("refer-pass", &options("pass", String::new()));
    let refer_to = ["-key", "refer_to", "sip:9999@example.com"];
    let mut transferor = house.callee(house.post(TRANSFEROR), "refer_callee", &refer_to);
    let mut caller = house.caller(CALLER, "referred_caller", TRANSFEROR.number(), &[]);
    house.finish(&mut [&mut transferor, &mut caller]);
    assert_complete(&house.records(1)[0], "callee");
    house.close();
}

#[test]
fn sig_7_sipp_a_refer_is_done_here_and_the_transferor_hears_of_it() {
    if !require_root("the network lab") {
        return;
    }
    let new_party = "[[trunks]]\nname = \"new-party\"\nrealm = \"carrier\"\nprobe = \"off\"\n\
         destination = \"sip:192.0.2.2:5060;transport=udp\"\n\
         [[routes]]\nprefix = \"6100\"\nto = \"new-party\"\n";
    let house = House::open("refer-local", &options("local", new_party.to_owned()));
    let post = house.post(Party::CarrierSecure);
    let mut new_party = house.callee(post, "answering_callee", &[]);
    let edge = house.stage.edge_address(TRANSFEROR.side());
    let refer_to = format!("sip:{NEW}@{edge}");
    let refer_to = ["-key", "refer_to", &refer_to];
    let mut transferor = house.callee(house.post(TRANSFEROR), "refer_callee", &refer_to);
    let mut caller = house.caller(CALLER, "transferred_caller", TRANSFEROR.number(), &[]);
    house.finish(&mut [&mut transferor, &mut caller, &mut new_party]);
    let records = house.records(2);
    let of = |trunk: &str| -> &Value {
        let found = records
            .iter()
            .find(|record| record["callee"]["trunk"] == trunk);
        found.unwrap_or_else(|| panic!("no record of a call to {trunk}: {records:#?}"))
    };
    assert_eq!(of(TRANSFEROR.trunk())["status"], 200);
    assert_complete(of("new-party"), "caller");
    assert!(
        new_party
            .messages()
            .contains("Referred-By: <sip:callee@example.com>"),
        "{}",
        new_party.messages()
    );
    house.close();
}
