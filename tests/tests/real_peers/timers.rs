//! Session timers (RFC 4028) with SIPp. Intervals that a callee grants are shorter than the RFC
//! lets it, so that nobody has to wait for 45 s.

use trunkline_tests::edge::EdgeOptions;
use trunkline_tests::privilege::require_root;

use crate::support::{assert_complete, call, calls};

#[test]
fn sig_2_sipp_a_callers_short_interval_is_422_and_a_longer_one_is_taken() {
    if require_root("the network lab") {
        let caller = ("timer_422_caller", &[][..]);
        let options = EdgeOptions::default();
        let records = calls("422-caller", &options, caller, ("answering_callee", &[]), 2);
        assert_eq!(records[0]["status"], 422, "{records:#?}");
        assert_eq!(records[0]["ended_by"], "trunkline", "{records:#?}");
        assert_complete(&records[1], "caller");
    }
}

#[test]
fn sig_2_sipp_a_callees_422_is_answered_with_the_interval_that_it_wants() {
    if require_root("the network lab") {
        let callee = ("timer_422_callee", &[][..]);
        let record = call("422-callee", &EdgeOptions::default(), ("uac", &[]), callee);
        assert_complete(&record, "caller");
    }
}

#[test]
fn sig_2_sipp_a_session_is_refreshed_at_half_of_its_interval() {
    if require_root("the network lab") {
        // The interval is 4 s: two refreshes.
        let caller = ("uac", &["-d", "5500"][..]);
        let callee = ("timer_refresh_callee", &[][..]);
        let record = call("refresh", &EdgeOptions::default(), caller, callee);
        assert_complete(&record, "caller");
    }
}

#[test]
fn sig_2_sipp_a_session_that_its_peer_does_not_refresh_ends() {
    if require_root("the network lab") {
        let (caller, callee) = ("remaining_caller", "timer_silent_callee");
        let record = call(
            "expiry",
            &EdgeOptions::default(),
            (caller, &[]),
            (callee, &[]),
        );
        assert_eq!(record["status"], 200, "{record:#}");
        assert_eq!(record["ended_by"], "trunkline", "{record:#}");
        // RFC 4028 section 10: a third of 4 s before its end.
        let lasted = record["duration_s"].as_f64().unwrap();
        assert!((2.5..4.0).contains(&lasted), "{record:#}");
    }
}
