//! The headers of a message: ordered, raw, one buffer.
//!
//! Parsing finds the lines and classifies their names once; values stay the bytes that came until
//! somebody asks for a typed view ([`super::typed`]). Nothing is re-serialised: an untouched line
//! leaves as it came, with its spelling, spacing and folding.

use std::borrow::Cow;
use std::fmt;

use super::header_name::HeaderName;
use super::lexer::{Elements, Span, is_token, split_header};
use super::name_addr::NameAddr;
use super::via::Via;

/// What the headers of most messages that we write fit in.
const USUAL_BYTES: usize = 768;
const USUAL_LINES: usize = 16;

/// The headers of one message, in order.
#[derive(Clone, Default)]
pub struct Headers {
    /// The lines' bytes, without the CRLF that ends each. Edits append; lines that are gone leave
    /// a hole, which ends with the message.
    text: Vec<u8>,
    lines: Vec<Line>,
}

#[derive(Clone, Copy)]
struct Line {
    name: Option<HeaderName>,
    whole: Span,
    raw_name: Span,
    value: Span,
}

/// One header line.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// `None` for a header that [`HeaderName`] does not list.
    pub name: Option<HeaderName>,
    /// As spelled.
    pub raw_name: &'a [u8],
    /// Without the white space around it; folding within is kept.
    pub value: &'a [u8],
    line: &'a [u8],
}

impl Field<'_> {
    /// Whether the header is called `name`, in any case; for headers that [`HeaderName`] does not list.
    pub fn is_named(&self, name: &str) -> bool {
        self.raw_name.eq_ignore_ascii_case(name.as_bytes())
    }
}

impl Headers {
    pub fn new() -> Headers {
        Headers::default()
    }

    /// Every line, in order.
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        self.lines.iter().map(|line| Field {
            name: line.name,
            raw_name: line.raw_name.of_bytes(&self.text),
            value: line.value.of_bytes(&self.text),
            line: line.whole.of_bytes(&self.text),
        })
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub fn contains(&self, name: HeaderName) -> bool {
        self.lines.iter().any(|line| line.name == Some(name))
    }

    /// The value of the first line of that name, without the white space around it.
    pub fn value(&self, name: HeaderName) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The values of every line of that name.
    pub fn values(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        self.lines
            .iter()
            .filter(move |line| line.name == Some(name))
            .map(|line| line.value.of_bytes(&self.text))
    }

