//! The route set: RFC 3261 sections 12.1 and 12.2.1.1.

use crate::message::{HeaderError, HeaderName, Headers, NameAddr, Request, Uri};

/// The proxies that want to see the requests of a dialog, nearest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteSet(Vec<NameAddr>);

impl RouteSet {
    /// From the request that makes the dialog (section 12.1.1): Record-Route in order.
    pub fn of_request(headers: &Headers) -> Result<RouteSet, HeaderError> {
        headers.record_routes().map(RouteSet)
    }

    /// From the response that makes the dialog (section 12.1.2): Record-Route reversed.
    pub fn of_response(headers: &Headers) -> Result<RouteSet, HeaderError> {
        let mut routes = headers.record_routes()?;
        routes.reverse();
        Ok(RouteSet(routes))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The URI that a request goes to: the first route, else the remote target.
    pub fn next_hop<'a>(&'a self, remote_target: &'a Uri) -> &'a Uri {
        self.0.first().map_or(remote_target, NameAddr::uri)
    }

    /// Gives the request its Request-URI and Route headers. A first route without `lr` is a strict
    /// router: it becomes the Request-URI, and the remote target goes last (section 12.2.1.1).
    pub fn apply(&self, remote_target: &Uri, request: &mut Request) {
        let (uri, routes, last) = match self.0.split_first() {
            Some((first, rest)) if !first.uri().has_param("lr") => {
                (first.uri().as_request_uri(), rest, Some(remote_target))
            }
            _ => (remote_target.as_request_uri(), self.0.as_slice(), None),
        };
        request.uri = uri;
        for route in routes {
            request.headers.push(HeaderName::Route, route);
        }
        if let Some(last) = last {
            request.headers.push(HeaderName::Route, format!("<{last}>"));
        }
    }
}
