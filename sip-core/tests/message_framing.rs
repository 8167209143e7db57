//! Streams: however they are split and merged, the same messages come out, and a stream that has
//! lost its framing says so at once.

use proptest::prelude::*;
use sip_core::framing::{FramingError, StreamFramer, StreamItem};
use sip_core::message::Limits;

const INVITE: &[u8] = b"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\n\
    CONTENT-LENGTH\t :\r\n  12\r\nX: \r\n\r\nv=0\r\n\r\n\r\n\r\n!";
const OK: &[u8] = b"SIP/2.0 200 OK\r\nl:0\r\n\r\n";
const BYE: &[u8] = b"BYE sip:a@b SIP/2.0\r\nContent-Length: 3\r\nl: 3\r\nno colon here\r\n\r\nabc";
const PING: &[u8] = b"\r\n\r\n";
const EMPTY_LINE: &[u8] = b"\r\n";

const LIMIT: usize = 64 * 1024;

fn items(framer: &mut StreamFramer) -> Result<Vec<StreamItem>, FramingError> {
    let mut items = Vec::new();
    while let Some(item) = framer.next()? {
        items.push(item);
    }
    Ok(items)
}

fn frame(bytes: &[u8]) -> Result<Vec<StreamItem>, FramingError> {
    let mut framer = StreamFramer::new(LIMIT);
    framer.push(bytes);
    items(&mut framer)
}

fn message(bytes: &[u8]) -> StreamItem {
    StreamItem::Message(bytes.to_vec())
}

/// Everything at once, keep-alives in all places.
fn train() -> (Vec<u8>, Vec<StreamItem>) {
    let bytes = [
        EMPTY_LINE, INVITE, PING, OK, EMPTY_LINE, BYE, PING, EMPTY_LINE, INVITE, OK, OK, PING, PING,
    ]
    .concat();
    let items = vec![
        message(INVITE),
        StreamItem::Ping,
        message(OK),
        message(BYE),
        StreamItem::Ping,
        message(INVITE),
        message(OK),
        message(OK),
        StreamItem::Ping,
        StreamItem::Ping,
    ];
    (bytes, items)
}

#[test]
fn a_stream_split_at_any_byte_gives_the_same_messages() {
    let (bytes, expected) = train();
    for at in 0..=bytes.len() {
        let mut framer = StreamFramer::new(LIMIT);
        framer.push(&bytes[..at]);
        let mut found = items(&mut framer).unwrap();
        framer.push(&bytes[at..]);
        found.extend(items(&mut framer).unwrap());
        assert_eq!(found, expected, "split at {at}");
        assert!(!framer.is_mid_message());
    }
}

#[test]
fn a_stream_that_comes_byte_by_byte_gives_the_same_messages() {
    let (bytes, expected) = train();
    let mut framer = StreamFramer::new(LIMIT);
    let mut found = Vec::new();
    for byte in &bytes {
        framer.push(&[*byte]);
        found.extend(items(&mut framer).unwrap());
    }
    assert_eq!(found, expected);
}

proptest! {
    #[test]
    fn any_chunks_of_any_train_give_the_same_messages(
        cars in prop::collection::vec(0..5_usize, 1..12),
        cuts in prop::collection::vec(1..40_usize, 1..80),
    ) {
        let kinds = [INVITE, OK, BYE, PING, b"\r\n"];
        // A single CRLF before a ping or another one would make a different train.
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for car in cars {
            bytes.extend_from_slice(kinds[car]);
            match car {
                3 => expected.push(StreamItem::Ping),
                4 => {
                    bytes.extend_from_slice(OK);
                    expected.push(message(OK));
                }
                _ => expected.push(message(kinds[car])),
            }
        }
        let mut framer = StreamFramer::new(LIMIT);
        let mut found = Vec::new();
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, after) = rest.split_at(rest.len().min(*cut));
            framer.push(chunk);
            found.extend(items(&mut framer).unwrap());
            rest = after;
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in 1..50_usize) {
        let mut framer = StreamFramer::new(300);
        for chunk in bytes.chunks(cut) {
            framer.push(chunk);
            let _ = items(&mut framer);
        }
    }
}

