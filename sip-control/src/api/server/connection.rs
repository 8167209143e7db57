//! Who is at the other end.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use super::places::Share;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) enum Peer {
    /// A process of this host; the kernel says whose (SO_PEERCRED of unix(7)).
    Unix {
        uid: u32,
        pid: Option<i32>,
    },
    Tcp(SocketAddr),
}

/// A connection, as handlers see it.
#[derive(Debug)]
pub(in crate::api) struct Connection {
    pub(in crate::api) peer: Peer,
    /// Nobody on the way can read it.
    pub(in crate::api) is_tls: bool,
    /// Counts among those of its address until it proves itself.
    share: Mutex<Option<Share>>,
}

impl Connection {
    pub(in crate::api) fn new(peer: Peer, is_tls: bool) -> Connection {
        Connection {
            peer,
            is_tls,
            share: Mutex::new(None),
        }
    }

    pub(super) fn with_share(self, share: Share) -> Connection {
        *self.share.lock().unwrap_or_else(PoisonError::into_inner) = Some(share);
        self
    }

    /// It has shown a token that is known: what strangers may have is no longer its measure.
    pub(in crate::api) fn prove(&self) {
        let share = self
            .share
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(share);
    }

    /// The address that failures are counted by; processes of this host count as one.
    pub(in crate::api) fn address(&self) -> Option<IpAddr> {
        match self.peer {
            Peer::Unix { .. } => None,
            Peer::Tcp(address) => Some(address.ip().to_canonical()),
        }
    }

    /// For the audit.
    pub(in crate::api) fn place(&self) -> String {
        match self.peer {
            Peer::Unix { pid: Some(pid), .. } => format!("socket, process {pid}"),
            Peer::Unix { pid: None, .. } => "socket".to_owned(),
            Peer::Tcp(address) => address.ip().to_canonical().to_string(),
        }
    }
}
