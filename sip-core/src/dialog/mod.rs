//! Dialogs: RFC 3261 section 12.
//!
//! A call of the back-to-back user agent has one on each leg. A [`Dialog`] knows what a request
//! within it looks like and where it goes, and judges those that come; sending, retransmitting and
//! matching is the business of [`crate::transaction`].

mod id;
mod outside;
mod path;
mod route;
#[cfg(test)]
mod tests;

pub use self::id::DialogId;
pub use self::outside::{NewRequest, at_host};
pub use self::path::Path;
pub use self::route::RouteSet;

use crate::message::{
    CSeq, HeaderError, HeaderName, Headers, Method, NameAddr, Request, Response, StatusCode, Uri,
};
use crate::transport::{Origin, Target};

/// Why a message makes no dialog, or does not belong in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialogError {
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("no Contact")]
    NoContact,
    /// Section 12.2.2: out of order.
    #[error("CSeq is lower than that of an earlier request")]
    SequenceTooLow,
}

impl DialogError {
    /// How a request with it is answered.
    pub fn status(self) -> StatusCode {
        match self {
            DialogError::Header(_) | DialogError::NoContact => StatusCode::BAD_REQUEST,
            DialogError::SequenceTooLow => StatusCode::SERVER_INTERNAL_ERROR,
        }
    }
}

/// Whether a dialog has been confirmed by a 2xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialogState {
    Early,
    Confirmed,
}

/// One dialog, from our side.
#[derive(Clone, Debug)]
pub struct Dialog {
    id: DialogId,
    state: DialogState,
    /// From of our requests.
    local: NameAddr,
    /// To of our requests.
    remote: NameAddr,
    remote_target: Uri,
    routes: RouteSet,
    contact: NameAddr,
    /// The latest CSeq that we used; 0: none.
    local_sequence: u32,
    /// The latest CSeq that the peer used.
    remote_sequence: Option<u32>,
    path: Path,
}

impl Dialog {
    /// The dialog that our answer to `request`, with `local_tag` in To and `contact`, makes
    /// (section 12.1.1). Early; [`Dialog::confirm`] when the answer is a 2xx.
    pub fn from_request(
        request: &Request,
        local_tag: &str,
        contact: NameAddr,
        path: Path,
    ) -> Result<Dialog, DialogError> {
        let headers = &request.headers;
        let (from, to) = (headers.from()?, headers.to()?);
        Ok(Dialog {
            id: DialogId {
                call_id: headers.call_id()?.into(),
                local_tag: local_tag.into(),
                remote_tag: from.tag().unwrap_or_default().into(),
            },
            state: DialogState::Early,
            local: to.with_tag(local_tag),
            remote: from,
            remote_target: headers.contact()?.ok_or(DialogError::NoContact)?.into_uri(),
            routes: RouteSet::of_request(headers)?,
            contact,
            local_sequence: 0,
            remote_sequence: Some(headers.cseq()?.number),
            path,
        })
    }

    /// The dialog that `response` to our `request` makes (section 12.1.2): a 101–199 with a To tag
    /// an early one, a 2xx a confirmed one.
    ///
    /// A response without Contact leaves the remote target where the request went: better a
    /// dialog that works with such peers than none.
    pub fn from_response(
        request: &Request,
        response: &Response,
        path: Path,
    ) -> Result<Dialog, DialogError> {
        let headers = &response.headers;
        let sent = request.headers.contact()?.ok_or(DialogError::NoContact)?;
        let mut dialog = Dialog {
            id: DialogId::of_response(headers)?,
            state: DialogState::Early,
            local: request.headers.from()?,
            remote: headers.to()?,
            remote_target: request.uri.clone(),
            routes: RouteSet::of_response(headers)?,
            contact: sent,
            local_sequence: request.headers.cseq()?.number,
            remote_sequence: None,
            path,
        };
        dialog.refresh(headers)?;
        if response.status.is_success() {
            dialog.confirm();
        }
        Ok(dialog)
    }

    pub fn id(&self) -> &DialogId {
        &self.id
    }

    pub fn state(&self) -> DialogState {
        self.state
    }

    /// To of our requests.
    pub fn remote(&self) -> &NameAddr {
        &self.remote
    }

    pub fn remote_target(&self) -> &Uri {
        &self.remote_target
    }

