//! What a peer's m-line says, in the media plane's terms.

use std::net::SocketAddr;

use media_core::session::RemoteMedia;

use super::codec::Formats;
use super::document::Block;
use super::fax;
use super::fields::{Connection, Direction, MediaLine, Origin, Profile, rtcp_attribute};
use super::policy::LegPolicy;
use crate::refusal::Refusal;

/// An m-line in use, audio or fax, that its trunk allows.
#[derive(Clone, Debug)]
pub(super) struct PeerStream {
    pub(super) profile: Profile,
    /// Of the description that the stream stands in.
    pub(super) sdp_version: u64,
    /// Where the peer receives; `None` while it holds the call by address (RFC 3264 section 8.4).
    pub(super) remote: Option<RemoteMedia>,
    /// As the attribute says.
    pub(super) written: Direction,
    /// The same, but a hold by address is a stream that the peer does not receive.
    pub(super) direction: Direction,
    /// RTCP on the RTP port (RFC 5761).
    pub(super) rtcp_mux: bool,
    /// `a=ptime`: milliseconds of speech in a packet (RFC 8866 section 6.4).
    pub(super) ptime_ms: Option<u32>,
    pub(super) formats: Formats,
}

impl PeerStream {
    /// `own` is the leg that the description came from, `far` the other one.
    ///
    /// # Errors
    /// The reason why the stream cannot be used; [`Refusal::MALFORMED`] for a description that
    /// cannot be read at all.
    pub(super) fn read(
        line: &MediaLine,
        block: &Block,
        session: &Block,
        own: &LegPolicy,
        far: &LegPolicy,
    ) -> Result<PeerStream, Refusal> {
        let profile = read_profile(line, own, far)?;
        let is_raw = profile == Profile::Udptl;
        let connection = block
            .value(b'c')
            .or_else(|| session.value(b'c'))
            .ok_or(Refusal::MALFORMED)?;
        let rtcp_mux = !is_raw && block.has_attribute("rtcp-mux");
        let remote = match Connection::parse(connection)? {
            Connection::Address(address) => {
                let rtp = SocketAddr::new(address, line.port);
                let rtcp = if is_raw {
                    rtp
                } else {
                    read_rtcp(rtp, block, rtcp_mux)?
                };
                Some(RemoteMedia { rtp, rtcp })
            }
            Connection::Unspecified => None,
        };
        let written = Direction::of(block, session);
        let direction = Direction {
            receive: written.receive && remote.is_some(),
            ..written
        };
        let is_video = line.media.eq_ignore_ascii_case(VIDEO);
        let formats = if is_raw {
            fax::formats(line)
        } else {
            Formats::of(line, block, [own, far], is_video)?
        };
        Ok(PeerStream {
            profile,
            sdp_version: sdp_version(session),
            remote,
            written,
            direction,
            rtcp_mux,
            ptime_ms: if is_video {
                Some(VIDEO_PTIME_MS)
            } else {
                ptime_ms(block)
            },
            formats,
        })
    }

    /// Where the peer receives, once it is settled whether RTCP shares the RTP port.
    pub(super) fn remote(&self, rtcp_mux: bool) -> Option<RemoteMedia> {
        self.remote.map(|remote| {
            if rtcp_mux {
                RemoteMedia {
                    rtcp: remote.rtp,
                    ..remote
                }
            } else {
                remote
            }
        })
    }
}

/// The media type of RFC 8866 section 8.2.1 that is relayed besides audio.
const VIDEO: &str = "video";
/// The packets of a picture come all at once: the ceiling of a flow (MED-5) is as if each took a
/// millisecond.
const VIDEO_PTIME_MS: u32 = 1;

/// SEC-2: a secure leg takes nothing weaker. On a plain leg SRTP is refused too: whoever asks for
/// it must not be left believing that the call is secure.
fn read_profile(line: &MediaLine, own: &LegPolicy, far: &LegPolicy) -> Result<Profile, Refusal> {
    if fax::is_image(line) {
        return fax::profile(line, [own, far]);
    }
    let is_allowed = match &line.media {
        media if media.eq_ignore_ascii_case("audio") => true,
        media if media.eq_ignore_ascii_case(VIDEO) => own.video && far.video,
        _ => false,
    };
    if !is_allowed {
        return Err(Refusal::NO_COMMON_CODEC);
    }
    match Profile::rtp(&line.transport) {
        Some(profile) if profile.is_secure() == own.secure => Ok(profile),
        Some(profile) if profile.is_secure() => Err(Refusal::SRTP_UNUSABLE),
        Some(_) => Err(Refusal::SRTP_REQUIRED),
        // DTLS-SRTP (RFC 5764): SRTP, but not with keys of ours.
        None if line.transport.to_ascii_uppercase().contains("TLS") => Err(Refusal::SRTP_UNUSABLE),
        None => Err(Refusal::NO_COMMON_CODEC),
    }
}

/// Fractions, which some write, are rounded down; nonsense is nothing.
fn ptime_ms(block: &Block) -> Option<u32> {
    let value = block.attributes("ptime").next()?;
    let whole = value.trim().split('.').next()?;
    whole.parse().ok().filter(|ms| *ms > 0)
}

/// By its `o=`. What cannot be read is refused where the description is sent on.
fn sdp_version(session: &Block) -> u64 {
    let origin = session
        .value(b'o')
        .and_then(|value| Origin::parse(value).ok());
    origin.map_or(0, |origin| origin.version)
}

/// Where RTCP goes: as `a=rtcp` says (RFC 3605), else the next port (RFC 3550 section 11).
fn read_rtcp(rtp: SocketAddr, block: &Block, rtcp_mux: bool) -> Result<SocketAddr, Refusal> {
    let Some(attribute) = block.attributes("rtcp").next() else {
        return match rtp.port().checked_add(1) {
            Some(port) => Ok(SocketAddr::new(rtp.ip(), port)),
            None if rtcp_mux => Ok(rtp),
            None => Err(Refusal::MALFORMED),
        };
    };
    match rtcp_attribute(attribute)? {
        (port, Some(Connection::Address(address))) if address.is_ipv6() == rtp.is_ipv6() => {
            Ok(SocketAddr::new(address, port))
        }
        (_, Some(Connection::Address(_))) => Err(Refusal::UNUSABLE_ADDRESS),
        (port, _) => Ok(SocketAddr::new(rtp.ip(), port)),
    }
}
