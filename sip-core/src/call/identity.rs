//! Who calls whom, as the far leg reads it: user parts as they came, hosts ours or the
//! destination's, and `sips:` only where the trunk wants it (SIG-6, SEC-5).

use crate::message::{NameAddr, Scheme, Uri};
use crate::stack::ControlError;
use crate::transport::{Host, Listener, Transport};
use crate::trunk::Destination;

/// Whether a leg is addressed by `sips:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sips {
    /// `sip:`, with `transport=tls` where it is TLS: hop by hop.
    HopByHop,
    /// `sips:`, for trunks that pass it (RFC 5630).
    Pass,
}

impl Sips {
    /// For a leg whose trunk has that setting, in a call to `called`.
    pub(super) fn of(called: &Uri, pass_sips: bool) -> Sips {
        if pass_sips && called.scheme() == Scheme::Sips {
            Sips::Pass
        } else {
            Sips::HopByHop
        }
    }

    fn apply(self, uri: Uri) -> Uri {
        uri.with_sips(self == Sips::Pass)
    }

    /// With the transport parameter that a URI for that transport needs.
    fn with_transport(self, uri: Uri, transport: Transport) -> Uri {
        if self == Sips::Pass || transport == Transport::Udp {
            return self.apply(uri);
        }
        self.apply(uri.with_param("transport", Some(transport.uri_token())))
    }
}

/// The Request-URI of the far leg's INVITE.
pub(super) fn request_uri(called: &Uri, destination: &Destination, sips: Sips) -> Uri {
    let user = user(called);
    let port = Some(destination.port).filter(|&port| port != destination.transport.default_port());
    let mut uri = Uri::sip(user.as_deref(), &destination.host, port);
    if called.scheme() == Scheme::Tel
        || called
            .param("user")
            .is_some_and(|kind| kind.eq_ignore_ascii_case("phone"))
    {
        uri = uri.with_param("user", Some("phone"));
    }
    sips.with_transport(uri, destination.transport)
}

/// The same with the parameters of who is called that do not speak of the way there
/// (RFC 3261 section 19.1.1).
pub(super) fn full_request_uri(called: &Uri, destination: &Destination, sips: Sips) -> Uri {
    let of_the_way = ["transport", "maddr", "ttl", "lr", "method", "user"];
    let params = called.params();
    let others = params.iter().filter(|(name, _)| {
        !of_the_way
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    });
    others.fold(
        request_uri(called, destination, sips),
        |uri, (name, value)| uri.with_param(name, value),
    )
}

/// From of the far leg, without its tag.
pub(super) fn from(caller: &NameAddr, ours: &Listener, sips: Sips) -> NameAddr {
    let user = user(caller.uri());
    let host = match caller.uri().host() {
        // RFC 3323 section 4.1.1.3: the host says that the caller is withheld.
        Some(host @ Host::Name(name)) if name.ends_with(".invalid") => host,
        _ => &ours.advertised_host,
    };
    caller.with_uri(sips.apply(Uri::sip(user.as_deref(), host, None)))
}

/// To of the far leg.
pub(super) fn to(called: &NameAddr, destination: &Destination, sips: Sips) -> NameAddr {
    let user = user(called.uri());
    called.with_uri(sips.apply(Uri::sip(user.as_deref(), &destination.host, None)))
}

/// Where a leg's peer reaches us within the dialog.
pub(crate) fn contact(user: Option<&str>, ours: &Listener, sips: Sips) -> NameAddr {
    let uri = Uri::sip(user, &ours.advertised_host, Some(ours.advertised_port));
    NameAddr::new(sips.with_transport(uri, ours.transport))
}

/// The number or name called or calling: of `tel:` without visual separators (RFC 3966
/// section 5.1.1), of `sip:` as it came.
pub(crate) fn user(uri: &Uri) -> Option<String> {
    let user = uri.user()?;
    Some(match uri.scheme() {
        Scheme::Tel => user
            .chars()
            .filter(|letter| !"-.()".contains(*letter))
            .collect(),
        _ => user.to_owned(),
    })
}

