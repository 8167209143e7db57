//! What a REGISTER asks for: RFC 3261 section 10.3, steps 6 and 7, RFC 3327, RFC 5626 section 6.

use std::time::{Duration, Instant};

use super::binding::{Binding, Flow};
use super::{LONGEST, RegisterError, SHORTEST};
use crate::message::params::unquote;
use crate::message::{Contacts, HeaderError, HeaderName, NameAddr, Request};
use crate::transport::{Origin, Transport};

/// Contacts of one REGISTER: enough to put [`super::MAX_BINDINGS`] in the place of as many others. Each
/// is compared with all of them.
const MAX_CONTACTS: usize = 20;
/// Bytes of one of them.
const MAX_CONTACT_BYTES: usize = 1024;
/// Parameters of its URI; and as many headers.
const MAX_CONTACT_PARAMS: usize = 32;
/// Bytes of the whole Path, which every binding keeps.
const MAX_PATH_BYTES: usize = 2048;

/// A REGISTER, read.
pub(crate) struct Registration {
    asked: Asked,
    call_id: String,
    sequence: u32,
    path: Vec<NameAddr>,
    flow: Option<Flow>,
    /// The phone knows RFC 5626.
    outbound: bool,
}

/// What is to be done.
enum Asked {
    /// No Contact: tell what is there.
    Query,
    /// `Contact: *` with `Expires: 0`.
    RemoveAll,
    /// Each with its time; zero: remove it. Of too many only so many that it shows.
    Contacts(Vec<(NameAddr, Duration)>),
}

impl Registration {
    /// An error is for 400.
    pub(crate) fn of(request: &Request, origin: &Origin) -> Result<Registration, HeaderError> {
        let headers = &request.headers;
        let cseq = headers.cseq()?;
        // Section 20.19: one that is malformed counts as 3600.
        let default = match headers.number(HeaderName::Expires) {
            Ok(seconds) => seconds,
            Err(_) => Some(3600),
        };
        let asked = match headers.contacts_up_to(MAX_CONTACTS + 1)? {
            Contacts::Any if default == Some(0) => Asked::RemoveAll,
            Contacts::Any => return Err(HeaderError::Malformed(HeaderName::Expires)),
            Contacts::List(list) if list.is_empty() => Asked::Query,
            Contacts::List(list) => Asked::Contacts(timed(list, default)?),
        };
        let path_bytes: usize = headers.values(HeaderName::Path).map(<[u8]>::len).sum();
        if path_bytes > MAX_PATH_BYTES {
            return Err(HeaderError::Malformed(HeaderName::Path));
        }
        let path = headers.addresses(HeaderName::Path)?;
        Ok(Registration {
            asked,
            call_id: headers.call_id()?.to_owned(),
            sequence: cseq.number,
            flow: flow(headers.vias()?.len(), path.is_empty(), origin),
            path,
            outbound: headers.has_option_tag(HeaderName::Supported, "outbound"),
        })
    }

    /// Whether any contact is a flow of RFC 5626.
    pub(crate) fn is_outbound(&self) -> bool {
        let Asked::Contacts(contacts) = &self.asked else {
            return false;
        };
        let mut contacts = contacts.iter();
        self.outbound && contacts.any(|(contact, _)| instance(contact).is_some())
    }

    /// The proxies on the way, for the response (RFC 3327 section 5.3).
    pub(crate) fn path(&self) -> &[NameAddr] {
        &self.path
    }

    /// The bindings after it, if it can be done whole.
    pub(super) fn apply(
        &self,
        now: Instant,
        old: &[Binding],
    ) -> Result<Vec<Binding>, RegisterError> {
        let mut bindings = old.to_vec();
        match &self.asked {
            Asked::Query => {}
            Asked::RemoveAll => {
                if old.iter().any(|binding| !self.is_newer_than(binding)) {
                    return Err(RegisterError::OutOfOrder);
                }
                bindings.clear();
            }
            Asked::Contacts(contacts) if contacts.len() > MAX_CONTACTS => {
                return Err(RegisterError::TooMany);
            }
            Asked::Contacts(contacts) => {
                for (contact, time) in contacts {
                    self.apply_one(now, contact, *time, old, &mut bindings)?;
                }
            }
        }
        Ok(bindings)
    }

    fn apply_one(
        &self,
        now: Instant,
        contact: &NameAddr,
        time: Duration,
        old: &[Binding],
        bindings: &mut Vec<Binding>,
    ) -> Result<(), RegisterError> {
        if !time.is_zero() && time < SHORTEST {
            return Err(RegisterError::TooBrief);
        }
        let new = Binding {
            contact: contact.clone(),
            path: self.path.clone(),
            call_id: self.call_id.clone(),
            sequence: self.sequence,
            expires: now + time,
            instance: instance(contact).filter(|_| self.outbound),
            flow: self.flow,
        };
        let is_same = |binding: &&Binding| binding.is_same_place(&new);
        if old
            .iter()
            .find(is_same)
            .is_some_and(|old| !self.is_newer_than(old))
        {
            return Err(RegisterError::OutOfOrder);
        }
        let place = bindings
            .iter()
            .position(|binding| binding.is_same_place(&new));
        match (place, time.is_zero()) {
            (Some(place), true) => {
                bindings.remove(place);
            }
            (Some(place), false) => bindings[place] = new,
            (None, true) => {}
            (None, false) => bindings.push(new),
        }
        Ok(())
    }

    /// Step 7: another Call-ID is another boot of the phone; within one, CSeq grows.
    fn is_newer_than(&self, binding: &Binding) -> bool {
        binding.call_id != self.call_id || binding.sequence < self.sequence
    }
}

/// Every contact and its time; an error for one that is longer than any telephone's.
fn timed(
    contacts: Vec<NameAddr>,
    default: Option<u32>,
) -> Result<Vec<(NameAddr, Duration)>, HeaderError> {
    let timed = contacts.into_iter().map(|contact| {
        let uri = contact.uri();
        let headers = uri.headers().unwrap_or_default().split('&').count();
        let params = uri.params().iter().count();
        if contact.as_bytes().len() > MAX_CONTACT_BYTES || params.max(headers) > MAX_CONTACT_PARAMS
        {
            return Err(HeaderError::Malformed(HeaderName::Contact));
        }
        let seconds = contact.expires().or(default);
        let time = seconds.map_or(LONGEST, |s| Duration::from_secs(s.into()));
        Ok((contact, time.min(LONGEST)))
    });
    timed.collect()
}

/// The flow is the sender's own if it sent to us directly: then there is one Via, its own. Without
/// a Path a proxy on the way does not want to see the calls (RFC 5626 section 5.1).
fn flow(vias: usize, without_path: bool, origin: &Origin) -> Option<Flow> {
    let is_direct = vias == 1 && without_path;
    is_direct.then_some(Flow {
        transport: origin.transport,
        listener: origin.listener,
        remote: origin.remote,
        connection: origin
            .connection
            .filter(|_| origin.transport != Transport::Udp),
    })
}

/// RFC 5626 section 4.2; `reg-id` alone means nothing.
fn instance(contact: &NameAddr) -> Option<(String, u32)> {
    let reg_id = contact.param("reg-id")?.parse().ok()?;
    let instance = contact.param("+sip.instance")?;
    Some((unquote(instance), reg_id))
}
