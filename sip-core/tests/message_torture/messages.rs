//! The messages of RFC 4475 and RFC 5118, as they are on the wire.
//!
//! Their files are in the notation of RFC 4475 section 2.1: every line ends with CRLF; what stands
//! between `<allOneLine>` and `</allOneLine>` is one line; `<repeat count=3>ab</repeat>` is `ababab`;
//! `<hex>0A</hex>` is the byte. The certificate in `mpart01` is replaced by bytes of every value.

macro_rules! messages {
    ($rfc:literal: $($name:literal)*) => {
        &[$(($name, include_str!(concat!("messages/", $rfc, "/", $name, ".txt")))),*]
    };
}

/// Name and notation.
type Messages = &'static [(&'static str, &'static str)];

/// In the order of the RFC.
pub const RFC4475: Messages = messages! { "rfc4475":
    "wsinv" "intmeth" "esc01" "escnull" "esc02" "lwsdisp" "longreq" "dblreq" "semiuri" "transports"
    "mpart01" "unreason" "noreason" "badinv01" "clerr" "ncl" "scalar02" "scalarlg" "quotbal"
    "ltgtruri" "lwsruri" "lwsstart" "trws" "escruri" "baddate" "regbadct" "badaspec" "baddn"
    "badvers" "mismatch01" "mismatch02" "bigcode" "badbranch" "insuf" "unkscm" "novelsc" "unksm2"
    "bext01" "invut" "regaut01" "multi01" "mcl01" "bcast" "zeromf" "cparam01" "cparam02" "regescrt"
    "sdp01" "inv2543"
};

/// In the order of the RFC.
pub const RFC5118: Messages = messages! { "rfc5118":
    "ipv6-good" "ipv6-bad" "port-ambiguous" "port-unambiguous" "via-received-param-with-delim"
    "via-received-param-no-delim" "ipv6-in-sdp" "mult-ip-in-header" "mult-ip-in-sdp"
    "ipv4-mapped-ipv6" "ipv6-bug-abnf-3-colons" "ipv6-correct-abnf-2-colons"
};

/// Every message: name and bytes.
pub fn all() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let messages = RFC4475.iter().chain(RFC5118);
    messages.map(|(name, notation)| (*name, wire(notation)))
}

/// The bytes that the notation means.
fn wire(notation: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = notation;
    let mut is_one_line = false;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("<allOneLine>\n") {
            is_one_line = true;
            rest = after;
        } else if let Some(after) = rest.strip_prefix("</allOneLine>\n") {
            is_one_line = false;
            bytes.extend(b"\r\n");
            rest = after;
        } else if let Some((digits, after)) = element(rest, "<hex>", "</hex>") {
            let pairs = digits.as_bytes().chunks(2).map(|pair| {
                let pair = std::str::from_utf8(pair).expect("digits");
                u8::from_str_radix(pair, 16).expect("two digits for each byte")
            });
            bytes.extend(pairs);
            rest = after;
        } else if let Some((inner, after)) = element(rest, "<repeat count=", "</repeat>") {
            let (count, text) = inner.split_once('>').expect("a count and a text");
            bytes.extend(text.repeat(count.parse().expect("a number")).as_bytes());
            rest = after;
        } else {
            match first {
                '\n' if is_one_line => {}
                '\n' => bytes.extend(b"\r\n"),
                _ => bytes.extend(first.to_string().as_bytes()),
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    bytes
}

/// What stands between two marks at the start of `text`, and what follows.
fn element<'a>(text: &'a str, open: &str, close: &str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(open)?.split_once(close)
}
