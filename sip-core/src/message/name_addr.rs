//! `name-addr` and `addr-spec` with header parameters: From, To, Contact, Route, Record-Route
//! (RFC 3261 sections 20.10, 20.20, 20.30, 20.34, 20.39).

use std::fmt;

use super::lexer::{Span, find_separator, is_lws, is_token_byte, leading_lws, quoted_string, trim};
use super::params::{Params, unquote};
use super::uri::Uri;

/// An address with its display name and header parameters, kept as it came. `==` compares the bytes.
#[derive(Clone)]
pub struct NameAddr {
    /// Everything, with the display name's bytes as they came: they need not be UTF-8.
    raw: Box<[u8]>,
    display: Span,
    uri: Uri,
    uri_span: Span,
    bracketed: bool,
    /// With the leading `;`; UTF-8. Nothing follows.
    params: Span,
}

impl NameAddr {
    /// `None` if `value` is not an address: unbalanced quotes or brackets, a comma in an unquoted
    /// display name, a malformed URI or parameters, or an unbracketed URI with `?` or `,`
    /// (RFC 3261 section 20.10).
    pub fn parse(value: &[u8]) -> Option<NameAddr> {
        let raw = trim(value);
        let (display, uri_span, bracketed, after) = find_uri(raw)?;
        let uri = Uri::parse(&raw[uri_span.range()])?;
        params_of(raw, after)?;
        let params = trim(&raw[after..]);
        Some(NameAddr {
            raw: raw.into(),
            display,
            uri,
            uri_span,
            bracketed,
            params: Span::new(raw.len() - params.len()..raw.len()),
        })
    }

    /// The tag of a `value` that [`NameAddr::parse`] takes, `None` for one that it does not: as
    /// [`NameAddr::tag`], but without making an address of it, for the many who only want to know
    /// which dialog a message is of.
    pub(super) fn tag_in(value: &[u8]) -> Option<Option<&str>> {
        let raw = trim(value);
        let (_, uri, _, after) = find_uri(raw)?;
        let params = params_of(raw, after)?;
        let tag = || params.get("tag").filter(|tag| !tag.is_empty());
        Uri::is_valid(&raw[uri.range()]).then(tag)
    }

    /// `<uri>`, without display name and parameters.
    pub fn new(uri: Uri) -> NameAddr {
        NameAddr::assemble(b"", uri, "")
    }

    /// As it came.
    pub fn as_bytes(&self) -> &[u8] {
        &self.raw
    }

    /// The display name as it came, quotes included; empty without one.
    pub fn display(&self) -> &[u8] {
        self.display.of_bytes(&self.raw)
    }

    /// The display name without quotes and escapes; bytes that are not UTF-8 are replaced.
    pub fn display_name(&self) -> Option<String> {
        let display = self.display();
        (!display.is_empty()).then(|| unquote(&String::from_utf8_lossy(display)))
    }

    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    pub fn into_uri(self) -> Uri {
        self.uri
    }

