//! Many calls up at once, with SIPp on both sides.

use std::time::{Duration, Instant};

use sip_core::transport::Transport;
use trunkline_tests::edge::EdgeOptions;
use trunkline_tests::privilege::require_root;
use trunkline_tests::sipp::{Post, Sipp};
use trunkline_tests::stage::Party;

use crate::support::{House, assert_complete};

/// `calls` last 10 s, and all are placed in less: for a while every one of them is up.
fn calls_are_up_at_once(transport: Transport, calls: usize, per_s: usize) {
    if !require_root("the network lab") {
        return;
    }
    let options = EdgeOptions {
        plain_transport: transport,
        ports: 4000,
        ..EdgeOptions::default()
    };
    let house = House::open(&format!("load-{}", transport.uri_token()), &options);
    let (from, to) = (Party::CarrierPlain, Party::PbxPlain);
    let (count, rate) = (calls.to_string(), per_s.to_string());
    let post = |party| Post {
        transport,
        ..house.post(party)
    };
    let mut uas = house.callee(post(to), "answering_callee", &["-m", &count]);
    let run = ["-d", "10000", "-r", &rate, "-l", &count, "-m", &count];
    let target = (to.number(), house.stage.edge_listener(from));
    let mut uac = Sipp::caller(post(from), &house.files, "uac", target, &run).unwrap();

    let started = Instant::now();
    let mut most = 0;
    while uac.is_running().unwrap() && started.elapsed() < Duration::from_secs(70) {
        let status = house.edge().status().unwrap();
        most = most.max(status["calls"].as_array().map_or(0, Vec::len));
        std::thread::sleep(Duration::from_millis(200));
    }
    house.finish(&mut [&mut uac, &mut uas]);
    assert_eq!(most, calls, "calls up at once");
    for record in house.records(calls) {
        assert_complete(&record, "caller");
        let token = transport.uri_token();
        assert_eq!(record["callee"]["transport"], token, "{record:#}");
    }
    house.close();
}

#[test]
fn a_thousand_calls_are_up_at_once_over_udp() {
    calls_are_up_at_once(Transport::Udp, 1000, 150);
}

#[test]
fn five_hundred_calls_are_up_at_once_over_tcp() {
    calls_are_up_at_once(Transport::Tcp, 500, 100);
}
