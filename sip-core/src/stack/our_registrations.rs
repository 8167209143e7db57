//! Our own registrations with providers: their REGISTERs leave here, their outcomes come back
//! (SIG-5).

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Event, EventKind, ResolveId, Stack};
use crate::call::context::Asker;
use crate::call::identity::{Sips, contact};
use crate::dialog::NewRequest;
use crate::message::{HeaderName, Method, NameAddr, Request, Response, Uri};
use crate::registration::{Outcome, Registration, RegistrationSettings, RegistrationStatus};
use crate::transaction::ClientKey;
use crate::transport::{ConnectionId, Host, ListenerId, Origin, Target};
use crate::trunk::{Hop, Trunk, TrunkId};

/// One trunk's registration, with the trunk as it was when it began.
pub(super) struct OurRegistration {
    id: TrunkId,
    trunk: Arc<Trunk>,
    /// What its REGISTERs leave from.
    listener: ListenerId,
    /// The question where its registrar is.
    locating: Option<ResolveId>,
    state: Registration,
}

/// How long a resolver may take.
const RESOLVER_PATIENCE: Duration = Duration::from_secs(30);
const NO_LISTENER: &str = "no listener of the trunk's realm fits the registrar";

impl OurRegistration {
    /// What the trunk wants now, if that is the same registration with the same registrar.
    fn goes_on_as<'a>(&self, trunk: &'a Trunk) -> Option<&'a RegistrationSettings> {
        let wanted = trunk.register.as_ref()?;
        let is_same = wanted.aor == self.state.settings.aor
            && trunk.origination.first() == self.trunk.origination.first()
            && trunk.mode == self.trunk.mode;
        is_same.then_some(wanted)
    }

    /// It ends; what was asked of the resolver for its refresh is of no use any more.
    fn leave(&mut self, now: Instant) {
        self.locating = None;
        self.state.leave(now);
    }
}

impl Stack {
    /// Begins what the trunks want and is not there, changes what they want otherwise, and ends what
    /// they do not want any more.
    pub(super) fn configure_registrations(&mut self) {
        let now = self.cx.now;
        let all = self.registrations.iter_mut();
        for ours in all.filter(|ours| !ours.state.is_leaving()) {
            let trunk = self.trunks.get(usize::from(ours.id.0));
            match trunk.and_then(|trunk| Some((trunk, ours.goes_on_as(trunk)?))) {
                Some((trunk, wanted)) => {
                    let is_other_password = trunk.auth != ours.trunk.auth;
                    ours.trunk = Arc::clone(trunk);
                    if ours.state.change(wanted, is_other_password) && ours.locating.is_none() {
                        ours.state.hurry(now);
                    }
                }
                None => {
                    self.cx.challenges.leave(&ours.state.call_id, &ours.trunk);
                    ours.leave(now);
                }
            }
        }
        self.drop_registrations_that_are_over();
        self.begin_registrations();
    }

    /// REGISTERs of two Call-IDs for one contact have no order (RFC 3261 section 10.3, step 7): a new
    /// registration waits until the old one of the same address-of-record is over, whose end could
    /// otherwise overtake its beginning.
    fn begin_registrations(&mut self) {
        let now = self.cx.now;
        for (id, trunk) in (0..=u16::MAX).map(TrunkId).zip(self.trunks.clone()) {
            let Some(settings) = &trunk.register else {
                continue;
            };
            let must_wait = self.registrations.iter().any(|ours| {
                let is_same = ours.state.settings.aor.equivalent(&settings.aor);
                ours.id == id && !ours.state.is_leaving() || ours.state.is_leaving() && is_same
            });
            if !must_wait {
                let names = (self.cx.token(), self.cx.token());
                let state = Registration::new(now, settings.clone(), names, &mut *self.cx.rng);
                let listener = trunk.listener;
                self.registrations.push(OurRegistration {
                    id,
                    trunk,
                    listener,
                    locating: None,
                    state,
                });
            }
        }
    }

    /// And whoever waited for that begins.
    fn drop_registrations_that_are_over(&mut self) {
        let before = self.registrations.len();
        let challenges = &mut self.cx.challenges;
        self.registrations.retain(|ours| {
            let is_over = ours.state.is_over();
            if is_over {
                challenges.forget_left(&ours.state.call_id);
            }
            !is_over
        });
        if self.registrations.len() < before && !self.shutting_down {
            self.begin_registrations();
        }
    }

