//! The page to try the API with: our own, from the same description that everybody gets.

use axum::http::HeaderMap;
use axum::response::Response;

use super::Page;

const PAGE: &str = include_str!("docs.html");
const SCRIPT: &str = include_str!("docs.js");
const STYLE: &str = include_str!("docs.css");

pub(in crate::api) async fn docs(headers: HeaderMap) -> Response {
    page("text/html; charset=utf-8", PAGE).answer(&headers)
}

pub(in crate::api) async fn docs_script(headers: HeaderMap) -> Response {
    page("text/javascript; charset=utf-8", SCRIPT).answer(&headers)
}

pub(in crate::api) async fn docs_style(headers: HeaderMap) -> Response {
    page("text/css; charset=utf-8", STYLE).answer(&headers)
}

fn page(kind: &'static str, text: &'static str) -> Page {
    Page {
        kind,
        plain: text.as_bytes(),
        br: None,
        gzip: None,
        is_immutable: false,
        tag: concat!("docs-", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}
