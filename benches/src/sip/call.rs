//! One call, as both of its ends see it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

/// Before a request or an answer without an answer of its own is sent again: T1 of RFC 3261.
pub const T1: Duration = Duration::from_millis(500);
/// Nothing is to be sent again.
const NEVER: Duration = Duration::MAX;

/// Times are of the monotonic clock.
pub struct Call {
    pub begun: Duration,
    /// At the caller: 180, 200 with SDP, 200 to the BYE.
    pub is_ringing: bool,
    pub is_answered: bool,
    pub is_cleared: bool,
    /// At the callee: INVITE with SDP, ACK, BYE.
    pub is_invited: bool,
    pub is_acked: bool,
    pub is_hung_up: bool,
    /// Whole, or failed.
    pub is_over: bool,
    /// The caller has sent its BYE.
    pub is_leaving: bool,
    /// The callee's 200, where to, and whether it has been sent.
    pub answer: Vec<u8>,
    pub answer_to: SocketAddrV4,
    pub is_answer_sent: bool,
    pub ack: Vec<u8>,
    pub bye: Vec<u8>,
    pub caller_again: Again,
    pub callee_again: Again,
}

impl Call {
    pub fn new(begun: Duration) -> Call {
        Call {
            begun,
            is_ringing: false,
            is_answered: false,
            is_cleared: false,
            is_invited: false,
            is_acked: false,
            is_hung_up: false,
            is_over: false,
            is_leaving: false,
            answer: Vec::new(),
            answer_to: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
            is_answer_sent: false,
            ack: Vec::new(),
            bye: Vec::new(),
            caller_again: Again::default(),
            callee_again: Again::default(),
        }
    }

    /// Both ends have seen all of it.
    pub fn is_whole(&self) -> bool {
        self.is_established() && self.is_cleared && self.is_hung_up
    }

    /// Both ends have seen all up to the ACK.
    pub fn is_established(&self) -> bool {
        self.is_ringing && self.is_answered && self.is_invited && self.is_acked
    }

    /// Nothing more will be sent.
    pub fn end(&mut self) {
        self.is_over = true;
        (self.answer, self.ack, self.bye) = (Vec::new(), Vec::new(), Vec::new());
        self.caller_again.stop();
        self.callee_again.stop();
    }
}

/// When something is sent again: after T1, then twice as long each time.
pub struct Again {
    due: Duration,
    interval: Duration,
}

impl Default for Again {
    fn default() -> Again {
        Again {
            due: NEVER,
            interval: T1,
        }
    }
}

impl Again {
    /// It has been sent for the first time.
    pub fn start(&mut self, now: Duration) {
        self.interval = T1;
        self.due = now + T1;
    }

    pub fn stop(&mut self) {
        self.due = NEVER;
    }

    /// Whether it is to be sent now.
    pub fn is_due(&mut self, now: Duration) -> bool {
        if now < self.due {
            return false;
        }
        self.interval *= 2;
        self.due = now + self.interval;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_again_backs_off() {
        let at = Duration::from_millis;
        let mut again = Again::default();
        assert!(!again.is_due(at(9000)));
        again.start(at(0));
        let due: Vec<u64> = (0..4000).filter(|ms| again.is_due(at(*ms))).collect();
        assert_eq!(due, [500, 1500, 3500]);
    }
}
