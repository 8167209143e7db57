//! The tags of many packets at once.
//!
//! The tag of HMAC-SHA1 is most of what a packet costs, and one message cannot keep a processor
//! busy with it; sixteen can. So a worker that has received a batch of packets, of any flows
//! under any keys, takes each of them in three steps instead of one, and lets the tags of all be
//! computed between the steps:
//!
//! 1. [`SrtpReceiver::begin`] for every packet, [`compute_tags`] over all of them,
//!    [`SrtpReceiver::unprotect_begun`] for every packet in the order of arrival.
//! 2. [`SrtpSender::protect_untagged`] (or `..._in_place_...`) for every packet that leaves, then
//!    [`write_tags`] over all of them, before anything is sent.
//!
//! Each packet's answer is the one that `unprotect` and `protect` would have given, in that order:
//! a replay within the batch is refused, and a packet whose rollover counter turns out to be
//! another than when it was begun, or whose key was changed in between, is checked anew by itself.
//! [`Unverified`] holds the packet, so that no packet can be taken for another's; [`Untagged`]
//! holds a copy of the key's state, so that no flow stays locked between the steps. Both are
//! erased when dropped. Neither allocates.
//!
//! With the AEAD suites encryption and authentication are one, and the first step does all of it:
//! they may take part without harm, and without gain. SRTCP is rare and has no batches.
//!
//! ```
//! use media_core::srtp::batch::{self, Unverified, Untagged};
//! use media_core::srtp::{MAX_TRAILER, SrtpReceiver, SrtpSender};
//! # use media_core::srtp::{key::MasterKey, profile::Suite};
//! # let key = |byte| MasterKey::from_key_salt(Suite::AesCm128HmacSha1_80, &[byte; 30]).unwrap();
//! # let received: Vec<Vec<u8>> = (0..20_u8).map(|sequence| {
//! #     let mut packet = [0; 300];
//! #     packet[..12].copy_from_slice(&[0x80, 0, 0, sequence, 0, 0, 0, 0, 0, 0, 0, 7]);
//! #     let mut sender = SrtpSender::new(key(sequence % 2));
//! #     let len = sender.protect_in_place(&mut packet, 172).unwrap();
//! #     packet[..len].to_vec()
//! # }).collect();
//! // Two calls, whose packets arrive mixed.
//! let mut receivers = [SrtpReceiver::new(key(0)), SrtpReceiver::new(key(1))];
//! let mut senders = [SrtpSender::new(key(2)), SrtpSender::new(key(3))];
//! let mut frames = [[0; 172 + MAX_TRAILER]; 20];
//!
//! let mut begun: [Option<Unverified<'_>>; 20] = std::array::from_fn(|at| {
//!     Some(receivers[at % 2].begin(&received[at]))
//! });
//! batch::compute_tags(begun.iter_mut().flatten());
//!
//! let mut untagged: [Option<(usize, Untagged)>; 20] = [const { None }; 20];
//! for (at, begun) in begun.iter().enumerate() {
//!     let (Some(begun), frame) = (begun, &mut frames[at]) else { continue };
//!     let Ok((len, _proof)) = receivers[at % 2].unprotect_begun(begun, frame) else {
//!         continue; // Dropped and counted.
//!     };
//!     untagged[at] = senders[at % 2].protect_in_place_untagged(frame, len).ok();
//! }
//! batch::write_tags(untagged.iter().zip(&mut frames).filter_map(|(untagged, frame)| {
//!     let (len, untagged) = untagged.as_ref()?;
//!     Some((untagged, &mut frame[..*len]))
//! }));
//! // Now the frames may leave.
//! # let mut out = [0; 172];
//! # for (at, (frame, untagged)) in frames.iter().zip(&untagged).enumerate() {
//! #     let mut far_end = SrtpReceiver::new(key(2 + at as u8 % 2));
//! #     far_end.unprotect(&frame[..untagged.as_ref().unwrap().0], &mut out).unwrap();
//! # }
//! ```
//!
//! [`SrtpReceiver::begin`]: super::SrtpReceiver::begin
//! [`SrtpReceiver::unprotect_begun`]: super::SrtpReceiver::unprotect_begun
//! [`SrtpSender::protect_untagged`]: super::SrtpSender::protect_untagged

use super::auth::{self, Authenticator, Job, LANES, TAG};
use super::keys::Subject;

