//! Turns one leg's description into the other's, touching only what must change.
//!
//! `o=` is the [leg's](super::leg). Everything that is not named here leaves as it came.

use std::net::IpAddr;

use zeroize::Zeroizing;

use super::codec::describes;
use super::document::{Block, Document, Line};
use super::fields::{Direction, MediaLine, network_address};

/// Attributes that belong to one leg alone and never cross: a peer's addresses, its keys, and
/// the transports that only it and we could run.
const LEG_ATTRIBUTES: &[&str] = &[
    // Keys: RFC 4568, RFC 4567, RFC 6189.
    "crypto",
    "key-mgmt",
    "zrtp-hash",
    // ICE: RFC 8839, and its forerunner `alt`.
    "candidate",
    "end-of-candidates",
    "remote-candidates",
    "ice-lite",
    "ice-mismatch",
    "ice-options",
    "ice-pacing",
    "ice-pwd",
    "ice-ufrag",
    "alt",
    // DTLS and connection set-up: RFC 8122, RFC 8842, RFC 4145, RFC 8827.
    "fingerprint",
    "setup",
    "connection",
    "tls-id",
    "identity",
    // Addresses: RFC 3605, RFC 4570, RFC 6947, RFC 4975, RFC 6849.
    "rtcp",
    "source-filter",
    "altc",
    "path",
    // Sharing a transport between m-lines: RFC 8843, RFC 8858.
    "bundle-only",
    "rtcp-mux-only",
    // Capability negotiation: it could carry keys, and promise what we do not relay (RFC 5939).
    "acap",
    "tcap",
    "pcfg",
    "acfg",
    "csup",
    "creq",
];

/// What becomes of an m-line.
pub(super) enum MediaEdit {
    /// This m-line, with port 0 (RFC 3264 sections 5.1 and 6).
    Disable(MediaLine),
    Relay(RelayEdit),
}

/// The new values of an m-line that is relayed.
pub(super) struct RelayEdit {
    /// The whole m-line: our port, our transport, the formats that stay.
    pub(super) line: MediaLine,
    /// Our address.
    pub(super) address: IpAddr,
    /// The direction, if it is not the one written.
    pub(super) direction: Option<Direction>,
    /// Whether `a=rtcp-mux` stays.
    pub(super) rtcp_mux: bool,
    /// Our `a=crypto`.
    pub(super) crypto: Vec<Zeroizing<String>>,
}

/// Applies one edit per m-line, in order; `address` is that of the session-level `c=`.
///
/// M-lines that are missing are added, disabled; m-lines beyond the edits are cut off: the count
/// of an answer is the offer's (RFC 3264 section 6).
pub(super) fn rewrite(document: &mut Document, address: IpAddr, edits: &[MediaEdit]) {
    document.media.truncate(edits.len());
    document.session.replace(b'c', &network_address(address));
    document.session.lines.retain(crosses);
    for (index, edit) in edits.iter().enumerate() {
        match edit {
            MediaEdit::Disable(line) => disable(document, index, line, address),
            MediaEdit::Relay(edit) => relay(document, index, edit, address),
        }
    }
}

fn disable(document: &mut Document, index: usize, line: &MediaLine, address: IpAddr) {
    let value = MediaLine {
        port: 0,
        ..line.clone()
    }
    .to_value();
    match document.media.get_mut(index) {
        Some(block) => {
            block.replace(b'm', &value);
            block.replace(b'c', &network_address(address));
            block.lines.retain(crosses);
        }
        None => {
            let block = Block::of_media_line(value, document);
            document.media.push(block);
        }
    }
}

fn relay(document: &mut Document, index: usize, edit: &RelayEdit, session_address: IpAddr) {
    let session_connection = document.session.value(b'c').is_some();
    let Some(block) = document.media.get_mut(index) else {
        return;
    };
    let dropped: Vec<String> = match MediaLine::of(block) {
        Ok(was) => was
            .formats
            .into_iter()
            .filter(|format| !edit.line.formats.contains(format))
            .collect(),
        Err(_) => Vec::new(),
    };
    block.replace(b'm', &edit.line.to_value());
    block.replace(b'c', &network_address(edit.address));
    if block.value(b'c').is_none() && (!session_connection || edit.address != session_address) {
        block.insert_connection(network_address(edit.address));
    }
    block
        .lines
        .retain(|line| crosses(line) && !describes(line, &dropped));
    if !edit.rtcp_mux {
        block
            .lines
            .retain(|line| !line.attribute_name().eq_ignore_ascii_case("rtcp-mux"));
    }
    if let Some(direction) = edit.direction {
        block
            .lines
            .retain(|line| Direction::from_name(line.attribute_name()).is_none());
        block.push_attribute(direction.name());
    }
    for attribute in &edit.crypto {
        block.push_attribute(attribute);
    }
}

/// Whether a line means the same on the other leg.
fn crosses(line: &Line) -> bool {
    let name = line.attribute_name();
    let bundle = || {
        let semantics = line
            .attribute_value()
            .and_then(|value| value.split_ascii_whitespace().next());
        name.eq_ignore_ascii_case("group")
            && semantics.is_some_and(|word| word.eq_ignore_ascii_case("BUNDLE"))
    };
    // `k=` is the key line that RFC 8866 section 5.12 retired.
    line.kind != b'k'
        && !LEG_ATTRIBUTES
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
        && !bundle()
}
