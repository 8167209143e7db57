//! What a target's response, or its silence, means for the next one (TRK-3).

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use super::TargetUri;
use crate::message::{Headers, Scheme, StatusCode, Uri};
use crate::transport::Transport;

/// One address of a target, and how it is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hop {
    pub transport: Transport,
    pub address: SocketAddr,
}

/// What follows from a target's final response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the answer to the call, whatever it says.
    Final,
    /// Another place was named.
    Redirect,
    /// The next address of the same target is asked (RFC 3263 section 4.3).
    NextAddress,
    /// The next target is asked.
    NextTarget,
}

/// What follows from a final response: 5xx, 408 and 480 speak of the target, everything else of the
/// call.
pub fn verdict(status: StatusCode) -> Verdict {
    match status.code() {
        301 | 302 => Verdict::Redirect,
        503 => Verdict::NextAddress,
        408 | 480 | 500..=599 => Verdict::NextTarget,
        _ => Verdict::Final,
    }
}

/// Whether a response says that the target itself is in trouble, so that other calls had better
/// avoid it: 408 and 480 are about the one who was called.
pub fn is_targets_fault(status: StatusCode) -> bool {
    matches!(status.code(), 500 | 502 | 503 | 504)
}

/// Where a 302 leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The Contact's URI: its user is who is called now.
    pub uri: Uri,
    pub target: TargetUri,
}

/// Why a redirect is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    #[error("it has no Contact that can be called")]
    NoContact,
    #[error("it leads to a private address")]
    PrivateAddress,
    #[error("it leads from a trunk without TLS to TLS")]
    NeedsTls,
    #[error("a call is redirected once only")]
    Again,
    #[error("it is a registered telephone's")]
    Account,
}

/// The first Contact of a 302, and only that one (RFC 3261 section 8.1.3.4); `secure`: the trunk
/// is signalled over TLS, and so is the new place, whatever its URI says (SEC-2).
pub fn redirect(headers: &Headers, secure: bool) -> Result<Redirect, RedirectError> {
    let uri = headers
        .contact()
        .ok()
        .flatten()
        .ok_or(RedirectError::NoContact)?
        .into_uri();
    let host = uri.host().filter(|_| uri.is_sip());
    let host = host.cloned().ok_or(RedirectError::NoContact)?;
    if let crate::transport::Host::Address(address) = host
        && is_private(address)
    {
        return Err(RedirectError::PrivateAddress);
    }
    let written = match uri.param("transport") {
        Some(token) => Some(Transport::from_token(token).ok_or(RedirectError::NoContact)?),
        None => None,
    };
    let wants_tls = uri.scheme() == Scheme::Sips || written == Some(Transport::Tls);
    if wants_tls && !secure {
        return Err(RedirectError::NeedsTls);
    }
    let transport = if secure {
        Some(Transport::Tls)
    } else {
        written
    };
    // A port that goes with what was written goes with nothing else.
    let overridden = secure && !wants_tls;
    let usual = written.unwrap_or(Transport::Udp).default_port();
    let target = TargetUri {
        host,
        port: uri.port().filter(|port| !overridden || *port != usual),
        transport,
    };
    Ok(Redirect { uri, target })
}

/// An address that no peer may send our calls to: it means something else where we are (RFC 1918,
/// RFC 4193, RFC 6598), or nothing at all.
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(v6) => {
            v6.is_unique_local()
                || v6.is_loopback()
                || v6.is_unicast_link_local()
                || v6.is_unspecified()
                || v6.is_multicast()
        }
    }
}

/// What is left to try of a call.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// In order, the one in hand not among them.
    targets: VecDeque<TargetUri>,
    fallback: Option<TargetUri>,
    current: Option<Current>,
    redirected: bool,
}

/// The target in hand.
#[derive(Clone, Debug)]
struct Current {
    uri: TargetUri,
    by_redirect: bool,
    /// Its addresses that were not tried; `None`: they are not known yet.
    hops: Option<VecDeque<Hop>>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Find out the target's addresses, for [`Plan::found`].
    Locate(TargetUri),
    /// Ask it there.
    Call(TargetUri, Hop),
    /// Everything has been tried.
    Exhausted,
}

