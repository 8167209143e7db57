//! SRTP (RFC 3711 section 3.1).
//!
//! ```text
//! |  RTP header, CSRC, extension  |        payload         |  MKI and tag  |
//!                                  <------ encrypted ----->
//!  <------------------ authenticated, then the ROC ------->
//! ```

use cipher::inout::InOutBuf;

use super::auth::Authenticated;
use super::error::SrtpError;
use super::key::MasterKey;
use super::keys::{SessionKeys, Subject};
use super::sources::{Claim, Sources};
use super::trailer::Layout;
use crate::rtp::{PacketIndex, RtpHeader};

/// Protects the RTP that we send under one key.
pub struct SrtpSender {
    context: Context,
}

/// Unprotects the SRTP that a peer sends under one key.
pub struct SrtpReceiver {
    context: Context,
}

struct Context {
    master: MasterKey,
    layout: Layout,
    keys: SessionKeys,
    sources: Sources,
    packets: u64,
}

impl SrtpSender {
    pub fn new(master: MasterKey) -> SrtpSender {
        SrtpSender {
            context: Context::new(master),
        }
    }

    pub fn master(&self) -> &MasterKey {
        &self.context.master
    }

    /// Takes lifetime and MKI of the same key from a new description of it.
    pub(crate) fn update_terms(&mut self, master: &MasterKey) {
        self.context.master = master.clone();
    }

    /// What [`SrtpSender::protect`] adds to a packet, bytes.
    pub fn trailer_len(&self) -> usize {
        self.context.trailer_len()
    }

    /// Protects `packet` into `out`; answers the length of the SRTP packet.
    ///
    /// # Errors
    /// As [`SrtpError`] says; `out` may then hold anything, the context has not changed.
    pub fn protect(&mut self, packet: &[u8], out: &mut [u8]) -> Result<usize, SrtpError> {
        let (subject, claim) = self.claim(packet, out.len())?;
        let header_len = subject.header_len;
        let (header, payload) = out[..packet.len()].split_at_mut(header_len);
        header.copy_from_slice(&packet[..header_len]);
        let payload =
            InOutBuf::new(&packet[header_len..], payload).map_err(|_| SrtpError::TooLong)?;
        self.context.keys.apply(subject, payload);
        Ok(self.finish(subject, claim, packet.len(), out))
    }

    /// Protects `buffer[..len]` where it stands; the trailer follows it in `buffer`.
    ///
    /// # Errors
    /// As [`SrtpError`] says; neither packet nor context has then changed.
    pub fn protect_in_place(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let (subject, claim) =
            self.claim(buffer.get(..len).ok_or(SrtpError::TooLong)?, buffer.len())?;
        let payload = &mut buffer[subject.header_len..len];
        self.context.keys.apply(subject, payload.into());
        Ok(self.finish(subject, claim, len, buffer))
    }

    fn claim(&self, packet: &[u8], room: usize) -> Result<(Subject, Claim), SrtpError> {
        let header = RtpHeader::parse(packet).ok_or(SrtpError::Malformed)?;
        let header_len = header.payload_at(packet).ok_or(SrtpError::Malformed)?;
        self.context.check_lifetime()?;
        if packet.len() + self.trailer_len() > room {
            return Err(SrtpError::TooLong);
        }
        let claim = self
            .context
            .sources
            .claim_sequence(header.ssrc, header.sequence)?;
        Ok((subject(claim, header_len), claim))
    }

    /// Appends MKI and tag; `out` was checked to have room.
    fn finish(&mut self, subject: Subject, claim: Claim, len: usize, out: &mut [u8]) -> usize {
        let context = &mut self.context;
        let (layout, master) = (context.layout, &context.master);
        let tag = context.keys.tag(subject, &out[..len]);
        layout.write_index_and_mki(out, len, &[], master);
        out[layout.tag_at(len, master)..][..layout.tag_len].copy_from_slice(&tag[..layout.tag_len]);
        context.sources.sent(claim);
        context.packets += 1;
        len + context.trailer_len()
    }
}

impl SrtpReceiver {
    pub fn new(master: MasterKey) -> SrtpReceiver {
        SrtpReceiver {
            context: Context::new(master),
        }
    }

