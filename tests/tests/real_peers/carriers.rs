//! A carrier is killed in the middle of a steady run of calls (TRK-3, TRK-5).

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::Value;
use sip_core::transport::Transport;
use trunkline_tests::edge::EdgeOptions;
use trunkline_tests::lab::{Host, ipv4};
use trunkline_tests::privilege::require_root;
use trunkline_tests::sipp::Post;
use trunkline_tests::stage::Party;

use crate::support::{House, assert_complete, tried};

const NUMBER: &str = "6300";
const CALLS_PER_S: usize = 20;
/// When the first carrier dies: calls last 3 s, so as many are up as come in that time.
const KILLED_AFTER: Duration = Duration::from_secs(4);

/// What a run shows.
struct Run {
    transport: Transport,
    calls: usize,
    /// Nobody waits for longer than that, and then a moment more on a busy machine.
    longest_setup_ms: f64,
    /// Calls that find out that the first carrier is dead.
    finding_out: usize,
}

fn carrier(host: u8) -> SocketAddr {
    SocketAddr::new(ipv4(Host::Carrier, host), 5060)
}

fn sections(transport: Transport) -> String {
    let token = transport.uri_token();
    let target = |host, priority| {
        format!(
            "[[trunks.origination]]\nuri = \"sip:{};transport={token}\"\npriority = {priority}\n",
            carrier(host)
        )
    };
    format!(
        "[[trunks]]\nname = \"pair\"\nrealm = \"carrier\"\nprobe = \"10s\"\nprobe_failures = 1\n\
         max_calls_per_second = 0\n{}{}[[routes]]\nprefix = \"{NUMBER}\"\nto = \"pair\"\n",
        target(2, 1),
        target(3, 2)
    )
}

/// States of the two targets, the preferred one first.
fn states(house: &House) -> Vec<String> {
    let status = house.edge().status().unwrap();
    let targets = status["targets"].as_array().unwrap().iter();
    targets
        .filter(|target| target["trunk"] == "pair")
        .map(|target| target["state"].as_str().unwrap().to_owned())
        .collect()
}

/// Calls that are up.
fn live(house: &House) -> usize {
    let status = house.edge().status().unwrap();
    let calls = status["calls"].as_array().unwrap().iter();
    calls.filter(|call| !call["answered_ms"].is_null()).count()
}

fn a_carrier_is_killed(name: &str, run: &Run) {
    if !require_root("the network lab") {
        return;
    }
    let options = EdgeOptions {
        ports: 1000,
        extra: sections(run.transport),
        ..EdgeOptions::default()
    };
    let house = House::open(name, &options);
    // More than there will be: they take calls until they are ended.
    let serve = |host| {
        let post = Post {
            transport: run.transport,
            ..house.post_at(Host::Carrier, carrier(host))
        };
        house.callee(post, "probed_callee", &["-m", "100000"])
    };
    let (first, _second) = (serve(2), serve(3));
    let (count, rate) = (run.calls.to_string(), CALLS_PER_S.to_string());
    let arguments = ["-m", &count, "-r", &rate, "-l", &count, "-d", "3000"];
    let mut caller = house.caller(Party::PbxPlain, "uac", NUMBER, &arguments);

    std::thread::sleep(KILLED_AFTER);
    assert_eq!(states(&house), ["in_service", "in_service"]);
    let up = live(&house);
    assert!(up > 2 * CALLS_PER_S, "{up} calls are up");
    first.kill().unwrap();
    // What is sent there is lost from now on; a free port would be told of by ICMP.
    let _silent = (run.transport == Transport::Udp).then(|| {
        let namespace = house.namespace(Host::Carrier);
        namespace.enter(|| UdpSocket::bind(carrier(2)).unwrap())
    });
    // None of them is lost with it.
    assert!(live(&house) >= up - CALLS_PER_S, "calls went");

    let killed = Instant::now();
    while states(&house) != ["out_of_service", "in_service"] {
        // A probe every 10 s, and 4 s for its answer.
        assert!(
            killed.elapsed() < Duration::from_secs(15),
            "{:?}\n{}",
            states(&house),
            house.edge().log()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    house.finish(&mut [&mut caller]);
    let records = house.records(run.calls);
    for record in &records {
        assert_complete(record, "caller");
        let setup = record["setup_ms"].as_f64().unwrap();
        assert!(setup < run.longest_setup_ms, "{record:#}");
        let lasted = record["duration_s"].as_f64().unwrap();
        assert!((2.8..5.0).contains(&lasted), "{record:#}");
    }
    assert_went_over(&records, run);
    house.close();
}

/// To the first, then for a moment to the first and from there to the second, then to the second
/// at once.
fn assert_went_over(records: &[Value], run: &Run) {
    let mut by_start: Vec<_> = records.iter().collect();
    by_start.sort_by_key(|record| record["start"].as_str().unwrap());
    let ways: Vec<Vec<String>> = by_start.iter().map(|record| tried(record)).collect();
    let (first, second) = ("192.0.2.2:5060 200", "192.0.2.3:5060 200");
    let at_first = ways.iter().take_while(|way| **way == [first]).count();
    let at_second = ways
        .iter()
        .rev()
        .take_while(|way| **way == [second])
        .count();
    let between = ways.len() - at_first - at_second;
    assert!(at_first > 3 * CALLS_PER_S, "{at_first} calls at the first");
    assert!(at_second > CALLS_PER_S, "{at_second} calls at the second");
    assert!(between <= run.finding_out, "{between} calls in between");
    for way in &ways[at_first..at_first + between] {
        let failed_over = *way == ["192.0.2.2:5060 -", second];
        assert!(failed_over || *way == [second], "{way:?}");
    }
}

#[test]
fn trk_3_a_carrier_is_killed_and_every_call_goes_on() {
    let run = Run {
        transport: Transport::Udp,
        calls: 200,
        // TRK-3: 4 s.
        longest_setup_ms: 5_000.0,
        // As many as come until the first of them has failed.
        finding_out: 5 * CALLS_PER_S,
    };
    a_carrier_is_killed("killed-udp", &run);
}

#[test]
fn trk_3_a_carrier_on_tcp_is_killed_and_nobody_has_to_wait() {
    let run = Run {
        transport: Transport::Tcp,
        calls: 140,
        // The connection is refused at once: far from the 4 s of silence.
        longest_setup_ms: 1_500.0,
        finding_out: CALLS_PER_S,
    };
    a_carrier_is_killed("killed-tcp", &run);
}
