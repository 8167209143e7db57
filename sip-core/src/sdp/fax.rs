//! Fax lines, `m=image <port> udptl t38` (ITU-T T.38 Annex D): relayed as they are, unless a leg
//! is secure. UDPTL has no protection of ours, and a secure leg carries nothing in the clear.

use media_core::quality::Codec;

use super::codec::Formats;
use super::fields::{MediaLine, Profile};
use super::policy::LegPolicy;
use crate::refusal::Refusal;

const FORMAT: &str = "t38";

/// Whether the line is for [`profile`] and [`formats`].
pub(super) fn is_image(line: &MediaLine) -> bool {
    line.media.eq_ignore_ascii_case("image")
}

/// # Errors
/// [`Refusal::NO_COMMON_CODEC`], upon which fax machines go on over G.711: for images other than
/// T.38 over UDPTL, if a trunk does not allow it, and if a leg is secure.
pub(super) fn profile(line: &MediaLine, legs: [&LegPolicy; 2]) -> Result<Profile, Refusal> {
    let is_udptl = line.transport.eq_ignore_ascii_case(Profile::Udptl.name());
    let is_t38 = line
        .formats
        .iter()
        .any(|format| format.eq_ignore_ascii_case(FORMAT));
    let is_allowed = legs.iter().all(|leg| leg.t38 && !leg.secure);
    if is_udptl && is_t38 && is_allowed {
        Ok(Profile::Udptl)
    } else {
        Err(Refusal::NO_COMMON_CODEC)
    }
}

/// All of them stay; none is a payload type.
pub(super) fn formats(line: &MediaLine) -> Formats {
    Formats {
        kept: line.formats.clone(),
        payload_types: 0,
        telephone_event: None,
        codec: FORMAT.to_owned(),
        coding: Codec::default(),
    }
}