/// The number that routes are matched with: the user part, escapes decoded; of `tel:` without
/// visual separators.
pub(crate) fn number(uri: &Uri) -> String {
    match uri.scheme() {
        Scheme::Tel => user(uri).unwrap_or_default(),
        _ => uri.user_unescaped().unwrap_or_default().into_owned(),
    }
}

/// With the number that a route made of it; byte for byte as it came if that is the same.
pub(super) fn renumbered(uri: &Uri, to: &str) -> Uri {
    if number(uri) == to {
        return uri.clone();
    }
    uri.with_user(to)
}

/// To, where it names the number that is called: whom the caller first meant, after a
/// forwarding, stays.
pub(super) fn renumbered_to(to: &NameAddr, called: &Uri, new: &str) -> NameAddr {
    if number(to.uri()) != number(called) {
        return to.clone();
    }
    to.with_uri(renumbered(to.uri(), new))
}

/// A SIP or `tel:` URI that an operator has written; `None`: a number, or a name without a host.
///
/// # Errors
/// It is neither.
pub(crate) fn target_uri(text: &str) -> Result<Option<Uri>, ControlError> {
    let bad = |why: &str| ControlError::BadTarget(format!("{text:?} {why}"));
    if text.is_empty() || text.len() > LONGEST_TARGET {
        return Err(bad("is no number and no URI"));
    }
    let has_scheme = ["sip:", "sips:", "tel:"].iter().any(|scheme| {
        let start = text.as_bytes().get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
    });
    let uri = match has_scheme {
        true => text.to_owned(),
        false if text.contains('@') => format!("sip:{text}"),
        false if text.bytes().all(is_dialled) => return Ok(None),
        false => return Err(bad("is no number and no URI")),
    };
    let uri = Uri::parse(uri.as_bytes()).ok_or_else(|| bad("cannot be read"))?;
    match uri.user().is_some_and(|user| !user.is_empty()) && uri.headers().is_none() {
        true => Ok(Some(uri.without_param("method"))),
        false => Err(bad("names nobody who can be called")),
    }
}

/// Digits, and what extensions are named by (RFC 3261 section 25.1, `unreserved`, and `#` of
/// telephones, which is escaped).
fn is_dialled(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+*#-_.!~'()".contains(&byte)
}

/// Bytes of what an operator may have called.
const LONGEST_TARGET: usize = 256;

#[cfg(test)]
mod tests {
    use media_core::ports::RealmId;

    use super::*;

    fn text(address: &NameAddr) -> &str {
        std::str::from_utf8(address.as_bytes()).unwrap()
    }

    fn uri(text: &str) -> Uri {
        Uri::parse(text.as_bytes()).unwrap()
    }

    fn listener(transport: Transport, port: u16) -> Listener {
        Listener {
            transport,
            address: "10.0.0.1:5061".parse().unwrap(),
            advertised_host: Host::Name("edge.example.com".to_owned()),
            advertised_port: port,
            realm: RealmId(0),
        }
    }

    fn destination(transport: Transport, port: u16) -> Destination {
        Destination {
            host: Host::Name("pbx.example.net".to_owned()),
            port,
            transport,
        }
    }