    pub fn master(&self) -> &MasterKey {
        &self.context.master
    }

    /// Takes lifetime and MKI of the same key from a new description of it.
    pub(crate) fn update_terms(&mut self, master: &MasterKey) {
        self.context.master = master.clone();
    }

    /// Unprotects `packet` into `out`; answers the length of the RTP packet.
    ///
    /// # Errors
    /// As [`SrtpError`] says; `out` and the context have not changed.
    pub fn unprotect(
        &mut self,
        packet: &[u8],
        out: &mut [u8],
    ) -> Result<(usize, Authenticated), SrtpError> {
        let verified = self.verify(packet)?;
        let Verified { subject, len, .. } = verified;
        let out = out.get_mut(..len).ok_or(SrtpError::TooLong)?;
        let (header, payload) = out.split_at_mut(subject.header_len);
        header.copy_from_slice(&packet[..subject.header_len]);
        let payload = InOutBuf::new(&packet[subject.header_len..len], payload)
            .map_err(|_| SrtpError::TooLong)?;
        self.context.keys.apply(subject, payload);
        Ok((len, self.accept(verified)))
    }

    /// Unprotects `packet` where it stands; answers the length of the RTP packet.
    ///
    /// # Errors
    /// As [`SrtpError`] says; neither packet nor context has then changed.
    pub fn unprotect_in_place(
        &mut self,
        packet: &mut [u8],
    ) -> Result<(usize, Authenticated), SrtpError> {
        let verified = self.verify(packet)?;
        let Verified { subject, len, .. } = verified;
        let payload = &mut packet[subject.header_len..len];
        self.context.keys.apply(subject, payload.into());
        Ok((len, self.accept(verified)))
    }

    /// Everything before decryption, in the order of RFC 3711 section 3.3; changes nothing.
    fn verify(&self, packet: &[u8]) -> Result<Verified, SrtpError> {
        let context = &self.context;
        let header = RtpHeader::parse(packet).ok_or(SrtpError::Malformed)?;
        let len = packet
            .len()
            .checked_sub(context.trailer_len())
            .ok_or(SrtpError::Malformed)?;
        let (packet, trailer) = packet.split_at(len);
        let header_len = header.payload_at(packet).ok_or(SrtpError::Malformed)?;
        context.check_lifetime()?;
        let claim = context
            .sources
            .claim_sequence(header.ssrc, header.sequence)?;
        let trailer = context.layout.split(trailer, &context.master)?;
        let subject = subject(claim, header_len);
        let proof = context.keys.verify(subject, packet, trailer.tag)?;
        Ok(Verified {
            subject,
            len,
            claim,
            proof,
        })
    }

    fn accept(&mut self, verified: Verified) -> Authenticated {
        self.context
            .sources
            .received(verified.claim, &verified.proof);
        self.context.packets += 1;
        verified.proof
    }
}

/// A packet whose tag was right, not yet decrypted and not yet counted.
struct Verified {
    subject: Subject,
    len: usize,
    claim: Claim,
    proof: Authenticated,
}

impl Context {
    fn new(master: MasterKey) -> Context {
        Context {
            layout: Layout::of_rtp(&master),
            keys: SessionKeys::for_rtp(&master),
            sources: Sources::new(),
            packets: 0,
            master,
        }
    }

    fn trailer_len(&self) -> usize {
        self.layout.len(&self.master)
    }

    fn check_lifetime(&self) -> Result<(), SrtpError> {
        let lifetime = self
            .master
            .lifetime()
            .unwrap_or(MAX_PACKETS)
            .min(MAX_PACKETS);
        if self.packets < lifetime {
            Ok(())
        } else {
            Err(SrtpError::KeyExpired)
        }
    }
}

fn subject(claim: Claim, header_len: usize) -> Subject {
    Subject {
        ssrc: claim.ssrc(),
        index: claim.index(),
        header_len,
        word: PacketIndex(claim.index()).roc(),
    }
}

/// SRTP packets that a master key may protect (RFC 3711 section 9.2, RFC 7714 section 13.1).
const MAX_PACKETS: u64 = 1 << 48;
