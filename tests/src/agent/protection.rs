//! SRTP and SRTCP of one agent.

use anyhow::Result;
use media_core::srtp::key::MasterKey;
use media_core::srtp::{MAX_TRAILER, SrtcpReceiver, SrtcpSender, SrtpReceiver, SrtpSender};

/// Both directions under one pair of keys.
pub(super) struct Protection {
    rtp_out: SrtpSender,
    rtp_in: SrtpReceiver,
    rtcp_out: SrtcpSender,
    rtcp_in: SrtcpReceiver,
}

impl Protection {
    pub(super) fn new(send: &MasterKey, receive: &MasterKey) -> Protection {
        Protection {
            rtp_out: SrtpSender::new(send.clone()),
            rtp_in: SrtpReceiver::new(receive.clone()),
            rtcp_out: SrtcpSender::new(send.clone()),
            rtcp_in: SrtcpReceiver::new(receive.clone()),
        }
    }

    pub(super) fn protect_rtp(&mut self, packet: &[u8]) -> Result<Vec<u8>> {
        let mut out = vec![0; packet.len() + MAX_TRAILER];
        let length = self.rtp_out.protect(packet, &mut out)?;
        out.truncate(length);
        Ok(out)
    }

    pub(super) fn protect_rtcp(&mut self, packet: &[u8]) -> Result<Vec<u8>> {
        let mut out = vec![0; packet.len() + MAX_TRAILER];
        let length = self.rtcp_out.protect(packet, &mut out)?;
        out.truncate(length);
        Ok(out)
    }

    /// `None` if the tag is wrong or the packet was seen before.
    pub(super) fn unprotect_rtp(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let mut out = vec![0; packet.len()];
        let (length, _) = self.rtp_in.unprotect(packet, &mut out).ok()?;
        out.truncate(length);
        Some(out)
    }

    /// `None` if the tag is wrong or the packet was seen before.
    pub(super) fn unprotect_rtcp(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let mut out = vec![0; packet.len()];
        let (length, _) = self.rtcp_in.unprotect(packet, &mut out).ok()?;
        out.truncate(length);
        Some(out)
    }
}
