//! Whatever fails, a secure leg's wire carries no plaintext; and what does not need the failed
//! part goes on.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use media_core::session::{Security, Session};
use media_core::srtp::profile::Suite;
use sip_control::media::Backend;
use trunkline_tests::lab::{EDGE_INTERFACES, Host, LabOptions, ipv4, run};
use trunkline_tests::privilege::require_root;
use trunkline_tests::sys;
use trunkline_tests::tap::Tap;

use crate::edge::{Call, Edge, Party, config, start_plane};
use crate::support::{secure, session, talk, until};

/// The wires of a call's secure leg and of its plain one.
struct Wires {
    secure: Tap,
    plain: Tap,
}

impl Wires {
    /// The caller's leg is the secure one.
    fn tap(edge: &Edge, call: &Call) -> Wires {
        let tap = |side, endpoint: &crate::endpoint::Endpoint| {
            Tap::start(edge.lab.namespace(side), endpoint.sdp().rtp.ip()).unwrap()
        };
        Wires {
            secure: tap(Host::Carrier, &call.caller),
            plain: tap(Host::Pbx, &call.callee),
        }
    }

    /// That the secure wire was in use and carried no plaintext, and that plaintext would have
    /// been seen: the other wire shows it.
    fn assert_nothing_leaked(&self, what: &str) {
        let (frames, plaintext) = self.secure.counts();
        assert!(frames > 0, "{what}: the secure wire was silent");
        assert_eq!(plaintext, 0, "{what}: {plaintext} of {frames} frames plain");
        assert!(self.plain.counts().1 > 0, "{what}: the tap is deaf");
    }
}

fn secure_call(edge: &mut Edge) -> Call {
    edge.call(
        Party::new(Host::Carrier, false, secure()),
        Party::new(Host::Pbx, false, None),
    )
}

/// Between other addresses than a secure call's.
fn plain_call(edge: &mut Edge) -> Call {
    let at = |host, part| {
        let mut party = Party::new(host, false, None);
        party.address = Some(ipv4(host, part));
        party
    };
    edge.call(at(Host::Carrier, 3), at(Host::Pbx, 2))
}

fn both_hear_nothing(call: &Call) -> bool {
    call.caller.hears_nothing() && call.callee.hears_nothing()
}

fn send_both_ways(call: &mut Call, count: u32) {
    for sent in 0..count {
        call.caller.send();
        call.callee.send();
        if sent % 64 == 63 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn pins(edge: &Edge) -> PathBuf {
    edge.lab
        .bpffs()
        .join("trunkline")
        .join(format!("v{}", media_common::ABI_VERSION))
}

#[test]
fn without_af_xdp_sockets_a_secure_leg_is_silent_and_counted() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let map = aya::maps::MapData::from_pin(pins(&edge).join("XSKS")).unwrap();
    let mut sockets = aya::maps::XskMap::try_from(aya::maps::Map::XskMap(map)).unwrap();
    let mut call = secure_call(&mut edge);
    let wires = Wires::tap(&edge, &call);
    assert_eq!(talk(&mut call, 3), [3, 3]);
    for slot in 0..sockets.len() {
        let _ = sockets.unset(slot);
    }
    send_both_ways(&mut call, 10);
    assert!(both_hear_nothing(&call));
    until("they are counted", || {
        edge.verdicts().drop_xsk_unbound == 20
    });
    wires.assert_nothing_leaked("AF_XDP unbound");
}

/// The threads of the workers, by their names.
fn worker_threads() -> Vec<i32> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| {
            let task = task.ok()?;
            let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
            let number = name.trim().strip_prefix("media-")?;
            number.parse::<u32>().ok()?;
            task.file_name().to_str()?.parse().ok()
        })
        .collect()
}

/// As a worker that has stopped for good, a flood beyond what it can take, and its return.
#[test]
fn a_worker_that_stands_still_leaks_nothing_and_holds_up_no_other_flow() {
    if !require_root("the namespace lab") {
        return;
    }
    const FLOOD: u32 = 6000;
    let mut edge = Edge::start(LabOptions::default());
    let mut secure = secure_call(&mut edge);
    let wires = Wires::tap(&edge, &secure);
    assert_eq!(talk(&mut secure, 3), [3, 3]);

    let workers = worker_threads();
    assert_eq!(workers.len(), 1, "one for each queue");
    let held = sys::hold_thread(workers[0]).unwrap();
    send_both_ways(&mut secure, FLOOD);
    assert!(both_hear_nothing(&secure));
    let mut plain = plain_call(&mut edge);
    assert_eq!(talk(&mut plain, 10), [10, 10], "the kernel forwards on");
    until("the flood exceeds the rings", || {
        edge.verdicts().drop_xsk_full > 0
    });
    wires.assert_nothing_leaked("a worker stands still");

    drop(held);
    until("what lay in the rings is relayed", || {
        let verdicts = edge.verdicts();
        verdicts.relayed + verdicts.drop_xsk_full + verdicts.drop_transmit_full
            >= u64::from(2 * FLOOD)
    });
    until("the backlog has passed", || both_hear_nothing(&secure));
    assert_eq!(talk(&mut secure, 5), [5, 5], "and the call goes on");
    wires.assert_nothing_leaked("a worker goes on");
}

/// The session with something else in the place of the caller's keys.
fn with_security(call: &Call, security: Security) -> Session {
    let [caller, callee] = &call.specs;
    let mut session = session(call.id.0, caller, callee);
    session.streams[0].legs[0].security = security;
    session
}

