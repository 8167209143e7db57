//! Record-Route, Route and Contact: sections 12.1, 12.2 and 16.12.

use super::*;

#[test]
fn the_answering_side_keeps_the_order_of_record_route() {
    let lines =
        format!("Record-Route: <sip:p3;lr>, <sip:p2;lr>\r\nRecord-Route: <sip:p1;lr>\r\n{CONTACT}");
    let mut dialog = answering(&lines, Transport::Udp, None);
    let bye = dialog.request(Method::Bye);
    assert_eq!(
        lines_of(&bye, HeaderName::Route),
        ["<sip:p3;lr>", "<sip:p2;lr>", "<sip:p1;lr>"]
    );
    assert_eq!(bye.uri.as_str(), "sip:alice@10.0.0.1:5071");
    assert_eq!(dialog.target().host, Host::Name("p3".into()));
}

#[test]
fn the_calling_side_reverses_record_route() {
    let lines = [
        (HeaderName::RecordRoute, "<sip:p3;lr>, <sip:p2;lr>"),
        (HeaderName::RecordRoute, "<sip:p1;lr>"),
        (HeaderName::Contact, "<sip:bob@10.1.1.1>"),
    ];
    let mut dialog = calling(200, &lines, Transport::Udp);
    let bye = dialog.request(Method::Bye);
    assert_eq!(
        lines_of(&bye, HeaderName::Route),
        ["<sip:p1;lr>", "<sip:p2;lr>", "<sip:p3;lr>"]
    );
    assert_eq!(dialog.target().host, Host::Name("p1".into()));
}

/// Section 12.2.1.1 and the example of section 16.12.1.2.
#[test]
fn a_strict_router_gets_the_request_uri_and_the_target_goes_last() {
    let lines = [
        (HeaderName::RecordRoute, "<sip:p2;lr>"),
        (HeaderName::RecordRoute, "<sip:p1;method=INVITE?Subject=x>"),
        (HeaderName::Contact, "<sip:bob@10.1.1.1;x=y>"),
    ];
    let mut dialog = calling(200, &lines, Transport::Udp);
    let bye = dialog.request(Method::Bye);
    assert_eq!(bye.uri.as_str(), "sip:p1");
    assert_eq!(
        lines_of(&bye, HeaderName::Route),
        ["<sip:p2;lr>", "<sip:bob@10.1.1.1;x=y>"]
    );
    assert_eq!(dialog.target().host, Host::Name("p1".into()));
}

#[test]
fn the_2xx_replaces_the_route_set_of_the_early_dialog() {
    let early = [
        (HeaderName::RecordRoute, "<sip:early;lr>"),
        (HeaderName::Contact, "<sip:bob@10.1.1.1>"),
    ];
    let mut dialog = calling(180, &early, Transport::Udp);
    assert_eq!(dialog.state(), DialogState::Early);
    let confirmed = [
        (HeaderName::RecordRoute, "<sip:late;lr>"),
        (HeaderName::Contact, "<sip:bob@10.2.2.2>"),
    ];
    dialog
        .confirm_by(&answer(200, "theirs", &confirmed))
        .unwrap();
    assert_eq!(dialog.state(), DialogState::Confirmed);
    let ack = dialog.ack(20);
    assert_eq!(lines_of(&ack, HeaderName::Route), ["<sip:late;lr>"]);
    assert_eq!(ack.uri.as_str(), "sip:bob@10.2.2.2");
}

#[test]
fn a_target_refresh_changes_the_target_but_not_the_routes() {
    let lines = format!("Record-Route: <sip:p1;lr>\r\n{CONTACT}");
    let mut dialog = answering(&lines, Transport::Udp, None);
    let moved = "Record-Route: <sip:p9;lr>\r\nContact: <sip:alice@10.9.9.9>\r\n";
    dialog
        .refresh(&received("INVITE", 6, moved).headers)
        .unwrap();
    let bye = dialog.request(Method::Bye);
    assert_eq!(bye.uri.as_str(), "sip:alice@10.9.9.9");
    assert_eq!(lines_of(&bye, HeaderName::Route), ["<sip:p1;lr>"]);
    dialog.refresh(&received("UPDATE", 7, "").headers).unwrap();
    assert_eq!(dialog.remote_target().as_str(), "sip:alice@10.9.9.9");
}
