//! What is ours on one leg, for the life of the call: ports, keys, and the `o=` line.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use media_core::ports::{MediaPorts, NoPorts};
use media_core::session::LocalMedia;
use media_core::srtp::key::MasterKey;
use media_core::srtp::profile::Suite;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::crypto::with_our_mki;
use super::document::Document;
use super::fields::Origin;
use super::policy::LegPolicy;
use crate::refusal::Refusal;

/// One leg's half of a negotiation.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) policy: LegPolicy,
    /// By place of the m-line, the IPv4 and the IPv6 pair.
    slots: Vec<[Option<LocalMedia>; 2]>,
    /// Our keys, by place of the m-line; one per suite.
    keys: Vec<(usize, MasterKey)>,
    sent: Option<Sent>,
    /// What was sent when offer and answer were last settled: a later offer may have been refused.
    settled: Option<Said>,
    /// The last description that we had from the peer.
    heard: Option<Heard>,
}

/// A description of ours; it holds keys. Shared, for what was sent last is as a rule what was settled.
#[derive(Clone)]
pub(super) struct Said(Arc<Zeroizing<Vec<u8>>>);

impl Said {
    fn new(body: Vec<u8>) -> Said {
        Said(Arc::new(Zeroizing::new(body)))
    }

    fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Said(redacted)")
    }
}

/// It holds keys.
struct Heard(Zeroizing<Vec<u8>>);

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Heard(redacted)")
    }
}

/// The last description that the peer had from us.
struct Sent {
    origin: Origin,
    body: Said,
}

/// The body holds keys.
impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sent({:?}, redacted)", self.origin)
    }
}

/// What another peer was told, while one is asked beside it: our keys, and the description.
#[derive(Debug, Default)]
pub(super) struct Told {
    keys: Vec<(usize, MasterKey)>,
    sent: Option<Sent>,
}

/// Which address family a pair of ports must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// The peer's own.
    Must { ipv6: bool },
    /// The peer's is not known.
    Try { ipv6: bool },
}

impl Leg {
    pub(super) fn new(policy: LegPolicy) -> Leg {
        Leg {
            policy,
            slots: Vec::new(),
            keys: Vec::new(),
            sent: None,
            settled: None,
            heard: None,
        }
    }

    /// Our ports for an m-line, allocated on first use.
    ///
    /// # Errors
    /// [`Refusal::NO_MEDIA_PORT`], or [`Refusal::UNUSABLE_ADDRESS`] if the realm has no address of
    /// the peer's family.
    pub(super) fn local(
        &mut self,
        slot: usize,
        family: Family,
        ports: &mut dyn MediaPorts,
    ) -> Result<LocalMedia, Refusal> {
        match family {
            Family::Must { ipv6 } => self.pair(slot, ipv6, ports),
            Family::Try { ipv6 } => match self.pair(slot, ipv6, ports) {
                Err(NoPorts::NoAddress) => self.pair(slot, !ipv6, ports),
                other => other,
            },
        }
        .map_err(|reason| match reason {
            NoPorts::Exhausted => Refusal::NO_MEDIA_PORT,
            NoPorts::NoAddress => Refusal::UNUSABLE_ADDRESS,
        })
    }

