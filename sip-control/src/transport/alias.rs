//! Connections that peers opened and that requests to them may use, too (RFC 5923).
//!
//! A peer that wants that says so by `alias` in the Via of a request. The connection then stands in the
//! table for the peer's address and the port of that Via, beside those that we opened. Before the first
//! request to a target uses it, the peer must have proven by its certificate to be that target, as if we
//! had connected to it: a machine that serves several domains is each of them only with a certificate for
//! it. So UDP and TCP, which prove nothing, have no aliases, and neither has a trunk that verifies
//! nothing. Names are resolved first: an alias is for an address. It ends with its connection.

use std::net::IpAddr;
use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use sip_core::message::Message;
use sip_core::transport::{Host, ListenerId, Origin};

use super::table::PeerKey;

/// Where requests would have to go to, to go by an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct AliasKey {
    /// Who connected to one realm is no peer of another.
    listener: ListenerId,
    address: IpAddr,
    port: u16,
}

impl AliasKey {
    /// For a request that would need a new connection.
    pub(super) fn of(peer: &PeerKey) -> Option<AliasKey> {
        let address = peer.address.or(match &peer.host {
            Host::Address(address) => Some(*address),
            Host::Name(_) => None,
        })?;
        Some(AliasKey {
            listener: peer.listener,
            address: address.to_canonical(),
            port: peer.port,
        })
    }

    /// What the peer asks for with this message that it sent by TLS, if it does: where it says that it
    /// listens, at the address that it is seen at.
    fn asked_for(message: &[u8], origin: &Origin) -> Option<AliasKey> {
        // Cheap: most requests do not have the word.
        let is_mentioned = |window: &[u8]| window.eq_ignore_ascii_case(b"alias");
        if message.starts_with(b"SIP/2.0 ") || !message.windows(5).any(is_mentioned) {
            return None;
        }
        let Ok(Message::Request(request)) = Message::parse(message) else {
            return None;
        };
        let via = request.headers.top_via().ok()?;
        (via.asks_for_alias() && via.transport() == Some(origin.transport)).then(|| AliasKey {
            listener: origin.listener,
            address: origin.remote.ip().to_canonical(),
            port: via.port_or_default(),
        })
    }
}

/// Certificates that the listener has verified, the peer's own first.
pub(super) type Shown = Arc<[CertificateDer<'static>]>;

/// An alias that a peer asked for.
pub(super) struct Alias {
    pub(super) key: AliasKey,
    pub(super) shown: Shown,
}

/// Whether the peer of one accepted connection wants an alias. Of each connection there is one.
pub(super) struct Watch {
    shown: Option<Shown>,
}

impl Watch {
    /// Without a certificate there is nothing to watch for.
    pub(super) fn of(shown: &[CertificateDer<'static>]) -> Watch {
        Watch {
            shown: (!shown.is_empty()).then(|| shown.into()),
        }
    }

    /// The alias, with the message that asks for it.
    pub(super) fn look(&mut self, message: &[u8], origin: &Origin) -> Option<Alias> {
        self.shown.as_ref()?;
        let key = AliasKey::asked_for(message, origin)?;
        let shown = self.shown.take()?;
        Some(Alias { key, shown })
    }
}

#[cfg(test)]
mod tests {
    use sip_core::transport::{ConnectionId, Transport};

    use super::*;

    fn origin() -> Origin {
        Origin {
            transport: Transport::Tls,
            listener: ListenerId(2),
            local: "192.0.2.1:5061".parse().unwrap(),
            remote: "198.51.100.9:40000".parse().unwrap(),
            connection: Some(ConnectionId(1)),
            tls: None,
        }
    }

    fn options(via: &str) -> String {
        format!(
            "OPTIONS sip:edge SIP/2.0\r\n{via}\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:edge>\r\n\
             Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
    }

    #[test]
    fn sig_3_an_alias_is_for_the_port_of_the_top_via_at_the_address_that_is_seen() {
        let port = |via: &str| {
            let key = AliasKey::asked_for(options(via).as_bytes(), &origin());
            if let Some(key) = key {
                assert_eq!(key.address, origin().remote.ip());
                assert_eq!(key.listener, ListenerId(2));
            }
            key.map(|key| key.port)
        };
        let cases = [
            (
                "Via: SIP/2.0/TLS a.example:5071;branch=z9hG4bK1;alias",
                Some(5071),
            ),
            (
                "v: SIP/2.0/tls a.example ;ALIAS ;branch=z9hG4bK1",
                Some(5061),
            ),
            (
                "Via: SIP/2.0/TLS 10.0.0.1:7000;alias;branch=z9hG4bK1",
                Some(7000),
            ),
            ("Via: SIP/2.0/TLS a.example:5071;branch=z9hG4bK1", None),
            ("Via: SIP/2.0/TLS alias.example:5071;branch=z9hG4bK1", None),
            (
                "Via: SIP/2.0/TCP a.example:5071;branch=z9hG4bK1;alias",
                None,
            ),
            // Of whoever sent it to our peer.
            (
                "Via: SIP/2.0/TLS a:5071;branch=z9hG4bK1,SIP/2.0/TLS b:5072;branch=z9hG4bK2;alias",
                None,
            ),
            ("Via: nonsense;alias", None),
        ];
        for (via, expected) in cases {
            assert_eq!(port(via), expected, "{via}");
        }
        let answer = "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS a:5071;branch=z9hG4bK1;alias\r\n\r\n";
        assert_eq!(AliasKey::asked_for(answer.as_bytes(), &origin()), None);
    }

    #[test]
    fn sig_3_without_a_certificate_there_is_no_alias_and_with_one_there_is_one() {
        let asking = options("Via: SIP/2.0/TLS a.example:5071;branch=z9hG4bK1;alias");
        let mut stranger = Watch::of(&[]);
        assert!(stranger.look(asking.as_bytes(), &origin()).is_none());
        let mut proven = Watch::of(&[CertificateDer::from(vec![1, 2, 3])]);
        assert!(
            proven
                .look(
                    options("Via: SIP/2.0/TLS a;branch=z9hG4bK1").as_bytes(),
                    &origin()
                )
                .is_none()
        );
        assert!(proven.look(asking.as_bytes(), &origin()).is_some());
        assert!(proven.look(asking.as_bytes(), &origin()).is_none());
    }
}
