//! How the caller reaches the edge: by datagrams, or by TLS connections that stay open.

use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls::ClientConfig;

use super::datagrams::Datagrams;
use super::tls_link::TlsLink;
use crate::media::lab::{Lab, MEDIA, SOURCE};

pub const SIP_PORT: u16 = 5060;
const SIPS_PORT: u16 = 5061;
/// Connections by TLS.
const CONNECTIONS: usize = 4;

/// How the caller reaches the edge.
pub enum CallerLink {
    Udp(Datagrams, SocketAddrV4),
    Tls(Vec<TlsLink>),
}

/// How far the messages that were received are read.
#[derive(Default)]
pub struct Place {
    connection: usize,
    datagram: usize,
}

impl CallerLink {
    /// Datagrams from the caller's address to there.
    pub fn udp(lab: &Lab, to: SocketAddrV4) -> Result<CallerLink> {
        let socket = lab
            .source
            .enter(|| UdpSocket::bind((SOURCE, SIP_PORT)))?
            .context("binding the caller's socket")?;
        Ok(CallerLink::Udp(Datagrams::new(socket)?, to))
    }

    /// Connections from the caller to the edge.
    pub fn tls(lab: &Lab, config: &Arc<ClientConfig>) -> Result<CallerLink> {
        let to = SocketAddr::from((MEDIA[0], SIPS_PORT));
        let open = || {
            (0..CONNECTIONS)
                .map(|_| TlsLink::open(to, config))
                .collect()
        };
        let links: Result<Vec<TlsLink>> = lab.source.enter(open)?;
        Ok(CallerLink::Tls(links?))
    }

    /// What is lost is sent again by us, and not by the transport.
    pub fn is_unreliable(&self) -> bool {
        matches!(self, CallerLink::Udp(..))
    }

    pub fn put(&mut self, number: u32, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        match self {
            CallerLink::Udp(datagrams, edge) => datagrams.put(*edge, write),
            CallerLink::Tls(links) => {
                let mut message = Vec::with_capacity(1500);
                write(&mut message);
                let count = links.len();
                links[number as usize % count].put(&message)?;
            }
        }
        Ok(())
    }

    pub fn flush(&mut self) -> Result<()> {
        match self {
            CallerLink::Udp(datagrams, _) => datagrams.flush(),
            CallerLink::Tls(links) => links.iter_mut().try_for_each(TlsLink::flush),
        }
    }

    /// Receives what waits, for [`CallerLink::take`]: a batch of datagrams, all of each connection.
    pub fn receive(&mut self) -> Result<()> {
        match self {
            CallerLink::Udp(datagrams, _) => datagrams.receive().map(drop),
            CallerLink::Tls(links) => links.iter_mut().try_for_each(TlsLink::receive),
        }
    }

    /// The next message of those received.
    pub fn take(&mut self, place: &mut Place, message: &mut Vec<u8>) -> bool {
        match self {
            CallerLink::Udp(datagrams, _) => {
                let is_there = place.datagram < datagrams.received();
                if is_there {
                    datagrams.take(place.datagram, message);
                    place.datagram += 1;
                }
                is_there
            }
            CallerLink::Tls(links) => {
                while let Some(link) = links.get_mut(place.connection) {
                    if link.take(message) {
                        return true;
                    }
                    place.connection += 1;
                }
                false
            }
        }
    }
}
