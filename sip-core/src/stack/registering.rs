//! REGISTER: whose is it, may it, and what becomes of it (RFC 3261 section 10.3, SIG-4).

use std::net::SocketAddr;
use std::sync::Arc;

use super::authentication::Checked;
use super::refusals::{is_strangers, note};
use super::{Command, Event, EventKind, Stack};
use crate::call::failing::is_ours;
use crate::call::leg::LegTrunk;
use crate::call::places::Place;
use crate::call::within::response_outside;
use crate::message::{HeaderName, NameAddr, Request, Response, Scheme, StatusCode};
use crate::refusal::Refusal;
use crate::registrar::{
    Account, Aor, Binding, Change, RegisterError, Registration, SHORTEST, Snapshot,
};
use crate::transaction::ServerKey;
use crate::transport::{Host, ListenerId, Origin, Target, Transport};
use crate::trunk::acl::{NotAdmitted, admit};
use crate::trunk::network::names;
use crate::trunk::{Hop, Trunk, TrunkId};

/// The option tags that a REGISTER may require of us (RFC 3327, RFC 5626).
const EXTENSIONS: [&str; 2] = ["path", "outbound"];

impl Stack {
    pub(super) fn handle_register(
        &mut self,
        server: ServerKey,
        origin: &Origin,
        request: &Request,
    ) {
        let tag = self.cx.token();
        let listeners = &self.cx.config.listeners;
        let id = match admit(&self.trunks, listeners, request.uri.host(), origin) {
            Ok(id) => id,
            Err(NotAdmitted { trunk, refusal }) => {
                let trunk = trunk.map(|id| Arc::clone(&self.trunks[usize::from(id.0)]));
                let name = trunk.as_ref().map(|trunk| trunk.name.as_str());
                let response = self.refuse_register(origin, request, &tag, &refusal, name);
                return self.cx.respond(server, &response);
            }
        };
        let trunk = Arc::clone(&self.trunks[usize::from(id.0)]);
        self.cx.transactions.set_trunk(server, id);
        if trunk.accounts.is_empty() {
            let listener = origin.listener;
            let mut response = response_outside(&self.cx, request, &tag, listener, trunk.refer);
            let refusal = Refusal::NO_ACCOUNTS;
            let reason = refusal.reason_header();
            response.headers.push(HeaderName::Reason, reason);
            self.tell_register_refused(origin, request, &refusal, Some(&trunk.name));
            return self.cx.respond(server, &response);
        }
        if let Some(response) = self.unsupported_extensions(request, &tag) {
            let refusal = Refusal::BAD_EXTENSION;
            self.tell_register_refused(origin, request, &refusal, Some(&trunk.name));
            return self.cx.respond(server, &response);
        }
        let checked = match self.shutting_down {
            true => Err((Refusal::SHUTTING_DOWN, None)),
            false => self.check_account(id, server, origin, request, &tag),
        };
        let (refusal, delay) = match checked {
            Ok(Some(aor)) => match self.take_register(&trunk, &aor, origin, request, &tag) {
                Ok(response) => return self.cx.respond(server, &response),
                Err(refusal) => (refusal, None),
            },
            Ok(None) => return,
            Err(refused) => refused,
        };
        let name = Some(trunk.name.as_str());
        let response = self.refuse_register(origin, request, &tag, &refusal, name);
        match delay {
            Some(delay) => self.hold_back(server, origin, response, delay),
            None => self.cx.respond(server, &response),
        }
    }