    /// The values of every line called `name` in any case, for headers that [`HeaderName`] does
    /// not list.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |field| field.is_named(name))
            .map(|field| field.value)
    }

    /// The comma-separated elements of every line of that name, in order, trimmed. Commas in
    /// quoted strings and angle brackets do not separate. For headers whose grammar is a list.
    pub fn list(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        self.values(name).flat_map(Elements::of)
    }

    /// Appends a line. A CR or LF in `value` that is not folding becomes a space.
    pub fn push(&mut self, name: HeaderName, value: impl Into<Vec<u8>>) {
        let line = self.store(name.as_str(), Some(name), &value.into());
        self.lines.push(line);
    }

    /// Puts a line before all others of that name; before everything if there is none.
    pub fn push_front(&mut self, name: HeaderName, value: impl Into<Vec<u8>>) {
        let line = self.store(name.as_str(), Some(name), &value.into());
        let at = self.position(name).unwrap_or(0);
        self.lines.insert(at, line);
    }

    /// Appends a line whose name [`HeaderName`] need not list, such as `X-Something`.
    ///
    /// A `name` that is not a token is not written: it would break the message.
    pub fn push_named(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        if is_token(name.as_bytes()) {
            let known = HeaderName::from_bytes(name.as_bytes());
            let line = self.store(name, known, &value.into());
            self.lines.push(line);
        }
    }

    /// Appends a line of another message byte for byte: name and value as spelled there.
    pub fn push_raw(&mut self, field: Field<'_>) {
        self.push_line(field.line);
    }

    /// Gives the first line of that name the value, and removes the others; appends if there is none.
    pub fn set(&mut self, name: HeaderName, value: impl Into<Vec<u8>>) {
        let Some(at) = self.position(name) else {
            return self.push(name, value);
        };
        self.lines[at] = self.store(name.as_str(), Some(name), &value.into());
        let mut index = 0;
        self.lines.retain(|line| {
            index += 1;
            line.name != Some(name) || index - 1 == at
        });
    }

    /// Removes every line of that name.
    pub fn remove(&mut self, name: HeaderName) {
        self.lines.retain(|line| line.name != Some(name));
    }

    /// Removes the first line of that name, with all its elements.
    pub fn remove_first(&mut self, name: HeaderName) {
        if let Some(at) = self.position(name) {
            self.lines.remove(at);
        }
    }

    /// Removes every line called `name`, in any case.
    pub fn remove_named(&mut self, name: &str) {
        let text = &self.text;
        self.lines.retain(|line| {
            !line
                .raw_name
                .of_bytes(text)
                .eq_ignore_ascii_case(name.as_bytes())
        });
    }

    /// Writes `via` over the topmost Via; others on the same line stay as they are. Without a Via
    /// it becomes the first line.
    pub fn replace_top_via(&mut self, via: &Via) {
        let mut value = via.to_string().into_bytes();
        // Lines that are empty hold none.
        let mut lines = self.lines.iter().enumerate();
        let top = lines.find_map(|(at, line)| {
            let line = Some(line).filter(|line| line.name == Some(HeaderName::Via))?;
            let elements = Elements::of(line.value.of_bytes(&self.text));
            Some((at, elements.after_first()?))
        });
        let Some((at, others)) = top else {
            return self.push_front(HeaderName::Via, value);
        };
        value.extend_from_slice(others);
        self.lines[at] = self.store(HeaderName::Via.as_str(), Some(HeaderName::Via), &value);
    }

    /// Adds `tag` to To unless it has one (RFC 3261 section 8.2.6.2). A To that cannot be read
    /// stays as it is.
    pub fn set_to_tag(&mut self, tag: &str) {
        if let Ok(None) = self.to_tag()
            && let Ok(to) = self.to()
        {
            self.set(HeaderName::To, to.with_tag(tag));
        }
    }

    /// Writes every line with its CRLF, `Content-Length` with `body_len` (RFC 3261 section 20.14):
    /// as it stands where it is right, else put right, else added.
    pub(super) fn write(&self, body_len: usize, out: &mut Vec<u8>) {
        let mut has_length = false;
        for line in &self.lines {
            if line.name == Some(HeaderName::ContentLength) {
                has_length = true;
                let stated = super::lexer::number(line.value.of_bytes(&self.text));
                if stated.map(|stated| stated as usize) != Some(body_len) {
                    let start = line.whole.range().start..line.value.range().start;
                    out.extend_from_slice(&self.text[start]);
                    out.extend_from_slice(body_len.to_string().as_bytes());
                    out.extend_from_slice(b"\r\n");
                    continue;
                }
            }
            out.extend_from_slice(line.whole.of_bytes(&self.text));
            out.extend_from_slice(b"\r\n");
        }
        if !has_length {
            out.extend_from_slice(format!("Content-Length: {body_len}\r\n").as_bytes());
        }
    }

    /// How many bytes [`Headers::write`] gives, or a little more.
    pub(super) fn written_len(&self) -> usize {
        let lines: usize = self
            .lines
            .iter()
            .map(|line| line.whole.range().len() + 2)
            .sum();
        lines + 32
    }

    /// Gives back what the lines do not need: for headers that stay for long.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.text.shrink_to_fit();
        self.lines.shrink_to_fit();
    }

    pub(super) fn with_capacity(bytes: usize, lines: usize) -> Headers {
        Headers {
            text: Vec::with_capacity(bytes),
            lines: Vec::with_capacity(lines),
        }
    }

    /// Appends a line as it came, without its CRLF. `false` if it is not `name : value`.
    pub(super) fn push_line(&mut self, line: &[u8]) -> bool {
        let Some((name, value)) = split_header(line) else {
            return false;
        };
        self.make_room();
        let start = self.text.len();
        let known = HeaderName::from_bytes(&line[name.clone()]);
        self.text.extend_from_slice(line);
        self.lines.push(Line {
            name: known,
            whole: Span::new(start..self.text.len()),
            raw_name: Span::new(start + name.start..start + name.end),
            value: Span::new(start + value.start..start + value.end),
        });
        true
    }

    fn position(&self, name: HeaderName) -> Option<usize> {
        self.lines.iter().position(|line| line.name == Some(name))
    }

    /// Once, instead of little by little.
    fn make_room(&mut self) {
        if self.text.capacity() == 0 {
            self.text.reserve(USUAL_BYTES);
            self.lines.reserve(USUAL_LINES);
        }
    }

    fn store(&mut self, spelled: &str, name: Option<HeaderName>, value: &[u8]) -> Line {
        self.make_room();
        let start = self.text.len();
        let value = without_line_breaks(super::lexer::trim(value));
        self.text.extend_from_slice(spelled.as_bytes());
        self.text.extend_from_slice(b": ");
        let value_start = self.text.len();
        self.text.extend_from_slice(&value);
        Line {
            name,
            whole: Span::new(start..self.text.len()),
            raw_name: Span::new(start..start + spelled.len()),
            value: Span::new(value_start..self.text.len()),
        }
    }
}

/// A value must not end its line: parts of it may come from a peer.
fn without_line_breaks(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.iter().any(|&byte| byte == b'\r' || byte == b'\n') {
        return Cow::Borrowed(value);
    }
    let mut clean = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, tail @ ..] = rest {
        match rest {
            [b'\r', b'\n', b' ' | b'\t', after @ ..] => {
                clean.extend_from_slice(&rest[..3]);
                rest = after;
                continue;
            }
            [b'\r' | b'\n', ..] => clean.push(b' '),
            _ => clean.push(*first),
        }
        rest = tail;
    }
    Cow::Owned(clean)
}

impl<'a> Extend<Field<'a>> for Headers {
    fn extend<T: IntoIterator<Item = Field<'a>>>(&mut self, fields: T) {
        for field in fields {
            self.push_raw(field);
        }
    }
}

/// Credentials are left out.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.iter().map(|field| match field.name {
            Some(name @ (HeaderName::Authorization | HeaderName::ProxyAuthorization)) => {
                format!("{name}: (redacted)")
            }
            _ => String::from_utf8_lossy(field.line).into_owned(),
        });
        f.debug_list().entries(lines).finish()
    }
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Field({})", String::from_utf8_lossy(self.raw_name))
    }
}

// The borrow of `NameAddr` and `Via` as values keeps callers free of `to_string().into_bytes()`.
impl From<NameAddr> for Vec<u8> {
    fn from(address: NameAddr) -> Vec<u8> {
        address.as_bytes().to_vec()
    }
}

impl From<&NameAddr> for Vec<u8> {
    fn from(address: &NameAddr) -> Vec<u8> {
        address.as_bytes().to_vec()
    }
}

impl From<&Via> for Vec<u8> {
    fn from(via: &Via) -> Vec<u8> {
        via.to_string().into_bytes()
    }
}