#[test]
fn lost_framing_is_an_error_and_stays_one() {
    use FramingError::*;
    for (bytes, error) in [
        ("\x16\x03\x01\x02\x00", NotSip),
        ("\n", NotSip),
        ("\r ", NotSip),
        ("\r\n\rx", NotSip),
        ("\0\0\0\0", NotSip),
        (" INVITE sip:a@b SIP/2.0\r\n", NotSip),
        ("GET / HTTP/1.1\r\n", NotSip),
        ("SIP/\r\n", NotSip),
        ("INVITE sip:a@b SIP/2.0\r\nVia: x\r\n\r\n", NoContentLength),
        (
            "INVITE sip:a@b SIP/2.0\r\nContent-Length: x\r\n\r\n",
            BadContentLength,
        ),
        (
            "INVITE sip:a@b SIP/2.0\r\nContent-Length: -1\r\n\r\n",
            BadContentLength,
        ),
        (
            "INVITE sip:a@b SIP/2.0\r\nContent-Length:\r\n\r\n",
            BadContentLength,
        ),
        (
            "INVITE sip:a@b SIP/2.0\r\nl: 99999999999\r\n\r\n",
            BadContentLength,
        ),
        (
            "INVITE sip:a@b SIP/2.0\r\nl: 1\r\nContent-Length: 2\r\n\r\n",
            BadContentLength,
        ),
    ] {
        let mut framer = StreamFramer::new(LIMIT);
        framer.push(bytes.as_bytes());
        assert_eq!(framer.next(), Err(error), "{bytes:?}");
        framer.push(OK);
        assert_eq!(framer.next(), Err(error), "{bytes:?}");
    }
}

#[test]
fn what_came_before_the_fault_is_still_given() {
    let mut framer = StreamFramer::new(LIMIT);
    framer.push(&[OK, b"\x16\x03"].concat());
    assert_eq!(framer.next(), Ok(Some(message(OK))));
    assert_eq!(framer.next(), Err(FramingError::NotSip));
}

#[test]
fn another_version_keeps_its_framing() {
    let odd = b"OPTIONS sip:a@b SIP/7.0  \r\nl: 0\r\n\r\n";
    assert_eq!(frame(odd), Ok(vec![message(odd)]));
}

#[test]
fn the_limit_counts_headers_and_body() {
    let sized = |total: usize| {
        let head = |body: usize| format!("INVITE sip:a@b SIP/2.0\r\nl: {body:05}\r\n\r\n");
        let body = total - head(0).len();
        let mut bytes = head(body).into_bytes();
        bytes.resize(total, b'x');
        bytes
    };
    let fits = sized(LIMIT);
    assert_eq!(frame(&fits), Ok(vec![message(&fits)]));
    let too_long = FramingError::TooLong { limit: LIMIT };
    // Said as soon as the headers are there, not when the body has come; the head is there to be
    // answered.
    let exceeds = sized(LIMIT + 1);
    let head = exceeds.len() - exceeds.iter().filter(|&&byte| byte == b'x').count();
    let mut framer = StreamFramer::new(LIMIT);
    framer.push(&exceeds[..head + 10]);
    assert_eq!(framer.next(), Ok(Some(message(&exceeds[..head]))));
    assert_eq!(framer.next(), Err(too_long));
}

#[test]
fn headers_that_never_end_are_cut_off() {
    let mut framer = StreamFramer::new(LIMIT);
    framer.push(b"INVITE sip:a@b SIP/2.0\r\n");
    let line = b"X-Filler: 0123456789012345678901234567890123456789\r\n";
    let mut pushed = 0;
    let error = loop {
        framer.push(line);
        pushed += line.len();
        match framer.next() {
            Ok(item) => assert_eq!(item, None),
            Err(error) => break error,
        }
        assert!(pushed < 2 * LIMIT);
    };
    assert_eq!(error, FramingError::TooLong { limit: LIMIT });
}

#[test]
fn a_first_line_that_never_ends_is_cut_off() {
    let mut framer = StreamFramer::new(LIMIT);
    framer.push(&[b'A'; LIMIT]);
    assert_eq!(framer.next(), Ok(None));
    framer.push(b"A");
    assert_eq!(framer.next(), Err(FramingError::TooLong { limit: LIMIT }));
}

