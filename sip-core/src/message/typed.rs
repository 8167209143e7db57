//! Typed views of the headers that a back-to-back user agent reads, parsed when asked for.

use super::cseq::CSeq;
use super::error::HeaderError;
use super::header_name::HeaderName;
use super::headers::Headers;
use super::lexer::number;
use super::media_type::MediaType;
use super::name_addr::NameAddr;
use super::via::Via;

/// The Contact header (RFC 3261 section 20.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// `*`
    Any,
    /// In order; empty without the header.
    List(Vec<NameAddr>),
}

impl Headers {
    /// The topmost Via element.
    pub fn top_via(&self) -> Result<Via, HeaderError> {
        Via::parse(self.required_element(HeaderName::Via)?)
            .ok_or(HeaderError::Malformed(HeaderName::Via))
    }

    /// Every Via element, topmost first.
    pub fn vias(&self) -> Result<Vec<Via>, HeaderError> {
        self.list(HeaderName::Via)
            .map(|element| Via::parse(element).ok_or(HeaderError::Malformed(HeaderName::Via)))
            .collect()
    }

    pub fn from(&self) -> Result<NameAddr, HeaderError> {
        self.required_address(HeaderName::From)
    }

    pub fn to(&self) -> Result<NameAddr, HeaderError> {
        self.required_address(HeaderName::To)
    }

    /// The tag in From, without making an address of it.
    pub fn from_tag(&self) -> Result<Option<&str>, HeaderError> {
        self.tag_in(HeaderName::From)
    }

    /// The tag in To, likewise.
    pub fn to_tag(&self) -> Result<Option<&str>, HeaderError> {
        self.tag_in(HeaderName::To)
    }

    pub fn call_id(&self) -> Result<&str, HeaderError> {
        let value = self.required(HeaderName::CallId)?;
        std::str::from_utf8(value)
            .ok()
            .filter(|id| !id.is_empty() && id.bytes().all(|byte| byte > b' ' && byte != 0x7f))
            .ok_or(HeaderError::Malformed(HeaderName::CallId))
    }

    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        CSeq::parse(self.required(HeaderName::CSeq)?)
            .ok_or(HeaderError::Malformed(HeaderName::CSeq))
    }

    /// The first Contact; an error for `*`, which no dialog can use ([`Headers::contacts`]).
    pub fn contact(&self) -> Result<Option<NameAddr>, HeaderError> {
        self.list(HeaderName::Contact)
            .next()
            .map(|element| address(HeaderName::Contact, element))
            .transpose()
    }

    pub fn contacts(&self) -> Result<Contacts, HeaderError> {
        self.contacts_up_to(usize::MAX)
    }

    /// The first `most` of them; the others are not looked at.
    pub(crate) fn contacts_up_to(&self, most: usize) -> Result<Contacts, HeaderError> {
        if self.list(HeaderName::Contact).eq([b"*"]) {
            return Ok(Contacts::Any);
        }
        let first = self.list(HeaderName::Contact).take(most);
        first
            .map(|element| address(HeaderName::Contact, element))
            .collect::<Result<_, _>>()
            .map(Contacts::List)
    }

    /// Record-Route in message order: reverse it for the route set of a UAC
    /// (RFC 3261 section 12.1.2).
    pub fn record_routes(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.addresses(HeaderName::RecordRoute)
    }

    pub fn routes(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.addresses(HeaderName::Route)
    }

    /// Every element of a header that is a list of addresses, such as P-Asserted-Identity.
    pub fn addresses(&self, name: HeaderName) -> Result<Vec<NameAddr>, HeaderError> {
        self.list(name)
            .map(|element| address(name, element))
            .collect()
    }

    /// The address of a header that has one, such as Refer-To.
    pub fn address(&self, name: HeaderName) -> Result<Option<NameAddr>, HeaderError> {
        self.value(name)
            .map(|value| address(name, value))
            .transpose()
    }

    pub fn max_forwards(&self) -> Result<Option<u8>, HeaderError> {
        let value = self.number(HeaderName::MaxForwards)?;
        value
            .map(|hops| {
                u8::try_from(hops).map_err(|_| HeaderError::Malformed(HeaderName::MaxForwards))
            })
            .transpose()
    }

    /// A header whose value is one decimal number, such as Expires or Min-SE; parameters after it
    /// are not looked at.
    pub fn number(&self, name: HeaderName) -> Result<Option<u32>, HeaderError> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let digits = value.split(|&byte| byte == b';').next().unwrap_or(value);
        match number(super::lexer::trim(digits)) {
            Some(number) => Ok(Some(number)),
            None => Err(HeaderError::Malformed(name)),
        }
    }

    /// The body's media type; `None` if it is absent or malformed (RFC 3261 section 7.4.1: a body
    /// without one is `application/sdp` for those who wish).
    pub fn content_type(&self) -> Option<MediaType<'_>> {
        MediaType::parse(self.value(HeaderName::ContentType)?)
    }

    /// Option tags of Require, Proxy-Require, Supported or Unsupported. Bytes that are not UTF-8
    /// come as a text that equals no tag, so that an unreadable requirement is still an unknown one.
    pub fn option_tags(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.list(name)
            .map(|tag| std::str::from_utf8(tag).unwrap_or("\u{fffd}"))
    }

    /// Whether `tag` is among the option tags (compared without case).
    pub fn has_option_tag(&self, name: HeaderName, tag: &str) -> bool {
        self.option_tags(name)
            .any(|present| present.eq_ignore_ascii_case(tag))
    }

    fn required(&self, name: HeaderName) -> Result<&[u8], HeaderError> {
        self.value(name).ok_or(HeaderError::Missing(name))
    }

    fn required_element(&self, name: HeaderName) -> Result<&[u8], HeaderError> {
        self.list(name).next().ok_or(HeaderError::Missing(name))
    }

    fn tag_in(&self, name: HeaderName) -> Result<Option<&str>, HeaderError> {
        NameAddr::tag_in(self.required(name)?).ok_or(HeaderError::Malformed(name))
    }

    fn required_address(&self, name: HeaderName) -> Result<NameAddr, HeaderError> {
        address(name, self.required(name)?)
    }
}

fn address(name: HeaderName, element: &[u8]) -> Result<NameAddr, HeaderError> {
    NameAddr::parse(element).ok_or(HeaderError::Malformed(name))
}
