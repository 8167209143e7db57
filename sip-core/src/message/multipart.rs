//! Multipart bodies (RFC 2046 section 5.1, RFC 5621): as much of them as finds the SDP in one.

use super::headers::Headers;
use super::lexer::trim;

/// One part of a body.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    pub headers: Headers,
    pub content: &'a [u8],
    /// Headers and content as they came.
    pub raw: &'a [u8],
}

/// More than any telephone sends.
const MAX_PARTS: usize = 16;
/// RFC 2046 section 5.1.1.
const LONGEST_BOUNDARY: usize = 70;

/// The parts of a body, in order; `None` if it does not end as it should, or has too many.
pub fn parts<'a>(body: &'a [u8], boundary: &str) -> Option<Vec<Part<'a>>> {
    if boundary.is_empty() || boundary.len() > LONGEST_BOUNDARY {
        return None;
    }
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let mut parts = Vec::new();
    let mut part_start = None;
    let mut at = 0;
    for line in body.split_inclusive(|&byte| byte == b'\n') {
        let (start, end) = (at, at + line.len());
        at = end;
        let Some(rest) = line.strip_prefix(delimiter.as_slice()).map(trim) else {
            continue;
        };
        if !matches!(rest, b"" | b"--") {
            continue;
        }
        if let Some(from) = part_start.replace(end) {
            if parts.len() == MAX_PARTS {
                return None;
            }
            // The line end before a delimiter is the delimiter's.
            parts.push(part(without_line_end(&body[from..start]))?);
        }
        if rest == b"--" {
            return Some(parts);
        }
    }
    None
}

fn part(bytes: &[u8]) -> Option<Part<'_>> {
    let mut headers = Headers::new();
    let mut line_start = 0;
    let mut at = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let is_folded = matches!(line.first(), Some(b' ' | b'\t'));
        if at > line_start && !is_folded {
            if !headers.push_line(without_line_end(&bytes[line_start..at])) {
                return None;
            }
            line_start = at;
        }
        at += line.len();
        if without_line_end(line).is_empty() {
            let content = &bytes[at..];
            return Some(Part {
                headers,
                content,
                raw: bytes,
            });
        }
    }
    None
}

fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contents(body: &str, boundary: &str) -> Option<Vec<String>> {
        let parts = parts(body.as_bytes(), boundary)?;
        let text = |part: &Part<'_>| {
            let kind = part
                .headers
                .content_type()
                .map(|kind| kind.subtype.to_owned());
            let content = String::from_utf8_lossy(part.content);
            format!("{}:{content}", kind.unwrap_or_default())
        };
        Some(parts.iter().map(text).collect())
    }

    #[test]
    fn parts_keep_their_bytes_and_lose_the_line_end_before_the_delimiter() {
        let body = "preamble\r\n--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b  \r\n\
                    Content-Type: x/y;\r\n a=b\r\n\r\n--bb\r\n-- b\r\n--b--\r\nepilogue";
        assert_eq!(
            contents(body, "b").unwrap(),
            ["sdp:v=0\r\n", "y:--bb\r\n-- b"]
        );
    }

    #[test]
    fn line_ends_may_be_lf_and_parts_may_be_empty_or_without_headers() {
        assert_eq!(contents("--b\n\nv=0\n--b--", "b").unwrap(), [":v=0"]);
        assert_eq!(contents("--b\r\n\r\n\r\n--b--", "b").unwrap(), [":"]);
        assert_eq!(contents("--b--", "b").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn what_has_no_end_or_no_headers_is_none() {
        for (body, boundary) in [
            ("", "b"),
            ("--b\r\n\r\nv=0", "b"),
            ("--b\r\n\r\nv=0\r\n--b\r\n", "b"),
            ("--b\r\nno header\r\n\r\nv=0\r\n--b--", "b"),
            ("--b\r\nContent-Type: a/b\r\n--b--", "b"),
            ("--\r\n\r\n\r\n----", ""),
        ] {
            assert!(parts(body.as_bytes(), boundary).is_none(), "{body:?}");
        }
        let many = "--b\r\n\r\nx\r\n".repeat(17) + "--b--";
        assert!(parts(many.as_bytes(), "b").is_none());
    }

    proptest! {
        #[test]
        fn no_body_panics(body in prop::collection::vec(
            prop::sample::select(vec![b'-', b'b', b'\r', b'\n', b':', b' ', b'x']), 0..60
        )) {
            let _ = parts(&body, "b");
        }
    }
}
