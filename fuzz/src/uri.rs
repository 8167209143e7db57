//! URI, name-addr and Via, each on its own: kept as they came, and edits touch one thing.

use sip_core::message::{NameAddr, Uri, Via};

pub(crate) fn addresses(bytes: &[u8]) {
    if let Some(uri) = Uri::parse(bytes) {
        assert_eq!(uri.as_str().as_bytes(), bytes);
        uri_keeps_what_is_not_edited(&uri);
        let by_half = bytes.split_at(bytes.len() / 2);
        if let Some(other) = Uri::parse(by_half.0) {
            assert_eq!(uri.equivalent(&other), other.equivalent(&uri));
        }
    }
    if let Some(address) = NameAddr::parse(bytes) {
        name_addr_keeps_what_is_not_edited(&address);
    }
    if let Some(via) = Via::parse(bytes) {
        via_keeps_what_is_not_edited(&via);
    }
}

fn uri_keeps_what_is_not_edited(uri: &Uri) {
    assert!(uri.equivalent(uri), "{uri}");
    let _ = (uri.user_unescaped(), uri.transport(), uri.host_port());
    let request_uri = read_again(&uri.as_request_uri());
    assert_eq!(request_uri.headers(), None);
    assert!(!request_uri.params().contains("method"));
    assert_eq!(request_uri.user(), uri.user());
    assert_eq!(request_uri.host(), uri.host());
    assert_eq!(request_uri.port(), uri.port());
    if !uri.is_sip() {
        return;
    }
    assert!(uri.host().is_some());
    for value in [None, Some("tls")] {
        let edited = read_again(&uri.with_param("transport", value));
        assert_eq!(edited.params().get("transport"), Some(value.unwrap_or("")));
        assert_eq!(edited.headers(), uri.headers());
        let removed = read_again(&edited.without_param("transport"));
        assert!(!removed.params().contains("transport"));
        assert_eq!(removed.user(), uri.user());
        assert_eq!(removed.password(), uri.password());
        assert_eq!(removed.host_port(), uri.host_port());
    }
    for secure in [false, true] {
        let other = read_again(&uri.with_sips(secure));
        assert_eq!(other.user(), uri.user());
        assert_eq!(other.host_port(), uri.host_port());
    }
    let host = uri.host().expect("it is a SIP URI");
    let ours = Uri::sip(uri.user(), host, uri.port());
    assert_eq!(read_again(&ours).host(), uri.host());
}

/// What was edited reads back as it is.
fn read_again(uri: &Uri) -> Uri {
    let again = Uri::parse(uri.as_str().as_bytes()).expect("still a URI");
    assert_eq!(again.user(), uri.user());
    assert_eq!(again.password(), uri.password());
    assert_eq!(again.host_port(), uri.host_port());
    assert_eq!(again.params().as_str(), uri.params().as_str());
    assert_eq!(again.headers(), uri.headers());
    again
}

fn name_addr_keeps_what_is_not_edited(address: &NameAddr) {
    let _ = (address.q(), address.expires());
    let tagged = again(&address.with_tag("edge"));
    assert_eq!(tagged.tag(), Some("edge"));
    assert_eq!(tagged.uri(), address.uri());
    assert_eq!(tagged.display(), address.display());
    let untagged = again(&tagged.without_tag());
    assert_eq!(untagged.tag(), None);
    let elsewhere = again(&address.with_uri(Uri::parse(b"sip:c@d").expect("a URI")));
    assert_eq!(elsewhere.uri().as_str(), "sip:c@d");
    assert!(elsewhere.params().as_str().is_empty());
    if let Some(name) = address.display_name() {
        let named = again(&NameAddr::new(address.uri().clone()).with_display_name(&name));
        let expected: String = name.chars().filter(|letter| !letter.is_control()).collect();
        assert_eq!(named.display_name(), Some(expected));
    }
}

fn again(address: &NameAddr) -> NameAddr {
    let again = NameAddr::parse(address.as_bytes()).expect("still an address");
    assert_eq!(again.uri(), address.uri());
    assert_eq!(again.tag(), address.tag());
    assert_eq!(again.params().as_str(), address.params().as_str());
    again
}

fn via_keeps_what_is_not_edited(via: &Via) {
    let source = "[2001:db8::9]:1024".parse().expect("an address");
    let mut noted = via.clone();
    noted.note_source(source);
    let again = Via::parse(noted.to_string().as_bytes()).expect("still a Via");
    assert_eq!(again.branch(), via.branch());
    assert_eq!(again.host(), via.host());
    assert_eq!(again.port(), via.port());
    assert_eq!(again.transport_token(), via.transport_token());
    if via.rport().is_some() {
        assert_eq!(again.rport(), Some(Some(1024)));
        assert_eq!(again.received(), Some(source.ip()));
    }
    if let Some(received) = again.received() {
        assert_eq!(received, source.ip());
    }
    let mut twice = again.clone();
    twice.note_source(source);
    assert_eq!(twice, again);
}
