//! The other end of the API: HTTP over the daemon's Unix socket, or over TLS to a remote one.
//!
//! Each request has a connection of its own: a person asks seldom, and whoever watches notices at
//! once that the daemon has gone.

mod address;
mod connect;
mod events;

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HOST, IF_MATCH};
use hyper::{Method, Response};
use serde_json::Value;

pub(super) use self::address::{Path, Way};
pub(super) use self::connect::tls;
pub(super) use self::events::{Event, Events};
use super::failure::{Failure, Problem};

/// Before everything of the API.
const BASE: &str = "/api/v1";
/// For an answer; the daemon takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// For what takes its time: a backup, an import.
const LONG_PATIENCE: Duration = Duration::from_secs(600);

/// Asks one daemon.
pub(super) struct Client {
    way: Way,
    patience: Duration,
}

/// What is asked.
pub(super) struct Request {
    method: Method,
    path: Path,
    if_match: Option<String>,
    idempotency_key: Option<String>,
    accept: &'static str,
    last_event: Option<u64>,
    body: Option<(&'static str, Value)>,
    takes_long: bool,
}

impl Request {
    pub(super) fn new(method: Method, path: Path) -> Request {
        Request {
            method,
            path,
            if_match: None,
            idempotency_key: None,
            accept: "application/json",
            last_event: None,
            body: None,
            takes_long: false,
        }
    }

    pub(super) fn get(path: Path) -> Request {
        Request::new(Method::GET, path)
    }

    pub(super) fn post(path: Path, body: Value) -> Request {
        Request::new(Method::POST, path).with_body(body)
    }

    pub(super) fn put(path: Path, body: Value) -> Request {
        Request::new(Method::PUT, path).with_body(body)
    }

    /// A merge patch (RFC 7396).
    pub(super) fn patch(path: Path, body: Value) -> Request {
        let mut request = Request::new(Method::PATCH, path);
        request.body = Some(("application/merge-patch+json", body));
        request
    }

    pub(super) fn delete(path: Path) -> Request {
        Request::new(Method::DELETE, path)
    }

    pub(super) fn with_body(mut self, body: Value) -> Request {
        self.body = Some(("application/json", body));
        self
    }

    /// Only if the object is still as it was under that entity tag (RFC 9110 section 13.1.1).
    pub(super) fn if_match(mut self, tag: Option<String>) -> Request {
        self.if_match = tag;
        self
    }

    pub(super) fn idempotency_key(mut self, key: String) -> Request {
        self.idempotency_key = Some(key);
        self
    }

    pub(super) fn accept(mut self, media_type: &'static str) -> Request {
        self.accept = media_type;
        self
    }

    pub(super) fn takes_long(mut self) -> Request {
        self.takes_long = true;
        self
    }

    /// Events after that number (Last-Event-ID).
    fn last_event(mut self, number: Option<u64>) -> Request {
        self.last_event = number;
        self
    }
}

/// What the daemon answers.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) tag: Option<String>,
    pub(super) bytes: Bytes,
}

impl Answer {
    /// JSON; nothing at all is an empty object.
    pub(super) fn json(&self) -> Result<Value, Failure> {
        if self.bytes.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        serde_json::from_slice(&self.bytes)
            .map_err(|error| anyhow::anyhow!("the daemon does not answer in JSON: {error}").into())
    }
}

impl Client {
    pub(super) fn new(way: Way) -> Client {
        Client {
            way,
            patience: PATIENCE,
        }
    }

    /// One that gives up sooner.
    pub(super) fn hasty(way: Way, patience: Duration) -> Client {
        Client { way, patience }
    }

    /// Over the socket of this host, or from afar.
    pub(super) fn is_local(&self) -> bool {
        matches!(self.way, Way::Socket(_))
    }

    /// The JSON at a path.
    pub(super) async fn get(&self, path: Path) -> Result<Value, Failure> {
        self.ask(Request::get(path)).await?.json()
    }

    /// Every page of a list as one: `{"items": [...]}`, at most `limit` items.
    pub(super) async fn pages(&self, path: Path, limit: Option<usize>) -> Result<Value, Failure> {
        self.pages_from(path.clone(), path, limit).await
    }

