//! Status codes (RFC 3261 section 7.2).

use std::borrow::Cow;
use std::fmt;

use super::rsip_vocabulary::reason_phrase;

/// A status code, 100 to 699.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(u16);

macro_rules! status_codes {
    ($($name:ident = $code:literal,)*) => {
        impl StatusCode {
            $(pub const $name: StatusCode = StatusCode($code);)*
        }
    };
}

status_codes! {
    TRYING = 100,
    RINGING = 180,
    SESSION_PROGRESS = 183,
    OK = 200,
    ACCEPTED = 202,
    MOVED_TEMPORARILY = 302,
    BAD_REQUEST = 400,
    UNAUTHORIZED = 401,
    FORBIDDEN = 403,
    NOT_FOUND = 404,
    METHOD_NOT_ALLOWED = 405,
    NOT_ACCEPTABLE = 406,
    PROXY_AUTHENTICATION_REQUIRED = 407,
    REQUEST_TIMEOUT = 408,
    REQUEST_ENTITY_TOO_LARGE = 413,
    REQUEST_URI_TOO_LONG = 414,
    UNSUPPORTED_MEDIA_TYPE = 415,
    UNSUPPORTED_URI_SCHEME = 416,
    BAD_EXTENSION = 420,
    INTERVAL_TOO_BRIEF = 423,
    INTERVAL_TOO_SMALL = 422,
    TEMPORARILY_UNAVAILABLE = 480,
    CALL_DOES_NOT_EXIST = 481,
    LOOP_DETECTED = 482,
    TOO_MANY_HOPS = 483,
    BUSY_HERE = 486,
    REQUEST_TERMINATED = 487,
    NOT_ACCEPTABLE_HERE = 488,
    REQUEST_PENDING = 491,
    SERVER_INTERNAL_ERROR = 500,
    NOT_IMPLEMENTED = 501,
    SERVICE_UNAVAILABLE = 503,
    SERVER_TIME_OUT = 504,
    VERSION_NOT_SUPPORTED = 505,
    MESSAGE_TOO_LARGE = 513,
    DECLINE = 603,
}

impl StatusCode {
    /// `None` outside 100 to 699.
    pub const fn new(code: u16) -> Option<StatusCode> {
        match code {
            100..=699 => Some(StatusCode(code)),
            _ => None,
        }
    }

    pub const fn code(self) -> u16 {
        self.0
    }

    /// 1xx
    pub const fn is_provisional(self) -> bool {
        self.0 < 200
    }

    /// 2xx to 6xx
    pub const fn is_final(self) -> bool {
        self.0 >= 200
    }

    /// 2xx
    pub const fn is_success(self) -> bool {
        self.0 >= 200 && self.0 < 300
    }

    /// 3xx
    pub const fn is_redirection(self) -> bool {
        self.0 >= 300 && self.0 < 400
    }

    /// The usual reason phrase.
    pub fn reason(self) -> Cow<'static, str> {
        match self {
            StatusCode::TRYING => "Trying".into(),
            StatusCode::OK => "OK".into(),
            StatusCode::ACCEPTED => "Accepted".into(),
            StatusCode(code) => reason_phrase(code).into(),
        }
    }
}

impl TryFrom<u16> for StatusCode {
    type Error = u16;

    /// Gives the number back if it is not a status code.
    fn try_from(code: u16) -> Result<StatusCode, u16> {
        StatusCode::new(code).ok_or(code)
    }
}

impl PartialEq<u16> for StatusCode {
    fn eq(&self, code: &u16) -> bool {
        self.0 == *code
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
