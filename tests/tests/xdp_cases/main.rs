//! What the XDP program does to a packet, case by case, in the kernel: one run of the
//! program on one frame (`BPF_PROG_TEST_RUN`).
#![allow(clippy::unwrap_used)] // All of it is a test: to fail is what it is for.

mod dropping;
mod forwarding;
mod passing;
mod translating;
mod worker;

use trunkline_tests::xdp::case::run;

#[test]
fn media_is_rewritten_and_sent_to_the_next_hop() {
    run(&forwarding::cases());
}

#[test]
fn media_changes_its_ip_version_on_the_way() {
    run(&translating::cases());
}

#[test]
fn what_is_not_media_passes_untouched() {
    run(&passing::cases());
}

#[test]
fn what_a_flow_must_not_let_through_is_dropped_and_the_reason_counted() {
    run(&dropping::cases());
}

#[test]
fn a_worker_gets_the_packet_untouched_or_nobody_does() {
    run(&worker::cases());
}

/// A new verdict of the kernel program needs a case in one of the tables.
#[test]
fn every_verdict_has_a_case() {
    // What only user space counts; STUN and DTLS are `xsk` here, and the worker names them.
    const NOT_THE_KERNELS: [&str; 9] = [
        "drop_stun",
        "drop_dtls",
        "relayed",
        "drop_no_peer",
        "drop_authentication",
        "drop_replay",
        "drop_key_expired",
        "drop_transmit_full",
        "drop_xsk_full",
    ];
    let tables = [
        forwarding::cases(),
        translating::cases(),
        passing::cases(),
        dropping::cases(),
        worker::cases(),
    ]
    .concat();
    let verdicts = media_common::counters::Verdicts::default();
    let names = verdicts.passed().map(|(name, _)| name);
    for name in names.chain(verdicts.dropped().map(|(reason, _)| reason.name())) {
        let covered = tables.iter().any(|case| case.counter == name);
        assert_ne!(covered, NOT_THE_KERNELS.contains(&name), "{name}");
    }
}
