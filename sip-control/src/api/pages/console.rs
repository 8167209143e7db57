//! The console, as its build made it.

use std::sync::OnceLock;

use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::{Page, protect};
use crate::api::problem::{Problem, Slug};

/// A file of the build.
struct Asset {
    path: &'static str,
    plain: &'static [u8],
    br: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// Vite names what is in there by its contents.
const HASHED: &str = "/assets/";

const NOT_HERE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Trunkline</title>\
    <h1>The console is not in this build</h1>\
    <p>This daemon was built without it. The API is at <a href=\"/api/v1/docs\">/api/v1/docs</a>, and \
    <code>trunkline --help</code> has the same on the command line.</p></html>";

/// Whatever is no part of the API: a file of the console, or a place within it.
///
/// Paths are compared with a list, and lead to no file system.
pub(in crate::api) async fn console(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    if path == "/api" || path.starts_with("/api/") {
        let detail = format!("there is no {path}; /api/v1/docs has what there is");
        return Problem::new(Slug::NotFound, detail).into_response();
    }
    if method != Method::GET && method != Method::HEAD {
        let detail = "the console is only read; changes go to /api/v1";
        return Problem::new(Slug::MethodNotAllowed, detail).into_response();
    }
    let pages = pages();
    if pages.is_empty() && is_place(path) {
        let mut response = Html(NOT_HERE).into_response();
        protect(response.headers_mut());
        let no_cache = HeaderValue::from_static("no-cache");
        response.headers_mut().insert(CACHE_CONTROL, no_cache);
        return response;
    }
    let wanted = match is_place(path) {
        true => "/index.html",
        false => path,
    };
    match pages.iter().find(|(path, _)| *path == wanted) {
        Some((_, page)) => page.answer(&headers),
        None => (StatusCode::NOT_FOUND, "there is no such file").into_response(),
    }
}

/// A place within the console, which shows it itself: files have a `.` in their name.
fn is_place(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or("");
    !path.starts_with(HASHED) && !last.contains('.')
}

fn pages() -> &'static [(&'static str, Page)] {
    static PAGES: OnceLock<Vec<(&'static str, Page)>> = OnceLock::new();
    PAGES.get_or_init(|| {
        ASSETS
            .iter()
            .map(|asset| (asset.path, asset.page()))
            .collect()
    })
}

impl Asset {
    fn page(&self) -> Page {
        let hash = Sha256::digest(self.plain);
        Page {
            kind: kind(self.path),
            plain: self.plain,
            br: self.br,
            gzip: self.gzip,
            is_immutable: self.path.starts_with(HASHED),
            tag: hash[..12]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        }
    }
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("json" | "webmanifest") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_places_are_told_apart() {
        for place in ["/", "/trunks", "/trunks/carrier", "/calls/7"] {
            assert!(is_place(place), "{place}");
        }
        for file in [
            "/assets/index-abc.js",
            "/assets/x",
            "/favicon.svg",
            "/etc/passwd.txt",
        ] {
            assert!(!is_place(file), "{file}");
        }
    }
}
