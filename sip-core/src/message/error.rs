//! What can be wrong with a message.

use super::header_name::HeaderName;
use super::status::StatusCode;
use super::{Method, Request};

/// A header that a typed view could not give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("{0} is missing")]
    Missing(HeaderName),
    #[error("{0} is malformed")]
    Malformed(HeaderName),
}

impl HeaderError {
    pub fn header(self) -> HeaderName {
        match self {
            HeaderError::Missing(name) | HeaderError::Malformed(name) => name,
        }
    }
}

/// Why bytes are not a SIP message that we go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseErrorKind {
    /// It is, or its Content-Length says that it would be.
    #[error("message longer than {limit} bytes")]
    MessageTooLong { limit: usize },
    #[error("more than {limit} header lines")]
    TooManyHeaders { limit: usize },
    #[error("header longer than {limit} bytes")]
    HeaderTooLong { limit: usize },
    #[error("Request-URI longer than {limit} bytes")]
    UriTooLong { limit: usize },
    #[error("more than {limit} Via")]
    TooManyVias { limit: usize },
    /// Neither a request line nor a status line (RFC 3261 sections 7.1, 7.2).
    #[error("no request line or status line")]
    StartLine,
    #[error("Request-URI is malformed")]
    RequestUri,
    /// A SIP version other than 2.0.
    #[error("SIP version is not 2.0")]
    Version,
    #[error("status code is not 100 to 699")]
    StatusCode,
    /// CR or LF alone: some peers would take it for the end of a line.
    #[error("CR or LF alone in a header")]
    BareLineBreak,
    #[error("header line without name and colon")]
    HeaderLine,
    #[error("no empty line after the headers")]
    NoEmptyLine,
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("{0} stands twice")]
    Duplicate(HeaderName),
    #[error("CSeq names another method than the request line")]
    CSeqMethod,
    /// RFC 3261 section 18.3.
    #[error("body is shorter than Content-Length")]
    BodyTooShort,
}

/// A message that was refused, with what is needed to say so to its sender.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{kind}")]
pub struct ParseError {
    pub kind: ParseErrorKind,
    /// The request, as far as it could be read, if it can be answered: it has a Via to answer to,
    /// From, To, Call-ID and CSeq, and is not an ACK. Only for building that answer
    /// ([`super::response_to`]): any of its headers may be malformed, and its body is empty.
    pub answerable: Option<Box<Request>>,
}

impl ParseError {
    /// The status to answer with: 400 but for 414 (RFC 3261 section 21.4.12), 505 (21.5.6) and 513
    /// (21.5.7).
    pub fn status(&self) -> StatusCode {
        match self.kind {
            ParseErrorKind::Version => StatusCode::VERSION_NOT_SUPPORTED,
            ParseErrorKind::MessageTooLong { .. } => StatusCode::MESSAGE_TOO_LARGE,
            ParseErrorKind::UriTooLong { .. } => StatusCode::REQUEST_URI_TOO_LONG,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    pub(super) fn new(kind: ParseErrorKind, request: Option<Request>) -> ParseError {
        let answerable = request.filter(can_be_answered).map(Box::new);
        ParseError { kind, answerable }
    }
}

/// RFC 3261 section 8.2.6.2 names what a response takes from its request; section 17.1.1.3: an ACK
/// is never answered.
fn can_be_answered(request: &Request) -> bool {
    let headers = &request.headers;
    let copied = [
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
        HeaderName::CSeq,
    ];
    request.method != Method::Ack
        && headers.top_via().is_ok()
        && copied.iter().all(|&name| headers.contains(name))
}