#[test]
fn without_keys_a_secure_leg_is_silent() {
    if !require_root("the namespace lab") {
        return;
    }
    for backend in [Backend::Xdp, Backend::Socket] {
        let mut edge = Edge::start_with(LabOptions::default(), |config| config.backend = backend);
        let suite = Suite::AesCm128HmacSha1_80;
        // Not settled yet; and passed through to a leg that has no SRTP, which cannot be.
        for missing in [Security::Pending, Security::Passthrough { suite }] {
            let mut call = edge.prepare(
                Party::new(Host::Carrier, false, secure()),
                Party::new(Host::Pbx, false, None),
            );
            let wires = Wires::tap(&edge, &call);
            edge.apply_session(with_security(&call, missing.clone()));
            send_both_ways(&mut call, 20);
            assert!(both_hear_nothing(&call), "{missing:?} by {backend:?}");
            // Keys come: the call is heard, and never was in the clear.
            edge.apply(&call);
            assert_eq!(talk(&mut call, 5), [5, 5], "{missing:?} by {backend:?}");
            // And go: a change that cannot be carried takes the old keys with it.
            edge.apply_session(with_security(&call, missing.clone()));
            send_both_ways(&mut call, 20);
            assert!(both_hear_nothing(&call), "{missing:?} by {backend:?}");
            wires.assert_nothing_leaked("keys missing");
            edge.remove(&call);
        }
    }
}

#[test]
fn a_program_that_was_detached_leaks_nothing_and_a_restart_heals_it() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let mut call = secure_call(&mut edge);
    let wires = Wires::tap(&edge, &call);
    assert_eq!(talk(&mut call, 3), [3, 3]);
    for interface in EDGE_INTERFACES {
        let link = pins(&edge).join(format!("link-{interface}"));
        let mut bpftool = std::process::Command::new("bpftool");
        run(bpftool.args(["link", "detach", "pinned"]).arg(link)).unwrap();
    }
    send_both_ways(&mut call, 20);
    assert!(both_hear_nothing(&call));
    wires.assert_nothing_leaked("the program is detached");

    edge.plane.take().unwrap().stop();
    send_both_ways(&mut call, 20);
    assert!(both_hear_nothing(&call));
    let (plane, events) = start_plane(&edge.lab, config(&edge.lab)).unwrap();
    (edge.plane, edge.events) = (Some(plane), events);
    edge.apply(&call);
    assert_eq!(talk(&mut call, 5), [5, 5]);
    wires.assert_nothing_leaked("the program is attached again");
}

#[test]
fn a_change_of_keys_under_traffic_leaks_nothing_and_the_old_key_opens_nothing() {
    if !require_root("the namespace lab") {
        return;
    }
    for backend in [Backend::Xdp, Backend::Socket] {
        let mut edge = Edge::start_with(LabOptions::default(), |config| config.backend = backend);
        let mut call = secure_call(&mut edge);
        let wires = Wires::tap(&edge, &call);
        for _ in 0..5 {
            assert_eq!(talk(&mut call, 5), [5, 5], "{backend:?}");
            let under_old_key = call.caller.next_packet();
            let keys = secure();
            call.specs[0].keys = keys.clone();
            let [caller, callee] = &call.specs;
            edge.plane().apply(session(call.id.0, caller, callee));
            // The change happens while packets of both sides arrive.
            for _ in 0..50 {
                call.callee.send();
                call.caller.send();
            }
            edge.apply(&call);
            call.caller.set_keys(keys.as_ref());
            until("everything has arrived", || both_hear_nothing(&call));
            let before = edge.verdicts().drop_authentication;
            call.caller.send_raw(&under_old_key);
            assert!(call.callee.hears_nothing(), "{backend:?}");
            until("it is counted", || {
                edge.verdicts().drop_authentication == before + 1
            });
        }
        wires.assert_nothing_leaked("a change of keys");
    }
}

/// A secure call on each of both legs: plaintext is then nowhere.
#[test]
fn between_two_keys_plaintext_is_on_no_wire_while_interfaces_go_down_and_up() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let mut call = edge.call(
        Party::new(Host::Carrier, false, secure()),
        Party::new(Host::Pbx, false, secure()),
    );
    let wires = Wires::tap(&edge, &call);
    assert_eq!(talk(&mut call, 5), [5, 5]);
    for interface in EDGE_INTERFACES {
        let link = |state: &str| {
            let mut ip = edge.lab.namespace(Host::Edge).command("ip");
            run(ip.args(["link", "set", interface, state])).unwrap();
        };
        link("down");
        for _ in 0..10 {
            // A peer whose link has no carrier may be told so.
            let packet = call.caller.next_packet();
            let _ = call.caller.rtp.send_to(&packet, call.caller.edge_rtp());
            let packet = call.callee.next_packet();
            let _ = call.callee.rtp.send_to(&packet, call.callee.edge_rtp());
        }
        assert!(both_hear_nothing(&call), "{interface}");
        link("up");
        let begun = Instant::now();
        while talk(&mut call, 1) != [1, 1] {
            assert!(begun.elapsed() < Duration::from_secs(10), "{interface}");
        }
        until("what was on its way has arrived", || {
            both_hear_nothing(&call)
        });
        assert_eq!(talk(&mut call, 5), [5, 5], "{interface}");
    }
    for wire in [wires.secure, wires.plain] {
        let (frames, plaintext) = wire.counts();
        assert!(frames > 0);
        assert_eq!(plaintext, 0);
    }
}
