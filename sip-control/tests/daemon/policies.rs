//! The settings of a trunk's policies: what they become, and what a mistake in them is told as.

use std::time::Duration;

use sip_core::trunk::CallLimits;

use crate::config::{GOOD, files, parse};

/// The good configuration with these lines in the trunk `pbx`.
fn pbx(lines: &str) -> String {
    GOOD.replacen("dscp = 46\n", &format!("dscp = 46\n{lines}\n"), 1)
}

#[test]
fn trk_6_limits_have_defaults_and_zero_is_none() {
    let directory = files();
    let day = Some(Duration::from_secs(24 * 3600));
    for (lines, per_second, concurrent, length) in [
        ("", Some(30), None, day),
        (
            "max_calls_per_second = 5\nmax_concurrent_calls = 60\nmax_call_seconds = 7200",
            Some(5),
            Some(60),
            Some(Duration::from_secs(7200)),
        ),
        (
            "max_calls_per_second = 0\nmax_concurrent_calls = 0\nmax_call_seconds = 0",
            None,
            None,
            None,
        ),
    ] {
        let config = parse(&directory, &pbx(lines)).unwrap();
        let limits = CallLimits {
            per_second,
            concurrent,
            length,
        };
        assert_eq!(config.trunks[1].trunk.limits, limits, "{lines}");
    }
}

#[test]
fn overload_limits_of_the_process() {
    let directory = files();
    for (lines, rate, delay, transactions) in [
        ("", None, Some(Duration::from_millis(500)), 200_000),
        (
            "calls_per_second = 100\nmax_queue_delay = \"50ms\"\nmax_transactions = 5000\n",
            Some(100),
            Some(Duration::from_millis(50)),
            5000,
        ),
        (
            "calls_per_second = 0\nmax_queue_delay = \"0s\"\n",
            None,
            None,
            200_000,
        ),
    ] {
        let text = GOOD.replacen("max_calls = 10\n", &format!("max_calls = 10\n{lines}"), 1);
        let config = parse(&directory, &text).unwrap();
        let stack = config.stack();
        assert_eq!(
            (
                stack.calls_per_second,
                stack.max_queue_delay,
                stack.max_transactions
            ),
            (rate, delay, transactions)
        );
    }
    for (line, expected) in [
        (
            "max_queue_delay = \"half a second\"",
            "limits.max_queue_delay: \"half a second\" is not a time; expected a number and ms, s, m or h, like \"60s\"",
        ),
        (
            "max_transactions = 0",
            "limits.max_transactions: is 0; expected 1 to 10000000",
        ),
        (
            "calls_per_second = -1",
            "limits.calls_per_second: invalid value: integer `-1`, expected u32",
        ),
    ] {
        let text = GOOD.replacen("max_calls = 10\n", &format!("max_calls = 10\n{line}\n"), 1);
        let message = parse(&directory, &text).unwrap_err();
        assert!(message.ends_with(expected), "{message}");
    }
}
