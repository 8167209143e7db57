//! Names in paths (RFC 3986 section 2.1).

use std::fmt::Write;

/// A part of a path, in which nothing has a meaning of its own.
pub(super) fn encoded(part: &str) -> String {
    let mut path = String::with_capacity(part.len());
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' | b':' => {
                path.push(char::from(byte));
            }
            byte => {
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_a_path() {
        assert_eq!(encoded("sip:a@b.example"), "sip:a@b.example");
        assert_eq!(encoded("a/b ?ü"), "a%2Fb%20%3F%C3%BC");
    }
}
