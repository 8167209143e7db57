//! Session timers (RFC 4028): each leg's own, with its peer.
//!
//! Whose turn it is to refresh, and when, follows from the latest 2xx to INVITE or UPDATE, of
//! either side. What we refresh with is [`super::refreshing`]'s.

use std::time::{Duration, Instant};

use crate::message::{HeaderName, Headers, Refresher, SessionExpires, TIMER};
use crate::transaction::ClientKey;
use crate::trunk::session::{LONGEST_INTERVAL, SHORTEST_INTERVAL, SessionPolicy};

/// One leg's session timer.
pub(super) struct SessionTimer {
    policy: SessionPolicy,
    running: Option<Running>,
    /// Our UPDATE that refreshes, without final response yet.
    refresh: Option<ClientKey>,
}

/// A session that ends unless it is refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Running {
    seconds: u32,
    /// When we refresh; `None`: the peer does.
    refresh: Option<Instant>,
    end: Instant,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Refresh,
    /// Nobody refreshed: BYE (section 10).
    Expired,
}

/// The interval that a request asks for is too short: 422 with this Min-SE (section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IntervalTooSmall(pub(crate) u32);

impl SessionTimer {
    pub(super) fn new(policy: SessionPolicy) -> SessionTimer {
        SessionTimer {
            policy,
            running: None,
            refresh: None,
        }
    }

    // Our requests.

    /// What an INVITE or UPDATE of ours says of the timer (sections 7.1 and 7.4).
    pub(super) fn ask(&self, headers: &mut Headers) {
        let SessionPolicy {
            timers,
            expires,
            min_se,
        } = self.policy;
        if !timers {
            return;
        }
        headers.push(HeaderName::Supported, TIMER);
        let expires = match self.running {
            None => SessionExpires {
                seconds: expires,
                refresher: None,
            },
            // Who refreshes stays who it is.
            Some(running) => SessionExpires {
                seconds: running.seconds.max(min_se),
                refresher: Some(match running.refresh {
                    Some(_) => Refresher::Uac,
                    None => Refresher::Uas,
                }),
            },
        };
        headers.push(HeaderName::SessionExpires, expires.to_string());
        if min_se > SHORTEST_INTERVAL {
            headers.push(HeaderName::MinSe, min_se.to_string());
        }
    }

    /// The 2xx to it (section 7.2): without Session-Expires the session does not expire.
    pub(super) fn answered(&mut self, now: Instant, response: &Headers) {
        self.running = None;
        if let Some(expires) = response.session_expires().filter(|_| self.policy.timers) {
            let is_ours = expires.refresher != Some(Refresher::Uas);
            self.run(now, expires.seconds, is_ours);
        }
    }

    /// 422 to it (section 7.3): whether asking again with a longer interval makes sense. Even a
    /// peer of a trunk without session timers is asked with one then: somebody on the way has put
    /// one in, and the call does not come about otherwise.
    pub(super) fn raise(&mut self, response: &Headers) -> bool {
        let Some(min_se) = response.min_se() else {
            return false;
        };
        if min_se > LONGEST_INTERVAL || self.policy.timers && min_se <= self.policy.min_se {
            return false;
        }
        let policy = &mut self.policy;
        policy.timers = true;
        policy.min_se = policy.min_se.max(min_se);
        policy.expires = policy.expires.max(policy.min_se);
        if let Some(running) = &mut self.running {
            running.seconds = running.seconds.max(min_se);
        }
        true
    }

    /// The same for one of several places that were asked at once, which says of its own request
    /// what it says then; the leg's timer stays as it is.
    pub(super) fn raise_in(&self, request: &mut Headers, response: &Headers) -> bool {
        let mut its = SessionTimer::new(self.policy);
        its.raise(request);
        if !its.raise(response) {
            return false;
        }
        let mut asked = Headers::new();
        its.ask(&mut asked);
        for name in [HeaderName::SessionExpires, HeaderName::MinSe] {
            if let Some(value) = asked.value(name) {
                request.set(name, value);
            }
        }
        if !request.has_option_tag(HeaderName::Supported, TIMER) {
            request.push(HeaderName::Supported, TIMER);
        }
        true
    }

