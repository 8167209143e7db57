//! What a REGISTER asks for: RFC 3261 section 10.3, steps 6 and 7, RFC 3327, RFC 5626 section 6.

use std::time::{Duration, Instant};

use super::binding::{Binding, Flow};
use super::{LONGEST, RegisterError, SHORTEST};
use crate::message::params::unquote;
use crate::message::{Contacts, HeaderError, HeaderName, NameAddr, Request};
use crate::transport::{Host, Origin, Transport};
use crate::trunk::Allowed;
use crate::trunk::network::names;

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
    /// The way that it came by.
    flow: Flow,
    /// The ACL of the trunk, if one of its proxies sent this on.
    forwarded_by: Option<Vec<Allowed>>,
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
    /// An error is for 400. `acl`: of the trunk.
    pub(crate) fn of(
        request: &Request,
        origin: &Origin,
        acl: &[Allowed],
    ) -> Result<Registration, HeaderError> {
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
        // One that came from its sender itself has one Via, the sender's own.
        let is_direct = headers.vias()?.len() == 1 && path.is_empty();
        let by_proxy = !is_direct && names(acl, origin.remote.ip());
        Ok(Registration {
            asked,
            call_id: headers.call_id()?.to_owned(),
            sequence: cseq.number,
            flow: flow(origin),
            forwarded_by: by_proxy.then(|| acl.to_vec()),
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
        let flow = Some(self.flow).filter(|_| !self.leads_to_the_trunk(contact));
        let new = Binding {
            contact: contact.clone(),
            path: self.path.clone(),
            call_id: self.call_id.clone(),
            sequence: self.sequence,
            expires: now + time,
            instance: instance(contact).filter(|_| self.outbound),
            flow,
            source: flow.map(|flow| (flow.listener, flow.remote)),
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

    /// Whether calls go where Path or Contact lead instead of back to who sent the REGISTER: a proxy
    /// without a Path does not want to see them (RFC 5626 section 5.1). Anybody can write a second Via,
    /// a Path and any address into a REGISTER; so only a proxy that the ACL names is believed, and only
    /// what leads to an address that the ACL names, too: nobody makes us call somebody else.
    fn leads_to_the_trunk(&self, contact: &NameAddr) -> bool {
        let Some(acl) = &self.forwarded_by else {
            return false;
        };
        let next = self.path.first().unwrap_or(contact);
        matches!(next.uri().host(), Some(Host::Address(address)) if names(acl, *address))
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

fn flow(origin: &Origin) -> Flow {
    Flow {
        transport: origin.transport,
        listener: origin.listener,
        remote: origin.remote,
        connection: origin
            .connection
            .filter(|_| origin.transport != Transport::Udp),
    }
}

/// RFC 5626 section 4.2; `reg-id` alone means nothing.
fn instance(contact: &NameAddr) -> Option<(String, u32)> {
    let reg_id = contact.param("reg-id")?.parse().ok()?;
    let instance = contact.param("+sip.instance")?;
    Some((unquote(instance), reg_id))
}