    /// Header parameters, not those of the URI.
    pub fn params(&self) -> Params<'_> {
        Params::over(self.params_text())
    }

    /// The value of a header parameter, `Some("")` without a value.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params().get(name)
    }

    /// The tag of From and To (RFC 3261 section 19.3); an empty one is none.
    pub fn tag(&self) -> Option<&str> {
        self.param("tag").filter(|tag| !tag.is_empty())
    }

    /// Contact's `expires`, seconds.
    pub fn expires(&self) -> Option<u32> {
        super::lexer::number(self.param("expires")?.as_bytes())
    }

    /// Contact's `q`, thousandths (RFC 3261 section 25.1, `qvalue`).
    pub fn q(&self) -> Option<u16> {
        let value = self.param("q")?;
        let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
        let is_digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
        let thousandths = format!("{fraction:0<3}").parse::<u16>().ok()?;
        match whole {
            "0" if is_digits => Some(thousandths),
            "1" if is_digits && thousandths == 0 => Some(1000),
            _ => None,
        }
    }

    /// With the tag set, in its place or at the end; the rest as it came.
    pub fn with_tag(&self, tag: &str) -> NameAddr {
        self.with_param("tag", Some(tag))
    }

    pub fn without_tag(&self) -> NameAddr {
        self.with_params(self.params().without("tag"))
    }

    /// With a header parameter set, in its place or at the end; the rest as it came.
    pub fn with_param(&self, name: &str, value: Option<&str>) -> NameAddr {
        self.with_params(self.params().with(name, value))
    }

    /// The same display name at another URI, without header parameters. The name stays byte for
    /// byte, but one that the grammar wants quoted is quoted.
    pub fn with_uri(&self, uri: Uri) -> NameAddr {
        let display = self.display();
        let is_valid = display.starts_with(b"\"")
            || display
                .iter()
                .all(|&byte| is_lws(byte) || is_token_byte(byte));
        if is_valid {
            NameAddr::assemble(display, uri, "")
        } else {
            let name = String::from_utf8_lossy(display);
            NameAddr::new(uri).with_display_name(&name)
        }
    }

    /// The same address by the other one of `sip:` and `sips:`; display name and header parameters stay
    /// byte for byte.
    pub fn with_sips(&self, secure: bool) -> NameAddr {
        let uri = self.uri.with_sips(secure);
        if uri.scheme() == self.uri.scheme() {
            return self.clone();
        }
        NameAddr::assemble(self.display(), uri, self.params_text())
    }

    /// With a display name, which is quoted and escaped here.
    pub fn with_display_name(&self, name: &str) -> NameAddr {
        let mut display = String::with_capacity(name.len() + 2);
        display.push('"');
        for letter in name.chars().filter(|letter| !letter.is_control()) {
            if matches!(letter, '"' | '\\') {
                display.push('\\');
            }
            display.push(letter);
        }
        display.push('"');
        NameAddr::assemble(display.as_bytes(), self.uri.clone(), self.params_text())
    }

    /// They were UTF-8 when they were taken in.
    fn params_text(&self) -> &str {
        std::str::from_utf8(self.params.of_bytes(&self.raw)).unwrap_or_default()
    }

    fn with_params(&self, params: String) -> NameAddr {
        let mut head_end = self.uri_span.range().end;
        if self.bracketed {
            head_end += 1;
        }
        let mut raw = self.raw[..head_end].to_vec();
        raw.extend_from_slice(params.as_bytes());
        NameAddr {
            params: Span::new(head_end..raw.len()),
            raw: raw.into(),
            display: self.display,
            uri: self.uri.clone(),
            uri_span: self.uri_span,
            bracketed: self.bracketed,
        }
    }

    fn assemble(display: &[u8], uri: Uri, params: &str) -> NameAddr {
        let mut raw = display.to_vec();
        if !display.is_empty() {
            raw.push(b' ');
        }
        raw.push(b'<');
        let start = raw.len();
        raw.extend_from_slice(uri.as_str().as_bytes());
        let end = raw.len();
        raw.push(b'>');
        let params_start = raw.len();
        raw.extend_from_slice(params.as_bytes());
        NameAddr {
            params: Span::new(params_start..raw.len()),
            raw: raw.into(),
            display: Span::new(0..display.len()),
            uri,
            uri_span: Span::new(start..end),
            bracketed: true,
        }
    }
}

/// What stands after the URI of an address.
fn params_of(raw: &[u8], after: usize) -> Option<Params<'_>> {
    Params::parse(std::str::from_utf8(trim(&raw[after..])).ok()?)
}

/// Display name, URI, whether it is in brackets, and where the parameters start.
fn find_uri(raw: &[u8]) -> Option<(Span, Span, bool, usize)> {
    let (display_end, open) = if raw.first() == Some(&b'"') {
        let end = quoted_string(raw)?;
        let open = end + leading_lws(&raw[end..]);
        (end, Some(open).filter(|&open| raw.get(open) == Some(&b'<')))
    } else {
        // A `;` before any bracket is the parameters' of an unbracketed URI.
        let first = raw.iter().position(|byte| matches!(byte, b'<' | b';'));
        let open = first.filter(|&at| raw[at] == b'<');
        (trim(&raw[..open.unwrap_or(0)]).len(), open)
    };
    match open {
        Some(open) => {
            let display = Span::new(0..display_end);
            let is_quoted = raw.first() == Some(&b'"');
            // RFC 3261 wants tokens here; dots, brackets and raw UTF-8 are common and harm nobody.
            let ends_something = |byte: &u8| matches!(byte, b'"' | b',' | b'>');
            if !is_quoted && display.of_bytes(raw).iter().any(ends_something) {
                return None;
            }
            let close = open + raw[open..].iter().position(|&byte| byte == b'>')?;
            Some((display, Span::new(open + 1..close), true, close + 1))
        }
        None if display_end > 0 => None,
        None => {
            let end = find_separator(raw, b';').unwrap_or(raw.len());
            let uri = &raw[..end];
            let uri_end = uri.iter().position(|&byte| is_lws(byte)).unwrap_or(end);
            if uri.iter().any(|byte| matches!(byte, b'?' | b','))
                || !trim(&uri[uri_end..]).is_empty()
            {
                return None;
            }
            Some((Span::default(), Span::new(0..uri_end), false, end))
        }
    }
}

impl PartialEq for NameAddr {
    fn eq(&self, other: &NameAddr) -> bool {
        self.raw == other.raw
    }
}

impl Eq for NameAddr {}

/// Exact where the display name is UTF-8; [`NameAddr::as_bytes`] is exact always.
impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.raw))
    }
}

