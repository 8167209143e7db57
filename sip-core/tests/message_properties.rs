//! Whatever comes: parsing never panics, what was understood leaves as it came, and what left is
//! understood the same way.

#[path = "../../fuzz/src/dictionary.rs"]
pub mod dictionary;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use sip_core::message::{
    Contacts, HeaderName, Message, NameAddr, Request, StatusCode, Uri, Via, response_to,
};

use self::dictionary::DICTIONARY;

const SEEDS: [&str; 3] = [
    "INVITE sip:+1201;ext=2@[2001:db8::1]:5061;transport=TLS SIP/2.0\r\n\
     v: SIP/2.0/UDP 192.0.2.1:5060;branch = z9hG4bK1;rport, SIP / 2.0 / TCP\r\n h2 ;branch=z9hG4bK2\r\n\
     Max-Forwards: 70\r\n\
     f : \"J \\\"R\\\", x\" <sip:a:pw@b;lr?Subject=c>;tag=1;x=\"y;z\"\r\n\
     To:\r\n\t<tel:+1-201>\r\n\
     i: 7@h\r\n\
     CSeq: 1\r\n INVITE\r\n\
     m: <sip:a@h1>;q=0.5,sip:b@h2;expires=3\r\n\
     Record-Route: <sip:p1;lr>,<sip:p2;lr>\r\n\
     Content-Type: application/sdp;x=\"y\"\r\n\
     l: 5\r\n\r\nv=0\r\n",
    "SIP/2.0 180 \r\n\
     Via: SIP/2.0/TLS h;branch=z9hG4bK1;received=192.0.2.1;rport=5\r\n\
     To: A B<sips:a@b>;tag=2\r\nFrom: sip:c@d;tag=1\r\nCall-ID: x\r\nCSeq: 2 INVITE\r\n\
     Contact: *\r\nContent-Length: 0\r\n\r\n",
    "\r\nOPTIONS urn:a:b SIP/2.0\r\n\
     Via: SIP/2.0/UDP h\r\nTo: <urn:a:b>\r\nFrom: <sip:%00@d>;tag=1\r\nCall-ID: x\r\n\
     CSeq: 2 OPTIONS\r\nX-Y:\r\nRequire: a,,b\r\n\r\n",
];

