//! Requests outside any dialog: RFC 3261 section 8.1.1, and the addresses that a back-to-back user
//! agent puts in them.

use super::MAX_FORWARDS;
use crate::message::{CSeq, HeaderName, Method, NameAddr, Request, Uri};
use crate::transport::Host;

/// What every request needs; its Via comes from [`crate::transaction`].
#[derive(Clone, Debug)]
pub struct NewRequest {
    pub method: Method,
    pub uri: Uri,
    /// With our tag.
    pub from: NameAddr,
    /// Without a tag.
    pub to: NameAddr,
    pub call_id: String,
    pub sequence: u32,
    /// For methods that make a dialog.
    pub contact: Option<NameAddr>,
}

impl NewRequest {
    pub fn build(self) -> Request {
        let mut request = Request::new(self.method.clone(), self.uri);
        let headers = &mut request.headers;
        headers.push(HeaderName::MaxForwards, MAX_FORWARDS);
        headers.push(HeaderName::From, self.from);
        headers.push(HeaderName::To, self.to);
        headers.push(HeaderName::CallId, self.call_id);
        headers.push(HeaderName::CSeq, CSeq::new(self.sequence, self.method));
        if let Some(contact) = self.contact {
            headers.push(HeaderName::Contact, contact);
        }
        request
    }
}

/// The address of the other leg's From or To for this leg: the same display name and user at our
/// host, with neither the other leg's host nor its tag and parameters (SIG-6).
pub fn at_host(address: &NameAddr, host: &Host, port: Option<u16>) -> NameAddr {
    address.with_uri(Uri::sip(address.uri().user(), host, port))
}
