//! The far side forks our INVITE: one INVITE, several early dialogs, each with a To tag of its own
//! (RFC 3261 section 12.1.2), of which the caller sees one or all ([`EarlyDialogs`]).

use media_core::session::Side;

use super::context::{Context, LegKey};
use super::parties::Parties;
use crate::message::Response;
use crate::trunk::EarlyDialogs;

/// The early dialogs of one INVITE of ours.
pub(super) struct Forks {
    mode: EarlyDialogs,
    heard: Vec<Fork>,
    /// Statuses of the provisional responses that were passed on.
    passed: Vec<u16>,
    /// The fork whose answer the caller has.
    media_of: Option<String>,
    /// The tag that the caller's leg began with is one of a fork's already.
    first_tag_is_taken: bool,
}

struct Fork {
    far_tag: String,
    /// Which the caller knows it by.
    our_tag: String,
}

/// What a provisional response is to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// It stays here.
    Hidden,
    WithoutAnswer,
    /// With the answer in it, if there is one.
    Whole,
}

impl Forks {
    pub(super) fn new(mode: EarlyDialogs) -> Forks {
        Forks {
            mode,
            heard: Vec::new(),
            passed: Vec::new(),
            media_of: None,
            first_tag_is_taken: false,
        }
    }

    /// Another INVITE leaves: no dialog of the one before is meant any more.
    pub(super) fn begin(&mut self) {
        self.heard.clear();
        self.passed.clear();
        self.media_of = None;
    }

    /// A provisional response came, and how it is to be passed on; with [`EarlyDialogs::Pass`] the
    /// caller's leg speaks by the fork's tag from here on.
    pub(super) fn proceed(
        &mut self,
        cx: &mut Context,
        parties: &mut Parties,
        response: &Response,
    ) -> Passage {
        let place = self.place(cx, parties, response);
        let status = response.status.code();
        let is_new = !self.passed.contains(&status);
        let Some(fork) = self.heard.get(place) else {
            return Passage::Whole;
        };
        if self.mode == EarlyDialogs::Pass {
            speak_as(cx, parties, &fork.our_tag);
            return Passage::Whole;
        }
        let may_answer = self
            .media_of
            .as_ref()
            .is_none_or(|tag| *tag == fork.far_tag);
        let brings_media = may_answer && self.media_of.is_none() && !response.body.is_empty();
        if place > 0 && !is_new && !brings_media {
            return Passage::Hidden;
        }
        if is_new {
            self.passed.push(status);
        }
        match may_answer {
            true => Passage::Whole,
            false => Passage::WithoutAnswer,
        }
    }

    /// The answer in a provisional response was passed on.
    pub(super) fn media_comes_from(&mut self, response: &Response) {
        self.media_of = Some(far_tag(response));
    }

    /// Whether the caller has the answer of the fork that now answers for good.
    pub(super) fn has_media_of(&self, response: &Response) -> bool {
        self.media_of.as_deref() == Some(far_tag(response).as_str())
    }

    /// The 2xx that wins: the caller's leg speaks by its fork's tag.
    pub(super) fn answered(
        &mut self,
        cx: &mut Context,
        parties: &mut Parties,
        response: &Response,
    ) {
        let place = self.place(cx, parties, response);
        if self.mode == EarlyDialogs::Pass
            && let Some(fork) = self.heard.get(place)
        {
            speak_as(cx, parties, &fork.our_tag);
        }
    }

    /// The place of a response's fork; one that was not heard of before gets its own, as long as
    /// there are not too many.
    fn place(&mut self, cx: &mut Context, parties: &Parties, response: &Response) -> usize {
        let far_tag = far_tag(response);
        // Before RFC 3261 a provisional response needed no tag.
        if far_tag.is_empty() && !self.heard.is_empty() {
            return 0;
        }
        if let Some(place) = self.heard.iter().position(|fork| fork.far_tag == far_tag) {
            return place;
        }
        if self.heard.len() >= MOST_FORKS {
            return MOST_FORKS - 1;
        }
        let own = self.mode == EarlyDialogs::Pass
            && std::mem::replace(&mut self.first_tag_is_taken, true);
        let our_tag = match own {
            true => cx.token(),
            false => parties.leg(Side::Caller).key.tag.clone(),
        };
        self.heard.push(Fork { far_tag, our_tag });
        self.heard.len() - 1
    }
}

/// The caller's leg has that To tag from here on; its earlier ones lead to the call all the same.
fn speak_as(cx: &mut Context, parties: &mut Parties, tag: &str) {
    let owner = parties.owner(Side::Caller);
    let leg = parties.leg_mut(Side::Caller);
    if leg.key.tag == tag {
        return;
    }
    let key = LegKey {
        tag: tag.to_owned(),
        ..leg.key.clone()
    };
    let before = std::mem::replace(&mut leg.key, key.clone());
    leg.other_keys.retain(|known| *known != key);
    leg.other_keys.push(before);
    if let Some(dialog) = &mut leg.dialog {
        dialog.set_local_tag(tag);
    }
    cx.legs.insert(key, owner);
}

fn far_tag(response: &Response) -> String {
    let tag = response.headers.to_tag().ok().flatten();
    tag.unwrap_or_default().to_owned()
}

/// Forks that are told apart; nobody rings more telephones at once.
const MOST_FORKS: usize = 16;