    /// Every one, for status.
    pub fn registrations(&self) -> Vec<RegistrationStatus> {
        let now = self.cx.now;
        let all = self.registrations.iter();
        all.map(|ours| ours.state.status(now, &ours.trunk.name))
            .collect()
    }

    pub(super) fn next_registration(&self) -> Option<Instant> {
        let all = self.registrations.iter();
        all.filter_map(|ours| ours.state.due()).min()
    }

    /// Sends every REGISTER that is due, or first asks where its registrar is.
    pub(super) fn send_registrations(&mut self) {
        let now = self.cx.now;
        for index in 0..self.registrations.len() {
            let ours = &mut self.registrations[index];
            if ours.state.due().is_none_or(|due| due > now) {
                continue;
            }
            if ours.locating.take().is_some() {
                self.fail_registration(index, "no answer from the resolver");
            } else if let Err(problem) = self.locate_registrar(index) {
                self.fail_registration(index, problem);
            }
        }
        self.drop_registrations_that_are_over();
    }

    fn locate_registrar(&mut self, index: usize) -> Result<(), &'static str> {
        let trunk = Arc::clone(&self.registrations[index].trunk);
        let first = trunk.origination.first().ok_or("the trunk has no target")?;
        let target = trunk.secured(first);
        let transports = trunk.transports(&self.cx.config.listeners, &target);
        match (&target.host, transports.first()) {
            (_, None) => Err(NO_LISTENER),
            (Host::Address(address), Some(&transport)) => {
                let address = (*address, target.port_for(transport)).into();
                self.send_register(index, &[Hop { transport, address }])
            }
            (Host::Name(_), Some(_)) => {
                let id = self.cx.resolve(Asker::Registration, target, transports);
                let ours = &mut self.registrations[index];
                ours.locating = Some(id);
                ours.state.wait(self.cx.now + RESOLVER_PATIENCE);
                Ok(())
            }
        }
    }

    /// The answer to the question where a registrar is.
    pub(super) fn registrar_located(&mut self, id: ResolveId, found: Result<Vec<Hop>, String>) {
        let mut all = self.registrations.iter();
        let Some(index) = all.position(|ours| ours.locating == Some(id)) else {
            return;
        };
        self.registrations[index].locating = None;
        match found {
            Ok(hops) => {
                if let Err(problem) = self.send_register(index, &hops) {
                    self.fail_registration(index, problem);
                }
            }
            Err(problem) => self.fail_registration(index, &problem),
        }
    }

    /// To the best address; after failures to the next one each time.
    fn send_register(&mut self, index: usize, hops: &[Hop]) -> Result<(), &'static str> {
        let ours = &mut self.registrations[index];
        let listeners = &self.cx.config.listeners;
        let usable = |hop: &Hop| Some((*hop, ours.trunk.listener_for(listeners, hop)?));
        let usable: Vec<_> = hops.iter().filter_map(usable).collect();
        let turn = ours.state.failures() as usize % usable.len().max(1);
        let (hop, listener) = *usable.get(turn).ok_or(NO_LISTENER)?;
        ours.listener = listener;
        let host = ours
            .trunk
            .origination
            .first()
            .map(|target| target.host.clone());
        let target = Target {
            transport: hop.transport,
            listener,
            connection: None,
            host: host.unwrap_or(Host::Address(hop.address.ip())),
            address: Some(hop.address.ip()),
            port: hop.address.port(),
            by_service: false,
            trunk: Some(ours.id),
        };
        let (sequence, expires) = ours.state.next();
        let request = self
            .register_request(index, sequence, expires)
            .ok_or("the address-of-record has no host")?;
        let client = self.cx.send(request, target);
        self.registrations[index].state.sent(client);
        Ok(())
    }

    fn register_request(&self, index: usize, sequence: u32, expires: Duration) -> Option<Request> {
        let ours = &self.registrations[index];
        let aor = &ours.state.settings.aor;
        let address = NameAddr::new(aor.clone());
        let request = NewRequest {
            method: Method::Register,
            uri: Uri::sip(None, aor.host()?, None),
            from: address.with_tag(&ours.state.tag),
            to: address,
            call_id: ours.state.call_id.clone(),
            sequence,
            contact: Some(self.our_contact(ours)),
        };
        let mut request = request.build();
        let headers = &mut request.headers;
        headers.push(HeaderName::Expires, expires.as_secs().to_string());
        headers.push(HeaderName::UserAgent, self.cx.config.user_agent.as_str());
        Some(request)
    }

    fn fail_registration(&mut self, index: usize, problem: &str) {
        let (now, rng) = (self.cx.now, &mut *self.cx.rng);
        let state = &mut self.registrations[index].state;
        let outcome = state.handle_failure(now, problem, rng);
        self.tell_of_registration(index, outcome);
    }

    /// Where the provider reaches us; the user part tells its numbers apart.
    fn our_contact(&self, ours: &OurRegistration) -> NameAddr {
        let listener = self.cx.listener(ours.listener);
        let user = ours.state.settings.aor.user();
        contact(user, listener, Sips::HopByHop)
    }

    /// Whether a response is one to a REGISTER of ours.
    pub(super) fn handle_register_response(
        &mut self,
        first: ClientKey,
        origin: &Origin,
        response: &Response,
    ) -> bool {
        let Some(index) = self.registration_of(first) else {
            return false;
        };
        if response.status.is_provisional() {
            return true;
        }
        let contact = self.our_contact(&self.registrations[index]);
        let (now, rng) = (self.cx.now, &mut *self.cx.rng);
        let state = &mut self.registrations[index].state;
        let outcome = state.handle_response(now, response, &contact, origin.connection, rng);
        self.tell_of_registration(index, outcome);
        self.drop_registrations_that_are_over();
        true
    }

    pub(super) fn handle_register_failure(&mut self, first: ClientKey, problem: &str) -> bool {
        let Some(index) = self.registration_of(first) else {
            return false;
        };
        self.fail_registration(index, problem);
        self.drop_registrations_that_are_over();
        true
    }

    /// The provider cannot reach us by it any more.
    pub(super) fn registration_connection_closed(&mut self, closed: ConnectionId) {
        let (now, rng) = (self.cx.now, &mut *self.cx.rng);
        for ours in &mut self.registrations {
            ours.state.connection_closed(now, closed, rng);
        }
    }

    /// At the end: the providers shall not send calls to nobody.
    pub(super) fn leave_registrations(&mut self) {
        for ours in &mut self.registrations {
            ours.leave(self.cx.now);
        }
    }

    /// Whether one has still to be ended.
    pub(super) fn is_leaving(&self) -> bool {
        let mut all = self.registrations.iter();
        all.any(|ours| ours.state.is_leaving() && !ours.state.is_over())
    }

    fn registration_of(&self, first: ClientKey) -> Option<usize> {
        let mut all = self.registrations.iter();
        all.position(|ours| ours.state.is_waiting_for(first))
    }

    fn tell_of_registration(&mut self, index: usize, outcome: Outcome) {
        let ours = &self.registrations[index];
        let status = ours.state.status(self.cx.now, &ours.trunk.name);
        let (kind, text) = match outcome {
            Outcome::Registered(true) => (EventKind::OurRegistration, "registered".to_owned()),
            Outcome::Removed => (EventKind::OurRegistration, "unregistered".to_owned()),
            Outcome::NotRemoved => {
                self.cx.counters.registrations_failed += 1;
                let problem = status.problem.unwrap_or_default();
                let text = format!("not unregistered, it lasts until it expires: {problem}");
                (EventKind::OurRegistrationFailed, text)
            }
            Outcome::Failed => {
                self.cx.counters.registrations_failed += 1;
                let problem = status.problem.unwrap_or_default();
                let text = format!("failed, {} in a row: {problem}", status.failures);
                (EventKind::OurRegistrationFailed, text)
            }
            Outcome::Registered(false) | Outcome::Again => return,
        };
        self.cx.event(Event {
            kind,
            call: None,
            trunk: Some(status.trunk),
            peer: None,
            code: None,
            text: format!("{}: {text}", status.aor),
        });
    }
}
