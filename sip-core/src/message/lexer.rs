//! The characters and lines of RFC 3261 section 25, over bytes that nobody has checked yet.
//!
//! [`crate::framing`] and [`super::parse`] both find lines here, so that they cannot disagree
//! about where a header ends.

use std::ops::Range;

/// `token` characters (RFC 3261 section 25.1).
pub(crate) fn is_token_byte(byte: u8) -> bool {
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            table[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let others = b"-.!%*_+`'~";
        let mut index = 0;
        while index < others.len() {
            table[others[index] as usize] = true;
            index += 1;
        }
        table
    };
    TABLE[usize::from(byte)]
}

/// Whether `bytes` is a `token`: not empty, token characters only.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

/// White space within one header, where CR and LF can only be part of folding.
pub(crate) fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Without leading and trailing white space and folding.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes {
        if !is_lws(*first) {
            break;
        }
        bytes = rest;
    }
    while let [rest @ .., last] = bytes {
        if !is_lws(*last) {
            break;
        }
        bytes = rest;
    }
    bytes
}

/// The same for text.
pub(crate) fn trim_str(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

/// A header line with its continuation lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogicalLine {
    /// Just before the CRLF that ends the line.
    pub(crate) end: usize,
    /// Just after it.
    pub(crate) next: usize,
    /// A CR or LF stood alone in the line.
    pub(crate) bare_break: bool,
}

/// The line that starts at `start`: up to a CRLF that no space or tab follows
/// (RFC 3261 section 7.3.1). `None` if no such CRLF is there.
pub(crate) fn logical_line(bytes: &[u8], start: usize) -> Option<LogicalLine> {
    let mut at = start;
    let mut bare_break = false;
    loop {
        at += bytes
            .get(at..)?
            .iter()
            .position(|&byte| byte == b'\r' || byte == b'\n')?;
        match bytes[at..] {
            [b'\r', b'\n', b' ' | b'\t', ..] => at += 3,
            [b'\r', b'\n', ..] => {
                return Some(LogicalLine {
                    end: at,
                    next: at + 2,
                    bare_break,
                });
            }
            _ => {
                bare_break = true;
                at += 1;
            }
        }
    }
}

/// Where the name ends and the value starts and ends in one header line (RFC 3261 section 7.3.1):
/// white space may stand before the colon. `None` without a colon or without a token before it.
pub(crate) fn split_header(line: &[u8]) -> Option<(Range<usize>, Range<usize>)> {
    let name_end = line.iter().position(|&byte| !is_token_byte(byte))?;
    if name_end == 0 {
        return None;
    }
    let mut colon = name_end;
    while matches!(line.get(colon)?, b' ' | b'\t') {
        colon += 1;
    }
    if line[colon] != b':' {
        return None;
    }
    let after = &line[colon + 1..];
    let value = trim(after);
    let start = if value.is_empty() {
        line.len()
    } else {
        colon + 1 + leading_lws(after)
    };
    Some((0..name_end, start..start + value.len()))
}

/// How many bytes of white space `bytes` starts with.
pub(crate) fn leading_lws(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|&&byte| is_lws(byte)).count()
}

/// The length of the quoted string that `bytes` starts with, quotes included; `None` if it does
/// not start with one or does not end it.
pub(crate) fn quoted_string(bytes: &[u8]) -> Option<usize> {
    if bytes.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The first `separator` outside quoted strings and angle brackets.
///
/// An unbalanced quote or bracket hides everything after it: the element that holds it is
/// malformed then, and its parser says so.
pub(crate) fn find_separator(bytes: &[u8], separator: u8) -> Option<usize> {
    let mut at = 0;
    let mut in_brackets = false;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' if !in_brackets => {
                at += quoted_string(&bytes[at..])?;
                continue;
            }
            b'<' => in_brackets = true,
            b'>' => in_brackets = false,
            _ if byte == separator && !in_brackets => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The elements of a comma-separated value, trimmed; empty ones are left out
/// (RFC 3261 section 7.3.1, and RFC 7230 section 7 on empty elements).
#[derive(Clone, Debug)]
pub(crate) struct Elements<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Elements<'a> {
    pub(crate) fn of(value: &'a [u8]) -> Elements<'a> {
        Elements { rest: Some(value) }
    }

    /// What stands behind the next element, from its comma on; `None` if there is no element.
    pub(crate) fn after_first(mut self) -> Option<&'a [u8]> {
        let value = self.rest?;
        self.next()?;
        let behind = self.rest.map_or(0, |rest| rest.len() + 1);
        Some(&value[value.len() - behind..])
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let rest = self.rest?;
            let element = match find_separator(rest, b',') {
                Some(comma) => {
                    self.rest = Some(&rest[comma + 1..]);
                    trim(&rest[..comma])
                }
                None => {
                    self.rest = None;
                    trim(rest)
                }
            };
            if !element.is_empty() {
                return Some(element);
            }
        }
    }
}

