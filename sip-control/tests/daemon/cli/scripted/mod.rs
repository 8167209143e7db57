//! Against an API that says what a daemon seldom does: pages, refusals, lost connections.

mod changes;
mod looking;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{Ran, ask};
use crate::support::Directory;

/// A request as it came.
#[derive(Clone, Debug)]
struct Seen {
    /// `GET /trunks?limit=1`
    line: String,
    headers: HeaderMap,
    body: Value,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// What is answered: status, entity tag, body.
struct Reply(u16, &'static str, String);

fn ok(body: Value) -> Reply {
    Reply(200, "\"v7\"", body.to_string())
}

fn problem(status: u16, slug: &str, more: Value) -> Reply {
    let mut body = json!({
        "type": format!("https://trunkline.dev/problems/{slug}"), "title": slug, "status": status,
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    Reply(status, "", body.to_string())
}

#[derive(Clone)]
struct Script {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// Answers one request after the other with what it was given, on a Unix socket and over TCP.
struct Scripted {
    directory: Directory,
    address: SocketAddr,
    script: Script,
    _runtime: tokio::runtime::Runtime,
}

impl Scripted {
    fn new(replies: impl IntoIterator<Item = Reply>) -> Scripted {
        let directory = Directory::new();
        let script = Script {
            replies: Arc::new(Mutex::new(replies.into_iter().collect())),
            seen: Arc::default(),
        };
        let router = Router::new().fallback(answer).with_state(script.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let address = runtime.block_on(async {
            let unix = tokio::net::UnixListener::bind(directory.path("control.sock")).unwrap();
            let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = tcp.local_addr().unwrap();
            tokio::spawn(axum::serve(unix, router.clone()).into_future());
            tokio::spawn(axum::serve(tcp, router).into_future());
            address
        });
        Scripted {
            directory,
            address,
            script,
            _runtime: runtime,
        }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path("control.sock")
    }

    fn ask(&self, words: &str) -> Ran {
        ask(&self.socket(), words)
    }

    fn seen(&self) -> Vec<Seen> {
        self.script.seen.lock().unwrap().clone()
    }

    fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }
}

async fn answer(
    State(script): State<Script>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path_and_query().unwrap().as_str();
    let path = path.strip_prefix("/api/v1").unwrap_or("outside the API");
    script.seen.lock().unwrap().push(Seen {
        line: format!("{method} {path}"),
        headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    });
    let reply = script.replies.lock().unwrap().pop_front();
    let Reply(status, tag, body) = reply.unwrap_or(Reply(500, "", String::new()));
    let mut response = (axum::http::StatusCode::from_u16(status).unwrap(), body).into_response();
    if !tag.is_empty() {
        response.headers_mut().insert("etag", tag.parse().unwrap());
    }
    response
}
