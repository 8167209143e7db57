//! Packets of many flows whose tags are computed together ([`crate::srtp::batch`]).

use crate::srtp::SrtpReceiver;
use crate::srtp::batch::{self, Untagged, Unverified};

/// A packet that arrived, before [`Flow::relay_begun`](super::Flow::relay_begun).
///
/// From [`Flow::begin`](super::Flow::begin).
pub struct Begun<'p> {
    pub(super) datagram: &'p [u8],
    unverified: Option<Unverified<'p>>,
}

/// What a packet that is sent on lacks: it must not leave before [`write_tags`].
pub struct Lacking(Option<Untagged>);

/// How the tags of one packet are come by.
pub(super) enum Tags<'b, 'p> {
    /// At once.
    AtOnce,
    /// The one that it should have was computed beside others; the one that it gets will be.
    Together {
        begun: &'b Begun<'p>,
        lacking: &'b mut Lacking,
    },
}

/// Computes the tags that packets should have.
pub fn compute_tags<'b, 'p: 'b>(packets: impl IntoIterator<Item = &'b mut Begun<'p>>) {
    let begun = packets.into_iter();
    batch::compute_tags(begun.filter_map(|begun| begun.unverified.as_mut()));
}

/// Completes packets: each with the bytes that are its own, `out[..len]` of the relay's.
pub fn write_tags<'b>(packets: impl IntoIterator<Item = (&'b Lacking, &'b mut [u8])>) {
    let packets = packets.into_iter();
    batch::write_tags(packets.filter_map(|(lacking, packet)| Some((lacking.0.as_ref()?, packet))));
}

impl<'p> Begun<'p> {
    /// A packet whose own tag, if it has one, nothing is known of.
    pub(super) fn unseen(datagram: &'p [u8]) -> Begun<'p> {
        Begun {
            datagram,
            unverified: None,
        }
    }

    pub(super) fn by(receiver: &SrtpReceiver, datagram: &'p [u8]) -> Begun<'p> {
        Begun {
            datagram,
            unverified: Some(receiver.begin(datagram)),
        }
    }
}

impl Lacking {
    pub(super) fn nothing() -> Lacking {
        Lacking(None)
    }
}

impl<'b, 'p> Tags<'b, 'p> {
    /// What is known of the tag that the packet came with.
    pub(super) fn unverified(&self) -> Option<&'b Unverified<'p>> {
        match self {
            Tags::AtOnce => None,
            Tags::Together { begun, .. } => begun.unverified.as_ref(),
        }
    }

    /// Where the tag that the packet gets may be left open.
    pub(super) fn later(&mut self) -> Option<&mut Option<Untagged>> {
        match self {
            Tags::AtOnce => None,
            Tags::Together { lacking, .. } => Some(&mut lacking.0),
        }
    }
}