    fn pair(
        &mut self,
        slot: usize,
        ipv6: bool,
        ports: &mut dyn MediaPorts,
    ) -> Result<LocalMedia, NoPorts> {
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, [None; 2]);
        }
        let pair = &mut self.slots[slot][usize::from(ipv6)];
        match *pair {
            Some(local) => Ok(local),
            None => Ok(*pair.insert(ports.allocate(self.policy.realm, ipv6)?)),
        }
    }

    /// Forgets what the peer was told; without `keeps_ports` also the ports, which are returned.
    pub(super) fn renew(&mut self, keeps_ports: bool) -> Vec<LocalMedia> {
        self.keys.clear();
        self.sent = None;
        self.settled = None;
        if keeps_ports {
            return Vec::new();
        }
        let old = self.locals().collect();
        self.slots.clear();
        old
    }

    /// What one peer was told in the place of what another one was.
    pub(super) fn exchange_told(&mut self, other: &mut Told) {
        std::mem::swap(&mut self.keys, &mut other.keys);
        std::mem::swap(&mut self.sent, &mut other.sent);
    }

    /// An address of ours, as peers know it, for a description that has no stream.
    pub(super) fn any_address(&mut self, ports: &mut dyn MediaPorts) -> Result<IpAddr, Refusal> {
        let known = self.locals().next();
        let local = match known {
            Some(local) => local,
            None => self.local(
                0,
                Family::Try {
                    ipv6: self.policy.ipv6_first,
                },
                ports,
            )?,
        };
        Ok(self.policy.advertised.name_of(local.address))
    }

    /// Every pair that was allocated.
    pub(super) fn locals(&self) -> impl Iterator<Item = LocalMedia> + '_ {
        self.slots.iter().flatten().flatten().copied()
    }

    /// Our key for an m-line under a suite: the same for the life of the leg, so that a new offer
    /// from either side, a late one among them, changes no key (SEC-8).
    pub(super) fn key(&mut self, slot: usize, suite: Suite, rng: &mut dyn CryptoRng) -> MasterKey {
        let known = self
            .keys
            .iter()
            .find(|(of, key)| *of == slot && key.suite() == suite);
        if let Some((_, key)) = known {
            return key.clone();
        }
        let mut key = MasterKey::generate(suite, rng);
        if self.policy.mki {
            key = with_our_mki(key);
        }
        self.keys.push((slot, key.clone()));
        key
    }

    /// Whether a key that the peer claims as its own is one of ours: both directions under one
    /// key would share a keystream (RFC 4568 section 7.1.2, RFC 3711 section 9.1).
    pub(super) fn owns(&self, key: &MasterKey) -> bool {
        self.keys.iter().any(|(_, own)| own.is_same_key(key))
    }

    /// Forgets keys that have protected packets and no longer do: their rollover counters are
    /// gone, so that a second use could repeat a keystream.
    pub(super) fn retire(
        &mut self,
        was_used: impl Fn(usize, &MasterKey) -> bool,
        is_used: impl Fn(usize, &MasterKey) -> bool,
    ) {
        self.keys
            .retain(|(slot, key)| !was_used(*slot, key) || is_used(*slot, key));
    }

    /// The peer described its media.
    pub(super) fn hear(&mut self, sdp: &[u8]) {
        self.heard = Some(Heard(Zeroizing::new(sdp.to_vec())));
    }

    pub(super) fn heard(&self) -> Option<&[u8]> {
        self.heard.as_ref().map(|heard| heard.0.as_slice())
    }

    pub(super) fn origin(&self) -> Option<Origin> {
        self.sent.as_ref().map(|sent| sent.origin.clone())
    }

    /// The peer has had descriptions of ours in the same dialog before: what follows counts on
    /// from them.
    pub(super) fn continue_from(&mut self, origin: Origin) {
        let body = Said::new(Vec::new());
        self.sent = Some(Sent { origin, body });
    }

    /// The last description that the peer had from us, to be kept.
    pub(super) fn said(&self) -> Option<Said> {
        self.sent.as_ref().map(|sent| sent.body.clone())
    }

    /// That was agreed to.
    pub(super) fn settle(&mut self, said: Option<Said>) {
        self.settled = said;
    }

    /// The description that the peer last agreed to, or else had last.
    pub(super) fn settled(&self) -> Option<&[u8]> {
        let settled = self.settled.as_ref().map(Said::as_bytes);
        settled.or(self.described())
    }

    /// The last description that the peer had from us.
    pub(super) fn described(&self) -> Option<&[u8]> {
        self.sent.as_ref().map(|sent| sent.body.as_bytes())
    }

    /// Puts our `o=` into a description for the peer and gives its bytes.
    ///
    /// User name and session id are those of the first description, whoever stands behind later
    /// ones; the version grows by one with every change and only then (RFC 3264 section 8).
    pub(super) fn seal(
        &mut self,
        document: &mut Document,
        address: IpAddr,
    ) -> Result<Vec<u8>, Refusal> {
        let came = Origin::parse(document.session.value(b'o').ok_or(Refusal::MALFORMED)?)?;
        let mut origin = self.sent.as_ref().map_or(came, |sent| sent.origin.clone());
        document.session.replace(b'o', &origin.to_value(address));
        let mut body = document.to_bytes();
        if self
            .sent
            .as_ref()
            .is_some_and(|sent| sent.body.as_bytes() != body)
        {
            origin.version += 1;
            document.session.replace(b'o', &origin.to_value(address));
            body = document.to_bytes();
        }
        self.sent = Some(Sent {
            origin,
            body: Said::new(body.clone()),
        });
        Ok(body)
    }
}