#[derive(Clone, Debug)]
enum Change {
    Remove(Index, usize),
    Insert(Index, &'static [u8]),
    Overwrite(Index, u8),
    Repeat(Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), 1..20_usize).prop_map(|(at, length)| Change::Remove(at, length)),
        (any::<Index>(), select(&DICTIONARY[..])).prop_map(|(at, piece)| Change::Insert(at, piece)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Overwrite(at, byte)),
        (any::<Index>(), 1..60_usize).prop_map(|(at, length)| Change::Repeat(at, length)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let place = |at: &Index, length: usize| {
        let start = at.index(bytes.len() + 1);
        start..bytes.len().min(start + length)
    };
    match change {
        Change::Remove(at, length) => drop(bytes.drain(place(at, *length))),
        Change::Insert(at, piece) => {
            let at = place(at, 0);
            bytes.splice(at, piece.iter().copied());
        }
        Change::Overwrite(at, byte) => {
            let at = place(at, 1);
            bytes[at].fill(*byte);
        }
        Change::Repeat(at, length) => {
            let copy = bytes[place(at, *length)].to_vec();
            let at = place(at, 0);
            bytes.splice(at, copy);
        }
    }
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    (select(&SEEDS[..]), prop::collection::vec(change(), 0..6)).prop_map(|(seed, changes)| {
        let mut bytes = seed.as_bytes().to_vec();
        for change in &changes {
            apply(&mut bytes, change);
        }
        bytes
    })
}

/// Name and value of every line but Content-Length, which is put right on the way out.
fn lines(message: &Message) -> Vec<(Vec<u8>, Vec<u8>)> {
    message
        .headers()
        .iter()
        .filter(|field| field.name != Some(HeaderName::ContentLength))
        .map(|field| (field.raw_name.to_vec(), field.value.to_vec()))
        .collect()
}

/// Every view that anybody asks for.
fn read_all(message: &Message) {
    let headers = message.headers();
    let _ = (headers.vias(), headers.from(), headers.to(), headers.cseq());
    let _ = (
        headers.call_id(),
        headers.contact(),
        headers.record_routes(),
    );
    let _ = (headers.routes(), headers.max_forwards());
    let _ = headers.number(HeaderName::Expires);
    let _ = headers.content_type().map(|kind| kind.boundary());
    let _ = headers.option_tags(HeaderName::Require).count();
    if let Ok(Contacts::List(contacts)) = headers.contacts() {
        for contact in contacts {
            let _ = (contact.q(), contact.expires(), contact.display_name());
            let _ = contact.uri().equivalent(&contact.uri().with_sips(true));
        }
    }
}

fn answer_reads(request: &Request) {
    let answer = response_to(request, StatusCode::BAD_REQUEST, Some("t"));
    // The headers of a refused request need not be well-formed; their answer must not make it worse.
    if let Ok(answer) = Message::parse(&answer.to_bytes()) {
        read_all(&answer);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn mutated_messages_are_refused_or_leave_as_they_came(bytes in mutated()) {
        match Message::parse(&bytes) {
            Ok(message) => {
                read_all(&message);
                let out = message.to_bytes();
                let again = Message::parse(&out).expect("what we send is well-formed");
                prop_assert_eq!(lines(&again), lines(&message));
                prop_assert_eq!(again.body(), message.body());
                prop_assert_eq!(again.to_bytes(), out);
                if let Message::Request(request) = &message {
                    answer_reads(request);
                }
            }
            Err(error) => {
                if let Some(request) = &error.answerable {
                    answer_reads(request);
                }
            }
        }
    }

    /// Untouched lines are the very bytes that came, spacing and folding included.
    #[test]
    fn every_line_that_leaves_was_in_what_came(bytes in mutated()) {
        let Ok(message) = Message::parse(&bytes) else {
            return Ok(());
        };
        if !message.headers().contains(HeaderName::ContentLength) {
            return Ok(());
        }
        let out = message.to_bytes();
        let stated = message.headers().number(HeaderName::ContentLength);
        prop_assert_eq!(stated, Ok(Some(u32::try_from(message.body().len()).unwrap())));
        // After the start line, whose version alone is normalised, everything is verbatim.
        let after_start = |bytes: &[u8]| {
            bytes.iter().position(|&byte| byte == b'\n').map(|at| bytes[at + 1..].to_vec())
        };
        let came = &bytes[bytes.iter().take_while(|byte| b"\r\n".contains(byte)).count()..];
        let came = after_start(came).unwrap();
        let left = after_start(&out).unwrap();
        prop_assert!(came.starts_with(&left));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Message::parse(&bytes);
        let _ = Uri::parse(&bytes);
        let _ = NameAddr::parse(&bytes);
        let _ = Via::parse(&bytes);
    }

    #[test]
    fn uris_from_the_grammars_characters_keep_their_text_through_edits(
        text in "sips?:[a-z0-9;?:&=+$,/%@.\\[\\]-]{1,40}",
    ) {
        if let Some(uri) = Uri::parse(text.as_bytes()) {
            prop_assert_eq!(uri.as_str(), &text);
            prop_assert!(uri.equivalent(&uri));
            let edited = uri.with_param("transport", Some("tls"));
            let reparsed = Uri::parse(edited.as_str().as_bytes()).expect("still a URI");
            prop_assert_eq!(edited.param("transport"), Some("tls"));
            prop_assert_eq!(reparsed.headers(), uri.headers());
            prop_assert_eq!(reparsed.user(), uri.user());
            let request_uri = uri.as_request_uri();
            prop_assert!(Uri::parse(request_uri.as_str().as_bytes()).is_some());
            prop_assert_eq!(request_uri.headers(), None);
        }
    }

    #[test]
    fn any_text_makes_a_user_and_a_display_name_that_read_back(text in "\\PC{0,30}") {
        let host = sip_core::transport::Host::Name("h".to_owned());
        let uri = Uri::sip(Some(&text), &host, None);
        prop_assert_eq!(&Uri::parse(uri.as_str().as_bytes()).expect("a URI"), &uri);
        let named = NameAddr::new(uri).with_display_name(&text);
        let reparsed = NameAddr::parse(named.as_bytes()).expect("an address");
        prop_assert_eq!(reparsed.display_name().unwrap(), text);
        prop_assert_eq!(reparsed.uri(), named.uri());
    }
}