/// A Request-URI that is too long for us says nothing of where the next message begins: it is
/// refused (414), and the stream goes on.
#[test]
fn a_first_line_beyond_the_limit_of_a_header_is_the_parsers_to_refuse() {
    let long = format!(
        "OPTIONS sip:{}@b SIP/2.0\r\nl: 0\r\n\r\n",
        "a".repeat(Limits::DEFAULT.header_bytes)
    );
    let stream = [long.as_bytes(), OK].concat();
    assert_eq!(
        frame(&stream),
        Ok(vec![message(long.as_bytes()), message(OK)])
    );
}

/// What the fuzzer was written to find: an end that comes together with the beginning is no excuse.
#[test]
fn what_is_too_long_is_too_long_however_it_comes() {
    let first_line = |length: usize, version: &str| {
        let start = format!("OPTIONS sip:@b {version}\r\nl: 0\r\n\r\n");
        let user = "a".repeat(length - start.len());
        start.replacen('@', &format!("{user}@"), 1)
    };
    let filled = |lines: usize| {
        format!(
            "OPTIONS sip:a@b SIP/2.0\r\n{}l: x\r\n\r\n",
            "X: 12345\r\n".repeat(lines)
        )
    };
    let too_long = FramingError::TooLong { limit: 200 };
    for (bytes, outcome) in [
        (first_line(200, "SIP/2.0"), Ok(())),
        (first_line(201, "SIP/2.0"), Err(too_long)),
        (first_line(200, "HTTP/1"), Err(FramingError::NotSip)),
        // The limit on the whole comes before what is wrong in the head.
        (first_line(220, "HTTP/1"), Err(too_long)),
        (filled(5), Err(FramingError::BadContentLength)),
        (filled(20), Err(too_long)),
    ] {
        for chunk in [1, 7, bytes.len()] {
            let mut framer = StreamFramer::new(200);
            let mut found = Ok(());
            for piece in bytes.as_bytes().chunks(chunk) {
                framer.push(piece);
                found = found.and(items(&mut framer).map(|_| ()));
            }
            assert_eq!(found, outcome, "{chunk}: {bytes}");
        }
    }
}

/// The scan position is remembered: 64 KiB byte by byte would take minutes otherwise.
#[test]
fn a_long_message_byte_by_byte_is_scanned_once() {
    let head = format!(
        "INVITE sip:a@b SIP/2.0\r\n{}l: 1000\r\n\r\n",
        "X-Filler: 01234567890123456789\r\n".repeat(1900)
    );
    let bytes = [head.as_bytes(), &[b'x'; 1000]].concat();
    let mut framer = StreamFramer::new(LIMIT);
    for byte in &bytes[..bytes.len() - 1] {
        framer.push(&[*byte]);
        assert_eq!(framer.next(), Ok(None));
    }
    framer.push(&bytes[bytes.len() - 1..]);
    assert_eq!(framer.next(), Ok(Some(message(&bytes))));
}

#[test]
fn an_empty_line_is_no_message_that_should_go_on() {
    let mut framer = StreamFramer::new(LIMIT);
    for (bytes, is_mid_message) in [(&b"\r"[..], false), (b"\n", false), (b"O", true)] {
        framer.push(bytes);
        assert_eq!(framer.next(), Ok(None));
        assert_eq!(framer.is_mid_message(), is_mid_message);
    }
}

/// The body of a message may hold SRTP keys.
#[test]
fn debug_output_shows_lengths_only() {
    let secret = b"MESSAGE sip:a@b SIP/2.0\r\nl: 3\r\n\r\nkey";
    let mut framer = StreamFramer::new(LIMIT);
    framer.push(&secret[..secret.len() - 1]);
    framer.next().unwrap();
    let item = message(secret);
    for shown in [format!("{framer:?}"), format!("{item:?}")] {
        assert!(shown.contains("3"), "a length: {shown}");
        for leak in ["key", "MESSAGE", "107, 101", "77, 69"] {
            assert!(!shown.contains(leak), "{shown}");
        }
    }
}
