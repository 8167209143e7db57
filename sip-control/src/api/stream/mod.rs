//! Events as they happen (OPS-3): Server-Sent Events, and the same over WebSocket.
//!
//! Nothing is kept for a client: it takes from what everybody takes from. Who falls too far behind
//! is told so, and cut off; it comes back with its last number and misses nothing.

mod sse;
mod websocket;

use std::sync::Arc;

use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::IntoParams;

pub(super) use self::sse::{__path_stream, stream};
pub(super) use self::websocket::{__path_socket, socket};
use super::Api;
use super::problem::{Problem, Slug};
use crate::events::{Filter, Subscription};

/// Which events a client wants.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The number of the last event that the client has; those after it come first. Default: only
    /// those from now on.
    after: Option<u64>,
    /// Kinds, separated by commas; default: every kind.
    kinds: Option<String>,
    /// Of this call alone.
    call: Option<u64>,
    /// Of this trunk alone.
    trunk: Option<String>,
}

impl Wanted {
    fn filter(&self) -> Filter {
        Filter {
            kinds: kinds(self.kinds.as_deref()),
            call: self.call,
            trunk: self.trunk.clone(),
        }
    }
}

/// A list with commas.
pub(super) fn kinds(text: Option<&str>) -> Vec<String> {
    let kinds = text.into_iter().flat_map(|text| text.split(','));
    let kinds = kinds.map(str::trim).filter(|kind| !kind.is_empty());
    kinds.map(str::to_owned).collect()
}

/// A subscription, with the place that it takes among those that there may be.
struct Listener {
    subscription: Subscription,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    fn new(api: &Api, after: Option<u64>, filter: Filter) -> Result<Listener, Problem> {
        let places: &Arc<Semaphore> = &api.event_places;
        let place = Arc::clone(places).try_acquire_owned().map_err(|_| {
            let detail = "as many listen for events as api.event_clients allows";
            Problem::new(Slug::RateLimited, detail).retry_after(10)
        })?;
        Ok(Listener {
            subscription: api.hub.subscribe(after, filter),
            _place: place,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_separated_by_commas() {
        assert_eq!(
            kinds(Some("call_started, call_ended,,")),
            ["call_started", "call_ended"]
        );
        assert!(kinds(Some(" ")).is_empty() && kinds(None).is_empty());
    }
}
