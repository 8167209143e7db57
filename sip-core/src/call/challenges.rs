//! Requests of ours that the peer of a trunk challenges (SIG-5): they are sent again with
//! credentials, in a new transaction. Whoever sent one knows it by its first transaction all along.
//!
//! Only a request that goes to the peer itself has credentials: a redirect, or a Contact that it passes
//! on, may lead to anybody. Whoever gets an answer to a nonce can guess the password at leisure, or use
//! it in our name if the nonce was the peer's (RFC 7616 sections 5.3 and 5.8).

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use rand_core::RngCore;

use crate::auth::client::{Answers, Password};
use crate::message::{HeaderName, Method, Request, Response};
use crate::transaction::ClientKey;
use crate::transport::{Host, Target};
use crate::trunk::network::names;
use crate::trunk::{Trunk, TrunkId};

/// How often one request is sent at most: each realm on the way may ask, and nonces grow old.
const MAX_ATTEMPTS: u8 = 4;
/// Addresses of the targets of one trunk that are remembered.
const MOST_ADDRESSES: usize = 32;

/// A header line of credentials.
type Line = (HeaderName, String);

#[derive(Default)]
pub(crate) struct Challenges {
    peers: HashMap<TrunkId, Peer>,
    /// Whom we have registered with and are leaving, by the Call-ID of those REGISTERs: their trunks may
    /// have another password by now, or none.
    left: HashMap<String, Peer>,
    /// Requests that may be challenged, by the transaction that they are in now.
    sent: HashMap<ClientKey, Sent>,
    /// The transaction that a request is in now, by its first one.
    current: HashMap<ClientKey, ClientKey>,
}

/// Which peer a request is for.
enum Key {
    Trunk(TrunkId),
    Left(String),
}

/// What a trunk's peer knows us by, and what it asked so far.
struct Peer {
    trunk: Arc<Trunk>,
    password: Password,
    answers: Answers,
    /// Where its targets were found, the latest at the end.
    addresses: VecDeque<IpAddr>,
}

impl Peer {
    fn new(trunk: &Arc<Trunk>, password: &Password) -> Peer {
        Peer {
            trunk: Arc::clone(trunk),
            password: password.clone(),
            answers: Answers::default(),
            addresses: VecDeque::new(),
        }
    }

    /// Whether a request goes to the peer itself: to a target of the trunk, to where one was found,
    /// or to an address that the ACL names.
    fn is_at(&self, target: &Target) -> bool {
        let address = match target.host {
            Host::Address(address) => Some(address),
            Host::Name(_) => target.address,
        };
        let is_known =
            |address| self.addresses.contains(&address) || names(&self.trunk.acl, address);
        self.has_target(&target.host) || address.is_some_and(is_known)
    }

    fn has_target(&self, host: &Host) -> bool {
        let origination = &self.trunk.origination;
        let uris = origination.uris.iter().map(|uri| &uri.uri);
        uris.chain(&origination.fallback)
            .any(|uri| is_same(&uri.host, host))
    }

    fn remember(&mut self, target: &Target) {
        let Some(address) = target.address.filter(|_| self.has_target(&target.host)) else {
            return;
        };
        if !self.addresses.contains(&address) {
            self.addresses.push_back(address);
            if self.addresses.len() > MOST_ADDRESSES {
                self.addresses.pop_front();
            }
        }
    }
}

/// Names are compared without regard to case.
fn is_same(one: &Host, other: &Host) -> bool {
    match (one, other) {
        (Host::Name(one), Host::Name(other)) => {
            let bare = |name: &str| name.strip_suffix('.').unwrap_or(name).to_owned();
            bare(one).eq_ignore_ascii_case(&bare(other))
        }
        _ => one == other,
    }
}

/// One request.
pub(crate) struct Sent {
    pub(crate) first: ClientKey,
    /// Without credentials.
    pub(crate) request: Request,
    pub(crate) target: Target,
    pub(crate) attempts: u8,
    lines: Vec<Line>,
    given_up: bool,
}

impl Challenges {
    /// Takes the passwords of the trunks; what is known of their challenges stays.
    pub(crate) fn configure(&mut self, trunks: &[Arc<Trunk>]) {
        let mut old = std::mem::take(&mut self.peers);
        for (id, trunk) in (0..=u16::MAX).map(TrunkId).zip(trunks) {
            let Some(password) = &trunk.auth else {
                continue;
            };
            let known = old.remove(&id).filter(|peer| peer.password == *password);
            let mut peer = known.unwrap_or_else(|| Peer::new(trunk, password));
            peer.trunk = Arc::clone(trunk);
            self.peers.insert(id, peer);
        }
    }

    /// The registration with that Call-ID is to end, under the password that the trunk had.
    pub(crate) fn leave(&mut self, call_id: &str, trunk: &Arc<Trunk>) {
        if let Some(password) = &trunk.auth {
            let peer = Peer::new(trunk, password);
            self.left.insert(call_id.to_owned(), peer);
        }
    }

