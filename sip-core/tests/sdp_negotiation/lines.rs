//! Lines that break off, repeat or are no text.

use media_core::session::Side;

use crate::support::*;

#[test]
fn a_line_added_behind_a_missing_line_end_does_not_run_into_it() {
    let mut call = Call::new(
        plain(0),
        secure(1, &[media_core::srtp::profile::Suite::AesCm128HmacSha1_80]),
    );
    for end in ["\r\n", "\n"] {
        let offer = avp(CALLER).replace("\r\n", end);
        let offered = call.offer(Side::Caller, offer.trim_end());
        assert!(
            offered.contains(&format!("telephone-event/8000{end}a=crypto:1 ")),
            "{offered:?}"
        );
        assert!(offered.ends_with(end));
    }
}

#[test]
fn bytes_that_are_no_text_pass() {
    let mut call = Call::plain();
    let mut offer = avp(CALLER).into_bytes();
    let odd = b"a=x-odd:\xff\xfe\x80\r\n";
    offer.extend_from_slice(odd);
    let offered = call
        .negotiation
        .offer(Side::Caller, &offer, &mut call.ports, &mut call.rng)
        .expect("accepted");
    assert!(offered.ends_with(odd));
}

#[test]
fn a_repeated_attribute_stays_repeated() {
    let mut call = Call::plain();
    let offered = call.offer(
        Side::Caller,
        &sdp(
            CALLER,
            "m=audio 4000 RTP/AVP 0",
            &["a=ptime:20", "a=ptime:20", "a=ptime:30"],
        ),
    );
    assert_eq!(values(&offered, "a="), ["ptime:20", "ptime:20", "ptime:30"]);
}

#[test]
fn an_m_line_with_a_count_of_ports_is_read_as_one() {
    let mut call = Call::plain();
    let offered = call.offer(Side::Caller, &avp(CALLER).replace("4000", "4000/2"));
    assert_eq!(values(&offered, "m="), ["audio 20002 RTP/AVP 0 8 101"]);
}