/// A decimal number of at most `u32::MAX`, digits only, leading zeros allowed.
pub(crate) fn number(bytes: &[u8]) -> Option<u32> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0_u32, |value, &byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// A piece of a text that its owner keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Callers keep texts below 4 GiB: [`super::limits::Limits`] does for what comes from the
    /// wire, and a larger offset gives an empty piece rather than a wrong one.
    pub(crate) fn new(range: Range<usize>) -> Span {
        match (u32::try_from(range.start), u32::try_from(range.end)) {
            (Ok(start), Ok(end)) => Span { start, end },
            _ => Span::default(),
        }
    }

    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(crate) fn of(self, text: &str) -> &str {
        text.get(self.range()).unwrap_or_default()
    }

    pub(crate) fn of_bytes(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.range()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_where_no_continuation_follows() {
        for (bytes, end) in [
            ("a\r\nb", Some((1, 3, false))),
            ("a\r\n b\r\nc", Some((5, 7, false))),
            ("a\r\n\tb\r\n", Some((5, 7, false))),
            ("\r\n", Some((0, 2, false))),
            ("a\nb\r\n", Some((3, 5, true))),
            ("a\rb\r\n", Some((3, 5, true))),
            ("a\r\r\n", Some((2, 4, true))),
            ("a\r\n b", None),
            ("a\r", None),
            ("", None),
        ] {
            let line = logical_line(bytes.as_bytes(), 0);
            let found = line.map(|line| (line.end, line.next, line.bare_break));
            assert_eq!(found, end, "{bytes:?}");
        }
    }

    #[test]
    fn a_header_is_a_token_a_colon_and_a_trimmed_value() {
        for (line, parts) in [
            ("Via: a", Some(("Via", "a"))),
            ("Via \t:a ", Some(("Via", "a"))),
            ("s :", Some(("s", ""))),
            ("s: \t ", Some(("s", ""))),
            ("T:\r\n a\r\n b", Some(("T", "a\r\n b"))),
            ("x:a:b", Some(("x", "a:b"))),
            ("no colon", None),
            (": a", None),
            (" Via: a", None),
            ("V(ia: a", None),
            ("Via\r\n : a", None),
            ("", None),
        ] {
            let found = split_header(line.as_bytes());
            let found = found.map(|(name, value)| (&line[name], &line[value]));
            assert_eq!(found, parts, "{line:?}");
        }
    }

    #[test]
    fn commas_in_quotes_and_brackets_do_not_separate() {
        for (value, elements) in [
            ("a", vec!["a"]),
            (" a , b,c ", vec!["a", "b", "c"]),
            ("a,,b,", vec!["a", "b"]),
            ("", vec![]),
            (" , ", vec![]),
            ("\"x, y\" <a>, <b,c>;d", vec!["\"x, y\" <a>", "<b,c>;d"]),
            ("\"x\\\", y\" <a>,b", vec!["\"x\\\", y\" <a>", "b"]),
            ("\"open, a", vec!["\"open, a"]),
            ("<open, a", vec!["<open, a"]),
        ] {
            let found: Vec<_> = Elements::of(value.as_bytes()).collect();
            let elements: Vec<_> = elements.iter().map(|element| element.as_bytes()).collect();
            assert_eq!(found, elements, "{value}");
        }
    }

    #[test]
    fn numbers_are_digits_that_fit() {
        assert_eq!(number(b"0068"), Some(68));
        assert_eq!(number(b"4294967295"), Some(u32::MAX));
        for bytes in ["", "4294967296", "-1", "+1", "1 ", "0x1"] {
            assert_eq!(number(bytes.as_bytes()), None, "{bytes}");
        }
    }
}
