//! Bytes to messages (RFC 3261 sections 7 and 18.3).

use super::error::{HeaderError, ParseError, ParseErrorKind};
use super::header_name::HeaderName;
use super::headers::Headers;
use super::lexer::{LogicalLine, logical_line, number};
use super::limits::Limits;
use super::method::Method;
use super::status::StatusCode;
use super::uri::Uri;
use super::{Message, Request, Response};

/// Without the empty lines that may precede a message (RFC 3261 section 7.5).
pub(crate) fn skip_empty_lines(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b"\r\n") {
        bytes = rest;
    }
    bytes
}

pub(super) fn parse(bytes: &[u8], limits: &Limits) -> Result<Message, ParseError> {
    let refused = |kind| ParseError::new(kind, None);
    let (bytes, too_long) = within(bytes, limits);
    let bytes = skip_empty_lines(bytes);
    let line = logical_line(bytes, 0).ok_or(ParseErrorKind::StartLine);
    let start = line.and_then(|line| Ok((line.next, start_line(bytes, line, limits)?)));
    let (headers_start, (start, fault)) =
        start.map_err(|kind| refused(too_long.unwrap_or(kind)))?;
    let lines = header_lines(bytes, headers_start, limits);
    let headers = &lines.headers;
    let checked = match too_long.or(fault).or(lines.fault) {
        Some(fault) => Err(fault),
        None => check(&start, headers, limits)
            .and_then(|()| body(headers, bytes, lines.end, limits).map(<[u8]>::to_vec)),
    };
    match (start, checked) {
        (StartLine::Request(method, uri), Ok(body)) => Ok(Message::Request(Request {
            method,
            uri,
            headers: lines.headers,
            body,
        })),
        (StartLine::Status(status, reason), Ok(body)) => Ok(Message::Response(Response {
            status,
            reason,
            headers: lines.headers,
            body,
        })),
        (StartLine::Request(method, uri), Err(kind)) => {
            let body = Vec::new();
            let headers = lines.headers;
            let request = Request {
                method,
                uri,
                headers,
                body,
            };
            Err(ParseError::new(kind, Some(request)))
        }
        (StartLine::Status(..), Err(kind)) => Err(refused(kind)),
    }
}

/// As much of what came as is looked at: the head of a message that is too long tells whom to
/// answer.
fn within<'a>(bytes: &'a [u8], limits: &Limits) -> (&'a [u8], Option<ParseErrorKind>) {
    let limit = limits.message_bytes;
    if bytes.len() <= limit {
        return (bytes, None);
    }
    (
        &bytes[..limit],
        Some(ParseErrorKind::MessageTooLong { limit }),
    )
}

enum StartLine {
    Request(Method, Uri),
    Status(StatusCode, Vec<u8>),
}

/// The start line, with the fault of a request line that can still be answered.
fn start_line(
    bytes: &[u8],
    line: LogicalLine,
    limits: &Limits,
) -> Result<(StartLine, Option<ParseErrorKind>), ParseErrorKind> {
    let text = &bytes[..line.end];
    let limit = limits.header_bytes;
    let is_too_long = text.len() > limit;
    if text.len() >= 4 && text[..4].eq_ignore_ascii_case(b"SIP/") {
        if is_too_long {
            return Err(ParseErrorKind::HeaderTooLong { limit });
        }
        return status_line(text, line.bare_break).map(|status| (status, None));
    }
    let space = text.iter().position(|&byte| byte == b' ');
    let space = space.ok_or(ParseErrorKind::StartLine)?;
    let method = Method::from_bytes(&text[..space]).ok_or(ParseErrorKind::StartLine)?;
    if is_too_long {
        let uri = Uri::unparsed(b"");
        let fault = ParseErrorKind::UriTooLong { limit };
        return Ok((StartLine::Request(method, uri), Some(fault)));
    }
    let rest = &text[space + 1..];
    let last_space = rest.iter().rposition(|&byte| byte == b' ');
    let (uri, version) = match last_space {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => return Err(ParseErrorKind::StartLine),
    };
    let is_sip = version.len() >= 4 && version[..4].eq_ignore_ascii_case(b"SIP/");
    let fault = if line.bare_break {
        Some(ParseErrorKind::BareLineBreak)
    } else if !is_sip {
        Some(ParseErrorKind::StartLine)
    } else if &version[4..] != b"2.0" {
        Some(ParseErrorKind::Version)
    } else {
        None
    };
    // Headers may not stand in a Request-URI (RFC 3261 section 19.1.1, table 1).
    let parsed = Uri::parse(uri).filter(|uri| uri.headers().is_none());
    Ok(match (parsed, fault) {
        (Some(uri), fault) => (StartLine::Request(method, uri), fault),
        (None, fault) => {
            let fault = fault.unwrap_or(ParseErrorKind::RequestUri);
            (StartLine::Request(method, Uri::unparsed(uri)), Some(fault))
        }
    })
}

