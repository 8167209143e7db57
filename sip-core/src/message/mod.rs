//! SIP messages: bytes in, typed views of what the edge reads, the same bytes out
//! (RFC 3261 sections 7, 19, 20 and 25).
//!
//! A message comes from [`Message::parse`] (a datagram, or a frame that [`crate::framing`] cut),
//! goes to [`crate::transaction`], and leaves through [`Request::to_bytes`] or
//! [`Response::to_bytes`]. Start line and mandatory headers are checked here, once; everything
//! else is parsed by whoever asks for it. Header lines and bodies are never re-serialised.

pub mod build;
pub mod cseq;
pub mod error;
pub mod header_name;
pub mod headers;
pub(crate) mod lexer;
pub mod limits;
pub mod media_type;
pub mod method;
pub mod multipart;
pub mod name_addr;
pub mod params;
pub(crate) mod parse;
pub mod reliability;
pub mod replaces;
mod rsip_vocabulary;
pub mod session_expires;
pub mod status;
pub mod typed;
pub mod uri;
mod uri_compare;
mod uri_escapes;
mod uri_headers;
mod uri_layout;
pub mod via;

use std::fmt;

pub use build::{branch, response_to, token};
pub use cseq::CSeq;
pub use error::{HeaderError, ParseError, ParseErrorKind};
pub use header_name::HeaderName;
pub use headers::{Field, Headers};
pub use limits::Limits;
pub use media_type::MediaType;
pub use method::Method;
pub use name_addr::NameAddr;
pub use params::Params;
pub use reliability::{RAck, RELIABLE};
pub use replaces::{REPLACES, Replaces};
pub use session_expires::{Refresher, SessionExpires, TIMER};
pub use status::StatusCode;
pub use typed::Contacts;
pub use uri::{Scheme, Uri};
pub use via::{MAGIC_COOKIE, Via};

/// A request or a response.
#[derive(Clone, Debug)]
pub enum Message {
    Request(Request),
    Response(Response),
}

/// A request.
#[derive(Clone)]
pub struct Request {
    pub method: Method,
    pub uri: Uri,
    pub headers: Headers,
    pub body: Vec<u8>,
}

/// A response.
#[derive(Clone)]
pub struct Response {
    pub status: StatusCode,
    /// The reason phrase as it came; it may be empty, and need not be UTF-8.
    pub reason: Vec<u8>,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Message {
    /// One complete message within [`Limits::DEFAULT`]: a datagram, or a frame. A body longer than
    /// Content-Length is cut to it, a shorter one is refused (RFC 3261 section 18.3).
    pub fn parse(bytes: &[u8]) -> Result<Message, ParseError> {
        Message::parse_within(bytes, &Limits::DEFAULT)
    }

    /// The same within other limits.
    pub fn parse_within(bytes: &[u8], limits: &Limits) -> Result<Message, ParseError> {
        parse::parse(bytes, limits)
    }

    /// Header lines in order and as they stand, the body as it is; Content-Length is put right, or
    /// added, where it does not say the body's length.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Message::Request(request) => request.to_bytes(),
            Message::Response(response) => response.to_bytes(),
        }
    }

    pub fn headers(&self) -> &Headers {
        match self {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        }
    }

    pub fn body(&self) -> &[u8] {
        match self {
            Message::Request(request) => &request.body,
            Message::Response(response) => &response.body,
        }
    }
}

impl Request {
    /// Without headers and body.
    pub fn new(method: Method, uri: Uri) -> Request {
        Request {
            method,
            uri,
            headers: Headers::new(),
            body: Vec::new(),
        }
    }

    /// See [`Message::to_bytes`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let start = [
            self.method.as_str().as_bytes(),
            b" ",
            self.uri.as_str().as_bytes(),
            b" SIP/2.0\r\n",
        ];
        write(&start, &self.headers, &self.body)
    }
}

impl Response {
    /// See [`Message::to_bytes`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let status = self.status.to_string();
        let start = [b"SIP/2.0 ", status.as_bytes(), b" ", &self.reason, b"\r\n"];
        write(&start, &self.headers, &self.body)
    }

    /// With another reason phrase; a line break in it becomes a space.
    pub fn with_reason(mut self, reason: &str) -> Response {
        self.reason = reason.replace(['\r', '\n'], " ").into_bytes();
        self
    }

    /// With a body and its Content-Type.
    pub fn with_body(mut self, content_type: &str, body: Vec<u8>) -> Response {
        self.headers.set(HeaderName::ContentType, content_type);
        self.body = body;
        self
    }
}

fn write(start_line: &[&[u8]], headers: &Headers, body: &[u8]) -> Vec<u8> {
    let start_len: usize = start_line.iter().map(|piece| piece.len()).sum();
    let mut bytes = Vec::with_capacity(start_len + headers.written_len() + 2 + body.len());
    for piece in start_line {
        bytes.extend_from_slice(piece);
    }
    headers.write(body.len(), &mut bytes);
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

impl From<Request> for Message {
    fn from(request: Request) -> Message {
        Message::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Message {
        Message::Response(response)
    }
}

// Bodies hold SRTP keys: only their length is shown.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("uri", &self.uri)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("reason", &String::from_utf8_lossy(&self.reason))
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}