    pub fn routes(&self) -> &RouteSet {
        &self.routes
    }

    /// Our Contact.
    pub fn contact(&self) -> &NameAddr {
        &self.contact
    }

    /// The latest CSeq number that we used; 0 before the first.
    pub fn local_sequence(&self) -> u32 {
        self.local_sequence
    }

    pub fn path_mut(&mut self) -> &mut Path {
        &mut self.path
    }

    /// The dialog is another one of those that our provisional responses made.
    pub fn set_local_tag(&mut self, tag: &str) {
        self.id.local_tag = tag.into();
        self.local = self.local.with_tag(tag);
    }

    /// Our 2xx was sent.
    pub fn confirm(&mut self) {
        self.state = DialogState::Confirmed;
    }

    /// The 2xx to our INVITE came, after a provisional response that made the dialog: the route
    /// set is made anew from it (section 13.2.2.4).
    pub fn confirm_by(&mut self, response: &Response) -> Result<(), DialogError> {
        self.confirm();
        self.routes = RouteSet::of_response(&response.headers)?;
        self.refresh(&response.headers)
    }

    /// A request within the dialog came: checks its CSeq (section 12.2.2), and keeps to the
    /// connection that it came by. Not for ACK and CANCEL, which repeat a CSeq.
    pub fn handle_request(
        &mut self,
        origin: &Origin,
        request: &Request,
    ) -> Result<(), DialogError> {
        let number = request.headers.cseq()?.number;
        if self.remote_sequence.is_some_and(|latest| number < latest) {
            return Err(DialogError::SequenceTooLow);
        }
        self.remote_sequence = Some(number);
        self.path.refresh(&request.headers, origin)?;
        Ok(())
    }

    /// Takes the Contact of a target refresh request that we accept, or of the 2xx to one of ours
    /// (sections 12.2.1.2 and 12.2.2): INVITE and UPDATE. Without one the target stays.
    pub fn refresh(&mut self, headers: &Headers) -> Result<(), DialogError> {
        if let Some(contact) = headers.contact()? {
            self.remote_target = contact.into_uri();
        }
        Ok(())
    }

    /// The next request within the dialog (section 12.2.1.1), with all but Via and what belongs to
    /// its body; it goes to [`Dialog::target`].
    pub fn request(&mut self, method: Method) -> Request {
        let sequence = self.next_sequence();
        self.build(method, sequence)
    }

    /// The CSeq number of the next request, for one that is sent again.
    pub fn next_sequence(&mut self) -> u32 {
        // A dialog does not live long enough for 2^31 requests; were it so, the peer would refuse.
        self.local_sequence = self.local_sequence.saturating_add(1);
        self.local_sequence
    }

    /// The ACK to a 2xx that our INVITE with CSeq number `invite` got (section 13.2.2.4), for
    /// [`crate::transaction::Transactions::send_ack`]; it goes to [`Dialog::target`].
    pub fn ack(&self, invite: u32) -> Request {
        self.build(Method::Ack, invite)
    }

    /// Where requests within the dialog go now.
    pub fn target(&self) -> Target {
        let next_hop = self.routes.next_hop(&self.remote_target);
        self.path.target(next_hop, self.routes.is_empty())
    }

    fn build(&self, method: Method, sequence: u32) -> Request {
        let has_contact = makes_or_refreshes_target(&method);
        let mut request = Request::new(method.clone(), self.remote_target.clone());
        self.routes.apply(&self.remote_target, &mut request);
        let headers = &mut request.headers;
        headers.push(HeaderName::MaxForwards, MAX_FORWARDS);
        headers.push(HeaderName::From, &self.local);
        headers.push(HeaderName::To, &self.remote);
        headers.push(HeaderName::CallId, self.id.call_id.as_bytes());
        headers.push(HeaderName::CSeq, CSeq::new(sequence, method));
        if has_contact {
            headers.push(HeaderName::Contact, &self.contact);
        }
        request
    }
}

/// Section 8.1.1.6.
const MAX_FORWARDS: &str = "70";

/// Methods whose requests carry Contact (RFC 3261 table 2, RFC 3311, RFC 3515, RFC 6665).
fn makes_or_refreshes_target(method: &Method) -> bool {
    matches!(
        method,
        Method::Invite | Method::Update | Method::Refer | Method::Subscribe | Method::Notify
    )
}
