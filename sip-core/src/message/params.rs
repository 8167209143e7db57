//! Parameters: `;name`, `;name=value`, `;name="quoted"` (RFC 3261 section 25.1,
//! `generic-param`), with white space where it is allowed. They stay the text that came; edits
//! touch one parameter and leave the others as they are.

use super::lexer::{find_separator, is_token_byte, trim_str};

/// Parameters over their text, which is empty or starts with `;`.
#[derive(Clone, Copy, Debug)]
pub struct Params<'a> {
    text: &'a str,
}

impl<'a> Params<'a> {
    /// `None` if the text is not made of parameters. Empty ones (`;;`) are passed over.
    pub(crate) fn parse(text: &'a str) -> Option<Params<'a>> {
        let text = trim_str(text);
        let params = Params { text };
        let starts_right = text.is_empty() || text.starts_with(';');
        (starts_right && params.pieces().all(is_well_formed)).then_some(params)
    }

    /// Over a text that [`Params::parse`] accepted.
    pub(crate) fn over(text: &'a str) -> Params<'a> {
        Params {
            text: trim_str(text),
        }
    }

    /// Names as spelled and values without the white space around them, quotes included.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        self.pieces()
            .map(split)
            .filter(|(name, _)| !name.is_empty())
    }

    /// The value of the first parameter of that name, in any case; `Some("")` without a value.
    /// A quoted value comes with its quotes ([`unquote`]).
    pub fn get(self, name: &str) -> Option<&'a str> {
        self.iter()
            .find(|(present, _)| present.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.unwrap_or_default())
    }

    pub fn contains(self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// As it came, with the `;`.
    pub fn as_str(self) -> &'a str {
        self.text
    }

    /// The text between semicolons, untrimmed.
    fn pieces(self) -> impl Iterator<Item = &'a str> {
        let mut rest = self.text.strip_prefix(';');
        std::iter::from_fn(move || {
            let text = rest?;
            let end = find_separator(text.as_bytes(), b';');
            rest = end.map(|end| &text[end + 1..]);
            Some(&text[..end.unwrap_or(text.len())])
        })
    }

    /// The text with parameter `name` given `value`: in its place if it is there, else at the end.
    pub(crate) fn with(self, name: &str, value: Option<&str>) -> String {
        let value_len = value.map_or(0, |value| 1 + value.len());
        let mut text = String::with_capacity(self.text.len() + 1 + name.len() + value_len);
        let write = |text: &mut String| {
            text.push(';');
            text.push_str(name);
            if let Some(value) = value {
                text.push('=');
                text.push_str(value);
            }
        };
        let mut found = false;
        for piece in self.pieces() {
            if !split(piece).0.eq_ignore_ascii_case(name) {
                text.push(';');
                text.push_str(piece);
            } else if !found {
                found = true;
                write(&mut text);
            }
        }
        if !found {
            write(&mut text);
        }
        text
    }

    /// The text without the parameters of that name.
    pub(crate) fn without(self, name: &str) -> String {
        let kept = self
            .pieces()
            .filter(|piece| !split(piece).0.eq_ignore_ascii_case(name));
        kept.fold(String::with_capacity(self.text.len()), |mut text, piece| {
            text.push(';');
            text.push_str(piece);
            text
        })
    }
}

/// Without the quotes and escapes of a quoted string; other text as it is.
pub fn unquote(value: &str) -> String {
    let Some(inner) = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
    else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.extend(letters.next()),
            other => text.push(other),
        }
    }
    text
}

fn split(piece: &str) -> (&str, Option<&str>) {
    match piece.split_once('=') {
        Some((name, value)) => (trim_str(name), Some(trim_str(value))),
        None => (trim_str(piece), None),
    }
}

fn is_well_formed(piece: &str) -> bool {
    let (name, value) = split(piece);
    let name_is_right = name.bytes().all(is_token_byte);
    match value {
        None => name_is_right,
        Some(value) => !name.is_empty() && name_is_right && is_value(value.as_bytes()),
    }
}

/// `token / host / quoted-string`, and whatever else is visible and ends nothing.
fn is_value(value: &[u8]) -> bool {
    match super::lexer::quoted_string(value) {
        Some(end) => end == value.len(),
        None => !value
            .iter()
            .any(|&byte| byte <= b' ' || byte == 0x7f || matches!(byte, b'"' | b',' | b'<' | b'>')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_quotes_and_folding_are_understood() {
        let params = Params::parse(
            ";   tag    = 1918181833n ;lr;  q =0.7;\r\n secondparam ; text = \"a;b=\\\"c\\\"\"",
        )
        .unwrap();
        assert_eq!(params.get("TAG"), Some("1918181833n"));
        assert_eq!(params.get("lr"), Some(""));
        assert_eq!(params.get("q"), Some("0.7"));
        assert!(params.contains("secondparam"));
        assert_eq!(params.get("text").map(unquote).unwrap(), "a;b=\"c\"");
        assert_eq!(params.get("b"), None);
    }

    #[test]
    fn broken_parameters_are_refused() {
        for text in [
            "tag=1",
            ";=1",
            ";a b",
            ";a=b c",
            ";a=\"b",
            ";a=\"b\"c",
            ";a=<b>",
            ";(=1",
        ] {
            assert!(Params::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn an_edit_leaves_the_other_parameters_as_they_came() {
        let params = Params::parse("; a = 1;B;c=\"x;b=2\"").unwrap();
        assert_eq!(params.with("b", Some("3")), "; a = 1;b=3;c=\"x;b=2\"");
        assert_eq!(params.with("d", None), "; a = 1;B;c=\"x;b=2\";d");
        assert_eq!(params.without("A"), ";B;c=\"x;b=2\"");
        assert_eq!(Params::over("").with("a", None), ";a");
    }
}