    #[test]
    fn request_uris_keep_the_user_and_name_the_destination() {
        let udp = destination(Transport::Udp, 5060);
        let tls = destination(Transport::Tls, 5061);
        let tcp = destination(Transport::Tcp, 5070);
        for (called, destination, sips, expected) in [
            (
                "sip:+4930@edge.example.com",
                &udp,
                Sips::HopByHop,
                "sip:+4930@pbx.example.net",
            ),
            (
                "sips:john.doe@edge",
                &tls,
                Sips::HopByHop,
                "sip:john.doe@pbx.example.net;transport=tls",
            ),
            (
                "sips:john.doe@edge",
                &tls,
                Sips::Pass,
                "sips:john.doe@pbx.example.net",
            ),
            (
                "sip:a%20b@edge;transport=udp",
                &tcp,
                Sips::HopByHop,
                "sip:a%20b@pbx.example.net:5070;transport=tcp",
            ),
            (
                "tel:+49-30(1).2;phone-context=x",
                &udp,
                Sips::HopByHop,
                "sip:+493012@pbx.example.net;user=phone",
            ),
            (
                "sip:1@edge;user=PHONE",
                &udp,
                Sips::HopByHop,
                "sip:1@pbx.example.net;user=phone",
            ),
            (
                "sip:edge.example.com",
                &udp,
                Sips::HopByHop,
                "sip:pbx.example.net",
            ),
        ] {
            assert_eq!(
                request_uri(&uri(called), destination, sips).as_str(),
                expected
            );
        }
    }

    #[test]
    fn parameters_of_who_is_called_go_along_and_those_of_the_way_do_not() {
        let called =
            "sip:pbx.example.net:5061;X-m=a%40b;transport=udp;maddr=h;lr;x-t=1;x-flag;ttl=1";
        let tls = destination(Transport::Tls, 5061);
        assert_eq!(
            full_request_uri(&uri(called), &tls, Sips::HopByHop).as_str(),
            "sip:pbx.example.net;transport=tls;X-m=a%40b;x-t=1;x-flag"
        );
    }

    #[test]
    fn from_and_to_keep_names_and_users_and_hide_hosts() {
        let ours = listener(Transport::Udp, 5060);
        for (value, expected) in [
            (
                "\"A, \\\"B\\\"\" <sip:a@10.0.0.7:5080;x=y>;tag=1;epid=2",
                "\"A, \\\"B\\\"\" <sip:a@edge.example.com>",
            ),
            ("sip:a@10.0.0.7;tag=1", "<sip:a@edge.example.com>"),
            ("Bob <tel:+49-30>", "Bob <sip:+4930@edge.example.com>"),
            (
                "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1",
                "\"Anonymous\" <sip:anonymous@anonymous.invalid>",
            ),
        ] {
            let caller = NameAddr::parse(value.as_bytes()).unwrap();
            assert_eq!(text(&from(&caller, &ours, Sips::HopByHop)), expected);
        }
        let called = NameAddr::parse(b"<sips:2@edge>").unwrap();
        let tls = destination(Transport::Tls, 5061);
        assert_eq!(
            text(&to(&called, &tls, Sips::HopByHop)),
            "<sip:2@pbx.example.net>"
        );
        assert_eq!(
            text(&to(&called, &tls, Sips::Pass)),
            "<sips:2@pbx.example.net>"
        );
    }

    #[test]
    fn contacts_name_the_advertised_address_and_the_transport() {
        for (transport, port, sips, expected) in [
            (
                Transport::Udp,
                5060,
                Sips::HopByHop,
                "<sip:u@edge.example.com:5060>",
            ),
            (
                Transport::Tcp,
                5060,
                Sips::HopByHop,
                "<sip:u@edge.example.com:5060;transport=tcp>",
            ),
            (
                Transport::Tls,
                5061,
                Sips::HopByHop,
                "<sip:u@edge.example.com:5061;transport=tls>",
            ),
            (
                Transport::Tls,
                5061,
                Sips::Pass,
                "<sips:u@edge.example.com:5061>",
            ),
        ] {
            assert_eq!(
                text(&contact(Some("u"), &listener(transport, port), sips)),
                expected
            );
        }
    }

    #[test]
    fn sips_passes_only_where_it_came_and_the_trunk_wants_it() {
        assert_eq!(Sips::of(&uri("sips:a@b"), true), Sips::Pass);
        assert_eq!(Sips::of(&uri("SIPS:a@b"), false), Sips::HopByHop);
        assert_eq!(Sips::of(&uri("sip:a@b"), true), Sips::HopByHop);
    }
}
