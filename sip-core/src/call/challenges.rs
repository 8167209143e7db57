//! Requests of ours that the peer of a trunk challenges (SIG-5): they are sent again with
//! credentials, in a new transaction. Whoever sent one knows it by its first transaction all along.

use std::collections::HashMap;
use std::sync::Arc;

use rand_core::RngCore;

use crate::auth::client::{Answers, Password};
use crate::message::{HeaderName, Method, Request, Response};
use crate::transaction::ClientKey;
use crate::transport::Target;
use crate::trunk::{Trunk, TrunkId};

/// How often one request is sent at most: each realm on the way may ask, and nonces grow old.
const MAX_ATTEMPTS: u8 = 4;

/// A header line of credentials.
type Line = (HeaderName, String);

#[derive(Default)]
pub(crate) struct Challenges {
    peers: HashMap<TrunkId, Peer>,
    /// Requests that may be challenged, by the transaction that they are in now.
    sent: HashMap<ClientKey, Sent>,
    /// The transaction that a request is in now, by its first one.
    current: HashMap<ClientKey, ClientKey>,
}

/// What a trunk's peer knows us by, and what it asked so far.
struct Peer {
    password: Password,
    answers: Answers,
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
            let peer = known.unwrap_or_else(|| Peer {
                password: password.clone(),
                answers: Answers::default(),
            });
            self.peers.insert(id, peer);
        }
    }

    /// Requests that are kept.
    pub(crate) fn len(&self) -> usize {
        self.sent.len() + self.current.len()
    }

    /// The transaction that a request is in now.
    pub(crate) fn current(&self, first: ClientKey) -> ClientKey {
        self.current.get(&first).copied().unwrap_or(first)
    }

    /// The first transaction of a request.
    pub(crate) fn first(&self, current: ClientKey) -> ClientKey {
        self.sent.get(&current).map_or(current, |sent| sent.first)
    }

    /// What a request that leaves now says of us; `None` if we have no password for its peer.
    pub(super) fn credentials_for(
        &mut self,
        request: &Request,
        target: &Target,
        rng: &mut (impl RngCore + ?Sized),
    ) -> Option<Vec<Line>> {
        let peer = self.peers.get_mut(&target.trunk?)?;
        let uri = request.uri.as_str();
        let lines = peer
            .answers
            .lines(&peer.password, &request.method, uri, rng);
        Some(lines)
    }

    /// What that request said of us.
    pub(super) fn credentials_of(&self, current: ClientKey) -> &[Line] {
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
        let peer = sent.target.trunk.and_then(|id| self.peers.get_mut(&id));
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
        let to = self.sent.get(&current)?.request.headers.to().ok()?;
        to.tag().map(str::to_owned)
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
