//! The protection of both legs: what is taken off a packet, what is put on.

use media_common::counters::DropReason;

use super::config::{FlowConfig, Transform};
use super::contexts::Contexts;
use super::latch::{Admitted, WellFormed};
use super::tags::{Begun, Tags};
use crate::srtp::{SrtcpReceiver, SrtcpSender, SrtpReceiver, SrtpSender};

/// What a flow does to packets, and the contexts that it does it with.
///
/// Contexts outlive a configuration that has no use for them: should their key come back,
/// its rollover counters and indices go on where they were.
pub(super) struct Crypto {
    mode: Mode,
    receivers: Receivers,
    senders: Senders,
}

#[derive(Clone, Copy)]
enum Mode {
    Blocked,
    Copy,
    PassThrough,
    Decrypt,
    Encrypt,
    Reencrypt,
}

#[derive(Default)]
struct Receivers {
    rtp: Contexts<SrtpReceiver>,
    rtcp: Contexts<SrtcpReceiver>,
}

#[derive(Default)]
struct Senders {
    rtp: Contexts<SrtpSender>,
    rtcp: Contexts<SrtcpSender>,
}

impl Crypto {
    pub(super) fn new(config: &FlowConfig) -> Crypto {
        let mut crypto = Crypto {
            mode: Mode::Blocked,
            receivers: Receivers::default(),
            senders: Senders::default(),
        };
        crypto.update(config);
        crypto
    }

    pub(super) fn update(&mut self, config: &FlowConfig) {
        let (carries_rtp, carries_rtcp) = (
            config.carries.rtp().is_some(),
            config.carries.rtcp().is_some(),
        );
        if let Some(key) = config.transform.receive() {
            self.receivers.rtp.select_if(carries_rtp, key);
            self.receivers.rtcp.select_if(carries_rtcp, key);
        }
        if let Some(key) = config.transform.send() {
            self.senders.rtp.select_if(carries_rtp, key);
            self.senders.rtcp.select_if(carries_rtcp, key);
        }
        self.mode = match config.transform {
            Transform::Blocked => Mode::Blocked,
            Transform::Copy => Mode::Copy,
            Transform::PassThrough => Mode::PassThrough,
            Transform::Decrypt { .. } => Mode::Decrypt,
            Transform::Encrypt { .. } => Mode::Encrypt,
            Transform::Reencrypt { .. } => Mode::Reencrypt,
        };
    }

    /// Looks at RTP whose tag is to be computed beside others'.
    pub(super) fn begin<'p>(&self, datagram: &'p [u8]) -> Begun<'p> {
        let receiver = match self.mode {
            Mode::Decrypt | Mode::Reencrypt => self.receivers.rtp.seen(),
            Mode::Blocked | Mode::Copy | Mode::PassThrough | Mode::Encrypt => None,
        };
        match receiver {
            Some(receiver) => Begun::by(receiver, datagram),
            None => Begun::unseen(datagram),
        }
    }

    /// Takes `datagram` off its leg and, if it `leaves`, puts it on the other into `out`.
    ///
    /// A packet that does not leave is still authenticated, so that the rollover counter
    /// goes on while a far end is on hold; its length is then of no meaning.
    ///
    /// `read` is shown the packet in the clear, authenticated where its leg is secure; never one
    /// that we have no key for.
    pub(super) fn transform(
        &mut self,
        packet: WellFormed,
        datagram: &[u8],
        out: &mut [u8],
        leaves: bool,
        mut tags: Tags<'_, '_>,
        read: impl FnOnce(&[u8]),
    ) -> Result<(usize, Admitted), DropReason> {
        match self.mode {
            Mode::Blocked => Err(DropReason::NoPeer),
            Mode::Copy | Mode::PassThrough => {
                if matches!(self.mode, Mode::Copy) {
                    read(datagram);
                }
                let out = out.get_mut(..datagram.len()).ok_or(DropReason::TooLong)?;
                out.copy_from_slice(datagram);
                Ok((datagram.len(), Admitted::by_form(packet)))
            }
            Mode::Decrypt => {
                let (len, admitted) = self.receivers.unprotect(packet, datagram, out, &tags)?;
                read(out.get(..len).unwrap_or_default());
                Ok((len, admitted))
            }
            Mode::Encrypt => {
                read(datagram);
                let len = if leaves {
                    self.senders.protect(packet, datagram, out, &mut tags)?
                } else {
                    0
                };
                Ok((len, Admitted::by_form(packet)))
            }
            Mode::Reencrypt => {
                let (len, admitted) = self.receivers.unprotect(packet, datagram, out, &tags)?;
                read(out.get(..len).unwrap_or_default());
                let len = if leaves {
                    self.senders.protect_in_place(packet, out, len, &mut tags)?
                } else {
                    0
                };
                Ok((len, admitted))
            }
        }
    }
}

impl Receivers {
    fn unprotect(
        &mut self,
        packet: WellFormed,
        datagram: &[u8],
        out: &mut [u8],
        tags: &Tags<'_, '_>,
    ) -> Result<(usize, Admitted), DropReason> {
        let (len, proof) = match tags.unverified() {
            _ if packet.rtcp => self.rtcp.current()?.unprotect(datagram, out)?,
            Some(begun) => self.rtp.current()?.unprotect_begun(begun, out)?,
            None => self.rtp.current()?.unprotect(datagram, out)?,
        };
        Ok((len, Admitted::by_tag(&proof)))
    }
}

impl Senders {
    fn protect(
        &mut self,
        packet: WellFormed,
        datagram: &[u8],
        out: &mut [u8],
        tags: &mut Tags<'_, '_>,
    ) -> Result<usize, DropReason> {
        if packet.rtcp {
            return Ok(self.rtcp.current()?.protect(datagram, out)?);
        }
        let sender = self.rtp.current()?;
        let Some(later) = tags.later() else {
            return Ok(sender.protect(datagram, out)?);
        };
        let (len, untagged) = sender.protect_untagged(datagram, out)?;
        *later = Some(untagged);
        Ok(len)
    }

    fn protect_in_place(
        &mut self,
        packet: WellFormed,
        out: &mut [u8],
        len: usize,
        tags: &mut Tags<'_, '_>,
    ) -> Result<usize, DropReason> {
        if packet.rtcp {
            return Ok(self.rtcp.current()?.protect_in_place(out, len)?);
        }
        let sender = self.rtp.current()?;
        let Some(later) = tags.later() else {
            return Ok(sender.protect_in_place(out, len)?);
        };
        let (len, untagged) = sender.protect_in_place_untagged(out, len)?;
        *later = Some(untagged);
        Ok(len)
    }
}