impl fmt::Debug for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NameAddr({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> NameAddr {
        NameAddr::parse(value.as_bytes()).unwrap_or_else(|| panic!("{value}"))
    }

    #[test]
    fn every_form_gives_its_parts() {
        for (value, display, uri, tag) in [
            ("sip:a@b", None, "sip:a@b", None),
            ("sip:a@b;tag=1", None, "sip:a@b", Some("1")),
            (" sip:a@b ;\r\n  tag = 1 ", None, "sip:a@b", Some("1")),
            ("sip:a@b;tag=1;x=\"<y>\"", None, "sip:a@b", Some("1")),
            (
                "<sip:a@b;tag=uri>;TAG=1",
                None,
                "sip:a@b;tag=uri",
                Some("1"),
            ),
            ("<sip:a@b>;tag=", None, "sip:a@b", None),
            (
                "caller<sip:a@b>;tag=1",
                Some("caller"),
                "sip:a@b",
                Some("1"),
            ),
            ("A. G. Bell <sip:a@b>", Some("A. G. Bell"), "sip:a@b", None),
            (
                "\"Bell, \\\"A\\\" <x>\"\t<sip:a,b@c>;tag=1",
                Some("Bell, \"A\" <x>"),
                "sip:a,b@c",
                Some("1"),
            ),
            ("\"\"<tel:+1-201;ext=2>", Some(""), "tel:+1-201;ext=2", None),
            ("<urn:service:sos>", None, "urn:service:sos", None),
        ] {
            let address = parse(value);
            assert_eq!(address.display_name().as_deref(), display, "{value}");
            assert_eq!(address.uri().as_str(), uri, "{value}");
            assert_eq!(address.tag(), tag, "{value}");
            assert_eq!(address.as_bytes(), trim(value.as_bytes()));
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for value in [
            "",
            "*",
            "<>",
            "<sip:a@b",
            "sip:a@b>",
            "\"A <sip:a@b>",
            "\"A\" sip:a@b",
            "\"A\"",
            "Bell, A <sip:a@b>",
            "A \"B\" <sip:a@b>",
            "A sip:a@b",
            "sip:a@b x",
            "sip:a@b?Route=c",
            "sip:a,b@c",
            "< sip:a@b >",
            "<sip:a@b> x",
            "<sip:a@b>;tag=1 2",
            "<sip:a@b>, <sip:c@d>",
        ] {
            assert_eq!(NameAddr::parse(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn an_edit_leaves_the_rest_as_it_came() {
        let address = parse("\"J \\\"X\\\"\"   <sip:a@b;lr> ; q=0.5;tag=1");
        assert_eq!(
            address.with_tag("2").to_string(),
            "\"J \\\"X\\\"\"   <sip:a@b;lr>; q=0.5;tag=2"
        );
        assert_eq!(
            address.without_tag().to_string(),
            "\"J \\\"X\\\"\"   <sip:a@b;lr>; q=0.5"
        );
        assert_eq!(parse("sip:a@b").with_tag("1").to_string(), "sip:a@b;tag=1");
    }

    #[test]
    fn a_display_name_moves_to_another_uri_as_it_came() {
        for (value, moved) in [
            (
                "\"J \\\"X\\\"\"  <sip:a@b>;tag=1",
                "\"J \\\"X\\\"\" <sip:c@d>",
            ),
            ("A. Bell<sip:a@b>", "A. Bell <sip:c@d>"),
            ("Bell (A) <sip:a@b>", "\"Bell (A)\" <sip:c@d>"),
            ("sip:a@b;tag=1", "<sip:c@d>"),
        ] {
            let other = Uri::parse(b"sip:c@d").unwrap();
            let address = parse(value).with_uri(other);
            assert_eq!(address, parse(moved), "{value}");
            assert_eq!(address.tag(), None);
        }
    }

    #[test]
    fn a_display_name_is_quoted_so_that_it_ends_where_it_should() {
        let address = NameAddr::new(Uri::parse(b"sip:a@b").unwrap());
        assert_eq!(address.to_string(), "<sip:a@b>");
        let named = address.with_display_name("a\\b \"c\" <sip:x@y>\r\nVia: z");
        assert_eq!(
            named.to_string(),
            "\"a\\\\b \\\"c\\\" <sip:x@y>Via: z\" <sip:a@b>"
        );
        assert_eq!(parse(&named.to_string()).uri().as_str(), "sip:a@b");
    }

    #[test]
    fn a_display_name_in_another_encoding_is_kept() {
        let value = b"\"J\xfcrgen\" <sip:a@b>;tag=1";
        let address = NameAddr::parse(value).unwrap();
        assert_eq!(address.display(), b"\"J\xfcrgen\"");
        assert_eq!(address.with_tag("1").as_bytes(), value);
    }

    #[test]
    fn q_and_expires_are_numbers() {
        let contact = parse("<sip:a@b>;q=0.33;expires=3600");
        assert_eq!((contact.q(), contact.expires()), (Some(330), Some(3600)));
        for (q, thousandths) in [
            ("1", Some(1000)),
            ("1.000", Some(1000)),
            ("0", Some(0)),
            ("0.", Some(0)),
            ("0.007", Some(7)),
            ("1.1", None),
            ("0.0001", None),
            ("0.+1", None),
            ("2", None),
        ] {
            assert_eq!(parse(&format!("<sip:a@b>;q={q}")).q(), thousandths, "{q}");
        }
    }
}