impl Plan {
    pub(crate) fn new(targets: Vec<TargetUri>, fallback: Option<TargetUri>) -> Plan {
        Plan {
            targets: targets.into(),
            fallback,
            current: None,
            redirected: false,
        }
    }

    pub(crate) fn next(&mut self) -> Step {
        loop {
            match &mut self.current {
                None => match self.targets.pop_front().or_else(|| self.fallback.take()) {
                    Some(uri) => {
                        self.current = Some(Current {
                            uri,
                            by_redirect: false,
                            hops: None,
                        });
                    }
                    None => return Step::Exhausted,
                },
                Some(Current {
                    uri, hops: None, ..
                }) => return Step::Locate(uri.clone()),
                Some(Current {
                    uri,
                    hops: Some(hops),
                    ..
                }) => match hops.pop_front() {
                    Some(hop) => return Step::Call(uri.clone(), hop),
                    None => self.current = None,
                },
            }
        }
    }

    /// The addresses of the target in hand, the best one first; only so many are tried.
    pub(crate) fn found(&mut self, hops: Vec<Hop>) {
        if let Some(current) = &mut self.current {
            current.hops = Some(hops.into_iter().take(MOST_ADDRESSES).collect());
        }
    }

    /// No other address of the target in hand is tried.
    pub(crate) fn skip_target(&mut self) {
        self.current = None;
    }

    /// The place that the target in hand named is next.
    ///
    /// # Errors
    /// [`RedirectError::Again`].
    pub(crate) fn redirect(&mut self, target: TargetUri) -> Result<(), RedirectError> {
        if std::mem::replace(&mut self.redirected, true) {
            return Err(RedirectError::Again);
        }
        self.current = Some(Current {
            uri: target,
            by_redirect: true,
            hops: None,
        });
        Ok(())
    }

    /// Whether the target in hand is one that another one named.
    pub(crate) fn is_redirect(&self) -> bool {
        self.current
            .as_ref()
            .is_some_and(|current| current.by_redirect)
    }
}

