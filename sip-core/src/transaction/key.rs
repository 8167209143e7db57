//! Which message belongs to which transaction: RFC 3261 sections 17.1.3, 17.2.3, 9.2 and 8.2.2.2.

use crate::message::{HeaderError, HeaderName, Headers, Method, Request, Response, Via};

type Bytes = Box<[u8]>;

/// What two requests of one server transaction have in common (section 17.2.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum ServerMatch {
    Branch {
        branch: Bytes,
        /// Host and port of the top Via: branches of different clients may collide.
        sent_by: String,
        method: Method,
    },
    /// RFC 2543: no magic cookie.
    Legacy {
        uri: Bytes,
        /// Not of INVITE: its ACK has the To tag of the response.
        to_tag: Option<Bytes>,
        from_tag: Option<Bytes>,
        call_id: Bytes,
        sequence: u32,
        method: Method,
        via: Bytes,
    },
}

impl ServerMatch {
    /// Of a request as it came. An ACK matches the INVITE that it acknowledges.
    pub(super) fn of(request: &Request, via: &Via) -> Result<ServerMatch, HeaderError> {
        let method = match &request.method {
            Method::Ack => Method::Invite,
            other => other.clone(),
        };
        if let Some(branch) = cookie_branch(via) {
            return Ok(ServerMatch::Branch {
                branch,
                sent_by: sent_by(via),
                method,
            });
        }
        let headers = &request.headers;
        Ok(ServerMatch::Legacy {
            uri: request.uri.as_str().as_bytes().into(),
            to_tag: if method == Method::Invite {
                None
            } else {
                owned(headers.to_tag()?)
            },
            from_tag: owned(headers.from_tag()?),
            call_id: headers.call_id()?.as_bytes().into(),
            sequence: headers.cseq()?.number,
            method,
            via: headers
                .list(HeaderName::Via)
                .next()
                .unwrap_or_default()
                .into(),
        })
    }

    /// The INVITE that a CANCEL with this match is for (section 9.2).
    pub(super) fn cancelled(&self) -> ServerMatch {
        let mut wanted = self.clone();
        match &mut wanted {
            ServerMatch::Branch { method, .. } => *method = Method::Invite,
            ServerMatch::Legacy { method, to_tag, .. } => {
                *method = Method::Invite;
                *to_tag = None;
            }
        }
        wanted
    }
}

/// What a response and the request of its client transaction have in common (section 17.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ClientMatch {
    branch: Bytes,
    method: Method,
}

impl ClientMatch {
    pub(super) fn new(branch: &str, method: Method) -> ClientMatch {
        ClientMatch {
            branch: branch.to_ascii_lowercase().into_bytes().into(),
            method,
        }
    }

    pub(super) fn is_invite(&self) -> bool {
        self.method == Method::Invite
    }

    /// Of a response; none if its top Via is not one of ours.
    pub(super) fn of(response: &Response) -> Result<Option<ClientMatch>, HeaderError> {
        let via = response.headers.top_via()?;
        let method = response.headers.cseq()?.method;
        Ok(cookie_branch(&via).map(|branch| ClientMatch { branch, method }))
    }
}

/// What copies of one request have in common that took different ways (section 8.2.2.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct MergeMatch {
    call_id: Bytes,
    from_tag: Option<Bytes>,
    sequence: u32,
    method: Method,
}

impl MergeMatch {
    /// None for a request within a dialog.
    pub(super) fn of(request: &Request) -> Result<Option<MergeMatch>, HeaderError> {
        if request.headers.to_tag()?.is_some() {
            return Ok(None);
        }
        let cseq = request.headers.cseq()?;
        Ok(Some(MergeMatch {
            call_id: request.headers.call_id()?.as_bytes().into(),
            from_tag: owned(request.headers.from_tag()?),
            sequence: cseq.number,
            method: cseq.method,
        }))
    }
}

/// What a 2xx to INVITE and its ACK have in common: the dialog and the CSeq number
/// (section 13.2.2.4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct AckMatch {
    call_id: Bytes,
    from_tag: Option<Bytes>,
    to_tag: Option<Bytes>,
    sequence: u32,
}

impl AckMatch {
    /// Of the 2xx, or of the ACK.
    pub(super) fn of(headers: &Headers) -> Result<AckMatch, HeaderError> {
        Ok(AckMatch {
            call_id: headers.call_id()?.as_bytes().into(),
            from_tag: owned(headers.from_tag()?),
            to_tag: owned(headers.to_tag()?),
            sequence: headers.cseq()?.number,
        })
    }
}

/// The To tag, if there is a To with one.
pub(super) fn to_tag(headers: &Headers) -> Option<Bytes> {
    owned(headers.to_tag().ok()?)
}

/// Host and port of the top Via.
fn sent_by(via: &Via) -> String {
    format!("{}:{}", via.host(), via.port_or_default())
}

fn cookie_branch(via: &Via) -> Option<Bytes> {
    let branch = via.branch().filter(|_| via.has_magic_cookie())?;
    // Section 7.3.1: a token, so case does not matter.
    Some(branch.to_ascii_lowercase().into_bytes().into())
}

fn owned(tag: Option<&str>) -> Option<Bytes> {
    tag.map(|tag| tag.as_bytes().into())
}
