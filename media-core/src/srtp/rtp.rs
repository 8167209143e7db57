//! SRTP (RFC 3711 section 3.1).
//!
//! ```text
//! |  RTP header, CSRC, extension  |        payload         |  MKI and tag  |
//!                                  <------ encrypted ----->
//!  <------------------ authenticated, then the ROC ------->
//! ```

use cipher::inout::InOutBuf;

use super::auth::Authenticated;
use super::batch::{Check, Pending, Untagged, Unverified};
use super::error::SrtpError;
use super::key::MasterKey;
use super::keys::{SessionKeys, Subject};
use super::parked::{Parked, Past};
use super::sources::Claim;
use super::trailer::Layout;
use super::vector;
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
    past: Past,
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

    /// Gives up the session keys, keeps what must be remembered.
    pub(crate) fn park(self) -> Parked<Past> {
        self.context.park()
    }

    /// The context as it was, with its session keys derived again.
    pub(crate) fn resume(parked: Parked<Past>) -> SrtpSender {
        SrtpSender {
            context: Context::resume(parked),
        }
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
        let subject = self.encrypt(packet, out)?;
        Ok(self.tag(subject, packet.len(), out))
    }

    /// Protects `buffer[..len]` where it stands; the trailer follows it in `buffer`.
    ///
    /// # Errors
    /// As [`SrtpError`] says; neither packet nor context has then changed.
    pub fn protect_in_place(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let subject = self.encrypt_in_place(buffer, len)?;
        Ok(self.tag(subject, len, buffer))
    }

    /// As [`SrtpSender::protect`], but for the tag, which
    /// [`batch::write_tags`](super::batch::write_tags) writes.
    ///
    /// # Errors
    /// As [`SrtpSender::protect`].
    pub fn protect_untagged(
        &mut self,
        packet: &[u8],
        out: &mut [u8],
    ) -> Result<(usize, Untagged), SrtpError> {
        let subject = self.encrypt(packet, out)?;
        Ok(self.untagged(subject, packet.len(), out))
    }

    /// As [`SrtpSender::protect_in_place`], but for the tag, which
    /// [`batch::write_tags`](super::batch::write_tags) writes.
    ///
    /// # Errors
    /// As [`SrtpSender::protect_in_place`].
    pub fn protect_in_place_untagged(
        &mut self,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<(usize, Untagged), SrtpError> {
        let subject = self.encrypt_in_place(buffer, len)?;
        Ok(self.untagged(subject, len, buffer))
    }

    /// Writes header and encrypted payload, and MKI; counts the packet as sent.
    fn encrypt(&mut self, packet: &[u8], out: &mut [u8]) -> Result<Subject, SrtpError> {
        let (subject, claim) = self.claim(packet, out.len())?;
        let (header, payload) = out[..packet.len()].split_at_mut(subject.header_len);
        header.copy_from_slice(&packet[..subject.header_len]);
        let payload = InOutBuf::new(&packet[subject.header_len..], payload)
            .map_err(|_| SrtpError::TooLong)?;
        self.context.keys.apply(subject, payload);
        self.sent(claim, packet.len(), out);
        Ok(subject)
    }

    fn encrypt_in_place(&mut self, buffer: &mut [u8], len: usize) -> Result<Subject, SrtpError> {
        let (subject, claim) =
            self.claim(buffer.get(..len).ok_or(SrtpError::TooLong)?, buffer.len())?;
        let payload = &mut buffer[subject.header_len..len];
        self.context.keys.apply(subject, payload.into());
        self.sent(claim, len, buffer);
        Ok(subject)
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
            .past
            .sources
            .claim_sequence(header.ssrc, header.sequence)?;
        Ok((subject(claim, header_len), claim))
    }

    /// Writes the MKI, for which `out` was checked to have room; the claim is now used.
    fn sent(&mut self, claim: Claim, len: usize, out: &mut [u8]) {
        let context = &mut self.context;
        let (layout, master) = (context.layout, &context.master);
        layout.write_index_and_mki(out, len, &[], master);
        context.past.sources.sent(claim);
        context.past.packets += 1;
    }

    fn tag(&self, subject: Subject, len: usize, out: &mut [u8]) -> usize {
        let context = &self.context;
        let (layout, master) = (context.layout, &context.master);
        let tag = context.keys.tag(subject, &out[..len]);
        out[layout.tag_at(len, master)..][..layout.tag_len].copy_from_slice(&tag[..layout.tag_len]);
        len + context.trailer_len()
    }

    fn untagged(&self, subject: Subject, len: usize, out: &mut [u8]) -> (usize, Untagged) {
        let context = &self.context;
        let Some(hmac) = context.keys.hmac() else {
            return (self.tag(subject, len, out), Untagged { pending: None });
        };
        let pending = Some(Pending {
            hmac: hmac.clone(),
            message_len: len,
            word: subject.word,
            tag_at: context.layout.tag_at(len, &context.master),
            tag_len: context.layout.tag_len,
        });
        (len + context.trailer_len(), Untagged { pending })
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

    /// Gives up the session keys, keeps what must be remembered.
    pub(crate) fn park(self) -> Parked<Past> {
        self.context.park()
    }

    /// The context as it was, with its session keys derived again.
    pub(crate) fn resume(parked: Parked<Past>) -> SrtpReceiver {
        SrtpReceiver {
            context: Context::resume(parked),
        }
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
        let verified = self.verify(packet, None)?;
        self.decrypt(packet, verified, out)
    }

    /// Looks at a packet whose tag [`batch::compute_tags`](super::batch::compute_tags) is to
    /// compute beside others; changes nothing.
    pub fn begin<'p>(&self, packet: &'p [u8]) -> Unverified<'p> {
        vector::prefetch(packet);
        Unverified {
            packet,
            check: self.check(packet),
        }
    }

    /// Unprotects the packet that was begun into `out`; answers as [`SrtpReceiver::unprotect`]
    /// would, and as fast if the tag was not computed.
    ///
    /// # Errors
    /// As [`SrtpReceiver::unprotect`].
    pub fn unprotect_begun(
        &mut self,
        begun: &Unverified<'_>,
        out: &mut [u8],
    ) -> Result<(usize, Authenticated), SrtpError> {
        let verified = self.verify(begun.packet, begun.check.as_ref())?;
        self.decrypt(begun.packet, verified, out)
    }

    fn check(&self, packet: &[u8]) -> Option<Check> {
        let context = &self.context;
        let hmac = context.keys.hmac()?;
        let header = RtpHeader::parse(packet)?;
        let message_len = packet.len().checked_sub(context.trailer_len())?;
        let claim = context
            .past
            .sources
            .claim_sequence(header.ssrc, header.sequence)
            .ok()?;
        Some(Check {
            hmac: hmac.clone(),
            message_len,
            word: PacketIndex(claim.index()).roc(),
            tag: None,
        })
    }

    fn decrypt(
        &mut self,
        packet: &[u8],
        verified: Verified,
        out: &mut [u8],
    ) -> Result<(usize, Authenticated), SrtpError> {
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
        let verified = self.verify(packet, None)?;
        let Verified { subject, len, .. } = verified;
        let payload = &mut packet[subject.header_len..len];
        self.context.keys.apply(subject, payload.into());
        Ok((len, self.accept(verified)))
    }

    /// Everything before decryption, in the order of RFC 3711 section 3.3; changes nothing.
    fn verify(&self, packet: &[u8], check: Option<&Check>) -> Result<Verified, SrtpError> {
        let context = &self.context;
        let header = RtpHeader::parse(packet).ok_or(SrtpError::Malformed)?;
        let len = packet
            .len()
            .checked_sub(context.trailer_len())
            .ok_or(SrtpError::Malformed)?;
        let (message, trailer) = packet.split_at(len);
        let header_len = header.payload_at(message).ok_or(SrtpError::Malformed)?;
        context.check_lifetime()?;
        let arrived = Arrived {
            ssrc: header.ssrc,
            sequence: header.sequence,
            header_len,
            message,
            trailer,
        };
        let verified = context
            .past
            .sources
            .claim_sequence(header.ssrc, header.sequence)
            .and_then(|claim| self.verify_as(claim, &arrived, check));
        match verified {
            Err(SrtpError::Authentication | SrtpError::Replay)
                if header.sequence.is_multiple_of(RESUMING) =>
            {
                self.verify_after_missed_laps(&arrived).map_or(verified, Ok)
            }
            verified => verified,
        }
    }

    /// Whether the packet is the one that `claim` says.
    fn verify_as(
        &self,
        claim: Claim,
        arrived: &Arrived<'_>,
        check: Option<&Check>,
    ) -> Result<Verified, SrtpError> {
        let context = &self.context;
        let (message, len) = (arrived.message, arrived.message.len());
        let trailer = context.layout.split(arrived.trailer, &context.master)?;
        let subject = subject(claim, arrived.header_len);
        let computed = check.and_then(|check| check.tag_for(context.keys.hmac(), subject, len));
        let proof = match computed {
            Some(computed) => Authenticated::by(computed, trailer.tag)?,
            None => context.keys.verify(subject, message, trailer.tag)?,
        };
        Ok(Verified {
            subject,
            len,
            claim,
            proof,
        })
    }

    /// Finds a source again that went on while nothing of it arrived for 65,536 packets or more
    /// (22 minutes of audio). Without this it would not be heard until there is a new key.
    ///
    /// Only a right tag moves the rollover counter, here too. Since a packet that is not right
    /// costs several tags, only one of [`RESUMING`] is looked at so.
    #[cold]
    fn verify_after_missed_laps(&self, arrived: &Arrived<'_>) -> Option<Verified> {
        self.context
            .past
            .sources
            .claims_after_missed_laps(arrived.ssrc, arrived.sequence)
            .find_map(|claim| self.verify_as(claim, arrived, None).ok())
    }

    fn accept(&mut self, verified: Verified) -> Authenticated {
        self.context
            .past
            .sources
            .received(verified.claim, &verified.proof);
        self.context.past.packets += 1;
        verified.proof
    }
}

/// A packet that holds what its header says.
struct Arrived<'p> {
    ssrc: u32,
    sequence: u16,
    header_len: usize,
    /// Header and encrypted payload.
    message: &'p [u8],
    trailer: &'p [u8],
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
            past: Past::default(),
            master,
        }
    }

    fn park(self) -> Parked<Past> {
        Parked {
            master: self.master,
            past: self.past,
        }
    }

    fn resume(parked: Parked<Past>) -> Context {
        Context {
            past: parked.past,
            ..Context::new(parked.master)
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
        if self.past.packets < lifetime {
            Ok(())
        } else {
            Err(SrtpError::KeyExpired)
        }
    }
}

/// Of so many sequence numbers one is tried as that of a later lap.
const RESUMING: u16 = 16;

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
