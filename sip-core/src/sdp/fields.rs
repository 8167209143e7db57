//! The values of the lines that offer and answer depend on.

use std::net::{IpAddr, Ipv4Addr};

use super::document::Block;
use crate::refusal::Refusal;

/// Splits a value at white space; `None` if it is not UTF-8.
fn words(value: &[u8]) -> Option<Vec<&str>> {
    Some(
        std::str::from_utf8(value)
            .ok()?
            .split_ascii_whitespace()
            .collect(),
    )
}

/// `o=`: who made a description, and which version of it this is (RFC 8866 section 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) username: String,
    pub(super) session_id: String,
    pub(super) version: u64,
}

/// A first version must leave room to count (RFC 3264 section 5).
const MAX_FIRST_VERSION: u64 = (1 << 62) - 2;

impl Origin {
    /// Numbers that RFC 3264 section 5 would not allow are accepted: a version that cannot be
    /// counted on from becomes 1.
    pub(super) fn parse(value: &[u8]) -> Result<Origin, Refusal> {
        let words = words(value).ok_or(Refusal::MALFORMED)?;
        let [username, session_id, version, _, _, _] = words[..] else {
            return Err(Refusal::MALFORMED);
        };
        let version = version
            .parse()
            .ok()
            .filter(|&version| version <= MAX_FIRST_VERSION)
            .unwrap_or(1);
        Ok(Origin {
            username: username.into(),
            session_id: session_id.into(),
            version,
        })
    }

    /// The value, with our address.
    pub(super) fn to_value(&self, address: IpAddr) -> String {
        format!(
            "{} {} {} {}",
            self.username,
            self.session_id,
            self.version,
            network_address(address)
        )
    }
}

/// `IN IP4 192.0.2.1`, as `o=` and `c=` write an address.
pub(super) fn network_address(address: IpAddr) -> String {
    let family = if address.is_ipv6() { "IP6" } else { "IP4" };
    format!("IN {family} {address}")
}

/// `c=`: where media is to be sent (RFC 8866 section 5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connection {
    Address(IpAddr),
    /// `0.0.0.0` or `::`: send nothing (RFC 3264 section 8.4).
    Unspecified,
}

impl Connection {
    /// # Errors
    /// [`Refusal::MALFORMED`]; [`Refusal::UNUSABLE_ADDRESS`] for a host name, which nothing here
    /// can resolve, and for an address that is not one host's.
    pub(super) fn parse(value: &[u8]) -> Result<Connection, Refusal> {
        match words(value).as_deref() {
            Some([network, family, address]) => Connection::of(network, family, address),
            _ => Err(Refusal::MALFORMED),
        }
    }

    /// From its three words.
    pub(super) fn of(network: &str, family: &str, address: &str) -> Result<Connection, Refusal> {
        let ipv6 = family.eq_ignore_ascii_case("IP6");
        if !network.eq_ignore_ascii_case("IN") || !(ipv6 || family.eq_ignore_ascii_case("IP4")) {
            return Err(Refusal::UNUSABLE_ADDRESS);
        }
        // Behind a slash stands the TTL or the count of multicast addresses.
        let address: IpAddr = address.parse().map_err(|_| Refusal::UNUSABLE_ADDRESS)?;
        if address.is_ipv6() != ipv6 {
            return Err(Refusal::MALFORMED);
        }
        if address.is_unspecified() {
            return Ok(Connection::Unspecified);
        }
        if address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return Err(Refusal::UNUSABLE_ADDRESS);
        }
        Ok(Connection::Address(address))
    }
}

/// `m=` (RFC 8866 section 5.14). A count of ports is accepted and dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MediaLine {
    pub(super) media: String,
    /// 0: the stream is not used (RFC 3264 sections 5.1 and 6).
    pub(super) port: u16,
    pub(super) transport: String,
    pub(super) formats: Vec<String>,
}

impl MediaLine {
    /// The m-line that a block starts with.
    pub(super) fn of(block: &Block) -> Result<MediaLine, Refusal> {
        let words = block
            .value(b'm')
            .and_then(words)
            .ok_or(Refusal::MALFORMED)?;
        let [media, port, transport, formats @ ..] = &words[..] else {
            return Err(Refusal::MALFORMED);
        };
        let (port, count) = port.split_once('/').unwrap_or((port, "1"));
        if formats.is_empty() || count.parse::<u16>().is_err() {
            return Err(Refusal::MALFORMED);
        }
        Ok(MediaLine {
            media: (*media).into(),
            port: port.parse().map_err(|_| Refusal::MALFORMED)?,
            transport: (*transport).into(),
            formats: formats.iter().map(|&format| format.into()).collect(),
        })
    }

