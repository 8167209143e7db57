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
        most = most.max(status["counters"]["calls"].as_u64().unwrap_or(0) as usize);
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

/// Three times as many calls come as may: those that may go as they should, the others hear at
/// once that they had better come later, and the one that was there before is not touched.
#[test]
fn in_overload_calls_are_turned_away_and_the_others_are_whole() {
    if !require_root("the network lab") {
        return;
    }
    const MAY_PER_S: usize = 20;
    const SECONDS: usize = 3;
    let options = EdgeOptions {
        ports: 1000,
        extra: format!("[limits]\ncalls_per_second = {MAY_PER_S}\n"),
        ..EdgeOptions::default()
    };
    let house = House::open("overload", &options);
    let (crowd, callee) = (Party::CarrierPlain, Party::PbxPlain);
    let address = house.stage.address(crowd);
    let other = house.post_at(crowd.side(), (address, 5090).into());
    let _answering = house.callee(house.post(callee), "answering_callee", &["-m", "100000"]);

    let target = (callee.number(), house.stage.edge_listener(crowd));
    let long = ["-d", "6000"];
    let mut before = Sipp::caller(other, &house.files, "uac", target, &long).unwrap();
    let started = Instant::now();
    while house.edge().status().unwrap()["counters"]["calls"] != 1 {
        assert!(started.elapsed() < Duration::from_secs(5), "no call");
        std::thread::sleep(Duration::from_millis(20));
    }
    let (count, rate) = (3 * MAY_PER_S * SECONDS, 3 * MAY_PER_S);
    let (count, rate) = (count.to_string(), rate.to_string());
    let run = ["-d", "500", "-r", &rate, "-l", &count, "-m", &count];
    let mut all = house.caller(crowd, "crowding_caller", callee.number(), &run);
    house.finish(&mut [&mut all, &mut before]);

    let records = house.edge().records().unwrap();
    let (whole, refused): (Vec<_>, Vec<_>) =
        records.iter().partition(|record| record["status"] == 200);
    for record in &whole {
        assert_complete(record, "caller");
    }
    for record in &refused {
        assert_eq!(record["status"], 503, "{record:#}");
        assert_eq!(record["code"], 32003, "{record:#}");
    }
    assert!(!refused.is_empty());
    // A second's worth may come at once, and the last second has a rest.
    let most = MAY_PER_S * (SECONDS + 2);
    let least = MAY_PER_S * (SECONDS - 1);
    assert!((least..=most).contains(&whole.len()), "{}", whole.len());
    house.close();
}