/// Addresses of one target that a call tries.
const MOST_ADDRESSES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::HeaderName;
    use crate::transport::Host;

    #[test]
    fn trk_3_only_5xx_408_and_480_lead_to_another_target() {
        for code in [
            200, 202, 300, 305, 400, 401, 403, 404, 405, 407, 410, 415, 416, 420, 481, 482, 483,
            484, 485, 486, 487, 488, 491, 600, 603, 604, 606,
        ] {
            let status = StatusCode::new(code).unwrap();
            assert_eq!(verdict(status), Verdict::Final, "{code}");
        }
        for code in [408, 480, 500, 501, 502, 504, 505, 513, 580, 599] {
            let status = StatusCode::new(code).unwrap();
            assert_eq!(verdict(status), Verdict::NextTarget, "{code}");
        }
        assert_eq!(
            verdict(StatusCode::SERVICE_UNAVAILABLE),
            Verdict::NextAddress
        );
        assert_eq!(verdict(StatusCode::MOVED_TEMPORARILY), Verdict::Redirect);
    }

    fn uri(name: &str) -> TargetUri {
        TargetUri {
            host: Host::Name(name.to_owned()),
            port: None,
            transport: None,
        }
    }

    fn hop(last: u8) -> Hop {
        Hop {
            transport: Transport::Udp,
            address: SocketAddr::from(([192, 0, 2, last], 5060)),
        }
    }

    #[test]
    fn trk_4_each_address_of_a_target_is_tried_before_the_next_target() {
        let mut plan = Plan::new(vec![uri("a"), uri("b")], Some(uri("disaster")));
        assert_eq!(plan.next(), Step::Locate(uri("a")));
        plan.found(vec![hop(1), hop(2)]);
        assert_eq!(plan.next(), Step::Call(uri("a"), hop(1)));
        assert_eq!(plan.next(), Step::Call(uri("a"), hop(2)));
        assert_eq!(plan.next(), Step::Locate(uri("b")));
        plan.found(vec![hop(3), hop(4)]);
        assert_eq!(plan.next(), Step::Call(uri("b"), hop(3)));
        plan.skip_target();
        assert_eq!(plan.next(), Step::Locate(uri("disaster")));
        plan.found(Vec::new());
        assert_eq!(plan.next(), Step::Exhausted);
        assert_eq!(plan.next(), Step::Exhausted);
    }

    #[test]
    fn trk_3_a_redirect_is_followed_once_and_then_the_next_target() {
        let mut plan = Plan::new(vec![uri("a"), uri("b")], None);
        assert_eq!(plan.next(), Step::Locate(uri("a")));
        plan.found(vec![hop(1), hop(2)]);
        assert_eq!(plan.next(), Step::Call(uri("a"), hop(1)));
        plan.redirect(uri("c")).unwrap();
        assert_eq!(plan.next(), Step::Locate(uri("c")));
        assert!(plan.is_redirect());
        plan.found(vec![hop(3)]);
        assert_eq!(plan.next(), Step::Call(uri("c"), hop(3)));
        assert_eq!(plan.redirect(uri("d")), Err(RedirectError::Again));
        plan.skip_target();
        assert_eq!(plan.next(), Step::Locate(uri("b")));
        assert!(!plan.is_redirect());
    }

    fn redirected(contact: &str, secure: bool) -> Result<String, RedirectError> {
        let mut headers = Headers::new();
        if !contact.is_empty() {
            headers.push(HeaderName::Contact, contact);
        }
        redirect(&headers, secure).map(|redirect| redirect.target.to_string())
    }

    #[test]
    fn trk_3_a_redirect_keeps_the_security_and_leads_to_no_private_address() {
        use RedirectError::{NeedsTls, NoContact, PrivateAddress};
        for (contact, secure, expected) in [
            ("<sip:1@a.example>", false, Ok("sip:a.example")),
            (
                "<sip:1@a.example>;q=0.1, <sip:1@b.example>;q=1",
                false,
                Ok("sip:a.example"),
            ),
            (
                "<sip:1@a.example:5070;transport=TCP>",
                false,
                Ok("sip:a.example:5070;transport=tcp"),
            ),
            (
                "<sip:1@a.example;transport=udp>",
                true,
                Ok("sip:a.example;transport=tls"),
            ),
            (
                "<sip:1@a.example:5060>",
                true,
                Ok("sip:a.example;transport=tls"),
            ),
            (
                "<sips:1@a.example>",
                true,
                Ok("sip:a.example;transport=tls"),
            ),
            ("<sips:1@a.example>", false, Err(NeedsTls)),
            ("<sip:1@a.example;transport=tls>", false, Err(NeedsTls)),
            ("<sip:1@a.example;transport=sctp>", false, Err(NoContact)),
            ("<tel:+4930>", false, Err(NoContact)),
            ("*", false, Err(NoContact)),
            ("", false, Err(NoContact)),
            ("<sip:1@203.0.113.7>", false, Ok("sip:203.0.113.7")),
            ("<sip:1@10.0.0.1>", false, Err(PrivateAddress)),
            ("<sip:1@172.16.0.1>", true, Err(PrivateAddress)),
            ("<sip:1@192.168.1.1:5061>", true, Err(PrivateAddress)),
            ("<sip:1@127.0.0.1>", false, Err(PrivateAddress)),
            ("<sip:1@169.254.1.1>", false, Err(PrivateAddress)),
            ("<sip:1@100.64.0.1>", false, Err(PrivateAddress)),
            ("<sip:1@0.0.0.0>", false, Err(PrivateAddress)),
            ("<sip:1@224.0.0.1>", false, Err(PrivateAddress)),
            ("<sip:1@[::1]>", false, Err(PrivateAddress)),
            ("<sip:1@[fd00::1]>", false, Err(PrivateAddress)),
            ("<sip:1@[fe80::1]>", false, Err(PrivateAddress)),
            ("<sip:1@[::ffff:10.0.0.1]>", false, Err(PrivateAddress)),
            ("<sip:1@[2001:db8::1]>", false, Ok("sip:[2001:db8::1]")),
        ] {
            let expected = expected.map(str::to_owned);
            assert_eq!(redirected(contact, secure), expected, "{contact} {secure}");
        }
    }
}
