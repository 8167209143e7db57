//! Which dialog a message belongs to: RFC 3261 section 12.

use crate::message::{HeaderError, Headers};

/// Call-ID and both tags, as our side sees them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogId {
    pub call_id: Box<str>,
    pub local_tag: Box<str>,
    /// Empty for a peer that gives none (RFC 2543; section 12.1.1).
    pub remote_tag: Box<str>,
}

impl DialogId {
    /// Of a request to us, or of the request that a response of ours answers. `None` for a request
    /// outside any dialog: its To has no tag.
    pub fn of_request(headers: &Headers) -> Result<Option<DialogId>, HeaderError> {
        let Some(local_tag) = tag(headers.to_tag()?) else {
            return Ok(None);
        };
        Ok(Some(DialogId {
            call_id: headers.call_id()?.into(),
            local_tag,
            remote_tag: tag(headers.from_tag()?).unwrap_or_default(),
        }))
    }

    /// Of a response to us.
    pub fn of_response(headers: &Headers) -> Result<DialogId, HeaderError> {
        Ok(DialogId {
            call_id: headers.call_id()?.into(),
            local_tag: tag(headers.from_tag()?).unwrap_or_default(),
            remote_tag: tag(headers.to_tag()?).unwrap_or_default(),
        })
    }
}

fn tag(tag: Option<&str>) -> Option<Box<str>> {
    tag.map(Box::from)
}