    /// It is over.
    pub(crate) fn forget_left(&mut self, call_id: &str) {
        self.left.remove(call_id);
    }

    /// Requests that are kept, and peers that are left.
    pub(crate) fn len(&self) -> usize {
        self.sent.len() + self.current.len() + self.left.len()
    }

    /// The transaction that a request is in now.
    pub(crate) fn current(&self, first: ClientKey) -> ClientKey {
        self.current.get(&first).copied().unwrap_or(first)
    }

    /// The first transaction of a request.
    pub(crate) fn first(&self, current: ClientKey) -> ClientKey {
        self.sent.get(&current).map_or(current, |sent| sent.first)
    }

    /// What a request that leaves now says of us; `None` if we have no password for whom it goes to.
    pub(super) fn credentials_for(
        &mut self,
        request: &Request,
        target: &Target,
        rng: &mut (impl RngCore + ?Sized),
    ) -> Option<Vec<Line>> {
        let peer = match self.key(request, target)? {
            Key::Trunk(id) => self.peers.get_mut(&id)?,
            Key::Left(call_id) => self.left.get_mut(&call_id)?,
        };
        if !peer.is_at(target) {
            return None;
        }
        peer.remember(target);
        let uri = request.uri.as_str();
        let lines = peer
            .answers
            .lines(&peer.password, &request.method, uri, rng);
        Some(lines)
    }

    fn key(&self, request: &Request, target: &Target) -> Option<Key> {
        let call_id = request.headers.call_id().ok();
        let left = call_id.filter(|call_id| {
            request.method == Method::Register && self.left.contains_key(*call_id)
        });
        match left {
            Some(call_id) => Some(Key::Left(call_id.to_owned())),
            None => target.trunk.map(Key::Trunk),
        }
    }

    /// What that request said of us, for the ACK to its 2xx, which goes to `target`.
    pub(super) fn credentials_of(&self, current: ClientKey, target: &Target) -> &[Line] {
        let peer = target.trunk.and_then(|id| self.peers.get(&id));
        if !peer.is_some_and(|peer| peer.is_at(target)) {
            return &[];
        }
        self.sent.get(&current).map_or(&[], |sent| &sent.lines)
    }

    pub(super) fn sent(
        &mut self,
        client: ClientKey,
        request: Request,
        target: Target,
        lines: Vec<Line>,
    ) {
        let sent = Sent {
            first: client,
            request,
            target,
            attempts: 1,
            lines,
            given_up: false,
        };
        self.sent.insert(client, sent);
    }

    /// The request `first` is in `client` now.
    pub(super) fn replace(&mut self, first: ClientKey, client: ClientKey, attempts: u8) {
        if let Some(sent) = self.sent.get_mut(&client) {
            sent.first = first;
            sent.attempts = attempts;
        }
        self.current.insert(first, client);
    }

    /// It is cancelled: no challenge of it is answered any more.
    pub(super) fn give_up(&mut self, current: ClientKey) {
        if let Some(sent) = self.sent.get_mut(&current) {
            sent.given_up = true;
        }
    }

    /// Whether the response is a challenge that is worth another attempt.
    ///
    /// Credentials that we sent without being asked may be refused for their age alone, whatever
    /// the challenge says: only those of a second attempt show whether they are right.
    pub(crate) fn learn(&mut self, current: ClientKey, response: &Response) -> bool {
        let Some(sent) = self.sent.get(&current) else {
            return false;
        };
        if sent.given_up || sent.attempts >= MAX_ATTEMPTS {
            return false;
        }
        let answered: &[Line] = if sent.attempts > 1 { &sent.lines } else { &[] };
        let peer = match self.key(&sent.request, &sent.target) {
            Some(Key::Trunk(id)) => self.peers.get_mut(&id),
            Some(Key::Left(call_id)) => self.left.get_mut(&call_id),
            None => None,
        };
        peer.is_some_and(|peer| peer.answers.learn(response, answered))
    }

    /// The CSeq number of that request, if it is a REFER.
    pub(crate) fn refer(&self, current: ClientKey) -> Option<u32> {
        let request = &self.sent.get(&current)?.request;
        let cseq = request.headers.cseq().ok()?;
        (cseq.method == Method::Refer).then_some(cseq.number)
    }

    /// Whom that request is for, if it is within a dialog.
    pub(crate) fn remote_tag(&self, current: ClientKey) -> Option<String> {
        let headers = &self.sent.get(&current)?.request.headers;
        headers.to_tag().ok()?.map(str::to_owned)
    }

    pub(super) fn take(&mut self, current: ClientKey) -> Option<Sent> {
        self.sent.remove(&current)
    }

    /// The transaction is gone.
    pub(crate) fn ended(&mut self, client: ClientKey) {
        if let Some(sent) = self.sent.remove(&client) {
            self.current.remove(&sent.first);
        }
    }
}
