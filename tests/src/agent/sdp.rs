//! The agent's SDP: one audio line, PCMU and telephone-event, SDES when it is secure.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use media_core::srtp::key::MasterKey;
use media_core::srtp::profile::Suite;

/// What an agent says in an offer or answer.
pub struct LocalSdp<'a> {
    pub address: IpAddr,
    pub port: u16,
    pub version: u32,
    /// `sendrecv`, `sendonly`, `recvonly` or `inactive`.
    pub direction: &'a str,
    /// Payload type of telephone-event that we want to receive.
    pub events: u8,
    /// Tag and key of our crypto line.
    pub crypto: Option<(u32, &'a MasterKey)>,
}

impl LocalSdp<'_> {
    pub fn write(&self) -> String {
        let LocalSdp {
            address,
            port,
            version,
            direction,
            events,
            ..
        } = self;
        let family = if address.is_ipv4() { "IP4" } else { "IP6" };
        let profile = if self.crypto.is_some() {
            "RTP/SAVP"
        } else {
            "RTP/AVP"
        };
        let crypto = self.crypto.map_or_else(String::new, |(tag, key)| {
            let inline = STANDARD.encode([key.key(), key.salt()].concat());
            format!("a=crypto:{tag} {} inline:{inline}\r\n", key.suite().name())
        });
        format!(
            "v=0\r\no=- 4711 {version} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n\
             m=audio {port} {profile} 0 {events}\r\n{crypto}a=rtpmap:0 PCMU/8000\r\na=rtpmap:{events} telephone-event/8000\r\n\
             a=fmtp:{events} 0-15\r\na=ptime:20\r\na={direction}\r\n"
        )
    }
}

/// What an agent reads of the edge's SDP.
#[derive(Clone, Debug)]
pub struct RemoteSdp {
    pub rtp: SocketAddr,
    pub profile: String,
    pub direction: String,
    /// Payload type of telephone-event that it wants to receive.
    pub events: Option<u8>,
    /// Tag and key of each crypto line of a suite that we know.
    pub crypto: Vec<(u32, MasterKey)>,
}

impl RemoteSdp {
    /// Where the other side receives.
    pub(super) fn address(sdp: &str) -> Result<IpAddr> {
        let lines = sdp.lines();
        let connection = lines
            .filter_map(|line| line.strip_prefix("c="))
            .next_back()
            .context("no c=")?;
        let address = connection.split(' ').nth(2);
        Ok(address.context("no address in c=")?.trim().parse()?)
    }

    pub fn parse(sdp: &str) -> Result<RemoteSdp> {
        let lines = || sdp.lines().filter_map(|line| line.split_once('='));
        let media = lines()
            .find(|(kind, value)| *kind == "m" && value.starts_with("audio"))
            .context("no audio")?
            .1;
        let fields: Vec<&str> = media.split(' ').collect();
        ensure!(
            fields.len() > 3 && fields[3..].contains(&"0"),
            "PCMU is not in m={media}"
        );
        let address = RemoteSdp::address(sdp)?;
        let attributes = || {
            lines()
                .filter(|(kind, _)| *kind == "a")
                .map(|(_, value)| value)
        };
        let direction = attributes()
            .find(|value| matches!(*value, "sendrecv" | "sendonly" | "recvonly" | "inactive"));
        Ok(RemoteSdp {
            rtp: SocketAddr::new(address, fields[1].parse()?),
            profile: fields[2].to_owned(),
            direction: direction.unwrap_or("sendrecv").to_owned(),
            events: attributes().find_map(|value| {
                let (number, name) = value.strip_prefix("rtpmap:")?.split_once(' ')?;
                name.starts_with("telephone-event/")
                    .then(|| number.parse().ok())?
            }),
            crypto: attributes()
                .filter_map(|value| value.strip_prefix("crypto:"))
                .filter_map(parse_crypto)
                .collect(),
        })
    }
}

fn parse_crypto(value: &str) -> Option<(u32, MasterKey)> {
    let mut fields = value.split_whitespace();
    let (tag, suite) = (
        fields.next()?.parse().ok()?,
        Suite::from_name(fields.next()?)?,
    );
    let inline = fields.next()?.strip_prefix("inline:")?.split('|').next()?;
    Some((
        tag,
        MasterKey::from_key_salt(suite, &STANDARD.decode(inline).ok()?)?,
    ))
}