    pub(super) fn to_value(&self) -> String {
        format!(
            "{} {} {} {}",
            self.media,
            self.port,
            self.transport,
            self.formats.join(" ")
        )
    }
}

/// What an m-line that we relay is carried in: an RTP profile, or UDPTL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Profile {
    /// RFC 3551.
    Avp,
    /// RFC 4585.
    Avpf,
    /// RFC 3711.
    Savp,
    /// RFC 5124.
    Savpf,
    /// Not RTP (ITU-T T.38 section 9.1).
    Udptl,
}

impl Profile {
    const RTP: [Profile; 4] = [Profile::Avp, Profile::Avpf, Profile::Savp, Profile::Savpf];

    pub(super) fn name(self) -> &'static str {
        match self {
            Profile::Avp => "RTP/AVP",
            Profile::Avpf => "RTP/AVPF",
            Profile::Savp => "RTP/SAVP",
            Profile::Savpf => "RTP/SAVPF",
            Profile::Udptl => "udptl",
        }
    }

    /// The profile that we offer.
    pub(super) fn offered(secure: bool) -> Profile {
        if secure { Profile::Savp } else { Profile::Avp }
    }

    /// The RTP profile of that name.
    pub(super) fn rtp(name: &str) -> Option<Profile> {
        Profile::RTP
            .into_iter()
            .find(|profile| profile.name().eq_ignore_ascii_case(name))
    }

    pub(super) fn is_secure(self) -> bool {
        matches!(self, Profile::Savp | Profile::Savpf)
    }
}

/// Which way media flows, as the author of a description sees it (RFC 8866 section 6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Direction {
    pub(super) send: bool,
    pub(super) receive: bool,
}

impl Direction {
    pub(super) const BOTH: Direction = Direction {
        send: true,
        receive: true,
    };

    pub(super) const NONE: Direction = Direction {
        send: false,
        receive: false,
    };

    const ALL: [Direction; 4] = [
        Direction::BOTH,
        Direction {
            send: true,
            receive: false,
        },
        Direction {
            send: false,
            receive: true,
        },
        Direction::NONE,
    ];

    /// The attribute.
    pub(super) fn name(self) -> &'static str {
        match (self.send, self.receive) {
            (true, true) => "sendrecv",
            (true, false) => "sendonly",
            (false, true) => "recvonly",
            (false, false) => "inactive",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Direction> {
        Direction::ALL
            .into_iter()
            .find(|direction| direction.name().eq_ignore_ascii_case(name))
    }

    /// What an m-line says: its own attribute, the session's, or `sendrecv`.
    pub(super) fn of(media: &Block, session: &Block) -> Direction {
        let own = |block: &Block| {
            block
                .lines
                .iter()
                .find_map(|line| Direction::from_name(line.attribute_name()))
        };
        own(media)
            .or_else(|| own(session))
            .unwrap_or(Direction::BOTH)
    }

    /// This answer as RFC 3264 section 6.1 allows it: nobody sends what the other does not
    /// receive. A hold answered `sendrecv` becomes `recvonly`.
    pub(super) fn mended_for(self, offer: Direction) -> Direction {
        Direction {
            send: self.send && offer.receive,
            receive: self.receive && offer.send,
        }
    }
}

/// `a=rtcp:` (RFC 3605): the RTCP port, and the address where it is not that of the RTP.
pub(super) fn rtcp_attribute(value: &str) -> Result<(u16, Option<Connection>), Refusal> {
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    let port = |word: &str| {
        word.parse::<u16>()
            .ok()
            .filter(|&port| port != 0)
            .ok_or(Refusal::MALFORMED)
    };
    match words[..] {
        [number] => Ok((port(number)?, None)),
        [number, network, family, address] => Ok((
            port(number)?,
            Some(Connection::of(network, family, address)?),
        )),
        _ => Err(Refusal::MALFORMED),
    }
}
