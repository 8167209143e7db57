//! An SDP body as lines that keep their bytes (RFC 8866 section 5).
//!
//! What nobody edits leaves as it came: unknown lines and attributes, their order, CRLF or bare
//! LF, a missing last line end. That is why the lines are kept rather than a parsed model.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::refusal::Refusal;

/// More m-lines than any telephone sends; bounds what one body can make us keep.
const MAX_MEDIA: usize = 64;

/// A session description: the session-level lines and one block per m-line.
pub(super) struct Document {
    pub(super) session: Block,
    pub(super) media: Vec<Block>,
}

/// The session-level lines, or an m-line and the lines below it.
#[derive(Clone, Default)]
pub(super) struct Block {
    pub(super) lines: Vec<Line>,
}

/// One line; zeroised when dropped, because it may carry a key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Line {
    /// The type, the letter before `=`.
    pub(super) kind: u8,
    /// What follows `=`, without the line end.
    pub(super) value: Vec<u8>,
    #[zeroize(skip)]
    end: LineEnd,
}

/// How a line ended. RFC 8866 section 5 wants CRLF and asks parsers to accept LF.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    CrLf,
    Lf,
    /// The body stopped without one.
    Missing,
}

impl LineEnd {
    fn bytes(self) -> &'static [u8] {
        match self {
            LineEnd::CrLf => b"\r\n",
            LineEnd::Lf => b"\n",
            LineEnd::Missing => b"",
        }
    }
}

impl Document {
    /// Splits a body into lines. Empty lines are accepted, and kept, at the end only.
    ///
    /// # Errors
    /// [`Refusal::MALFORMED`] if the body does not start with `v=0`, has no `o=`, or has a line
    /// that is not `x=...`, stands where its type may not, or holds a NUL or a lone CR.
    pub(super) fn parse(body: &[u8]) -> Result<Document, Refusal> {
        let mut document = Document {
            session: Block::default(),
            media: Vec::new(),
        };
        let mut blank = false;
        for raw in body.split_inclusive(|&byte| byte == b'\n') {
            let line = Line::parse(raw)?;
            let is_blank = line.kind == BLANK;
            if blank && !is_blank {
                return Err(Refusal::MALFORMED);
            }
            blank = is_blank;
            if line.kind == b'm' {
                if document.media.len() == MAX_MEDIA {
                    return Err(Refusal::MALFORMED);
                }
                document.media.push(Block::default());
            }
            if matches!(line.kind, b'v' | b'o') && !document.media.is_empty() {
                return Err(Refusal::MALFORMED);
            }
            document
                .media
                .last_mut()
                .unwrap_or(&mut document.session)
                .lines
                .push(line);
        }
        let first = document.session.lines.first();
        if !first.is_some_and(|line| line.kind == b'v' && line.value.trim_ascii() == b"0")
            || document.session.value(b'o').is_none()
        {
            return Err(Refusal::MALFORMED);
        }
        Ok(document)
    }

    /// The body again; byte for byte the one parsed, if nothing was edited.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let newline = self.newline();
        let blocks = std::iter::once(&self.session).chain(&self.media);
        let mut lines = blocks.flat_map(|block| &block.lines).peekable();
        let mut bytes = Vec::new();
        while let Some(line) = lines.next() {
            if line.kind != BLANK {
                bytes.extend_from_slice(&[line.kind, b'=']);
            }
            bytes.extend_from_slice(&line.value);
            // A line added behind one that had no end must not run into it.
            let end = if line.end == LineEnd::Missing && lines.peek().is_some() {
                newline
            } else {
                line.end
            };
            bytes.extend_from_slice(end.bytes());
        }
        bytes
    }

    /// The line end that this body uses.
    fn newline(&self) -> LineEnd {
        match self.session.lines.first() {
            Some(line) if line.end == LineEnd::Lf => LineEnd::Lf,
            _ => LineEnd::CrLf,
        }
    }
}

/// The body may hold keys.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({} m-lines, redacted)", self.media.len())
    }
}

impl Block {
    /// The value of the first line of a type.
    pub(super) fn value(&self, kind: u8) -> Option<&[u8]> {
        self.lines
            .iter()
            .find(|line| line.kind == kind)
            .map(|line| line.value.as_slice())
    }

