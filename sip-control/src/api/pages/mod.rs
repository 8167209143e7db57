//! What browsers are given: the console, which is built into the daemon, and a page to try the API
//! with. Neither asks anybody but us for anything, and their Content-Security-Policy holds them to
//! it.

mod console;
mod docs;

use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

pub(super) use self::console::console;
pub(super) use self::docs::{docs, docs_script, docs_style};

/// Nothing but what this origin serves; no page of anybody else's may show ours.
pub(super) const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
     connect-src 'self'; manifest-src 'self'; base-uri 'none'; frame-ancestors 'none'; \
     form-action 'none'",
);

/// One file, in every form in which it can be sent.
struct Page {
    kind: &'static str,
    plain: &'static [u8],
    br: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
    /// Its name changes with its contents.
    is_immutable: bool,
    /// Of its contents.
    tag: String,
}

impl Page {
    fn answer(&self, request: &HeaderMap) -> Response {
        let (encoding, body) = self.encoded(request);
        let tag = match encoding {
            Some(encoding) => format!("\"{}-{encoding}\"", self.tag),
            None => format!("\"{}\"", self.tag),
        };
        let is_known = request
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|one| one.trim() == tag));
        let mut response = match is_known {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => body.into_response(),
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        if let Some(encoding) = encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            headers.insert(ETAG, tag);
        }
        let cache = match self.is_immutable {
            true => "public, max-age=31536000, immutable",
            false => "no-cache",
        };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
        protect(headers);
        response
    }

    fn encoded(&self, request: &HeaderMap) -> (Option<&'static str>, &'static [u8]) {
        for (encoding, body) in [("br", self.br), ("gzip", self.gzip)] {
            if let Some(body) = body
                && accepts(request, encoding)
            {
                return (Some(encoding), body);
            }
        }
        (None, self.plain)
    }
}

/// What every page is sent with.
fn protect(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

/// RFC 9110 section 12.5.3, for codings that are named.
fn accepts(request: &HeaderMap, encoding: &str) -> bool {
    let values = request.get_all(ACCEPT_ENCODING).iter();
    let mut codings = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    codings.any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_named = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let is_refused = parts.any(|part| {
            part.strip_prefix("q=")
                .is_some_and(|weight| weight.parse() == Ok(0.0))
        });
        is_named && !is_refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        Page {
            kind: "text/css",
            plain: b"plain",
            br: Some(b"br"),
            gzip: Some(b"gz"),
            is_immutable: true,
            tag: "t".to_owned(),
        }
    }

    fn request(name: &'static str, value: &str) -> HeaderMap {
        let name = axum::http::HeaderName::from_static(name);
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_page_is_sent_compressed_to_who_can_read_it() {
        for (accepted, sent) in [
            ("gzip, deflate, br", Some("br")),
            ("gzip", Some("gzip")),
            ("br;q=0, gzip;q=0.5", Some("gzip")),
            ("identity", None),
            ("brotli", None),
        ] {
            let (encoding, _) = page().encoded(&request("accept-encoding", accepted));
            assert_eq!(encoding, sent, "{accepted}");
        }
        assert_eq!(
            page().encoded(&HeaderMap::new()),
            (None, b"plain".as_slice())
        );
    }

    #[test]
    fn a_page_that_the_browser_has_is_not_sent_again() {
        let response = page().answer(&request("if-none-match", "\"x\", \"t\""));
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        let response = page().answer(&request("if-none-match", "\"t-br\""));
        assert_eq!(response.status(), StatusCode::OK);
        let policy = response.headers()[CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"));
    }
}
