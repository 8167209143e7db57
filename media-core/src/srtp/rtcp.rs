//! SRTCP (RFC 3711 section 3.4).
//!
//! ```text
//! |  RTCP header, SSRC  |  rest of the compound  |E| index |  MKI  |  tag  |
//!                        <------ encrypted ----->
//!  <---------------------- authenticated ------------------>
//! ```

use cipher::inout::InOutBuf;

use super::auth::{Authenticated, append};
use super::error::SrtpError;
use super::kdf::SessionKeys;
use super::key::MasterKey;
use super::sources::{Claim, Sources};
use crate::rtcp::{HEADER_LEN, RtcpHeader};

/// Protects the RTCP that we send under one key.
pub struct SrtcpSender {
    master: MasterKey,
    keys: SessionKeys,
    /// Of the next packet, whatever its source: one count for all never repeats for one.
    next_index: u32,
}

/// Unprotects the SRTCP that a peer sends under one key.
pub struct SrtcpReceiver {
    master: MasterKey,
    keys: SessionKeys,
    sources: Sources,
    packets: u64,
}

impl SrtcpSender {
    pub fn new(master: MasterKey) -> SrtcpSender {
        SrtcpSender {
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

    /// What [`SrtcpSender::protect`] adds to a packet, bytes.
    pub fn trailer_len(&self) -> usize {
        trailer_len(&self.master)
    }

    /// Protects `packet` into `out`; answers the length of the SRTCP packet.
    ///
    /// # Errors
    /// As [`SrtpError`] says; `out` and the context have not changed.
    pub fn protect(&mut self, packet: &[u8], out: &mut [u8]) -> Result<usize, SrtpError> {
        let header = self.check(packet, out.len())?;
        let (clear, rest) = out[..packet.len()].split_at_mut(HEADER_LEN);
        clear.copy_from_slice(&packet[..HEADER_LEN]);
        let rest = InOutBuf::new(&packet[HEADER_LEN..], rest).map_err(|_| SrtpError::TooLong)?;
        self.keys
            .cipher
            .apply(header.ssrc, u64::from(self.next_index), rest);
        Ok(self.finish(packet.len(), out))
    }

    /// Protects `buffer[..len]` where it stands; the trailer follows it in `buffer`.
    ///
    /// # Errors
    /// As [`SrtpError`] says; neither packet nor context has then changed.
    pub fn protect_in_place(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let header = self.check(buffer.get(..len).ok_or(SrtpError::TooLong)?, buffer.len())?;
        let rest = &mut buffer[HEADER_LEN..len];
        self.keys
            .cipher
            .apply(header.ssrc, u64::from(self.next_index), rest.into());
        Ok(self.finish(len, buffer))
    }

    fn check(&self, packet: &[u8], room: usize) -> Result<RtcpHeader, SrtpError> {
        let header = RtcpHeader::parse(packet).ok_or(SrtpError::Malformed)?;
        if u64::from(self.next_index) >= lifetime(&self.master) {
            return Err(SrtpError::KeyExpired);
        }
        if packet.len() + self.trailer_len() > room {
            return Err(SrtpError::TooLong);
        }
        Ok(header)
    }

    /// Appends index, MKI and tag; `out` was checked to have room.
    fn finish(&mut self, len: usize, out: &mut [u8]) -> usize {
        let mki_at = len + INDEX_LEN;
        out[len..mki_at].copy_from_slice(&(ENCRYPTED | self.next_index).to_be_bytes());
        let tag = self.keys.auth.tag(&out[..mki_at], None);
        let tag = &tag[..self.master.suite().rtcp_tag_len()];
        self.next_index += 1;
        append(out, mki_at, self.master.mki(), tag)
    }
}

impl SrtcpReceiver {
    pub fn new(master: MasterKey) -> SrtcpReceiver {
        SrtcpReceiver {
            keys: SessionKeys::for_rtcp(&master),
            sources: Sources::new(),
            packets: 0,
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

    /// Unprotects `packet` into `out`; answers the length of the RTCP packet.
    ///
    /// # Errors
    /// As [`SrtpError`] says; `out` and the context have not changed.
    pub fn unprotect(
        &mut self,
        packet: &[u8],
        out: &mut [u8],
    ) -> Result<(usize, Authenticated), SrtpError> {
        let (len, claim, proof) = self.verify(packet)?;
        let (clear, rest) = out
            .get_mut(..len)
            .ok_or(SrtpError::TooLong)?
            .split_at_mut(HEADER_LEN);
        clear.copy_from_slice(&packet[..HEADER_LEN]);
        let rest = InOutBuf::new(&packet[HEADER_LEN..len], rest).map_err(|_| SrtpError::TooLong)?;
        self.keys.cipher.apply(claim.ssrc(), claim.index(), rest);
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
        let (len, claim, proof) = self.verify(packet)?;
        self.keys.cipher.apply(
            claim.ssrc(),
            claim.index(),
            (&mut packet[HEADER_LEN..len]).into(),
        );
        Ok((len, self.accept(claim, proof)))
    }

    /// Everything before decryption; changes nothing.
    fn verify(&self, packet: &[u8]) -> Result<(usize, Claim, Authenticated), SrtpError> {
        let header = RtcpHeader::parse(packet).ok_or(SrtpError::Malformed)?;
        let len = packet
            .len()
            .checked_sub(trailer_len(&self.master))
            .ok_or(SrtpError::Malformed)?;
        if len < HEADER_LEN {
            return Err(SrtpError::Malformed);
        }
        let (authenticated, trailer) = packet.split_at(len + INDEX_LEN);
        let index: &[u8; INDEX_LEN] = authenticated.last_chunk().ok_or(SrtpError::Malformed)?;
        let index = u32::from_be_bytes(*index);
        if index & ENCRYPTED == 0 {
            // UNENCRYPTED_SRTCP is never agreed to.
            return Err(SrtpError::Malformed);
        }
        if self.packets >= lifetime(&self.master) {
            return Err(SrtpError::KeyExpired);
        }
        let claim = self
            .sources
            .claim_index(header.ssrc, u64::from(index & !ENCRYPTED))?;
        let (mki, tag) = trailer.split_at(trailer.len() - self.master.suite().rtcp_tag_len());
        self.master.check_mki(mki)?;
        let proof = self.keys.auth.verify(authenticated, None, tag)?;
        Ok((len, claim, proof))
    }

    fn accept(&mut self, claim: Claim, proof: Authenticated) -> Authenticated {
        self.sources.received(claim, &proof);
        self.packets += 1;
        proof
    }
}

fn trailer_len(master: &MasterKey) -> usize {
    INDEX_LEN + master.mki().len() + master.suite().rtcp_tag_len()
}

fn lifetime(master: &MasterKey) -> u64 {
    master.lifetime().unwrap_or(MAX_PACKETS).min(MAX_PACKETS)
}

const INDEX_LEN: usize = 4;
/// The E flag.
const ENCRYPTED: u32 = 1 << 31;
/// SRTCP packets that a master key may protect (RFC 3711 section 9.2); also the indices there are.
const MAX_PACKETS: u64 = 1 << 31;
