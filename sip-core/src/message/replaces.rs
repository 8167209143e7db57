//! Replaces (RFC 3891): the dialog that an INVITE takes the place of.

use super::header_name::HeaderName;
use super::headers::Headers;
use super::lexer::trim_str;
use super::params::Params;
use super::uri::Uri;

/// The option tag (RFC 3891 section 6.2).
pub const REPLACES: &str = "replaces";

/// A dialog, as the receiver of the header sees it (section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    pub call_id: String,
    /// The receiver's own.
    pub to_tag: String,
    pub from_tag: String,
    /// Only if the dialog is not confirmed.
    pub early_only: bool,
}

impl Replaces {
    /// `None` if a part is missing.
    pub fn parse(value: &str) -> Option<Replaces> {
        let value = trim_str(value);
        let end = value.find(';')?;
        let params = Params::parse(&value[end..])?;
        let call_id = trim_str(&value[..end]);
        let tag = |name| params.get(name).filter(|tag| !tag.is_empty());
        Some(Replaces {
            call_id: Some(call_id).filter(|id| !id.is_empty())?.to_owned(),
            to_tag: tag("to-tag")?.to_owned(),
            from_tag: tag("from-tag")?.to_owned(),
            early_only: params.contains("early-only"),
        })
    }

    /// The Replaces header that a URI, such as that of Refer-To, wants in the request to it
    /// (RFC 3261 section 19.1.1). An error if there is one that cannot be read.
    pub fn of_uri(uri: &Uri) -> Result<Option<Replaces>, UnreadableReplaces> {
        uri.wanted_headers().ok_or(UnreadableReplaces)?.replaces()
    }
}

/// A Replaces that names no dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnreadableReplaces;

impl Headers {
    /// The one Replaces of a request (RFC 3891 section 6.1). An error for several, or one that
    /// cannot be read.
    pub fn replaces(&self) -> Result<Option<Replaces>, UnreadableReplaces> {
        let mut values = self.values(HeaderName::Replaces);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => std::str::from_utf8(value)
                .ok()
                .and_then(Replaces::parse)
                .map(Some)
                .ok_or(UnreadableReplaces),
            (Some(_), Some(_)) => Err(UnreadableReplaces),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog() -> Replaces {
        Replaces {
            call_id: "98732@sip.example.com".to_owned(),
            to_tag: "ff87ff".to_owned(),
            from_tag: "r33th4x0r".to_owned(),
            early_only: false,
        }
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let value = "98732@sip.example.com\r\n ;from-tag=r33th4x0r\r\n ;to-tag=ff87ff";
        assert_eq!(Replaces::parse(value), Some(dialog()));
        let early = Replaces {
            early_only: true,
            ..dialog()
        };
        assert_eq!(Replaces::parse(&format!("{value};early-only")), Some(early));
        for value in [
            "",
            "a",
            "a;to-tag=1",
            "a;from-tag=1",
            ";to-tag=1;from-tag=2",
            "a;to-tag=;from-tag=2",
        ] {
            assert_eq!(Replaces::parse(value), None, "{value}");
        }
    }

    #[test]
    fn a_uri_carries_it_escaped() {
        let uri = |text: &str| Uri::parse(text.as_bytes()).unwrap();
        let text = "sip:bob@h?X=1&replaces=98732%40sip.example.com%3Bfrom-tag%3Dr33th4x0r%3Bto-tag%3Dff87ff";
        assert_eq!(Replaces::of_uri(&uri(text)), Ok(Some(dialog())));
        assert_eq!(Replaces::of_uri(&uri("sip:bob@h")), Ok(None));
        assert_eq!(Replaces::of_uri(&uri("sip:bob@h?X=1")), Ok(None));
        let wrong = uri("sip:bob@h?Replaces=98732");
        assert_eq!(Replaces::of_uri(&wrong), Err(UnreadableReplaces));
    }
}
