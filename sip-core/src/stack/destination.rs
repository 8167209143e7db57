//! Where a call goes (TRK-7), and whether its trunks may have it (TRK-6).

use super::{Event, EventKind, Stack};
use crate::call::Way;
use crate::call::identity;
use crate::call::leg::LegTrunk;
use crate::call::places::Place;
use crate::message::{Method, Request};
use crate::refusal::Refusal;
use crate::registrar::Aor;
use crate::trunk::routing::route;
use crate::trunk::{Numbers, RouteTo, TrunkId};

/// Where a call goes: a trunk, or telephones that are registered with it.
pub(super) struct Destination {
    pub(super) trunk: LegTrunk,
    pub(super) numbers: Numbers,
    pub(super) places: Vec<Place>,
}

impl Destination {
    /// Of a call from there.
    pub(super) fn way_of(self, caller: LegTrunk, max_forwards: u8) -> Way {
        Way {
            caller,
            callee: self.trunk,
            numbers: self.numbers,
            places: self.places,
            max_forwards,
            keeps_parameters: false,
        }
    }
}

impl Stack {
    /// Where a request from that trunk leads by the routes, if it leads anywhere.
    pub(super) fn destination(
        &self,
        from: TrunkId,
        request: &Request,
    ) -> Result<Destination, Refusal> {
        let (trunk, account, numbers) = self.route(from, request)?;
        let trunk = self.leg_trunk(trunk).ok_or(Refusal::NO_ROUTE)?;
        let places = match &account {
            Some(aor) => self.places_of(&trunk, aor)?,
            None => self.places(&trunk, &numbers.called)?,
        };
        let origination = &trunk.settings.origination;
        if places.is_empty() && !origination.has_targets() {
            // What is disabled may be enabled in a moment: the number is not unknown.
            return Err(match origination.uris.is_empty() {
                true => Refusal::NO_ROUTE,
                false => Refusal::ALL_TARGETS_FAILED,
            });
        }
        Ok(Destination {
            trunk,
            numbers,
            places,
        })
    }

    /// Where a call from that trunk goes: the trunk, and its account if the route names one; and
    /// with which numbers (TRK-7).
    fn route(
        &self,
        caller: TrunkId,
        request: &Request,
    ) -> Result<(TrunkId, Option<Aor>, Numbers), Refusal> {
        let trunk = self.trunks.get(usize::from(caller.0));
        let plan = trunk.and_then(|trunk| trunk.dial_plan.as_ref());
        let normalised =
            |number: String| plan.map_or_else(|| number.clone(), |plan| plan.normalise(&number));
        let from = request.headers.from();
        let numbers = Numbers {
            called: normalised(identity::number(&request.uri)),
            caller: normalised(
                from.map_or_else(|_| String::new(), |from| identity::number(from.uri())),
            ),
        };
        let route = route(&self.cx.config.routes, caller, &numbers).ok_or(Refusal::NO_ROUTE)?;
        let numbers = route.rewrite(&numbers);
        match &route.to {
            RouteTo::Trunk(callee) => Ok((*callee, None, numbers)),
            RouteTo::Account(callee, aor) => Ok((*callee, Some(aor.clone()), numbers)),
            RouteTo::Reject(status) => Err(Refusal::ROUTE_REJECTED.with_status(*status)),
        }
    }

    /// TRK-6. The error says which limit is reached.
    pub(super) fn admit_to(&mut self, id: TrunkId, method: &Method) -> Result<(), String> {
        let (now, loads) = (self.cx.now, &mut self.cx.loads);
        let Some(trunk) = self.trunks.get(usize::from(id.0)).cloned() else {
            return Ok(());
        };
        let admitted = match method {
            Method::Message => loads.admit_message(now, id, &trunk),
            _ => loads.admit(now, id, &trunk),
        };
        if let Err(limit) = &admitted {
            self.tell_of_limit(Some(trunk.name.clone()), limit.clone());
        }
        admitted
    }

    /// A limit is reached; told once as long as it keeps being.
    pub(super) fn tell_of_limit(&mut self, trunk: Option<String>, limit: String) {
        if self.limits_told.admit(self.cx.now, &limit) {
            self.cx.event(Event {
                kind: EventKind::LimitReached,
                call: None,
                trunk,
                peer: None,
                code: Some(Refusal::LIMIT.code),
                text: limit,
            });
        }
    }
}
