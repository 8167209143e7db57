//! A stream: the same messages come out however it was split, and nothing else does.

use sip_core::framing::{FramingError, StreamFramer, StreamItem};
use sip_core::message::{Limits, Message, ParseErrorKind};

use crate::input::Input;

/// Small enough for short inputs to exceed.
const SMALL: Limits = Limits {
    message_bytes: 400,
    headers: 64,
    header_bytes: 120,
    vias: 3,
};

/// The first byte says how the rest, the stream, is split.
pub(crate) fn split_anywhere(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let seed = input.byte();
    let stream = input.bytes(bytes.len());
    for limits in [SMALL, Limits::DEFAULT] {
        let (items, end) = framed(stream, &limits, [stream.len()].into_iter());
        let steps = pieces(seed);
        assert_eq!(framed(stream, &limits, steps), (items.clone(), end));
        let single = std::iter::repeat(1);
        assert_eq!(framed(stream, &limits, single), (items.clone(), end));
        they_are_pieces_of_the_stream(stream, &items);
        for item in &items {
            if let StreamItem::Message(message) = item {
                it_is_one_message(message, &limits);
            }
        }
    }
}

/// Lengths from 1 to 37 in an order that `seed` gives.
fn pieces(seed: u8) -> impl Iterator<Item = usize> {
    let mut state = u32::from(seed) + 1;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        Some((state >> 16) as usize % 37 + 1)
    })
}

/// What comes out of a stream whose bytes come in such pieces, and how it ends.
fn framed(
    stream: &[u8],
    limits: &Limits,
    pieces: impl Iterator<Item = usize>,
) -> (Vec<StreamItem>, Option<FramingError>) {
    let mut framer = StreamFramer::new(limits.message_bytes);
    let mut items = Vec::new();
    let mut rest = stream;
    for piece in pieces {
        let (chunk, after) = rest.split_at(piece.min(rest.len()));
        rest = after;
        framer.push(chunk);
        loop {
            match framer.next() {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(framer.next(), Err(error), "an end that is none");
                    return (items, Some(error));
                }
            }
        }
        if rest.is_empty() {
            break;
        }
    }
    (items, None)
}

fn they_are_pieces_of_the_stream(stream: &[u8], items: &[StreamItem]) {
    let mut rest = stream;
    for item in items {
        let bytes: &[u8] = match item {
            StreamItem::Message(bytes) => bytes,
            StreamItem::Ping => b"\r\n\r\n",
        };
        // Line ends between them are passed over.
        while !rest.starts_with(bytes) {
            rest = rest.strip_prefix(b"\r\n").expect("a piece of the stream");
        }
        rest = &rest[bytes.len()..];
    }
}

/// Framer and parser agree where it ends.
fn it_is_one_message(message: &[u8], limits: &Limits) {
    assert!(message.len() <= limits.message_bytes);
    match Message::parse_within(message, limits) {
        Ok(parsed) => assert!(message.ends_with(parsed.body())),
        Err(error) => assert!(
            !matches!(
                error.kind,
                ParseErrorKind::BodyTooShort | ParseErrorKind::NoEmptyLine
            ),
            "{error}"
        ),
    }
}
