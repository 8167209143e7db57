//! Descriptions that are used once more: sent as they were to refresh a session (RFC 4028
//! section 7.4), or taken from one call to another in a transfer.

use media_core::session::{Security, Side};
use zeroize::Zeroizing;

use super::crypto::CryptoLine;
use super::document::Document;
use super::fields::{MediaLine, Origin};
use super::negotiation::Negotiation;
use super::stream::PeerStream;
use crate::refusal::Refusal;

/// How our descriptions to a peer begin: what follows in the same dialog counts on from it
/// (RFC 3264 section 8).
#[derive(Clone, Debug)]
pub struct DescriptionOrigin(Origin);

impl Negotiation {
    /// What a side last said of its media, as if it had nobody on hold and were not held: to be
    /// offered to somebody else.
    pub fn resumed(&self, side: Side) -> Option<Zeroizing<Vec<u8>>> {
        self.leg_of(side).heard().map(without_directions)
    }

    pub fn origin(&self, side: Side) -> Option<DescriptionOrigin> {
        self.leg_of(side).origin().map(DescriptionOrigin)
    }

    /// That side's dialog comes from another call: before its first description here.
    pub fn continue_from(&mut self, side: Side, origin: DescriptionOrigin) {
        self.leg_of_mut(side).continue_from(origin.0);
    }

    /// The description that a side had from us last.
    pub fn described(&self, side: Side) -> Option<&[u8]> {
        self.leg_of(side).described()
    }

    /// The description of ours that a side last agreed to; before that, what it had last.
    pub fn settled(&self, side: Side) -> Option<&[u8]> {
        self.leg_of(side).settled()
    }

    /// `side` answered the description that it had already. Most answer as before; an address or a
    /// key that changed is taken up, and the other side need not know.
    ///
    /// # Errors
    /// The reason why the stream cannot be used any more.
    pub fn refreshed(&mut self, side: Side, sdp: &[u8]) -> Result<(), Refusal> {
        // What is refused now was agreed before, and nobody else has been told.
        self.take_answer(side, sdp, Ok(()))
    }

    /// `side` answered a description that it did not have before, of what was agreed without it.
    ///
    /// # Errors
    /// The reason why the stream cannot be used; [`Refusal::NO_COMMON_CODEC`] if it was refused.
    pub fn corrected(&mut self, side: Side, sdp: &[u8]) -> Result<(), Refusal> {
        self.take_answer(side, sdp, Err(Refusal::NO_COMMON_CODEC))?;
        let leg = self.leg_of_mut(side);
        let said = leg.said();
        leg.settle(said);
        Ok(())
    }

    /// `if_refused`: what a stream is that the answer refuses.
    fn take_answer(
        &mut self,
        side: Side,
        sdp: &[u8],
        if_refused: Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let document = Document::parse(sdp)?;
        self.confirm();
        let Some((mut agreed, [own, far])) = self.take_agreed(side) else {
            return Ok(());
        };
        let mut changed = Ok(());
        for stream in &mut agreed.streams {
            let Some(block) = document.media.get(stream.slot) else {
                changed = changed.and(if_refused);
                continue;
            };
            let leg = &mut stream.stream.legs[side.index()];
            let read = MediaLine::of(block).and_then(|line| {
                let is_refused = line.port == 0;
                let peer =
                    PeerStream::read(&line, block, &document.session, &own.policy, &far.policy);
                peer.map(|peer| (!is_refused).then_some(peer))
            });
            let peer = match read {
                Ok(Some(peer)) => peer,
                Ok(None) => {
                    changed = changed.and(if_refused);
                    continue;
                }
                Err(refusal) => {
                    changed = Err(refusal);
                    break;
                }
            };
            let is_other_family = |remote: &media_core::session::RemoteMedia| {
                remote.rtp.is_ipv6() != leg.local.address.is_ipv6()
            };
            if peer.remote.as_ref().is_some_and(is_other_family) {
                changed = Err(Refusal::UNUSABLE_ADDRESS);
                break;
            }
            if let Security::Srtp { receive, send } = &mut leg.security {
                let suite = send.suite();
                let fits = |line: &CryptoLine| line.suite() == suite && !own.owns(&line.key);
                match CryptoLine::select(block, fits) {
                    Ok(line) => *receive = line.key,
                    Err(refusal) => {
                        changed = Err(refusal);
                        break;
                    }
                }
            }
            leg.remote = peer.remote(leg.rtcp_mux);
            leg.sdp_version = peer.sdp_version;
        }
        self.put_agreed(agreed);
        if changed.is_ok() {
            self.leg_of_mut(side).hear(sdp);
        }
        changed
    }
}

fn without_directions(sdp: &[u8]) -> Zeroizing<Vec<u8>> {
    let is_direction = |line: &&[u8]| {
        matches!(
            line.trim_ascii_end(),
            b"a=sendrecv" | b"a=sendonly" | b"a=recvonly" | b"a=inactive"
        )
    };
    let lines = sdp.split_inclusive(|&byte| byte == b'\n');
    let kept: Vec<&[u8]> = lines.filter(|line| !is_direction(line)).collect();
    Zeroizing::new(kept.concat())
}