    // The peer's requests.

    /// What the answer to an INVITE or UPDATE says, which starts the timer (section 9).
    pub(super) fn answer(&mut self, now: Instant, request: &Headers, response: &mut Headers) {
        self.running = None;
        if !self.policy.timers {
            return;
        }
        let asked = request.session_expires();
        let knows = request.has_option_tag(HeaderName::Supported, TIMER)
            || request.has_option_tag(HeaderName::Require, TIMER);
        // Table 2: a peer that does not know timers cannot refresh, and need not be refreshed
        // unless somebody on the way asked for it.
        if !knows && asked.is_none() {
            return;
        }
        let shortest = request.min_se().unwrap_or(0).max(self.policy.min_se);
        let wish = asked.map_or(self.policy.expires, |asked| asked.seconds);
        let seconds = wish.min(self.policy.expires).max(shortest);
        let refresher = match asked.and_then(|asked| asked.refresher) {
            _ if !knows => Refresher::Uas,
            Some(refresher) => refresher,
            None => Refresher::Uac,
        };
        let expires = SessionExpires {
            seconds,
            refresher: Some(refresher),
        };
        response.push(HeaderName::SessionExpires, expires.to_string());
        if refresher == Refresher::Uac {
            response.push(HeaderName::Require, TIMER);
        }
        self.run(now, seconds, refresher == Refresher::Uas);
    }

    // Time.

    pub(super) fn deadline(&self) -> Option<Instant> {
        let running = self.running?;
        Some(
            running
                .refresh
                .map_or(running.end, |at| at.min(running.end)),
        )
    }

    pub(super) fn due(&self, now: Instant) -> Due {
        match self.running {
            Some(running) if running.end <= now => Due::Expired,
            Some(running) if running.refresh.is_some_and(|at| at <= now) => Due::Refresh,
            _ => Due::Nothing,
        }
    }

    /// A refresh is on its way, or could not be made: the next one not before `delay`.
    pub(super) fn put_off(&mut self, now: Instant, delay: Duration) {
        if let Some(refresh) = self
            .running
            .as_mut()
            .and_then(|running| running.refresh.as_mut())
        {
            *refresh = now + delay;
        }
    }

    pub(super) fn refreshing(&mut self, update: ClientKey) {
        self.refresh = Some(update);
    }

    pub(super) fn is_refresh(&self, client: ClientKey) -> bool {
        self.refresh == Some(client)
    }

    pub(super) fn refresh_settled(&mut self) {
        self.refresh = None;
    }

    fn run(&mut self, now: Instant, seconds: u32, is_ours: bool) {
        let seconds = seconds.max(1);
        let interval = Duration::from_secs(seconds.into());
        // Section 10: the BYE leaves before the peer gives up, by a third of the interval but not
        // more than 32 s.
        let margin = (interval / 3).min(LAST_MOMENT);
        self.running = Some(Running {
            seconds,
            refresh: is_ours.then(|| now + interval / 2),
            end: now + (interval - margin),
        });
    }
}

/// Whether an INVITE or UPDATE asks for an interval that is too short (section 9). Only who knows
/// 422 is answered so.
pub(crate) fn judge(policy: &SessionPolicy, request: &Headers) -> Result<(), IntervalTooSmall> {
    let is_short = request
        .session_expires()
        .is_some_and(|asked| asked.seconds < policy.min_se);
    let knows = request.has_option_tag(HeaderName::Supported, TIMER)
        || request.has_option_tag(HeaderName::Require, TIMER);
    match policy.timers && is_short && knows {
        true => Err(IntervalTooSmall(policy.min_se)),
        false => Ok(()),
    }
}

