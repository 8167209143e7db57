//! SRTCP (RFC 3711 section 3.4).
//!
//! ```text
//! |  RTCP header, SSRC  |  rest of the compound  |E| index |  MKI  |  tag  |
//!                        <------ encrypted ----->
//!  <---------------------- authenticated ------------------>
//! ```
//!
//! and with GCM (RFC 7714 section 9)
//!
//! ```text
//! |  RTCP header, SSRC  |  rest of the compound  |  tag  |E| index |  MKI  |
//!                        <------ encrypted ----->
//!  <---- associated --->                                 <--- too -->
//! ```

use cipher::inout::InOutBuf;

use super::auth::Authenticated;
use super::error::SrtpError;
use super::key::MasterKey;
use super::keys::{SessionKeys, Subject};
use super::parked::{NextIndex, Parked, Past};
use super::sources::Claim;
use super::trailer::Layout;
use crate::rtcp::{HEADER_LEN, RtcpHeader};

/// Protects the RTCP that we send under one key.
pub struct SrtcpSender {
    master: MasterKey,
    layout: Layout,
    keys: SessionKeys,
    /// Of the next packet, whatever its source: one count for all never repeats for one.
    next_index: u32,
}

/// Unprotects the SRTCP that a peer sends under one key.
pub struct SrtcpReceiver {
    master: MasterKey,
    layout: Layout,
    keys: SessionKeys,
    past: Past,
}

impl SrtcpSender {
    pub fn new(master: MasterKey) -> SrtcpSender {
        SrtcpSender {
            layout: Layout::of_rtcp(&master),
            keys: SessionKeys::for_rtcp(&master),
            next_index: 0,
            master,
        }
    }

    pub fn master(&self) -> &MasterKey {
        &self.master
    }

    /// Takes lifetime and MKI of the same key from a new description of it.
    pub(crate) fn update_terms(&mut self, master: &MasterKey) {
        self.master = master.clone();
    }

    /// Gives up the session keys, keeps what must be remembered.
    pub(crate) fn park(self) -> Parked<NextIndex> {
        Parked {
            past: NextIndex(self.next_index),
            master: self.master,
        }
    }

    /// The context as it was, with its session keys derived again.
    pub(crate) fn resume(parked: Parked<NextIndex>) -> SrtcpSender {
        SrtcpSender {
            next_index: parked.past.0,
            ..SrtcpSender::new(parked.master)
        }
    }

    /// What [`SrtcpSender::protect`] adds to a packet, bytes.
    pub fn trailer_len(&self) -> usize {
        self.layout.len(&self.master)
    }

    /// Protects `packet` into `out`; answers the length of the SRTCP packet.
    ///
    /// # Errors
    /// As [`SrtpError`] says; `out` and the context have not changed.
    pub fn protect(&mut self, packet: &[u8], out: &mut [u8]) -> Result<usize, SrtpError> {
        let subject = self.check(packet, out.len())?;
        let (clear, rest) = out[..packet.len()].split_at_mut(HEADER_LEN);
        clear.copy_from_slice(&packet[..HEADER_LEN]);
        let rest = InOutBuf::new(&packet[HEADER_LEN..], rest).map_err(|_| SrtpError::TooLong)?;
        self.keys.apply(subject, rest);
        Ok(self.finish(subject, packet.len(), out))
    }

    /// Protects `buffer[..len]` where it stands; the trailer follows it in `buffer`.
    ///
    /// # Errors
    /// As [`SrtpError`] says; neither packet nor context has then changed.
    pub fn protect_in_place(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let subject = self.check(buffer.get(..len).ok_or(SrtpError::TooLong)?, buffer.len())?;
        let rest = &mut buffer[HEADER_LEN..len];
        self.keys.apply(subject, rest.into());
        Ok(self.finish(subject, len, buffer))
    }

    fn check(&self, packet: &[u8], room: usize) -> Result<Subject, SrtpError> {
        let header = RtcpHeader::parse(packet).ok_or(SrtpError::Malformed)?;
        if u64::from(self.next_index) >= lifetime(&self.master) {
            return Err(SrtpError::KeyExpired);
        }
        if packet.len() + self.trailer_len() > room {
            return Err(SrtpError::TooLong);
        }
        Ok(subject(header.ssrc, self.next_index))
    }

    /// Appends index, MKI and tag; `out` was checked to have room.
    fn finish(&mut self, subject: Subject, len: usize, out: &mut [u8]) -> usize {
        let (layout, master) = (self.layout, &self.master);
        let tag = self.keys.tag(subject, &out[..len]);
        layout.write_index_and_mki(out, len, &subject.word.to_be_bytes(), master);
        out[layout.tag_at(len, master)..][..layout.tag_len].copy_from_slice(&tag[..layout.tag_len]);
        self.next_index += 1;
        len + self.trailer_len()
    }
}

