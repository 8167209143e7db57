//! Which formats of an m-line stay (SIG-8): an audio codec passes if both trunks allow its name;
//! telephone-event always does, and so does video of any codec where there may be video.

use media_core::quality::Codec;

use super::document::{Block, Line};
use super::fields::MediaLine;
use super::policy::LegPolicy;
use crate::refusal::Refusal;

/// Payload types whose meaning needs no `a=rtpmap`, with their clock rates in Hz (RFC 3551
/// section 6, audio).
const STATIC_TYPES: &[(u8, &str, u32)] = &[
    (0, "PCMU", 8000),
    (3, "GSM", 8000),
    (4, "G723", 8000),
    (5, "DVI4", 8000),
    (6, "DVI4", 16_000),
    (7, "LPC", 8000),
    (8, "PCMA", 8000),
    (9, "G722", 8000),
    (10, "L16", 44_100),
    (11, "L16", 44_100),
    (12, "QCELP", 8000),
    (13, "CN", 8000),
    (14, "MPA", 90_000),
    (15, "G728", 8000),
    (16, "DVI4", 11_025),
    (17, "DVI4", 22_050),
    (18, "G729", 8000),
];

const TELEPHONE_EVENT: &str = "telephone-event";

/// Formats that accompany speech but carry none: alone they make no call.
const COMPANIONS: &[&str] = &[TELEPHONE_EVENT, "CN", "tone", "red", "ulpfec", "rtx"];

/// The formats of an m-line that both trunks allow, and telephone-event: a list of codecs that
/// forgets it would cost a caller the digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Formats {
    /// As written, in the order of the m-line.
    pub(super) kept: Vec<String>,
    /// Bit `n` for payload type `n`.
    pub(super) payload_types: u128,
    /// The telephone-event (RFC 4733) with the first codec's clock, else the first.
    pub(super) telephone_event: Option<u8>,
    /// Encoding name of the first codec.
    pub(super) codec: String,
    /// The first codec, as the media plane knows it.
    pub(super) coding: Codec,
}

impl Formats {
    /// # Errors
    /// [`Refusal::NO_COMMON_CODEC`] if no codec stays.
    pub(super) fn of(
        line: &MediaLine,
        block: &Block,
        legs: [&LegPolicy; 2],
        is_video: bool,
    ) -> Result<Formats, Refusal> {
        let mut kept = Vec::new();
        let mut payload_types = 0u128;
        let mut events = Vec::new();
        let mut codec = None;
        for format in &line.formats {
            let Some((number, (name, clock_hz))) =
                payload_type(format).and_then(|number| Some((number, encoding(number, block)?)))
            else {
                continue;
            };
            let is_event = name.eq_ignore_ascii_case(TELEPHONE_EVENT);
            if !is_event && !is_video && !legs.iter().all(|leg| allows(leg, name)) {
                continue;
            }
            kept.push(format.clone());
            payload_types |= 1 << number;
            if is_event {
                events.push((number, clock_hz));
            }
            if codec.is_none()
                && !COMPANIONS
                    .iter()
                    .any(|companion| companion.eq_ignore_ascii_case(name))
            {
                codec = Some((name, clock_hz));
            }
        }
        let (codec, clock_hz) = codec.ok_or(Refusal::NO_COMMON_CODEC)?;
        // RFC 4733 section 2.1: digits go with the speech that has their clock.
        let of_codec = events.iter().find(|(_, event_hz)| *event_hz == clock_hz);
        let telephone_event = of_codec.or(events.first()).map(|(number, _)| *number);
        Ok(Formats {
            kept,
            payload_types,
            telephone_event,
            codec: codec.to_owned(),
            coding: Codec::named(codec, clock_hz),
        })
    }
}

fn allows(leg: &LegPolicy, name: &str) -> bool {
    leg.codecs
        .iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(name))
}

/// A payload type has seven bits (RFC 3550 section 5.1).
fn payload_type(format: &str) -> Option<u8> {
    format.parse().ok().filter(|&number| number < 128)
}

/// Encoding name and clock rate, Hz, of a payload type (RFC 8866 section 6.6); the rate is 0 where
/// it cannot be read.
fn encoding(number: u8, block: &Block) -> Option<(&str, u32)> {
    let mapped = block.attributes("rtpmap").find_map(|map| {
        let (format, encoding) = map.split_once([' ', '\t'])?;
        let mut parts = encoding.trim().split('/');
        let name = parts.next()?;
        let clock_hz = parts.next().and_then(|rate| rate.parse().ok()).unwrap_or(0);
        (payload_type(format) == Some(number)).then_some((name, clock_hz))
    });
    mapped.or_else(|| {
        STATIC_TYPES
            .iter()
            .find(|(known, ..)| *known == number)
            .map(|(_, name, clock_hz)| (*name, *clock_hz))
    })
}

/// Whether a line describes one of these formats: `a=rtpmap`, `a=fmtp`, `a=rtcp-fb`.
pub(super) fn describes(line: &Line, formats: &[String]) -> bool {
    let about_format = ["rtpmap", "fmtp", "rtcp-fb"]
        .iter()
        .any(|name| line.attribute_name().eq_ignore_ascii_case(name));
    let format = line
        .attribute_value()
        .and_then(|value| value.split_ascii_whitespace().next());
    about_format && format.is_some_and(|format| formats.iter().any(|known| known == format))
}