    /// The address-of-record that the sender may register; `None`: it was challenged.
    ///
    /// One that is not its own, or that there is not, is answered like wrong credentials
    /// (steps 4 and 5): nobody learns which there are.
    fn check_account(
        &mut self,
        id: TrunkId,
        server: ServerKey,
        origin: &Origin,
        request: &Request,
        tag: &str,
    ) -> Result<Option<Aor>, (Refusal, Option<std::time::Duration>)> {
        let user = match self.check_credentials(id, server, origin, request, tag)? {
            Checked::Good(user) => user.unwrap_or_default(),
            Checked::Challenged => return Ok(None),
        };
        let trunk = Arc::clone(&self.trunks[usize::from(id.0)]);
        let aor = request.headers.to().ok().and_then(|to| {
            let user = to.uri().user_unescaped()?;
            Some(Aor::new(&user, &to.uri().host()?.to_string()))
        });
        let is_own =
            |account: &&Account| account.user == user && Some(&account.aor) == aor.as_ref();
        match trunk.accounts.iter().find(is_own) {
            Some(account) => Ok(Some(account.aor.clone())),
            None => Err(self.authentication_failed(&trunk.name, origin, &user)),
        }
    }

    /// Changes the bindings, and says what they are now.
    fn take_register(
        &mut self,
        trunk: &Trunk,
        aor: &Aor,
        origin: &Origin,
        request: &Request,
        tag: &str,
    ) -> Result<Response, Refusal> {
        let registration =
            Registration::of(request, origin, &trunk.acl).map_err(|_| Refusal::MALFORMED)?;
        let now = self.cx.now;
        let change =
            self.registrar
                .register(now, aor, &registration)
                .map_err(|error| match error {
                    RegisterError::TooBrief => Refusal::REGISTRATION_TOO_BRIEF,
                    RegisterError::TooMany => Refusal::TOO_MANY_BINDINGS,
                    RegisterError::OutOfOrder => Refusal::REGISTER_OUT_OF_ORDER,
                })?;
        self.cx.counters.registers_accepted += 1;
        self.tell_of_change(trunk, aor, origin, change);
        let mut response = self.cx.response(request, StatusCode::OK, tag);
        let headers = &mut response.headers;
        for binding in self.registrar.bindings(now, aor) {
            // Rounded up: a refresh at the very end must not come a moment late.
            let left = binding.expires.saturating_duration_since(now);
            let seconds = left.as_millis().div_ceil(1000).to_string();
            let contact = binding.contact.with_param("expires", Some(&seconds));
            headers.push(HeaderName::Contact, &contact);
        }
        for hop in registration.path() {
            headers.push(HeaderName::Path, hop);
        }
        headers.push(HeaderName::Supported, EXTENSIONS.join(", "));
        if registration.is_outbound() {
            // RFC 5626 section 6.
            headers.push(HeaderName::Require, "outbound");
        }
        Ok(response)
    }

    fn tell_of_change(&mut self, trunk: &Trunk, aor: &Aor, origin: &Origin, change: Change) {
        if change.any {
            let snapshot = self.registrar.snapshot(aor);
            self.cx.commands.push_back(Command::Store(snapshot));
        }
        for (kind, count) in [
            (EventKind::Registered, change.added),
            (EventKind::Unregistered, change.removed),
        ] {
            if count > 0 {
                self.cx.event(Event {
                    kind,
                    call: None,
                    trunk: Some(trunk.name.clone()),
                    peer: Some((origin.transport, origin.remote)),
                    code: None,
                    text: format!("{}, {count} bindings", aor.as_str()),
                });
            }
        }
    }

    /// Bindings that nobody refreshed are gone.
    pub(super) fn expire_bindings(&mut self) {
        while let Some((aor, lost)) = self.registrar.expire_next(self.cx.now) {
            self.cx.counters.bindings_expired += lost as u64;
            let snapshot = self.registrar.snapshot(&aor);
            self.cx.commands.push_back(Command::Store(snapshot));
            let trunk = self.account(&aor).map(|(_, trunk)| trunk.name.clone());
            self.cx.event(Event {
                kind: EventKind::Unregistered,
                call: None,
                trunk,
                peer: None,
                code: None,
                text: format!("{}, {lost} bindings not refreshed in time", aor.as_str()),
            });
        }
    }