/// `SIP/2.0 200 OK`; the reason may be empty, and so may the space before it.
fn status_line(text: &[u8], bare_break: bool) -> Result<StartLine, ParseErrorKind> {
    if bare_break {
        return Err(ParseErrorKind::BareLineBreak);
    }
    let mut parts = text.splitn(3, |&byte| byte == b' ');
    if !parts
        .next()
        .is_some_and(|version| version.eq_ignore_ascii_case(b"SIP/2.0"))
    {
        return Err(ParseErrorKind::Version);
    }
    let code = parts.next().unwrap_or_default();
    let status = number(code)
        .filter(|_| code.len() == 3)
        .and_then(|code| StatusCode::new(u16::try_from(code).ok()?))
        .ok_or(ParseErrorKind::StatusCode)?;
    let reason = parts.next().unwrap_or_default();
    // A continuation line would leave as one, after our own start line.
    if reason.contains(&b'\n') {
        return Err(ParseErrorKind::StartLine);
    }
    Ok(StartLine::Status(status, reason.to_vec()))
}

struct HeaderLines {
    headers: Headers,
    /// The first fault; lines after it are read on, for the answer.
    fault: Option<ParseErrorKind>,
    /// Where the body starts.
    end: usize,
}

/// Room for what is added to most messages on their way: where they came from, a Via of ours.
const FOR_EDITS: usize = 192;

/// The header lines from `start` on.
fn header_lines(bytes: &[u8], start: usize, limits: &Limits) -> HeaderLines {
    let mut headers = Headers::with_capacity(bytes.len() - start + FOR_EDITS, 24);
    let mut fault = None;
    let mut at = start;
    loop {
        if bytes[at..].starts_with(b"\r\n") {
            at += 2;
            break;
        }
        let Some(line) = logical_line(bytes, at) else {
            fault = fault.or(Some(ParseErrorKind::NoEmptyLine));
            at = bytes.len();
            break;
        };
        let line_fault = if headers.len() >= limits.headers {
            let limit = limits.headers;
            Some(ParseErrorKind::TooManyHeaders { limit })
        } else if line.end - at > limits.header_bytes {
            let limit = limits.header_bytes;
            Some(ParseErrorKind::HeaderTooLong { limit })
        } else if line.bare_break {
            Some(ParseErrorKind::BareLineBreak)
        } else if !headers.push_line(&bytes[at..line.end]) {
            Some(ParseErrorKind::HeaderLine)
        } else {
            None
        };
        fault = fault.or(line_fault);
        at = line.next;
    }
    HeaderLines {
        headers,
        fault,
        end: at,
    }
}

/// What every message must have, and have once (RFC 3261 sections 8.1.1 and 20).
fn check(start: &StartLine, headers: &Headers, limits: &Limits) -> Result<(), ParseErrorKind> {
    single_headers(headers)?;
    let mut vias = 0;
    for element in headers.list(HeaderName::Via) {
        vias += 1;
        if vias > limits.vias {
            let limit = limits.vias;
            return Err(ParseErrorKind::TooManyVias { limit });
        }
        super::via::Via::parse(element).ok_or(HeaderError::Malformed(HeaderName::Via))?;
    }
    if vias == 0 {
        return Err(HeaderError::Missing(HeaderName::Via).into());
    }
    headers.from_tag()?;
    headers.to_tag()?;
    headers.call_id()?;
    let cseq = headers.cseq()?;
    if let StartLine::Request(method, _) = start {
        if cseq.method != *method {
            return Err(ParseErrorKind::CSeqMethod);
        }
        headers.max_forwards()?;
    }
    Ok(())
}

/// Two From or two Call-ID leave open whom a peer listens to. A repeated Content-Length that says
/// the same is harmless ([`content_length`]).
fn single_headers(headers: &Headers) -> Result<(), ParseErrorKind> {
    let mut seen = 0_u128;
    for name in headers.iter().filter_map(|field| field.name) {
        let bit = 1_u128 << (name as u32);
        if name.is_single() && seen & bit != 0 {
            return Err(ParseErrorKind::Duplicate(name));
        }
        seen |= bit;
    }
    Ok(())
}

/// What Content-Length says, `None` without it; an error if it is not a number or two differ.
pub(crate) fn content_length(headers: &Headers) -> Result<Option<usize>, ParseErrorKind> {
    let mut length = None;
    for value in headers.values(HeaderName::ContentLength) {
        let stated = number(value).ok_or(HeaderError::Malformed(HeaderName::ContentLength))?;
        match length {
            Some(other) if other != stated as usize => {
                return Err(ParseErrorKind::Duplicate(HeaderName::ContentLength));
            }
            _ => length = Some(stated as usize),
        }
    }
    Ok(length)
}

/// The body, which starts at `start`: as long as Content-Length says, the rest of a datagram is
/// discarded; all of it without one (RFC 3261 section 18.3). A stream gives only the head of a
/// message that would become too long ([`crate::framing`]).
fn body<'a>(
    headers: &Headers,
    bytes: &'a [u8],
    start: usize,
    limits: &Limits,
) -> Result<&'a [u8], ParseErrorKind> {
    let rest = &bytes[start..];
    let Some(length) = content_length(headers)? else {
        return Ok(rest);
    };
    let limit = limits.message_bytes;
    if length > limit.saturating_sub(start) {
        return Err(ParseErrorKind::MessageTooLong { limit });
    }
    rest.get(..length).ok_or(ParseErrorKind::BodyTooShort)
}
