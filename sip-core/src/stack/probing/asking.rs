//! The addresses of one probe, in turn: OPTIONS to each, until one answers.
//!
//! To a call, a refused connection or ICMP means that the next target is tried at once (RFC 3261
//! sections 8.1.3.1 and 18.4). A probe loses nothing by waiting, and what it says holds until the next
//! one: a peer that is being started anew, or whose host has just come up, refuses for a moment only. So
//! an address that refuses is asked again when the request would be sent again if nothing had come
//! (timer E, section 17.1.2.2), and is dead no sooner than silence would have shown. Who refuses in the TLS
//! handshake has been started, and is not asked again before the next round.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{NO_LISTENER, Stack, Stage};
use crate::call::identity::{Sips, contact};
use crate::dialog::NewRequest;
use crate::message::{HeaderName, Method, NameAddr, Request, Uri};
use crate::transaction::{ClientKey, TransactionKey};
use crate::transport::{Host, Listener, Target, Transport};
use crate::trunk::Hop;

/// The address in hand, and those after it.
#[derive(Debug)]
pub(super) struct Asking {
    hop: Hop,
    others: VecDeque<Hop>,
    /// When silence has lasted long enough.
    until: Instant,
    /// How long after a refusal it is asked again; `None`: not at all.
    pause: Option<Duration>,
}

impl Stack {
    /// Asks the first address that can be reached; `otherwise`, the round has failed.
    pub(super) fn ask(&mut self, place: usize, mut hops: VecDeque<Hop>, otherwise: &str) {
        let probe = &self.prober.probes[place];
        let (until, trunk) = (self.cx.now + probe.patience, probe.target.0);
        let Some(trunk) = self.trunks.get(usize::from(trunk.0)) else {
            return self.end_round(place, Err(GONE));
        };
        let listeners = &self.cx.config.listeners;
        while let Some(hop) = hops.pop_front() {
            if trunk.listener_for(listeners, &hop).is_some() {
                let asking = Asking {
                    hop,
                    others: hops,
                    until,
                    pause: Some(self.cx.config.timers.t1),
                };
                return self.send_options(place, asking);
            }
        }
        self.end_round(place, Err(otherwise));
    }

    /// Sends OPTIONS to the address in hand.
    pub(super) fn send_options(&mut self, place: usize, asking: Asking) {
        let (id, uri) = self.prober.probes[place].target.clone();
        let Some(trunk) = self.trunks.get(usize::from(id.0)) else {
            return self.end_round(place, Err(GONE));
        };
        let hop = asking.hop;
        let Some(listener) = trunk.listener_for(&self.cx.config.listeners, &hop) else {
            return self.ask(place, asking.others, NO_LISTENER);
        };
        let tags = [self.cx.token(), self.cx.token()];
        let ours = self.cx.listener(listener);
        let mut request = options(&uri.host, uri.port, hop.transport, ours, tags);
        let name = self.cx.config.user_agent.as_str();
        request.headers.push(HeaderName::UserAgent, name);
        let target = Target {
            transport: hop.transport,
            listener,
            connection: None,
            host: uri.host,
            address: Some(hop.address.ip()),
            port: hop.address.port(),
            by_service: false,
            trunk: Some(id),
        };
        let (now, rng) = (self.cx.now, &mut *self.cx.rng);
        let client = self.cx.transactions.request(now, request, target, rng);
        self.prober.waiting.insert(client, place);
        let until = asking.until;
        self.prober.probes[place].stage = Stage::Asking(client, asking);
        self.prober.schedule(place, until);
    }

    /// The answer of the address in hand, or that it has none.
    pub(super) fn end_asking(&mut self, client: ClientKey, result: Result<&str, &str>) {
        let Some((place, asking)) = self.take_asking(client) else {
            return;
        };
        match result {
            Ok(text) => {
                let address = (asking.hop.transport, asking.hop.address);
                self.cx.health.address_answered(address);
                self.end_round(place, Ok(text));
            }
            Err(text) => self.address_is_dead(place, asking, text),
        }
    }

    /// The network or the host of the address in hand says that nobody is there.
    pub(super) fn asking_refused(&mut self, client: ClientKey, why: &str) {
        let Some((place, mut asking)) = self.take_asking(client) else {
            return;
        };
        let left = asking.until.saturating_duration_since(self.cx.now);
        let Some(pause) = asking.pause.filter(|pause| *pause < left) else {
            return self.address_is_dead(place, asking, why);
        };
        asking.pause = Some(self.cx.config.timers.backed_off(pause));
        self.prober.probes[place].stage = Stage::Refused(asking);
        self.prober.schedule(place, self.cx.now + pause);
    }

    /// The address in hand, or we, refused in the TLS handshake, which [`Stack::asking_refused`] is about
    /// to be told: that does not pass by itself. Nothing, if the request is no probe's.
    pub(in crate::stack) fn asking_is_vain(&mut self, request: TransactionKey) {
        let TransactionKey::Client(client) = request else {
            return;
        };
        let place = self.prober.waiting.get(&client).copied();
        let probe = place.and_then(|place| self.prober.probes.get_mut(place));
        if let Some(Stage::Asking(_, asking)) = probe.map(|probe| &mut probe.stage) {
            asking.pause = None;
        }
    }

    fn take_asking(&mut self, client: ClientKey) -> Option<(usize, Asking)> {
        let place = self.prober.waiting.remove(&client)?;
        let probe = self.prober.probes.get_mut(place)?;
        match std::mem::replace(&mut probe.stage, Stage::Resting) {
            Stage::Asking(_, asking) => Some((place, asking)),
            _ => None,
        }
    }

    /// Goes on to the next address; calls try this one last for a while.
    pub(super) fn address_is_dead(&mut self, place: usize, asking: Asking, why: &str) {
        let (id, _) = self.prober.probes[place].target;
        let trunk = self.trunks.get(usize::from(id.0));
        let backoff = trunk.map_or(Duration::ZERO, |trunk| trunk.origination.backoff);
        let address = (asking.hop.transport, asking.hop.address);
        self.cx.health.address_failed(self.cx.now, address, backoff);
        self.ask(place, asking.others, why);
    }
}

/// OPTIONS outside any dialog (RFC 3261 section 11.1).
fn options(
    host: &Host,
    port: Option<u16>,
    transport: Transport,
    ours: &Listener,
    [tag, call_id]: [String; 2],
) -> Request {
    let uri = Uri::sip(None, host, port);
    let uri = match transport {
        Transport::Udp => uri,
        other => uri.with_param("transport", Some(other.uri_token())),
    };
    let from = NameAddr::new(Uri::sip(None, &ours.advertised_host, None)).with_tag(&tag);
    let request = NewRequest {
        method: Method::Options,
        uri,
        from,
        to: NameAddr::new(Uri::sip(None, host, None)),
        call_id,
        sequence: 1,
        contact: Some(contact(None, ours, Sips::HopByHop)),
    };
    let mut request = request.build();
    let accept = crate::call::headers::ACCEPT;
    request.headers.push(HeaderName::Accept, accept);
    request
}

const GONE: &str = "the trunk is gone";
