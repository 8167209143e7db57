//! The requests that share an INVITE's hop: ACK to a refusal (RFC 3261 section 17.1.1.3) and
//! CANCEL (section 9.1).

use crate::message::{HeaderName, Headers, Method, Request, Response};
use crate::transport::Target;

/// What remains of an INVITE that was sent: enough to acknowledge or cancel it.
#[derive(Clone)]
pub(super) struct Hop {
    pub(super) target: Target,
    /// The INVITE with only the headers that ACK and CANCEL repeat.
    invite: Request,
    sequence: u32,
    pub(super) branch: String,
    /// Why it is cancelled (RFC 3326).
    pub(super) reason: Option<String>,
}

impl Hop {
    /// Of an INVITE that has its Via already, with that branch.
    pub(super) fn of(invite: &Request, branch: &str, target: Target) -> Hop {
        let sequence = invite.headers.cseq().map_or(0, |cseq| cseq.number);
        let mut headers = Headers::new();
        for field in invite
            .headers
            .iter()
            .filter(|field| is_repeated(field.name))
        {
            headers.push_raw(field);
        }
        let invite = Request {
            method: Method::Invite,
            uri: invite.uri.clone(),
            headers,
            body: Vec::new(),
        };
        Hop {
            target,
            invite,
            sequence,
            branch: branch.to_owned(),
            reason: None,
        }
    }

    /// The ACK to a final response other than 2xx: To as in the response.
    pub(super) fn ack(&self, response: &Response) -> Request {
        let mut ack = self.request(Method::Ack);
        if let Some(to) = response.headers.value(HeaderName::To) {
            ack.headers.set(HeaderName::To, to);
        }
        ack
    }

    pub(super) fn cancel(&self) -> Request {
        let mut cancel = self.request(Method::Cancel);
        if let Some(reason) = &self.reason {
            cancel.headers.push(HeaderName::Reason, reason.as_str());
        }
        cancel
    }

    fn request(&self, method: Method) -> Request {
        let mut request = self.invite.clone();
        request
            .headers
            .push(HeaderName::CSeq, format!("{} {method}", self.sequence));
        request.method = method;
        request
    }
}

fn is_repeated(name: Option<HeaderName>) -> bool {
    matches!(
        name,
        Some(
            HeaderName::Via
                | HeaderName::Route
                | HeaderName::MaxForwards
                | HeaderName::From
                | HeaderName::To
                | HeaderName::CallId
        )
    )
}