    /// The trunk of an account.
    pub(super) fn account(&self, aor: &Aor) -> Option<(TrunkId, &Arc<Trunk>)> {
        let id = *self.accounts.get(aor)?;
        Some((id, self.trunks.get(usize::from(id.0))?))
    }

    /// Finds the trunk of each account anew.
    pub(super) fn configure_accounts(&mut self) {
        let ids = (0..=u16::MAX).map(TrunkId);
        let accounts = ids.zip(&self.trunks).flat_map(|(id, trunk)| {
            let aors = trunk.accounts.iter().map(|account| account.aor.clone());
            aors.map(move |aor| (aor, id))
        });
        self.accounts = accounts.collect();
    }

    /// Where a call for `called` goes if that is an account of the trunk: everywhere it is
    /// registered. Empty: it is none.
    pub(super) fn places(&self, trunk: &LegTrunk, called: &str) -> Result<Vec<Place>, Refusal> {
        let mut accounts = trunk.settings.accounts.iter();
        match accounts.find(|account| account.aor.user() == called) {
            Some(account) => self.places_of(trunk, &account.aor),
            None => Ok(Vec::new()),
        }
    }

    /// Everywhere that an account of the trunk is registered, and can be reached.
    pub(super) fn places_of(&self, trunk: &LegTrunk, aor: &Aor) -> Result<Vec<Place>, Refusal> {
        let mut accounts = trunk.settings.accounts.iter();
        if !accounts.any(|account| account.aor == *aor) {
            return Err(Refusal::NO_ROUTE);
        }
        let bindings = self.registrar.bindings(self.cx.now, aor);
        let places = bindings
            .iter()
            .filter_map(|binding| self.place_at(trunk, binding));
        let places: Vec<Place> = places.collect();
        if places.is_empty() {
            return Err(Refusal::NOT_REGISTERED);
        }
        Ok(places)
    }

    /// By the flow that the REGISTER came by; else to the first proxy of the path, or the Contact,
    /// if [`Stack::may_lead_to`] says so. Nothing leaves a secure trunk but by TLS (SEC-2).
    fn place_at(&self, trunk: &LegTrunk, binding: &Binding) -> Option<Place> {
        let settings = &trunk.settings;
        let contact = binding.contact.uri();
        let target = match binding.flow {
            Some(flow) => Target {
                transport: flow.transport,
                listener: flow.listener,
                connection: flow.connection,
                host: Host::Address(flow.remote.ip()),
                address: Some(flow.remote.ip()),
                port: flow.remote.port(),
                by_service: false,
                trunk: Some(trunk.id),
            },
            None => {
                let next = binding.path.first().map_or(contact, NameAddr::uri);
                let Host::Address(address) = next.host()? else {
                    return None;
                };
                let asked = next.transport().unwrap_or(Transport::Udp);
                let is_tls = settings.requires_tls() || next.scheme() == Scheme::Sips;
                let transport = if is_tls { Transport::Tls } else { asked };
                let port = next.port().unwrap_or(transport.default_port());
                let hop = Hop {
                    transport,
                    address: (*address, port).into(),
                };
                if !self.may_lead_to(trunk, binding, &hop) {
                    return None;
                }
                Target {
                    transport,
                    listener: settings.listener_for(&self.cx.config.listeners, &hop)?,
                    connection: None,
                    host: Host::Address(*address),
                    address: Some(*address),
                    port,
                    by_service: false,
                    trunk: Some(trunk.id),
                }
            }
        };
        if settings.requires_tls() && !target.transport.is_secure() {
            return None;
        }
        let uri = match contact.scheme() {
            Scheme::Sips if !settings.pass_sips => contact
                .with_sips(false)
                .with_param("transport", Some(Transport::Tls.uri_token())),
            _ => contact.clone(),
        };
        Some(Place {
            uri: uri.as_request_uri(),
            path: binding.path.clone(),
            target,
        })
    }

