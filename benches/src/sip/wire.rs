//! What the generator reads of a message that it receives: little, and fast.

/// A message, cut at its empty line.
#[derive(Clone, Copy)]
pub struct Received<'a> {
    pub head: &'a [u8],
    pub body: &'a [u8],
}

impl<'a> Received<'a> {
    /// `None` if there is no end of the headers.
    pub fn cut(message: &'a [u8]) -> Option<Received<'a>> {
        let end = find(message, b"\r\n\r\n")?;
        Some(Received {
            head: &message[..end + 2],
            body: &message[end + 4..],
        })
    }

    /// The code of a response.
    pub fn status(&self) -> Option<u16> {
        let code = self.head.strip_prefix(b"SIP/2.0 ")?.get(..3)?;
        std::str::from_utf8(code).ok()?.parse().ok()
    }

    /// Every header line, without its end.
    pub fn lines(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.head;
        std::iter::from_fn(move || {
            let end = find(rest, b"\r\n")?;
            let line = &rest[..end];
            rest = &rest[end + 2..];
            Some(line)
        })
        .skip(1)
    }

    /// The value of the first header of that name.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.lines().find_map(|line| value(line, name))
    }
}

/// The value, if the line is a header of that name.
pub fn value<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (begin, rest) = line.split_at_checked(name.len())?;
    if !begin.eq_ignore_ascii_case(name.as_bytes()) {
        return None;
    }
    rest.strip_prefix(b":").map(<[u8]>::trim_ascii)
}

/// The URI in the first angle brackets, else all of it without its parameters.
pub fn uri(value: &[u8]) -> &[u8] {
    match (find(value, b"<"), find(value, b">")) {
        (Some(begin), Some(end)) if begin < end => &value[begin + 1..end],
        _ => value.split(|byte| *byte == b';').next().unwrap_or_default(),
    }
}

/// Where `needle` begins.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let (first, rest) = needle.split_first()?;
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|byte| byte == first)?;
        if bytes[at + 1..].starts_with(rest) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Eight hexadecimal digits.
pub fn number(digits: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(digits.get(..8)?).ok()?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &[u8] = b"SIP/2.0 200 OK\r\nVia: a\r\nCONTACT:  <sip:b@c;d>;e\r\n\r\nbody";

    #[test]
    fn a_response_is_read() {
        let received = Received::cut(RESPONSE).unwrap();
        assert_eq!(received.status(), Some(200));
        assert_eq!(received.body, b"body");
        assert_eq!(received.lines().count(), 2);
        assert_eq!(uri(received.header("Contact").unwrap()), b"sip:b@c;d");
        assert_eq!(received.header("From"), None);
    }

    #[test]
    fn what_is_not_whole_is_not_read() {
        assert!(Received::cut(b"SIP/2.0 200 OK\r\nVia: a\r\n").is_none());
        assert!(Received::cut(b"").is_none());
        assert_eq!(number(b"0000002a;"), Some(42));
        assert_eq!(number(b"0000"), None);
    }
}
