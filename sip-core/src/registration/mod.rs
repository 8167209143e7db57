//! Our registrations with providers: RFC 3261 section 10.2, SIG-5.
//!
//! One for each trunk that wants it, as pure state: [`crate::stack`] sends its REGISTERs, answers
//! what challenges them, and brings the outcome back here. Refreshed when three quarters of the
//! granted time are over; after a failure tried again ever later (RFC 5626 section 4.5).

use std::time::{Duration, Instant};

use rand_core::RngCore;

use crate::message::{Contacts, HeaderName, NameAddr, Response, StatusCode, Uri};
use crate::transaction::ClientKey;
use crate::transport::ConnectionId;

/// What a trunk registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationSettings {
    /// Our address-of-record with the provider.
    pub aor: Uri,
    /// The time that is asked for.
    pub expires: Duration,
}

/// A registration as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationStatus {
    /// Name of the trunk.
    pub trunk: String,
    pub aor: String,
    /// Until when it is registered.
    pub until: Option<Instant>,
    /// In a row.
    pub failures: u32,
    /// Why the latest attempt failed.
    pub problem: Option<String>,
}

/// What an attempt has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is registered; `true`: it was not before.
    Registered(bool),
    Removed,
    /// The provider did not take our leave.
    NotRemoved,
    /// Asked again at once, for the time that the provider wants.
    Again,
    /// Tried again later.
    Failed,
}

/// One registration.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) settings: RegistrationSettings,
    /// Raised where the provider wants more (423).
    expires: Duration,
    /// It was in this attempt: who wants more and more is not asked at once forever.
    raised: bool,
    /// All REGISTERs of one boot have one Call-ID (section 10.2).
    pub(crate) call_id: String,
    pub(crate) tag: String,
    sequence: u32,
    pending: Option<ClientKey>,
    /// When the next REGISTER is due; not while one is out.
    due: Option<Instant>,
    until: Option<Instant>,
    failures: u32,
    problem: Option<String>,
    connection: Option<ConnectionId>,
    /// It is to end.
    leaving: bool,
    /// The REGISTER that ends it was sent.
    left: bool,
}

impl Registration {
    /// The first REGISTER is due within a second: many trunks must not begin at once.
    pub(crate) fn new(
        now: Instant,
        settings: RegistrationSettings,
        (call_id, tag): (String, String),
        rng: &mut (impl RngCore + ?Sized),
    ) -> Registration {
        Registration {
            expires: settings.expires,
            raised: false,
            settings,
            call_id,
            tag,
            sequence: 0,
            pending: None,
            due: Some(now + share(Duration::from_secs(1), 0, 100, rng)),
            until: None,
            failures: 0,
            problem: None,
            connection: None,
            leaving: false,
            left: false,
        }
    }