/// Section 10.
const LAST_MOMENT: Duration = Duration::from_secs(32);

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: SessionPolicy = SessionPolicy {
        timers: true,
        expires: 1800,
        min_se: 90,
    };

    fn headers(lines: &[(HeaderName, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(*name, *value);
        }
        headers
    }

    /// RFC 4028 table 2, and the limits of both sides.
    #[test]
    fn who_refreshes_and_how_often_follows_from_the_request() {
        use HeaderName::{MinSe, SessionExpires as Expires, Supported};
        let timer = (Supported, "timer");
        for (request, expected, is_ours) in [
            (vec![], None, None),
            (vec![timer], Some("1800;refresher=uac"), Some(false)),
            (
                vec![timer, (Expires, "600")],
                Some("600;refresher=uac"),
                Some(false),
            ),
            (
                vec![timer, (Expires, "600;refresher=uas")],
                Some("600;refresher=uas"),
                Some(true),
            ),
            (
                vec![timer, (Expires, "7200;refresher=uac")],
                Some("1800;refresher=uac"),
                Some(false),
            ),
            (
                vec![timer, (Expires, "7200"), (MinSe, "3600")],
                Some("3600;refresher=uac"),
                Some(false),
            ),
            (
                vec![(Expires, "600;refresher=uac")],
                Some("600;refresher=uas"),
                Some(true),
            ),
            (vec![(Expires, "30")], Some("90;refresher=uas"), Some(true)),
        ] {
            let now = Instant::now();
            let mut timer = SessionTimer::new(POLICY);
            let mut response = Headers::new();
            timer.answer(now, &headers(&request), &mut response);
            let expires = response.value(HeaderName::SessionExpires);
            assert_eq!(expires, expected.map(str::as_bytes), "{request:?}");
            let requires = response.has_option_tag(HeaderName::Require, "timer");
            assert_eq!(requires, is_ours == Some(false), "{request:?}");
            let refreshes = timer.running.map(|running| running.refresh.is_some());
            assert_eq!(refreshes, is_ours, "{request:?}");
        }
    }

    #[test]
    fn a_timer_refreshes_at_half_its_interval_and_ends_before_it() {
        for (seconds, end) in [(1800, 1768), (90, 60), (99, 67)] {
            let now = Instant::now();
            let at = |after| now + Duration::from_secs(after);
            let mut timer = SessionTimer::new(POLICY);
            let answer = format!("{seconds};refresher=uac");
            timer.answered(now, &headers(&[(HeaderName::SessionExpires, &answer)]));
            let half = now + Duration::from_secs(seconds) / 2;
            assert_eq!(timer.deadline(), Some(half));
            assert_eq!(timer.due(half), Due::Refresh);
            timer.put_off(half, Duration::from_secs(3600));
            assert_eq!(timer.deadline(), Some(at(end)));
            assert_eq!(timer.due(at(end)), Due::Expired);
        }
    }

    #[test]
    fn an_interval_is_too_short_only_for_those_who_know_what_that_means() {
        use HeaderName::{Require, SessionExpires as Expires, Supported};
        for (request, fits) in [
            (vec![(Expires, "89"), (Supported, "timer")], false),
            (vec![(Expires, "89"), (Require, "timer")], false),
            (vec![(Expires, "90"), (Supported, "timer")], true),
            (vec![(Expires, "89")], true),
            (vec![(Supported, "timer")], true),
        ] {
            let judged = judge(&POLICY, &headers(&request));
            assert_eq!(judged.is_ok(), fits, "{request:?}");
            let off = SessionPolicy {
                timers: false,
                ..POLICY
            };
            assert_eq!(judge(&off, &headers(&request)), Ok(()));
        }
    }

    #[test]
    fn a_422_raises_the_interval_once_and_within_reason() {
        let refusal = |min_se: &str| headers(&[(HeaderName::MinSe, min_se)]);
        let mut timer = SessionTimer::new(POLICY);
        assert!(!timer.raise(&Headers::new()));
        assert!(!timer.raise(&refusal("90")));
        assert!(!timer.raise(&refusal("86401")));
        assert!(timer.raise(&refusal("3600")));
        assert!(!timer.raise(&refusal("3600")), "it was asked with that");
        let mut request = Headers::new();
        timer.ask(&mut request);
        assert_eq!(request.min_se(), Some(3600));
        assert_eq!(request.session_expires().unwrap().seconds, 3600);
    }
}
