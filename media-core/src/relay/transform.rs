//! The protection of both legs: what is taken off a packet, what is put on.

use media_common::counters::DropReason;

use super::config::{Carries, FlowConfig, Transform};
use super::latch::{Admitted, WellFormed};
use crate::srtp::key::MasterKey;
use crate::srtp::{SrtcpReceiver, SrtcpSender, SrtpReceiver, SrtpSender};

/// The contexts of a flow's keys.
pub(super) enum Crypto {
    Blocked,
    Copy,
    Decrypt(Receivers),
    Encrypt(Senders),
    Reencrypt(Receivers, Senders),
}

/// A context for each kind of packet that the flow carries.
#[derive(Default)]
pub(super) struct Receivers {
    rtp: Option<Box<SrtpReceiver>>,
    rtcp: Option<Box<SrtcpReceiver>>,
}

#[derive(Default)]
pub(super) struct Senders {
    rtp: Option<Box<SrtpSender>>,
    rtcp: Option<Box<SrtcpSender>>,
}

impl Crypto {
    pub(super) fn new(config: &FlowConfig) -> Crypto {
        Crypto::build(config, Receivers::default(), Senders::default())
    }

    /// Keeps the contexts whose key stays.
    pub(super) fn update(&mut self, config: &FlowConfig) {
        let (receivers, senders) = match std::mem::replace(self, Crypto::Blocked) {
            Crypto::Blocked | Crypto::Copy => Default::default(),
            Crypto::Decrypt(receivers) => (receivers, Senders::default()),
            Crypto::Encrypt(senders) => (Receivers::default(), senders),
            Crypto::Reencrypt(receivers, senders) => (receivers, senders),
        };
        *self = Crypto::build(config, receivers, senders);
    }

    fn build(config: &FlowConfig, receivers: Receivers, senders: Senders) -> Crypto {
        let carries = &config.carries;
        match &config.transform {
            Transform::Blocked => Crypto::Blocked,
            Transform::Copy => Crypto::Copy,
            Transform::Decrypt { receive } => Crypto::Decrypt(receivers.fit(carries, receive)),
            Transform::Encrypt { send } => Crypto::Encrypt(senders.fit(carries, send)),
            Transform::Reencrypt { receive, send } => {
                Crypto::Reencrypt(receivers.fit(carries, receive), senders.fit(carries, send))
            }
        }
    }

    /// Takes `datagram` off its leg and, if it `leaves`, puts it on the other into `out`.
    ///
    /// A packet that does not leave is still authenticated, so that the rollover counter
    /// goes on while a far end is on hold; its length is then of no meaning.
    pub(super) fn transform(
        &mut self,
        packet: WellFormed,
        datagram: &[u8],
        out: &mut [u8],
        leaves: bool,
    ) -> Result<(usize, Admitted), DropReason> {
        match self {
            Crypto::Blocked => Err(DropReason::NoPeer),
            Crypto::Copy => {
                let out = out.get_mut(..datagram.len()).ok_or(DropReason::TooLong)?;
                out.copy_from_slice(datagram);
                Ok((datagram.len(), Admitted::by_form(packet)))
            }
            Crypto::Decrypt(receivers) => receivers.unprotect(packet, datagram, out),
            Crypto::Encrypt(senders) => {
                let len = if leaves {
                    senders.protect(packet, datagram, out)?
                } else {
                    0
                };
                Ok((len, Admitted::by_form(packet)))
            }
            Crypto::Reencrypt(receivers, senders) => {
                let (len, admitted) = receivers.unprotect(packet, datagram, out)?;
                let len = if leaves {
                    senders.protect_in_place(packet, out, len)?
                } else {
                    0
                };
                Ok((len, admitted))
            }
        }
    }
}

impl Receivers {
    fn fit(self, carries: &Carries, key: &MasterKey) -> Receivers {
        let rtp = self.rtp.filter(|context| context.master().is_same_key(key));
        let rtcp = self
            .rtcp
            .filter(|context| context.master().is_same_key(key));
        let mut fitted = Receivers {
            rtp: rtp.or_else(|| {
                carries
                    .rtp()
                    .map(|_| Box::new(SrtpReceiver::new(key.clone())))
            }),
            rtcp: rtcp.or_else(|| {
                carries
                    .rtcp()
                    .map(|_| Box::new(SrtcpReceiver::new(key.clone())))
            }),
        };
        fitted
            .rtp
            .iter_mut()
            .for_each(|context| context.update_terms(key));
        fitted
            .rtcp
            .iter_mut()
            .for_each(|context| context.update_terms(key));
        fitted
    }

    fn unprotect(
        &mut self,
        packet: WellFormed,
        datagram: &[u8],
        out: &mut [u8],
    ) -> Result<(usize, Admitted), DropReason> {
        let (len, proof) = if packet.rtcp {
            self.rtcp
                .as_mut()
                .ok_or(DropReason::BadEntry)?
                .unprotect(datagram, out)?
        } else {
            self.rtp
                .as_mut()
                .ok_or(DropReason::BadEntry)?
                .unprotect(datagram, out)?
        };
        Ok((len, Admitted::by_tag(&proof)))
    }
}

impl Senders {
    fn fit(self, carries: &Carries, key: &MasterKey) -> Senders {
        let rtp = self.rtp.filter(|context| context.master().is_same_key(key));
        let rtcp = self
            .rtcp
            .filter(|context| context.master().is_same_key(key));
        let mut fitted = Senders {
            rtp: rtp.or_else(|| {
                carries
                    .rtp()
                    .map(|_| Box::new(SrtpSender::new(key.clone())))
            }),
            rtcp: rtcp.or_else(|| {
                carries
                    .rtcp()
                    .map(|_| Box::new(SrtcpSender::new(key.clone())))
            }),
        };
        fitted
            .rtp
            .iter_mut()
            .for_each(|context| context.update_terms(key));
        fitted
            .rtcp
            .iter_mut()
            .for_each(|context| context.update_terms(key));
        fitted
    }

    fn protect(
        &mut self,
        packet: WellFormed,
        datagram: &[u8],
        out: &mut [u8],
    ) -> Result<usize, DropReason> {
        Ok(if packet.rtcp {
            self.rtcp
                .as_mut()
                .ok_or(DropReason::BadEntry)?
                .protect(datagram, out)?
        } else {
            self.rtp
                .as_mut()
                .ok_or(DropReason::BadEntry)?
                .protect(datagram, out)?
        })
    }

    fn protect_in_place(
        &mut self,
        packet: WellFormed,
        out: &mut [u8],
        len: usize,
    ) -> Result<usize, DropReason> {
        Ok(if packet.rtcp {
            self.rtcp
                .as_mut()
                .ok_or(DropReason::BadEntry)?
                .protect_in_place(out, len)?
        } else {
            self.rtp
                .as_mut()
                .ok_or(DropReason::BadEntry)?
                .protect_in_place(out, len)?
        })
    }
}