/// A packet that arrived, and what its tag is computed with.
///
/// From [`SrtpReceiver::begin`](super::SrtpReceiver::begin).
pub struct Unverified<'p> {
    pub(super) packet: &'p [u8],
    /// None where there is nothing to be computed ahead: the packet is refused before its tag
    /// matters, or the suite is an AEAD.
    pub(super) check: Option<Check>,
}

/// What a tag is computed with, and then the tag.
pub(super) struct Check {
    pub(super) hmac: Authenticator,
    pub(super) message_len: usize,
    /// The rollover counter as it was estimated when the packet was begun.
    pub(super) word: u32,
    pub(super) tag: Option<[u8; TAG]>,
}

/// A packet that is encrypted and has no tag yet: it must not leave before [`write_tags`].
///
/// From [`SrtpSender::protect_untagged`](super::SrtpSender::protect_untagged).
pub struct Untagged {
    /// None where the packet is complete.
    pub(super) pending: Option<Pending>,
}

pub(super) struct Pending {
    pub(super) hmac: Authenticator,
    pub(super) message_len: usize,
    pub(super) word: u32,
    pub(super) tag_at: usize,
    pub(super) tag_len: usize,
}

/// Computes the tags that the packets should have, sixteen at a time.
///
/// Whether they have them is said by `unprotect_begun`; without this it computes them itself.
pub fn compute_tags<'u, 'p: 'u>(packets: impl IntoIterator<Item = &'u mut Unverified<'p>>) {
    let mut packets = packets.into_iter().filter_map(|unverified| {
        let packet = unverified.packet;
        unverified.check.as_mut().map(|check| (packet, check))
    });
    loop {
        let mut group: [Option<(&[u8], &mut Check)>; LANES] = [const { None }; LANES];
        let count = fill(&mut group, &mut packets);
        let mut tags = [[0; TAG]; LANES];
        compute(
            group[..count].iter().flatten().map(|(packet, check)| Job {
                hmac: &check.hmac,
                message: &packet[..check.message_len],
                word: check.word,
            }),
            &mut tags,
        );
        for ((_, check), tag) in group.into_iter().flatten().zip(tags) {
            check.tag = Some(tag);
        }
        if count < LANES {
            return;
        }
    }
}

/// Completes packets: each with the bytes that protection answered, `out[..len]`.
///
/// A slice that is too short for its packet is left as it is, and no receiver will accept it.
pub fn write_tags<'u>(packets: impl IntoIterator<Item = (&'u Untagged, &'u mut [u8])>) {
    let mut packets = packets.into_iter().filter_map(|(untagged, packet)| {
        let pending = untagged.pending.as_ref()?;
        let end = (pending.tag_at + pending.tag_len).max(pending.message_len);
        (end <= packet.len()).then_some((pending, packet))
    });
    loop {
        let mut group: [Option<(&Pending, &mut [u8])>; LANES] = [const { None }; LANES];
        let count = fill(&mut group, &mut packets);
        let mut tags = [[0; TAG]; LANES];
        compute(
            group[..count]
                .iter()
                .flatten()
                .map(|(pending, packet)| Job {
                    hmac: &pending.hmac,
                    message: &packet[..pending.message_len],
                    word: pending.word,
                }),
            &mut tags,
        );
        for ((pending, packet), tag) in group.into_iter().flatten().zip(tags) {
            packet[pending.tag_at..][..pending.tag_len].copy_from_slice(&tag[..pending.tag_len]);
        }
        if count < LANES {
            return;
        }
    }
}

impl Check {
    /// The computed tag, if it was computed for what the packet turned out to be.
    pub(super) fn tag_for(
        &self,
        hmac: Option<&Authenticator>,
        subject: Subject,
        message_len: usize,
    ) -> Option<&[u8; TAG]> {
        let fits = self.word == subject.word
            && self.message_len == message_len
            && hmac == Some(&self.hmac);
        self.tag.as_ref().filter(|_| fits)
    }
}

/// Fills places from the front; answers how many.
fn fill<T>(places: &mut [Option<T>; LANES], items: &mut impl Iterator<Item = T>) -> usize {
    let mut count = 0;
    for (place, item) in places.iter_mut().zip(items) {
        *place = Some(item);
        count += 1;
    }
    count
}

/// The tags of up to [`LANES`] jobs.
fn compute<'a>(mut jobs: impl Iterator<Item = Job<'a>>, tags: &mut [[u8; TAG]; LANES]) {
    let Some(first) = jobs.next() else { return };
    let mut all = [first; LANES];
    let mut count = 1;
    for (place, job) in all[1..].iter_mut().zip(jobs) {
        *place = job;
        count += 1;
    }
    auth::tags(&all[..count], tags);
}
