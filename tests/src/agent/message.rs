//! The agent's own reading and writing of SIP, apart from the daemon's on purpose: what the
//! daemon sends is judged by code that shares no line with it.

use anyhow::{Context, Result, bail};

/// A SIP message, headers in order; names are compared without case, compact names are expanded.
#[derive(Clone, Debug)]
pub struct SipMessage {
    pub start_line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl SipMessage {
    pub fn new(start_line: impl Into<String>) -> SipMessage {
        SipMessage {
            start_line: start_line.into(),
            headers: Vec::new(),
            body: String::new(),
        }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> SipMessage {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    #[must_use]
    pub fn with_sdp(mut self, sdp: &str) -> SipMessage {
        self.body = sdp.to_owned();
        self.with("Content-Type", "application/sdp")
    }

    /// A complete message; `Content-Length` is believed only for streams, by `complete_length`.
    pub fn parse(bytes: &[u8]) -> Result<SipMessage> {
        let text = std::str::from_utf8(bytes).context("not UTF-8")?;
        let (head, body) = text.split_once("\r\n\r\n").context("no end of headers")?;
        let mut lines = head.split("\r\n");
        let mut message = SipMessage::new(lines.next().unwrap_or_default());
        for line in lines {
            let (name, value) = line
                .split_once(':')
                .with_context(|| format!("not a header: {line}"))?;
            message
                .headers
                .push((expand(name.trim()).to_owned(), value.trim().to_owned()));
        }
        body.clone_into(&mut message.body);
        Ok(message)
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start_line);
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += &format!("Content-Length: {}\r\n\r\n{}", self.body.len(), self.body);
        text.into_bytes()
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub fn require(&self, name: &str) -> Result<&str> {
        self.header(name)
            .with_context(|| format!("no {name} in {}", self.start_line))
    }

    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// `None` for a response.
    pub fn method(&self) -> Option<&str> {
        (!self.start_line.starts_with("SIP/2.0 "))
            .then(|| self.start_line.split(' ').next().unwrap_or_default())
    }

    /// `None` for a request.
    pub fn status(&self) -> Option<u16> {
        self.start_line
            .strip_prefix("SIP/2.0 ")?
            .split(' ')
            .next()?
            .parse()
            .ok()
    }

    /// Number and method of CSeq.
    pub fn cseq(&self) -> Result<(u32, &str)> {
        let (number, method) = self
            .require("CSeq")?
            .split_once(' ')
            .context("CSeq without a method")?;
        Ok((number.parse()?, method.trim()))
    }

    /// A response with the headers that RFC 3261 section 8.2.6.2 copies.
    pub fn response(&self, status: u16, reason: &str, tag: &str) -> SipMessage {
        let mut response = SipMessage::new(format!("SIP/2.0 {status} {reason}"));
        for (name, value) in &self.headers {
            match name.as_str() {
                "Via" | "From" | "Call-ID" | "CSeq" | "Record-Route" => {
                    response = response.with(name, value);
                }
                "To" if value.contains(";tag=") || status == 100 => {
                    response = response.with(name, value);
                }
                "To" => response = response.with(name, format!("{value};tag={tag}")),
                _ => {}
            }
        }
        response
    }
}

/// How long the first message in `stream` is; `None` while it is not complete.
pub(super) fn complete_length(stream: &[u8]) -> Result<Option<usize>> {
    let Some(end) = stream.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&stream[..end])?;
    let length = head
        .split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .find_map(|(name, value)| {
            expand(name.trim())
                .eq_ignore_ascii_case("Content-Length")
                .then(|| value.trim().parse::<usize>())
        });
    let Some(length) = length else {
        bail!("a stream message without Content-Length: {head}")
    };
    let total = end + 4 + length?;
    Ok((stream.len() >= total).then_some(total))
}

fn expand(name: &str) -> &str {
    match name {
        "v" => "Via",
        "f" => "From",
        "t" => "To",
        "i" => "Call-ID",
        "m" => "Contact",
        "l" => "Content-Length",
        "c" => "Content-Type",
        other => other,
    }
}
