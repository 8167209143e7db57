//! Credentials of requests that come: challenged, judged, and what is wrong answered late
//! (TRK-1, SIG-4).
//!
//! A challenge is no refusal: the client comes again, and what becomes of that has its record.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_core::RngCore;

use super::{Event, EventKind, Stack};
use crate::auth::{Authenticator, Throttle, Verdict};
use crate::message::{HeaderName, Request, Response, StatusCode};
use crate::refusal::Refusal;
use crate::transaction::ServerKey;
use crate::transport::Origin;
use crate::trunk::TrunkId;

/// What came of a request's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// They are right, or none are needed: then there is no user.
    Good(Option<String>),
    /// It was answered 401.
    Challenged,
}

pub(super) struct Authentication {
    authenticator: Authenticator,
    throttle: Throttle,
    /// Answers that are due later, by their time and in order.
    held: BTreeMap<(Instant, u64), Held>,
    next: u64,
}

struct Held {
    server: ServerKey,
    source: IpAddr,
    response: Response,
}

impl Authentication {
    pub(super) fn new(now: Instant, rng: &mut (impl RngCore + ?Sized)) -> Authentication {
        Authentication {
            authenticator: Authenticator::new(now, rng),
            throttle: Throttle::default(),
            held: BTreeMap::new(),
            next: 0,
        }
    }

    /// Whether so much is held back that no more is looked at of a source: for that source, or in
    /// all, and then of sources that have failed before.
    fn must_wait(&self, source: IpAddr) -> bool {
        let has_failed = self.throttle.has_failed(source);
        self.throttle.is_full(source) || has_failed && self.held.len() >= MAX_HELD
    }

    /// Answers that are held back.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// When the next answer is due.
    pub(super) fn next_answer(&self) -> Option<Instant> {
        self.held.keys().next().map(|(due, _)| *due)
    }
}

impl Stack {
    /// Checks the credentials of a request outside any dialog that the trunk may send, if the trunk
    /// asks for any. An error comes with the time that its answer is to be held back.
    pub(super) fn check_credentials(
        &mut self,
        trunk: TrunkId,
        server: ServerKey,
        origin: &Origin,
        request: &Request,
        tag: &str,
    ) -> Result<Checked, (Refusal, Option<Duration>)> {
        let trunk = Arc::clone(&self.trunks[usize::from(trunk.0)]);
        let Some(set) = &trunk.credentials else {
            return Ok(Checked::Good(None));
        };
        let source = origin.remote.ip();
        if self.authentication.must_wait(source) {
            self.cx.counters.auth_throttled += 1;
            return Err((Refusal::AUTH_THROTTLED, None));
        }
        let now = self.cx.now;
        let authenticator = &mut self.authentication.authenticator;
        match authenticator.judge(now, set, source, &request.method, &request.headers) {
            Verdict::Authentic { user } => {
                self.cx.counters.auth_successes += 1;
                Ok(Checked::Good(Some(user)))
            }
            Verdict::Challenge { stale } => {
                self.cx.counters.auth_challenges += 1;
                self.cx.counters.auth_stale += u64::from(stale);
                let rng = &mut *self.cx.rng;
                let challenges = authenticator.challenges(now, set, source, stale, rng);
                let mut response = self.cx.response(request, StatusCode::UNAUTHORIZED, tag);
                for challenge in challenges {
                    response
                        .headers
                        .push(HeaderName::WwwAuthenticate, challenge);
                }
                self.cx.respond(server, &response);
                Ok(Checked::Challenged)
            }
            Verdict::Wrong { user } => Err(self.authentication_failed(&trunk.name, origin, &user)),
        }
    }

    /// Counts and tells of wrong credentials: how to answer, and how late. Whatever was wrong with
    /// them, the answer is the same.
    pub(super) fn authentication_failed(
        &mut self,
        trunk: &str,
        origin: &Origin,
        user: &str,
    ) -> (Refusal, Option<Duration>) {
        self.cx.counters.auth_failures += 1;
        let refusal = Refusal::CREDENTIALS;
        let throttle = &mut self.authentication.throttle;
        let failure = throttle.fail(self.cx.now, origin.remote.ip());
        self.cx.event(Event {
            kind: EventKind::AuthenticationFailed,
            call: None,
            trunk: Some(trunk.to_owned()),
            peer: Some((origin.transport, origin.remote)),
            code: Some(refusal.code),
            text: format!("user {user:?}, failure {} of that source", failure.count),
        });
        (refusal, Some(failure.delay))
    }

    /// Answers later; at once if too many answers wait already, which no source gets twice.
    pub(super) fn hold_back(
        &mut self,
        server: ServerKey,
        origin: &Origin,
        response: Response,
        delay: Duration,
    ) {
        let source = origin.remote.ip();
        let authentication = &mut self.authentication;
        if authentication.held.len() >= MAX_HELD {
            authentication.throttle.release(source);
            return self.cx.respond(server, &response);
        }
        let key = (self.cx.now + delay, authentication.next);
        authentication.next += 1;
        let held = Held {
            server,
            source,
            response,
        };
        authentication.held.insert(key, held);
    }

    /// Sends the answers whose time has come.
    pub(super) fn answer_held(&mut self) {
        while let Some(first) = self.authentication.held.first_entry()
            && first.key().0 <= self.cx.now
        {
            let held = first.remove();
            self.authentication.throttle.release(held.source);
            self.cx.respond(held.server, &held.response);
        }
    }
}

/// Answers that are held back at once, about 2 KB each.
const MAX_HELD: usize = 10_000;
