//! What a test reads of a user agent: where it is in its call, and what it was sent.

use sip_core::message::{Message, Method, Request, Response};

use super::Agent;

impl Agent {
    pub(crate) fn is_inviting(&self) -> bool {
        self.invite_out.is_some()
    }

    /// RFC 3261 section 14.1: no INVITE while one is in progress, in either direction.
    pub(crate) fn may_invite(&self) -> bool {
        self.invite_out.is_none() && self.invite_in.is_none() && self.awaits_ack.is_none()
    }

    pub(crate) fn is_invited(&self) -> bool {
        self.invite_in.is_some()
    }

    // What it saw.

    pub(crate) fn requests(&self, method: &Method) -> Vec<&Request> {
        let requests = self.received.iter().filter_map(|message| match message {
            Message::Request(request) if request.method == *method => Some(request),
            _ => None,
        });
        requests.collect()
    }

    pub(crate) fn request_received(&self, method: &Method) -> &Request {
        self.requests(method)
            .pop()
            .unwrap_or_else(|| panic!("no {method} came"))
    }

    /// Statuses of the responses to requests of that method, in order of arrival.
    pub(crate) fn statuses(&self, method: &Method) -> Vec<u16> {
        self.responses(method)
            .iter()
            .map(|response| response.status.code())
            .collect()
    }

    pub(crate) fn responses(&self, method: &Method) -> Vec<&Response> {
        let responses = self.received.iter().filter_map(|message| match message {
            Message::Response(response)
                if response.headers.cseq().expect("CSeq").method == *method =>
            {
                Some(response)
            }
            _ => None,
        });
        responses.collect()
    }

    pub(crate) fn response(&self, method: &Method, status: u16) -> &Response {
        let mut found = self.responses(method);
        found.retain(|response| response.status == status);
        found
            .pop()
            .unwrap_or_else(|| panic!("no {status} to {method}, but {:?}", self.statuses(method)))
    }
}