    /// When a REGISTER is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    pub(crate) fn is_waiting_for(&self, client: ClientKey) -> bool {
        self.pending == Some(client)
    }

    /// Number and time of the REGISTER that is sent now; zero: it ends the registration.
    pub(crate) fn next(&mut self) -> (u32, Duration) {
        self.sequence += 1;
        self.due = None;
        self.left = self.leaving;
        let expires = match self.leaving {
            true => Duration::ZERO,
            false => self.expires,
        };
        (self.sequence, expires)
    }

    /// The next REGISTER waits until then for something else, at the most.
    pub(crate) fn wait(&mut self, until: Instant) {
        self.due = Some(until);
    }

    /// In a row.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    pub(crate) fn sent(&mut self, client: ClientKey) {
        self.pending = Some(client);
    }

    /// It is wanted otherwise: whether that is worth a REGISTER now. One that failed is, with another
    /// password.
    pub(crate) fn change(
        &mut self,
        wanted: &RegistrationSettings,
        is_other_password: bool,
    ) -> bool {
        let is_other_time = self.settings.expires != wanted.expires;
        if is_other_time {
            self.settings = wanted.clone();
            self.expires = wanted.expires;
        }
        is_other_time || is_other_password && self.failures > 0
    }

    /// The next REGISTER is due now, if none is out.
    pub(crate) fn hurry(&mut self, now: Instant) {
        if self.pending.is_none() {
            self.due = Some(now);
        }
    }

    /// It ends, as soon as nothing is out.
    pub(crate) fn leave(&mut self, now: Instant) {
        self.leaving = true;
        let is_there = self.until.is_some_and(|until| until > now) || self.pending.is_some();
        self.due = Some(now).filter(|_| is_there && self.pending.is_none());
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// Nothing is left to be done of one that ends.
    pub(crate) fn is_over(&self) -> bool {
        self.leaving && self.pending.is_none() && self.due.is_none()
    }

    /// The final response to the REGISTER that is out.
    pub(crate) fn handle_response(
        &mut self,
        now: Instant,
        response: &Response,
        contact: &NameAddr,
        connection: Option<ConnectionId>,
        rng: &mut (impl RngCore + ?Sized),
    ) -> Outcome {
        self.pending = None;
        // Answers to challenges count on. A number that we cannot have sent is not ours to go on from:
        // beyond 2^31 there is none (RFC 3261 section 8.1.1.5).
        if let Ok(cseq) = response.headers.cseq()
            && cseq.number.saturating_sub(self.sequence) <= MOST_ANSWERS
        {
            self.sequence = self.sequence.max(cseq.number);
        }
        if self.leaving {
            return self.leave_answered(now, response);
        }
        match response.status {
            status if status.is_success() => {
                let granted = self.expires_of(response, contact).unwrap_or(self.expires);
                let was_there = self.until.is_some_and(|until| until > now) && self.failures == 0;
                self.until = Some(now + granted);
                self.due = Some(now + share(granted, 70, 80, rng).max(SHORTEST_REFRESH));
                (self.failures, self.problem, self.raised) = (0, None, false);
                self.connection = connection;
                Outcome::Registered(!was_there)
            }
            StatusCode::INTERVAL_TOO_BRIEF if !self.raised && self.accept_minimum(response) => {
                self.raised = true;
                self.due = Some(now);
                Outcome::Again
            }
            _ => {
                let wait = retry_after(response);
                self.fail(now, described(response), wait, rng);
                Outcome::Failed
            }
        }
    }

    fn leave_answered(&mut self, now: Instant, response: &Response) -> Outcome {
        self.until = None;
        if !self.left {
            // It was on its way when we decided to go.
            self.due = Some(now);
            return Outcome::Again;
        }
        if response.status.is_success() {
            return Outcome::Removed;
        }
        self.problem = Some(described(response));
        Outcome::NotRemoved
    }

    /// No response came, or the REGISTER could not be sent.
    pub(crate) fn handle_failure(
        &mut self,
        now: Instant,
        problem: &str,
        rng: &mut (impl RngCore + ?Sized),
    ) -> Outcome {
        self.pending = None;
        // The numbers of answers to challenges, of which we did not hear.
        self.sequence = self.sequence.saturating_add(MOST_ANSWERS);
        if self.leaving {
            (self.until, self.due) = (None, None);
            self.problem = Some(problem.to_owned());
            return Outcome::NotRemoved;
        }
        self.fail(now, problem.to_owned(), Duration::ZERO, rng);
        Outcome::Failed
    }

    /// The provider can reach us by that connection no more: a new one is needed soon.
    pub(crate) fn connection_closed(
        &mut self,
        now: Instant,
        closed: ConnectionId,
        rng: &mut (impl RngCore + ?Sized),
    ) -> bool {
        if self.connection.take_if(|known| *known == closed).is_none() || self.due.is_none() {
            return false;
        }
        self.due = Some(now + share(Duration::from_secs(2), 25, 100, rng));
        true
    }

    pub(crate) fn status(&self, now: Instant, trunk: &str) -> RegistrationStatus {
        RegistrationStatus {
            trunk: trunk.to_owned(),
            aor: self.settings.aor.to_string(),
            until: self.until.filter(|until| *until > now),
            failures: self.failures,
            problem: self.problem.clone(),
        }
    }

    /// What the provider grants our contact: its `expires`, else Expires (section 10.2.4). `None`:
    /// our contact is not there, and nothing is said.
    fn expires_of(&self, response: &Response, contact: &NameAddr) -> Option<Duration> {
        let headers = &response.headers;
        let own = match headers.contacts() {
            Ok(Contacts::List(list)) => list
                .into_iter()
                .find(|bound| bound.uri().equivalent(contact.uri()))
                .and_then(|bound| bound.expires()),
            _ => None,
        };
        let seconds = own.or(headers.number(HeaderName::Expires).ok().flatten());
        seconds
            .filter(|seconds| *seconds > 0)
            .map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// Section 10.2.8: whether the provider says for how long it wants us, and it is no nonsense.
    fn accept_minimum(&mut self, response: &Response) -> bool {
        let minimum = response.headers.number(HeaderName::MinExpires);
        let Ok(Some(seconds)) = minimum else {
            return false;
        };
        let minimum = Duration::from_secs(seconds.into());
        let is_sensible = minimum > self.expires && minimum <= LONGEST_MINIMUM;
        if is_sensible {
            self.expires = minimum;
        }
        is_sensible
    }

    fn fail(
        &mut self,
        now: Instant,
        problem: String,
        at_least: Duration,
        rng: &mut (impl RngCore + ?Sized),
    ) {
        let doublings = self.failures.min(8);
        let ceiling = (FIRST_RETRY * (1 << doublings)).min(LONGEST_RETRY);
        self.failures = self.failures.saturating_add(1);
        (self.problem, self.raised) = (Some(problem), false);
        self.due = Some(now + share(ceiling, 50, 100, rng).max(at_least));
    }
}

/// RFC 5626 section 4.5: base time and its ceiling, of which 50 to 100 percent are waited.
const FIRST_RETRY: Duration = Duration::from_secs(30);
const LONGEST_RETRY: Duration = Duration::from_secs(1800);
/// How often a REGISTER is sent again with credentials, each time with the next number.
const MOST_ANSWERS: u32 = 3;
/// What a provider may want of us in a 423.
const LONGEST_MINIMUM: Duration = Duration::from_secs(24 * 3600);
/// Whatever is granted, we do not ask more often.
const SHORTEST_REFRESH: Duration = Duration::from_secs(5);
/// The longest Retry-After that we heed.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Between `low` and `high` percent of a time.
fn share(time: Duration, low: u32, high: u32, rng: &mut (impl RngCore + ?Sized)) -> Duration {
    const STEPS: u32 = 1000;
    let percent_of = |percent: u32| time * percent / 100;
    let span = percent_of(high).saturating_sub(percent_of(low));
    percent_of(low) + span * (rng.next_u32() % (STEPS + 1)) / STEPS
}

/// Status and phrase.
fn described(response: &Response) -> String {
    let reason = String::from_utf8_lossy(&response.reason);
    format!("{} {reason}", response.status)
        .trim_end()
        .to_owned()
}

fn retry_after(response: &Response) -> Duration {
    let seconds = response.headers.value(HeaderName::RetryAfter);
    // `120 (in maintenance);duration=3600`
    let digits = seconds.map(|value| {
        let end = value.iter().position(|byte| !byte.is_ascii_digit());
        String::from_utf8_lossy(&value[..end.unwrap_or(value.len())]).into_owned()
    });
    let seconds = digits.and_then(|digits| digits.parse().ok()).unwrap_or(0);
    Duration::from_secs(seconds).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests;