    /// The same where the first page has a path of its own.
    pub(super) async fn pages_from(
        &self,
        first: Path,
        path: Path,
        limit: Option<usize>,
    ) -> Result<Value, Failure> {
        let mut all = self.get(first).await?;
        let limit = limit.unwrap_or(usize::MAX);
        let mut next = all["next"].take();
        while let (Some(cursor), Some(items)) = (next.as_str(), all["items"].as_array_mut())
            && items.len() < limit
        {
            let mut more = self.get(path.clone().with("after", Some(cursor))).await?;
            if let Some(found) = more["items"].as_array_mut() {
                items.append(found);
            }
            // A cursor that leads nowhere would be followed for ever.
            next = match more["next"].take() {
                again if again == next => Value::Null,
                further => further,
            };
        }
        if let Some(items) = all["items"].as_array_mut() {
            items.truncate(limit);
        }
        all["next"] = next;
        Ok(all)
    }

    /// Anything; what is not a success is a failure.
    pub(super) async fn ask(&self, request: Request) -> Result<Answer, Failure> {
        let patience = match request.takes_long {
            true => LONG_PATIENCE,
            false => self.patience,
        };
        let asking = async {
            let answer = self.send(request).await?;
            let tag = answer.headers().get(ETAG);
            let tag = tag.and_then(|tag| tag.to_str().ok()).map(str::to_owned);
            let status = answer.status();
            let bytes = answer.into_body().collect().await;
            let bytes = bytes.map_err(|error| self.silent(&error))?.to_bytes();
            match status.is_success() {
                true => Ok(Answer { tag, bytes }),
                false => Err(refusal(status.as_u16(), &bytes)),
            }
        };
        match tokio::time::timeout(patience, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(self.silent(&format!("no answer within {} s", patience.as_secs()))),
        }
    }

    /// The same with the answer as it arrives; `write` is called with each piece.
    pub(super) async fn stream(
        &self,
        request: Request,
        mut write: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut body = self.open(request).await?;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.silent(&error))?;
            if let Some(bytes) = frame.data_ref() {
                write(bytes)?;
            }
        }
        Ok(())
    }

    /// The body of a successful answer.
    async fn open(&self, request: Request) -> Result<Incoming, Failure> {
        let answer = tokio::time::timeout(self.patience, self.send(request)).await;
        let answer = answer.map_err(|_| self.silent(&"it accepts, but says nothing"))??;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer.into_body());
        }
        let bytes = answer.into_body().collect().await;
        let bytes = bytes.map_err(|error| self.silent(&error))?.to_bytes();
        Err(refusal(status.as_u16(), &bytes))
    }

    async fn send(&self, request: Request) -> Result<Response<Incoming>, Failure> {
        let mut sender = self.way.connect().await?;
        let http = self.http(request)?;
        let sent = sender.send_request(http).await;
        sent.map_err(|error| self.silent(&error))
    }

    fn http(&self, request: Request) -> Result<hyper::Request<Full<Bytes>>, Failure> {
        let mut http = hyper::Request::builder()
            .method(request.method)
            .uri(format!("{BASE}{}", request.path))
            .header(HOST, self.way.host())
            .header(ACCEPT, request.accept);
        if let Some(token) = self.way.token() {
            http = http.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(tag) = request.if_match {
            http = http.header(IF_MATCH, tag);
        }
        if let Some(key) = request.idempotency_key {
            http = http.header("Idempotency-Key", key);
        }
        if let Some(number) = request.last_event {
            http = http.header("Last-Event-ID", number);
        }
        let body = match request.body {
            None => Bytes::new(),
            Some((media_type, body)) => {
                http = http.header(CONTENT_TYPE, media_type);
                body.to_string().into()
            }
        };
        http.body(Full::new(body))
            .map_err(|error| Failure::usage(format!("this cannot be asked: {error}")))
    }

    fn silent(&self, why: &dyn std::fmt::Display) -> Failure {
        Failure::NoDaemon(format!("no daemon answers at {}: {why}", self.way))
    }
}

fn refusal(status: u16, bytes: &[u8]) -> Failure {
    let body = serde_json::from_slice(bytes).unwrap_or(Value::Null);
    Failure::Refused(Problem { status, body })
}