    /// The values of every attribute of a name; empty for a property attribute (`a=sendrecv`).
    ///
    /// Names are compared case-insensitively: RFC 8866 section 6 makes them case-sensitive, but
    /// nobody means anything else by `a=Crypto`, and taking it for an unknown attribute would
    /// let a key or an address pass through.
    pub(super) fn attributes<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines
            .iter()
            .filter(move |line| line.attribute_name().eq_ignore_ascii_case(name))
            .filter_map(Line::attribute_value)
    }

    pub(super) fn has_attribute(&self, name: &str) -> bool {
        self.lines
            .iter()
            .any(|line| line.attribute_name().eq_ignore_ascii_case(name))
    }

    /// Appends an attribute, before blank lines, ended like the block's first line.
    pub(super) fn push_attribute(&mut self, attribute: &str) {
        let end = self.first_end();
        let place = self
            .lines
            .iter()
            .rposition(|line| line.kind != BLANK)
            .map_or(0, |last| last + 1);
        self.lines.insert(
            place,
            Line {
                kind: b'a',
                value: attribute.as_bytes().to_vec(),
                end,
            },
        );
    }

    /// Inserts a connection line below the m-line and its title (RFC 8866 section 5: `m i c b k a`).
    pub(super) fn insert_connection(&mut self, value: String) {
        let end = self.first_end();
        let place = self
            .lines
            .iter()
            .take_while(|line| matches!(line.kind, b'm' | b'i'))
            .count();
        self.lines.insert(
            place,
            Line {
                kind: b'c',
                value: value.into_bytes(),
                end,
            },
        );
    }

    /// A block made by us: an m-line alone.
    pub(super) fn of_media_line(value: String, like: &Document) -> Block {
        let line = Line {
            kind: b'm',
            value: value.into_bytes(),
            end: like.newline(),
        };
        Block { lines: vec![line] }
    }

    /// Replaces the value of every line of a type.
    pub(super) fn replace(&mut self, kind: u8, value: &str) {
        for line in self.lines.iter_mut().filter(|line| line.kind == kind) {
            line.value = value.as_bytes().to_vec();
        }
    }

    fn first_end(&self) -> LineEnd {
        match self.lines.first().map(|line| line.end) {
            Some(LineEnd::Lf) => LineEnd::Lf,
            _ => LineEnd::CrLf,
        }
    }
}

/// The type of an empty line.
const BLANK: u8 = 0;

impl Line {
    /// From a line with its end.
    fn parse(raw: &[u8]) -> Result<Line, Refusal> {
        let (text, end) = match raw {
            [text @ .., b'\r', b'\n'] => (text, LineEnd::CrLf),
            [text @ .., b'\n'] => (text, LineEnd::Lf),
            text => (text, LineEnd::Missing),
        };
        // A lone CR ends a line for some parsers and not for others: what we take for one
        // attribute must not be two for the other side.
        if text.iter().any(|&byte| byte == 0 || byte == b'\r') {
            return Err(Refusal::MALFORMED);
        }
        match text {
            [] => Ok(Line {
                kind: BLANK,
                value: Vec::new(),
                end,
            }),
            [kind, b'=', value @ ..] if kind.is_ascii_lowercase() => Ok(Line {
                kind: *kind,
                value: value.to_vec(),
                end,
            }),
            _ => Err(Refusal::MALFORMED),
        }
    }

    /// The name of an attribute line; empty for other lines and for names that are not ASCII text.
    pub(super) fn attribute_name(&self) -> &str {
        let name = match self.kind {
            b'a' => self
                .value
                .split(|&byte| byte == b':')
                .next()
                .unwrap_or_default(),
            _ => &[],
        };
        std::str::from_utf8(name.trim_ascii()).unwrap_or_default()
    }

    /// The value of an attribute line, trimmed; `None` if it is not UTF-8.
    pub(super) fn attribute_value(&self) -> Option<&str> {
        let colon = self.value.iter().position(|&byte| byte == b':');
        let value = colon
            .and_then(|colon| self.value.get(colon + 1..))
            .unwrap_or_default();
        std::str::from_utf8(value).ok().map(str::trim)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_blank_line_is_kept_at_the_end_and_refused_elsewhere() {
        let body = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n\r\n\r\n";
        assert_eq!(Document::parse(body).expect("valid").to_bytes(), body);
        assert!(Document::parse(b"v=0\r\n\r\no=- 1 1 IN IP4 192.0.2.1\r\n").is_err());
    }

    #[test]
    fn an_attribute_added_stands_before_blank_lines() {
        let mut document = Document::parse(b"v=0\no=x\n\n").expect("valid");
        document.session.push_attribute("inactive");
        assert_eq!(document.to_bytes(), b"v=0\no=x\na=inactive\n\n");
    }

    proptest! {
        #[test]
        fn every_body_that_is_accepted_leaves_byte_for_byte(
            lines in prop::collection::vec("[a-z]=[^\r\n\0]{0,20}", 0..12),
            ends in prop::collection::vec(any::<bool>(), 14),
            last in "(\r\n|\n){0,3}",
        ) {
            let mut body = Vec::new();
            let start = ["v=0", "o=- 1 1 IN IP4 192.0.2.1"].map(String::from);
            for (line, crlf) in start.iter().chain(&lines).zip(&ends) {
                body.extend_from_slice(line.as_bytes());
                body.extend_from_slice(if *crlf { b"\r\n" } else { b"\n" });
            }
            body.truncate(body.len() - 1);
            let cut = body.strip_suffix(b"\r").map(<[u8]>::to_vec).unwrap_or(body);
            let body = [&cut, last.as_bytes()].concat();
            if let Ok(document) = Document::parse(&body) {
                prop_assert_eq!(document.to_bytes(), body);
            }
        }
    }
}
