//! Calls that an operator wants between two parties (OPS-3): who they are, and by which routes they
//! are reached. How they are connected is [`crate::call`]'s.

use std::sync::Arc;

use media_core::session::CallId;

use super::admission::DEFAULT_MAX_FORWARDS;
use super::destination::Destination;
use super::{ControlError, Place, Stack};
use crate::call::NewPlaced;
use crate::call::identity::{self, target_uri};
use crate::call::leg::LegTrunk;
use crate::dialog::NewRequest;
use crate::message::{Method, NameAddr, Request, Uri};
use crate::refusal::Refusal;
use crate::registrar::Aor;
use crate::transport::Host;
use crate::trunk::{EarlyDialogs, Numbers, Origination, Trunk, TrunkId};

impl Stack {
    pub(super) fn place_call(&mut self, place: &Place) -> Result<CallId, ControlError> {
        if self.shutting_down {
            return Err(ControlError::Refused(Refusal::SHUTTING_DOWN));
        }
        if self.draining {
            return Err(ControlError::Refused(Refusal::DRAINING));
        }
        if self.calls.len() >= self.cx.config.max_calls {
            let what = format!("{} calls at once", self.cx.config.max_calls);
            self.tell_of_limit(None, what);
            return Err(ControlError::Refused(Refusal::LIMIT));
        }
        let plan = self.plan(place)?;
        let second = self.invite(&plan.second, &plan.shown);
        // Better no call at all than one that ends when the first party has answered.
        self.destination(plan.source, &second)
            .map_err(ControlError::Refused)?;
        let first = self.invite(&plan.first, &plan.second);
        let first_party = match plan.account {
            Some((trunk, aor)) => self.account_of(trunk, &aor, &plan.second),
            None => self.destination(plan.source, &first),
        };
        let first_party = first_party.map_err(ControlError::Refused)?;
        self.admit_to(first_party.trunk.id, &Method::Invite)
            .map_err(|_| ControlError::Refused(Refusal::LIMIT))?;
        let id = self.next_call();
        let trunk = collapsed(first_party.trunk.clone());
        let mut way = first_party.way_of(trunk.clone(), DEFAULT_MAX_FORWARDS);
        way.callee = trunk;
        let new = NewPlaced {
            id,
            way,
            first,
            second,
            source: plan.source,
        };
        let call = new.begin(&mut self.cx);
        self.put(call, None);
        Ok(id)
    }

    /// The first party has answered.
    pub(super) fn call_second(&mut self, id: CallId) {
        let entry = self.calls.get(&id);
        let Some((invite, source)) = entry.and_then(|entry| entry.call.second_invite()) else {
            return;
        };
        let destination = self.destination(source, invite);
        let way = destination.and_then(|destination| {
            let admitted = self.admit_to(destination.trunk.id, &Method::Invite);
            admitted.map_err(|_| Refusal::LIMIT)?;
            let trunk = collapsed(destination.trunk.clone());
            let mut way = destination.way_of(trunk.clone(), DEFAULT_MAX_FORWARDS);
            way.callee = trunk;
            Ok(way)
        });
        self.with_call(id, |call, cx| call.call_second(cx, way));
    }

    /// Who is called, and by whose routes.
    fn plan(&self, place: &Place) -> Result<Plan, ControlError> {
        let named =
            match &place.trunk {
                Some(name) => Some(self.trunk_named(name).ok_or_else(|| {
                    ControlError::BadTarget(format!("there is no trunk {name:?}"))
                })?),
                None => None,
            };
        let first = target_uri(&place.first)?;
        let account = first.as_ref().and_then(|uri| self.account_at(uri));
        if first.is_some() && account.is_none() {
            let first = &place.first;
            return Err(ControlError::BadTarget(format!(
                "{first:?} is no account of ours, and no number"
            )));
        }
        let of_account = account.as_ref().map(|(trunk, _)| *trunk);
        let source = named.or(of_account).or(self.only_trunk());
        let source = source.ok_or_else(|| {
            ControlError::BadTarget("a number is called by the routes of a trunk: say which".into())
        })?;
        let at_home = |text: &str| Uri::sip(Some(text), &self.home_of(source), None);
        let first = first.unwrap_or_else(|| at_home(&place.first));
        let second = target_uri(&place.to)?.unwrap_or_else(|| at_home(&place.to));
        let shown = match place.from.as_str() {
            "" => first.clone(),
            from => target_uri(from)?.unwrap_or_else(|| at_home(from)),
        };
        Ok(Plan {
            source,
            account,
            first: first.as_request_uri(),
            second: second.as_request_uri(),
            shown: shown.as_request_uri(),
        })
    }

    fn trunk_named(&self, name: &str) -> Option<TrunkId> {
        let is_it = |trunk: &Arc<Trunk>| trunk.name.eq_ignore_ascii_case(name);
        let at = self.trunks.iter().position(is_it)?;
        u16::try_from(at).ok().map(TrunkId)
    }

    fn only_trunk(&self) -> Option<TrunkId> {
        (self.trunks.len() == 1).then_some(TrunkId(0))
    }

    fn account_at(&self, uri: &Uri) -> Option<(TrunkId, Aor)> {
        let domain = match uri.host()? {
            Host::Name(name) => name.clone(),
            Host::Address(address) => address.to_string(),
        };
        let aor = Aor::new(&uri.user_unescaped()?, &domain);
        self.account(&aor).map(|(trunk, _)| (trunk, aor))
    }

    /// The host of the parties' addresses: the trunk's domain, or ours.
    fn home_of(&self, trunk: TrunkId) -> Host {
        let trunk = self.trunks.get(usize::from(trunk.0));
        let domain = trunk.and_then(|trunk| trunk.domains.first());
        match (domain, trunk) {
            (Some(domain), _) => Host::Name(domain.clone()),
            (None, Some(trunk)) => self.cx.listener(trunk.listener).advertised_host.clone(),
            (None, None) => Host::Name("localhost".to_owned()),
        }
    }

    /// Wherever the account is registered.
    fn account_of(&self, trunk: TrunkId, aor: &Aor, caller: &Uri) -> Result<Destination, Refusal> {
        let trunk = self.leg_trunk(trunk).ok_or(Refusal::NO_ROUTE)?;
        let places = self.places_of(&trunk, aor)?;
        Ok(Destination {
            trunk,
            numbers: Numbers {
                called: aor.user().to_owned(),
                caller: identity::number(caller),
            },
            places,
        })
    }

    /// Without an offer.
    fn invite(&mut self, to: &Uri, from: &Uri) -> Request {
        let request = NewRequest {
            method: Method::Invite,
            uri: to.clone(),
            from: NameAddr::new(from.clone()).with_tag(&self.cx.token()),
            to: NameAddr::new(to.clone()),
            call_id: self.cx.token(),
            sequence: 1,
            contact: None,
        };
        request.build()
    }
}

/// What an operator means.
struct Plan {
    /// Whose routes lead to numbers.
    source: TrunkId,
    /// The first party, if it is one.
    account: Option<(TrunkId, Aor)>,
    first: Uri,
    second: Uri,
    /// Who calls, as the second party is to see it.
    shown: Uri,
}

/// Forks of our INVITE are one call to us: there is no caller who could tell them apart.
fn collapsed(trunk: LegTrunk) -> LegTrunk {
    let settings = Trunk::clone(&trunk.settings);
    LegTrunk {
        id: trunk.id,
        settings: Arc::new(Trunk {
            origination: Origination {
                early_dialogs: EarlyDialogs::Collapse,
                ..settings.origination
            },
            ..settings
        }),
    }
}