impl SrtcpReceiver {
    pub fn new(master: MasterKey) -> SrtcpReceiver {
        SrtcpReceiver {
            layout: Layout::of_rtcp(&master),
            keys: SessionKeys::for_rtcp(&master),
            past: Past::default(),
            master,
        }
    }

    pub fn master(&self) -> &MasterKey {
        &self.master
    }

    /// Takes lifetime and MKI of the same key from a new description of it.
    pub(crate) fn update_terms(&mut self, master: &MasterKey) {
        self.master = master.clone();
    }

    /// Gives up the session keys, keeps what must be remembered.
    pub(crate) fn park(self) -> Parked<Past> {
        Parked {
            past: self.past,
            master: self.master,
        }
    }

    /// The context as it was, with its session keys derived again.
    pub(crate) fn resume(parked: Parked<Past>) -> SrtcpReceiver {
        SrtcpReceiver {
            past: parked.past,
            ..SrtcpReceiver::new(parked.master)
        }
    }

    /// Unprotects `packet` into `out`; answers the length of the RTCP packet.
    ///
    /// # Errors
    /// As [`SrtpError`] says; `out` and the context have not changed.
    pub fn unprotect(
        &mut self,
        packet: &[u8],
        out: &mut [u8],
    ) -> Result<(usize, Authenticated), SrtpError> {
        let (subject, len, claim, proof) = self.verify(packet)?;
        let (clear, rest) = out
            .get_mut(..len)
            .ok_or(SrtpError::TooLong)?
            .split_at_mut(HEADER_LEN);
        clear.copy_from_slice(&packet[..HEADER_LEN]);
        let rest = InOutBuf::new(&packet[HEADER_LEN..len], rest).map_err(|_| SrtpError::TooLong)?;
        self.keys.apply(subject, rest);
        Ok((len, self.accept(claim, proof)))
    }

    /// Unprotects `packet` where it stands; answers the length of the RTCP packet.
    ///
    /// # Errors
    /// As [`SrtpError`] says; neither packet nor context has then changed.
    pub fn unprotect_in_place(
        &mut self,
        packet: &mut [u8],
    ) -> Result<(usize, Authenticated), SrtpError> {
        let (subject, len, claim, proof) = self.verify(packet)?;
        self.keys
            .apply(subject, (&mut packet[HEADER_LEN..len]).into());
        Ok((len, self.accept(claim, proof)))
    }

    /// Everything before decryption; changes nothing.
    fn verify(&self, packet: &[u8]) -> Result<(Subject, usize, Claim, Authenticated), SrtpError> {
        let header = RtcpHeader::parse(packet).ok_or(SrtpError::Malformed)?;
        let len = packet
            .len()
            .checked_sub(self.layout.len(&self.master))
            .ok_or(SrtpError::Malformed)?;
        if len < HEADER_LEN {
            return Err(SrtpError::Malformed);
        }
        let (packet, trailer) = packet.split_at(len);
        let trailer = self.layout.split(trailer, &self.master)?;
        let index: &[u8; INDEX_LEN] = trailer.index.first_chunk().ok_or(SrtpError::Malformed)?;
        let index = u32::from_be_bytes(*index);
        if index & ENCRYPTED == 0 {
            // UNENCRYPTED_SRTCP is never agreed to.
            return Err(SrtpError::Malformed);
        }
        if self.past.packets >= lifetime(&self.master) {
            return Err(SrtpError::KeyExpired);
        }
        let subject = subject(header.ssrc, index & !ENCRYPTED);
        let claim = self.past.sources.claim_index(header.ssrc, subject.index)?;
        let proof = self.keys.verify(subject, packet, trailer.tag)?;
        Ok((subject, len, claim, proof))
    }

    fn accept(&mut self, claim: Claim, proof: Authenticated) -> Authenticated {
        self.past.sources.received(claim, &proof);
        self.past.packets += 1;
        proof
    }
}

fn subject(ssrc: u32, index: u32) -> Subject {
    Subject {
        ssrc,
        index: u64::from(index),
        header_len: HEADER_LEN,
        word: ENCRYPTED | index,
    }
}

fn lifetime(master: &MasterKey) -> u64 {
    master.lifetime().unwrap_or(MAX_PACKETS).min(MAX_PACKETS)
}

const INDEX_LEN: usize = 4;
/// The E flag.
const ENCRYPTED: u32 = 1 << 31;
/// SRTCP packets that a master key may protect (RFC 3711 section 9.2, RFC 7714 section 13.1); also the indices there are.
const MAX_PACKETS: u64 = 1 << 31;
