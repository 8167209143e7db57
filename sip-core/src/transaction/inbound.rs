//! Requests that come in: which transaction they belong to, and CANCEL and ACK, which are not like
//! the others (RFC 3261 sections 9.2 and 17.2.3).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

use super::event::{Event, ServerKey, Transmit};
use super::gate::Overload;
use super::key::{AckMatch, MergeMatch, ServerMatch};
use super::server_invite::AckUse;
use super::servers::Kind;
use super::{Transactions, via};
use crate::message::{HeaderError, HeaderName, Method, Request, StatusCode, Via, response_to};
use crate::refusal::Refusal;
use crate::transport::{Origin, Target};

impl Transactions {
    /// A request with that top Via: one that we have, one that belongs to one, or a new one.
    pub(super) fn dispatch_request(
        &mut self,
        now: Instant,
        origin: &Origin,
        via: &Via,
        mut request: Request,
    ) -> Result<(), HeaderError> {
        let matching = ServerMatch::of(&request, via)?;
        if request.method == Method::Ack {
            return self.handle_ack(now, origin, &matching, request);
        }
        if let Some(key) = self.servers.find(&matching) {
            if self.is_untrusted(key, origin) {
                return Ok(());
            }
            self.out.counters.request_retransmissions += 1;
            self.servers.handle_retransmission(now, key, &mut self.out);
            return Ok(());
        }
        let merge = MergeMatch::of(&request)?;
        via::stamp_source(&mut request, via, origin);
        let target = via::response_target(via, origin);
        if self.is_full_for(&request, merge.is_some()) {
            self.overflow(now, origin, target, &request);
            return Ok(());
        }
        if request.method == Method::Invite
            && merge.is_some()
            && let Err(overload) = self.gate.admit(now)
        {
            self.shed(origin, target, request, overload);
            return Ok(());
        }
        if request.method == Method::Cancel {
            self.handle_cancel(now, origin, matching, target, request);
        } else {
            self.start_server(now, origin, matching, merge, target, request);
        }
        Ok(())
    }

    fn start_server(
        &mut self,
        now: Instant,
        origin: &Origin,
        matching: ServerMatch,
        merge: Option<MergeMatch>,
        target: Target,
        request: Request,
    ) {
        let kind = if request.method == Method::Invite {
            Kind::Invite {
                trying: response_to(&request, StatusCode::TRYING, None).to_bytes(),
            }
        } else {
            Kind::NonInvite
        };
        let merged = merge
            .as_ref()
            .is_some_and(|merge| self.servers.is_merged(merge));
        let key = self
            .servers
            .start(now, matching, merge, target, kind, &mut self.out);
        let origin = origin.clone();
        self.out.events.push_back(if merged {
            Event::Merged {
                key,
                origin,
                request,
            }
        } else {
            Event::Request {
                key,
                origin,
                request,
            }
        });
    }

    /// Of an INVITE that was refused: the same branch. Of one that was accepted: the same dialog;
    /// some clients use the same branch there, too.
    fn handle_ack(
        &mut self,
        now: Instant,
        origin: &Origin,
        matching: &ServerMatch,
        request: Request,
    ) -> Result<(), HeaderError> {
        let dialog = AckMatch::of(&request.headers)?;
        let found = self
            .servers
            .find(matching)
            .or_else(|| self.servers.find_accepted(&dialog));
        let Some(invite) = found else {
            self.out.counters.stray_acks += 1;
            return Ok(());
        };
        if self.is_untrusted(invite, origin) {
            return Ok(());
        }
        if self.servers.handle_ack(now, invite, &mut self.out) == AckUse::ForUser {
            let origin = origin.clone();
            self.out.events.push_back(Event::Ack {
                invite,
                origin,
                request,
            });
        }
        Ok(())
    }

    /// Section 9.2.
    fn handle_cancel(
        &mut self,
        now: Instant,
        origin: &Origin,
        matching: ServerMatch,
        target: Target,
        request: Request,
    ) {
        let invite = self.servers.find(&matching.cancelled());
        if invite.is_some_and(|invite| self.is_untrusted(invite, origin)) {
            return;
        }
        let status = match invite {
            Some(_) => StatusCode::OK,
            None => {
                self.out.counters.stray_cancels += 1;
                StatusCode::CALL_DOES_NOT_EXIST
            }
        };
        let tag = match invite.and_then(|invite| self.servers.to_tag(invite)) {
            Some(tag) => String::from_utf8_lossy(tag).into_owned(),
            None => self.to_tag(&matching),
        };
        let response = response_to(&request, status, Some(&tag));
        let key = self
            .servers
            .start(now, matching, None, target, Kind::Cancel, &mut self.out);
        self.servers.respond(now, key, &response, &mut self.out);
        if let Some(invite) = invite.filter(|&invite| self.servers.is_open(invite)) {
            let origin = origin.clone();
            self.out.events.push_back(Event::Cancel {
                invite,
                origin,
                request,
            });
        }
    }

    /// Counts it, too.
    fn is_untrusted(&mut self, key: ServerKey, origin: &Origin) -> bool {
        let untrusted = !self.servers.trusts(key, origin);
        self.out.counters.insecure += u64::from(untrusted);
        untrusted
    }

    /// Requests outside dialogs leave an eighth of the table to those that control the calls we
    /// have.
    fn is_full_for(&self, request: &Request, outside_dialog: bool) -> bool {
        let max = self.max_server_transactions;
        let starts_something = outside_dialog && request.method != Method::Cancel;
        let reserve = if starts_something { max / 8 } else { 0 };
        self.servers.len() >= max - reserve
    }

    /// Answers without a transaction, so that nothing is kept, and without a word about each: it is
    /// a flood that fills the table.
    fn overflow(&mut self, now: Instant, origin: &Origin, target: Target, request: &Request) {
        self.out.counters.overflowed += 1;
        let pause = self.out.timers.timeout();
        if self.overflow_told.is_none_or(|told| now >= told + pause) {
            self.overflow_told = Some(now);
            let origin = origin.clone();
            self.out.events.push_back(Event::Overflowed { origin });
        }
        self.answer_overload(target, request, OVERFLOW_RETRY_AFTER);
    }

    /// Answers without a transaction, too; the user may tell of it.
    fn shed(&mut self, origin: &Origin, target: Target, request: Request, overload: Overload) {
        self.out.counters.shed += 1;
        self.answer_overload(target, &request, SHED_RETRY_AFTER);
        let origin = origin.clone();
        self.out.events.push_back(Event::Shed {
            origin,
            request,
            overload,
        });
    }

    fn answer_overload(&mut self, target: Target, request: &Request, retry_after: &str) {
        let tag = self.to_tag(&request.headers.value(HeaderName::CallId));
        let mut response = response_to(request, StatusCode::SERVICE_UNAVAILABLE, Some(&tag));
        response.headers.push(HeaderName::RetryAfter, retry_after);
        response
            .headers
            .push(HeaderName::Reason, Refusal::OVERLOADED.reason_header());
        let bytes = response.to_bytes();
        self.out.transmits.push_back(Transmit {
            target,
            bytes,
            transaction: None,
        });
    }

    /// A To tag that comes out the same each time (section 8.2.7).
    fn to_tag(&self, of: &impl Hash) -> String {
        let mut hasher = DefaultHasher::new();
        self.tag_seed.hash(&mut hasher);
        of.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}

/// Seconds, in the 503 of a full table: what it holds is gone by then.
const OVERFLOW_RETRY_AFTER: &str = "32";
/// Seconds, in the 503 of an overload: long enough for a caller to try elsewhere.
const SHED_RETRY_AFTER: &str = "5";
