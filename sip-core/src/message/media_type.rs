//! Content-Type (RFC 3261 section 20.15).

use super::lexer::trim_str;
use super::params::{Params, unquote};

/// A media type over the header's bytes.
#[derive(Clone, Copy, Debug)]
pub struct MediaType<'a> {
    /// As spelled; compare with [`MediaType::is`].
    pub kind: &'a str,
    /// As spelled.
    pub subtype: &'a str,
    pub params: Params<'a>,
}

impl<'a> MediaType<'a> {
    /// `None` if `value` is not `type / subtype *( ; parameter )`.
    pub fn parse(value: &'a [u8]) -> Option<MediaType<'a>> {
        let value = std::str::from_utf8(value).ok()?;
        let (kind, rest) = value.split_once('/')?;
        let end = rest.find(';').unwrap_or(rest.len());
        let (subtype, params) = rest.split_at(end);
        let media_type = MediaType {
            kind: trim_str(kind),
            subtype: trim_str(subtype),
            params: Params::parse(params)?,
        };
        let tokens = [media_type.kind, media_type.subtype];
        tokens
            .iter()
            .all(|token| super::lexer::is_token(token.as_bytes()))
            .then_some(media_type)
    }

    /// Compares without case, parameters aside: `is("application", "sdp")`.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// `multipart`'s boundary, unquoted.
    pub fn boundary(&self) -> Option<String> {
        self.params.get("boundary").map(unquote)
    }
}

#[cfg(test)]
mod tests {
    use super::MediaType;

    #[test]
    fn case_white_space_and_parameters_do_not_hide_the_type() {
        for value in [
            "application/sdp",
            "Application / SDP",
            "APPLICATION/SDP;charset=utf-8",
        ] {
            assert!(
                MediaType::parse(value.as_bytes())
                    .unwrap()
                    .is("application", "sdp")
            );
        }
        let mixed = MediaType::parse(b"multipart/mixed ; boundary = \"7a9c:bc\"").unwrap();
        assert_eq!(mixed.boundary().unwrap(), "7a9c:bc");
    }

    #[test]
    fn what_is_not_a_media_type_is_none() {
        for value in [
            "",
            "sdp",
            "application/",
            "/sdp",
            "a b/c",
            "application/sdp;=x",
        ] {
            assert!(MediaType::parse(value.as_bytes()).is_none(), "{value}");
        }
    }
}
