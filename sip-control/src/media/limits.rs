//! Limits of the process that are raised as far as it may: soft ones to the hard.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the soft limit to the hard one; a failure is told as `what`, e.g. "open files".
pub(super) fn raise(resource: Resource, what: &str) {
    let mut limit = getrlimit(resource);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(resource, limit) {
            tracing::warn!(%error, "media: the limit of {what} could not be raised");
        }
    }
}

/// The hard limit, for messages.
pub(super) fn hard(resource: Resource) -> String {
    getrlimit(resource)
        .maximum
        .map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}
