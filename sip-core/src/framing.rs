//! Messages out of a stream (RFC 3261 section 18.3), and the keep-alives between them
//! (RFC 5626 section 4.4.1).

use std::fmt;

use crate::message::lexer::{is_token_byte, logical_line, number, split_header};
use crate::message::{HeaderName, Limits};

/// What a stream holds, in order.
#[derive(Clone, PartialEq, Eq)]
pub enum StreamItem {
    /// One whole message, for [`crate::message::Message::parse_within`]; or the head of one that
    /// would be longer than the limit, so that it can be refused (513). Then
    /// [`FramingError::TooLong`] follows.
    Message(Vec<u8>),
    /// CRLF CRLF between messages: to be answered with one CRLF (RFC 5626 section 4.4.1). A single
    /// CRLF, the answer to a ping or an empty line before a message, is passed over.
    Ping,
}

/// The stream has no message boundaries any more: close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    #[error("what came is not SIP")]
    NotSip,
    #[error("message longer than {limit} bytes")]
    TooLong { limit: usize },
    /// RFC 3261 section 18.3: on a stream it must be there.
    #[error("message without Content-Length")]
    NoContentLength,
    /// Not a number, or two that differ.
    #[error("Content-Length does not say a length")]
    BadContentLength,
}

/// Cuts a byte stream into messages. Bytes go in as they come, split and merged anywhere.
pub struct StreamFramer {
    max_message_bytes: usize,
    buffer: Vec<u8>,
    /// Where the message that is being received starts in `buffer`.
    start: usize,
    /// How many of its bytes are known not to hold the end of its headers.
    scanned: usize,
    /// Its length once the headers are complete.
    length: Option<usize>,
    /// Whether its first line has been looked at.
    is_sip: bool,
    failed: Option<FramingError>,
}

// Bodies hold SRTP keys: only lengths are shown.
impl fmt::Debug for StreamItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StreamItem::Message(bytes) => write!(f, "Message({} bytes)", bytes.len()),
            StreamItem::Ping => f.write_str("Ping"),
        }
    }
}

impl fmt::Debug for StreamFramer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamFramer")
            .field("buffered", &(self.buffer.len() - self.start))
            .field("length", &self.length)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl Default for StreamFramer {
    fn default() -> StreamFramer {
        StreamFramer::new(Limits::DEFAULT.message_bytes)
    }
}

const END_OF_HEADERS: &[u8] = b"\r\n\r\n";

impl StreamFramer {
    /// `max_message_bytes` counts start line, headers and body. The other limits are the parser's: a
    /// message that exceeds them can still be told from the next, and be answered.
    pub fn new(max_message_bytes: usize) -> StreamFramer {
        StreamFramer {
            max_message_bytes,
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            length: None,
            is_sip: false,
            failed: None,
        }
    }

    /// Takes bytes as they were read. Call [`StreamFramer::next`] until it gives `None` before the
    /// next call: what is pushed is kept until then.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.buffer.drain(..self.start);
            self.start = 0;
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Whether part of a message has come, so that the rest should follow soon. Empty lines are no
    /// part of one: some peers keep a connection alive with a single CRLF.
    pub fn is_mid_message(&self) -> bool {
        let pending = &self.buffer[self.start..];
        pending.iter().any(|byte| !matches!(byte, b'\r' | b'\n'))
    }

