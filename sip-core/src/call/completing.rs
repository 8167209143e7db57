//! What every request of ours within a dialog carries, and that none of it speaks of `sips:` (SEC-5).

use super::context::Context;
use super::identity::Sips;
use crate::message::{HeaderName, Headers, Request, Scheme, Uri};
use crate::transport::{Target, Transport};

/// A request within a dialog with what every one of ours carries.
pub(super) fn complete(cx: &Context, mut request: Request, sips: Sips, target: &Target) -> Request {
    if sips == Sips::HopByHop {
        request.uri = hop_by_hop(request.uri, target.transport);
        addresses_hop_by_hop(&mut request.headers);
    }
    request
        .headers
        .push(HeaderName::UserAgent, cx.config.user_agent.as_str());
    request
}

/// SEC-5: a peer's `sips:` Contact becomes `sip:` over TLS. Where we have no TLS to go by, which only
/// happens to a trunk that asks for none, it says nothing of TLS either.
fn hop_by_hop(uri: Uri, transport: Transport) -> Uri {
    if uri.scheme() != Scheme::Sips {
        return uri;
    }
    let uri = uri.with_sips(false);
    match transport.is_secure() {
        true => uri.with_param("transport", Some(transport.uri_token())),
        false => uri,
    }
}

/// SEC-5: a peer that wrote `sips:` in From or To of the request that made the dialog reads `sip:` in
/// later ones. Tags and Call-ID make the dialog (RFC 3261 section 12); that the URIs are repeated, too,
/// is for peers of RFC 2543 (section 12.2.1.1), which know no `sips:`.
///
/// Route stays as the proxies recorded it: by its own URI a proxy knows that it is meant
/// (section 16.4), and one that wrote `sips:` reads it.
fn addresses_hop_by_hop(headers: &mut Headers) {
    const SIPS: &[u8] = b"sips:";
    for name in [HeaderName::From, HeaderName::To] {
        let written = headers.value(name).unwrap_or_default();
        let names_it = |text: &[u8]| text.eq_ignore_ascii_case(SIPS);
        // Hardly any: what does not have it anywhere need not be taken apart.
        if written.windows(SIPS.len()).any(names_it)
            && let Ok(Some(address)) = headers.address(name)
            && address.uri().scheme() == Scheme::Sips
        {
            headers.set(name, address.with_sips(false));
        }
    }
}
