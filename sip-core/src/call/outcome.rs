//! How a call ends: by whom, with which status and code, and what the caller is told.

use crate::message::{Response, StatusCode};
use crate::refusal::Refusal;
use crate::stack::EndedBy;

/// The end of a call, for its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) ended_by: EndedBy,
    /// Final status of the caller's INVITE.
    pub(crate) status: u16,
    pub(crate) code: Option<u32>,
    pub(crate) reason: String,
}

impl Outcome {
    /// A peer hung up an answered call.
    pub(crate) fn hung_up(by: impl Into<EndedBy>) -> Outcome {
        Outcome {
            ended_by: by.into(),
            status: 200,
            code: None,
            reason: "hung up".to_owned(),
        }
    }

    /// One side went over to another call; the other one stays behind.
    pub(crate) fn transferred(by: impl Into<EndedBy>) -> Outcome {
        Outcome {
            reason: "transferred".to_owned(),
            ..Outcome::hung_up(by)
        }
    }

    /// The caller gave up before the answer.
    pub(crate) fn cancelled() -> Outcome {
        Outcome {
            ended_by: EndedBy::Caller,
            status: StatusCode::REQUEST_TERMINATED.code(),
            code: None,
            reason: "cancelled".to_owned(),
        }
    }

    /// We refused the call.
    pub(crate) fn refused(refusal: &Refusal) -> Outcome {
        Outcome {
            ended_by: EndedBy::Trunkline,
            status: refusal.status,
            code: Some(refusal.code),
            reason: refusal.text.to_owned(),
        }
    }

    /// No target took the call; that is the last one's cause.
    pub(crate) fn all_failed(cause: &str) -> Outcome {
        let refusal = Refusal::ALL_TARGETS_FAILED;
        Outcome {
            reason: format!("{}: {cause}", refusal.text),
            ..Outcome::refused(&refusal)
        }
    }

    /// We ended an answered call.
    pub(crate) fn ended(refusal: &Refusal) -> Outcome {
        Outcome {
            status: 200,
            ..Outcome::refused(refusal)
        }
    }

    /// The far side refused.
    pub(crate) fn declined(far: &Response, refusal: Option<&Refusal>) -> Outcome {
        let phrase = String::from_utf8_lossy(&far.reason);
        Outcome {
            ended_by: EndedBy::Callee,
            status: refusal.map_or(far.status.code(), |refusal| refusal.status),
            code: refusal.map(|refusal| refusal.code),
            reason: format!("{} {phrase}", far.status).trim_end().to_owned(),
        }
    }
}

/// What a far side's refusal means when it is not passed on with its own status: that status speaks
/// of the hop between us and the far side.
pub(crate) fn hop_refusal(far: StatusCode) -> Option<Refusal> {
    match far.code() {
        300..=399 => Some(Refusal::ALL_TARGETS_FAILED),
        401 | 407 => Some(Refusal::CREDENTIALS),
        // Session timers are each leg's own, and the caller's may have none.
        422 => Some(Refusal::ALL_TARGETS_FAILED.with_status(500)),
        _ => None,
    }
}

/// Why a request of ours got no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// As if 408 had come (RFC 3261 section 8.1.3.1).
    TimedOut,
    /// As if 503 had come. The reason is the transport's.
    TransportFailed(String),
}

impl Failure {
    /// The cause, for those who look for it.
    pub(crate) fn text(&self) -> &str {
        match self {
            Failure::TimedOut => "no response",
            Failure::TransportFailed(reason) => reason,
        }
    }

    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            Failure::TimedOut => Refusal::ALL_TARGETS_FAILED.with_status(408),
            Failure::TransportFailed(_) => Refusal::ALL_TARGETS_FAILED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_far_sides_refusal_passes_unless_it_speaks_of_its_own_hop() {
        for (far, told) in [
            (302, Some(503)),
            (401, Some(403)),
            (407, Some(403)),
            (422, Some(500)),
            (404, None),
            (480, None),
            (486, None),
            (488, None),
            (491, None),
            (503, None),
            (603, None),
        ] {
            let far = StatusCode::new(far).unwrap();
            assert_eq!(
                hop_refusal(far).map(|refusal| refusal.status),
                told,
                "{far}"
            );
        }
    }
}