    /// The next item; `None` until more bytes come. After an error every call gives it again.
    #[expect(clippy::should_implement_trait, reason = "more may come after None")]
    pub fn next(&mut self) -> Result<Option<StreamItem>, FramingError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let item = self.advance();
        if let Err(error) = item {
            self.fail(error);
        }
        item
    }

    fn fail(&mut self, error: FramingError) {
        self.failed = Some(error);
        self.buffer = Vec::new();
        self.start = 0;
    }

    fn advance(&mut self) -> Result<Option<StreamItem>, FramingError> {
        loop {
            match self.buffer[self.start..] {
                [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return Ok(None),
                [b'\r', b'\n', b'\r', b'\n', ..] => {
                    self.start += 4;
                    return Ok(Some(StreamItem::Ping));
                }
                [b'\r', b'\n', b'\r', _, ..] => return Err(FramingError::NotSip),
                [b'\r', b'\n', ..] => self.start += 2,
                _ => break,
            }
        }
        let length = match self.message_length()? {
            None => return Ok(None),
            Some(Extent::Within(length)) => length,
            Some(Extent::TooLong { head }) => {
                let head = self.buffer[self.start..self.start + head].to_vec();
                let limit = self.max_message_bytes;
                self.fail(FramingError::TooLong { limit });
                return Ok(Some(StreamItem::Message(head)));
            }
        };
        let Some(message) = self.buffer[self.start..].get(..length) else {
            return Ok(None);
        };
        let message = message.to_vec();
        self.start += length;
        self.scanned = 0;
        self.length = None;
        self.is_sip = false;
        Ok(Some(StreamItem::Message(message)))
    }

    /// The length of the message at `start`, once its headers are there. What has come together
    /// gives the same as if it had come byte by byte.
    fn message_length(&mut self) -> Result<Option<Extent>, FramingError> {
        if let Some(length) = self.length {
            return Ok(Some(Extent::Within(length)));
        }
        let limit = self.max_message_bytes;
        let pending = &self.buffer[self.start..];
        if !self.is_sip {
            let within = &pending[..pending.len().min(limit)];
            self.is_sip = first_line_is_sip(within, self.scanned)?;
        }
        let found = pending[self.scanned..]
            .windows(END_OF_HEADERS.len())
            .position(|window| window == END_OF_HEADERS);
        let Some(at) = found else {
            if pending.len() > limit {
                return Err(FramingError::TooLong { limit });
            }
            self.scanned = pending.len().saturating_sub(END_OF_HEADERS.len() - 1);
            return Ok(None);
        };
        let head = self.scanned + at + END_OF_HEADERS.len();
        if head > limit {
            return Err(FramingError::TooLong { limit });
        }
        let body = body_length(&pending[..head])?;
        let length = head.checked_add(body).filter(|&length| length <= limit);
        self.length = length;
        Ok(Some(match length {
            Some(length) => Extent::Within(length),
            None => Extent::TooLong { head },
        }))
    }
}

/// How far the message goes whose headers are there.
enum Extent {
    Within(usize),
    /// Beyond the limit; its headers end at `head`.
    TooLong {
        head: usize,
    },
}

/// Whether the first line has come and is one of SIP, whatever its version; an error as soon as it
/// cannot be one any more. `scanned` bytes are known not to hold its end.
fn first_line_is_sip(pending: &[u8], scanned: usize) -> Result<bool, FramingError> {
    if !pending.first().is_some_and(|&first| is_token_byte(first)) {
        return Err(FramingError::NotSip);
    }
    let Some(end) = pending[scanned..].iter().position(|&byte| byte == b'\n') else {
        return Ok(false);
    };
    let line = pending[..scanned + end].trim_ascii_end();
    let last_word = line.rsplit(|&byte| byte == b' ').next().unwrap_or(line);
    let names_sip = |text: &[u8]| text.len() > 4 && text[..4].eq_ignore_ascii_case(b"SIP/");
    if names_sip(line) || names_sip(last_word) {
        Ok(true)
    } else {
        Err(FramingError::NotSip)
    }
}

/// What Content-Length says in a complete head.
fn body_length(head: &[u8]) -> Result<usize, FramingError> {
    let mut length = None;
    let mut at = 0;
    while let Some(line) = logical_line(head, at) {
        let text = &head[at..line.end];
        at = line.next;
        let Some((name, value)) = split_header(text) else {
            continue;
        };
        if HeaderName::from_bytes(&text[name]) != Some(HeaderName::ContentLength) {
            continue;
        }
        let stated = number(&text[value]).ok_or(FramingError::BadContentLength)?;
        if length.is_some_and(|length| length != stated) {
            return Err(FramingError::BadContentLength);
        }
        length = Some(stated);
    }
    let length = length.ok_or(FramingError::NoContentLength)?;
    usize::try_from(length).map_err(|_| FramingError::BadContentLength)
}