    /// Whether a Path or Contact is believed: if it leads to who sent the REGISTER, or to an address
    /// that the ACL of the trunk names, and that of no other trunk more narrowly.
    fn may_lead_to(&self, trunk: &LegTrunk, binding: &Binding, hop: &Hop) -> bool {
        if is_ours(&self.cx, hop) {
            return false;
        }
        let address = hop.address.ip();
        let same = |source: SocketAddr| source.ip().to_canonical() == address.to_canonical();
        if binding.source.is_some_and(|(_, source)| same(source)) {
            return true;
        }
        let own = trunk.settings.narrowest(address);
        let mut others = self.trunks.iter();
        names(&trunk.settings.acl, address) && !others.any(|other| other.narrowest(address) > own)
    }

    pub(super) fn restore_one(&mut self, snapshot: &Snapshot) -> usize {
        let listeners = &self.cx.config.listeners;
        let is_udp = |id: ListenerId| {
            listeners
                .get(usize::from(id.0))
                .is_some_and(|listener| !listener.transport.is_reliable())
        };
        self.registrar
            .restore(self.cx.now, &snapshot.aor, &snapshot.bindings, is_udp)
    }

    /// 420 for what is required beyond [`EXTENSIONS`] (section 8.2.2.3).
    fn unsupported_extensions(&self, request: &Request, tag: &str) -> Option<Response> {
        let mut unknown = request
            .headers
            .option_tags(HeaderName::Require)
            .filter(|tag| {
                !EXTENSIONS
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(tag))
            })
            .peekable();
        unknown.peek()?;
        let mut response = self.cx.response(request, StatusCode::BAD_EXTENSION, tag);
        for extension in unknown {
            response.headers.push(HeaderName::Unsupported, extension);
        }
        let reason = Refusal::BAD_EXTENSION.reason_header();
        response.headers.push(HeaderName::Reason, reason);
        Some(response)
    }

    /// Counts a refused REGISTER, and leaves its event unless there are too many.
    fn tell_register_refused(
        &mut self,
        origin: &Origin,
        request: &Request,
        refusal: &Refusal,
        trunk: Option<&str>,
    ) {
        self.cx.counters.registers_refused += 1;
        let aor = request.headers.to();
        let aor = aor.map_or(String::new(), |to| to.uri().to_string());
        let about = (origin, trunk, aor.as_str());
        self.tell_request_refused(EventKind::RegistrationRefused, about, refusal);
    }

    /// A refused request that is no call, unless there are too many.
    pub(super) fn tell_request_refused(
        &mut self,
        kind: EventKind,
        (origin, trunk, what): (&Origin, Option<&str>, &str),
        refusal: &Refusal,
    ) {
        let is_stranger = is_strangers(refusal, trunk.is_some());
        let Some(untold) = self.told.admit(self.cx.now, is_stranger) else {
            self.cx.counters.requests_untold += 1;
            return;
        };
        let note = note(untold);
        self.cx.event(Event {
            kind,
            call: None,
            trunk: trunk.map(str::to_owned),
            peer: Some((origin.transport, origin.remote)),
            code: Some(refusal.code),
            text: format!("{} {}: {what}{note}", refusal.status, refusal.text),
        });
    }

    /// The response that refuses, counted and told of.
    fn refuse_register(
        &mut self,
        origin: &Origin,
        request: &Request,
        tag: &str,
        refusal: &Refusal,
        trunk: Option<&str>,
    ) -> Response {
        self.tell_register_refused(origin, request, refusal, trunk);
        let mut response = self
            .cx
            .refusal_response(request, tag, refusal, origin.listener);
        if *refusal == Refusal::REGISTRATION_TOO_BRIEF {
            let shortest = SHORTEST.as_secs().to_string();
            response.headers.push(HeaderName::MinExpires, shortest);
        }
        response
    }
}
