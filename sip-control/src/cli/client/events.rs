//! Server-sent events (WHATWG HTML section 9.2), followed over lost connections.

use std::collections::VecDeque;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use super::{Client, Path, Request};
use crate::cli::failure::Failure;

/// The daemon sends a comment each 15 s: who is silent for longer is gone.
const SILENCE: Duration = Duration::from_secs(45);
/// Before the first try to come back, and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// Of one event; the daemon's are much shorter.
const LONGEST_LINE_BYTES: usize = 1 << 20;

/// An event as the API gives it; `kind` is `gap` where numbers are missing.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Event {
    pub(in crate::cli) number: Option<u64>,
    pub(in crate::cli) kind: String,
    pub(in crate::cli) data: Value,
}

/// Follows the stream at a path; a client that comes back says the last number that it has seen.
pub(in crate::cli) struct Events<'a> {
    client: &'a Client,
    path: Path,
    last: Option<u64>,
    body: Option<Incoming>,
    parser: Parser,
    ready: VecDeque<Event>,
}

impl<'a> Events<'a> {
    /// `after`: the number of the last event that is known already.
    pub(in crate::cli) async fn open(
        client: &'a Client,
        path: Path,
        after: Option<u64>,
    ) -> Result<Events<'a>, Failure> {
        let mut events = Events {
            client,
            path,
            last: after,
            body: None,
            parser: Parser::default(),
            ready: VecDeque::new(),
        };
        if after.is_none() {
            // So that nothing is missed, should the connection be lost before the first event.
            let health = client.get(Path::of(&["health"])).await?;
            events.last = health["events"]["latest"].as_u64();
        }
        // Whoever cannot even begin is told so.
        events.connect().await?;
        Ok(events)
    }

    /// The next event, however long that takes; `lost` hears of each connection that is lost.
    pub(in crate::cli) async fn next(
        &mut self,
        mut lost: impl FnMut(&str),
    ) -> Result<Event, Failure> {
        let mut backoff = BACKOFF.0;
        loop {
            if let Some(event) = self.ready.pop_front() {
                // We were too slow: the daemon's last word before it closes.
                if event.kind == "stalled" {
                    self.last = event.data["after"].as_u64().or(self.last);
                    continue;
                }
                let gone = event.data["to"].as_u64().filter(|_| event.kind == "gap");
                self.last = event.number.or(gone).or(self.last);
                return Ok(event);
            }
            let problem = match self.read().await {
                Ok(()) => continue,
                Err(problem) => problem,
            };
            self.body = None;
            self.parser = Parser::default();
            lost(&problem);
            loop {
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF.1);
                match self.connect().await {
                    Ok(()) => break,
                    Err(failure) if is_passing(&failure) => {}
                    // A refusal, such as of a token that was revoked, stays one.
                    Err(failure) => return Err(failure),
                }
            }
        }
    }

    async fn connect(&mut self) -> Result<(), Failure> {
        let request = Request::get(self.path.clone())
            .accept("text/event-stream")
            .last_event(self.last);
        self.body = Some(self.client.open(request).await?);
        Ok(())
    }

    /// Reads until something has arrived.
    async fn read(&mut self) -> Result<(), String> {
        let Some(body) = &mut self.body else {
            return Err("not connected".to_owned());
        };
        let frame = tokio::time::timeout(SILENCE, body.frame()).await;
        let bytes = match frame {
            Err(_) => return Err(format!("nothing for {} s", SILENCE.as_secs())),
            Ok(None) => return Err("the daemon has closed it".to_owned()),
            Ok(Some(Err(error))) => return Err(error.to_string()),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        };
        self.parser.feed(&bytes, &mut self.ready)
    }
}

/// A daemon that restarts, or has too much to do.
fn is_passing(failure: &Failure) -> bool {
    match failure {
        Failure::NoDaemon(_) => true,
        Failure::Refused(problem) => problem.status == 429 || problem.status >= 500,
        _ => false,
    }
}

/// Bytes into events, wherever they are cut.
#[derive(Default)]
struct Parser {
    line: Vec<u8>,
    number: Option<u64>,
    kind: String,
    data: String,
}

impl Parser {
    fn feed(&mut self, bytes: &[u8], events: &mut VecDeque<Event>) -> Result<(), String> {
        for byte in bytes {
            match byte {
                b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    let line = String::from_utf8_lossy(&line).into_owned();
                    events.extend(self.take(line.trim_end_matches('\r'))?);
                }
                _ if self.line.len() >= LONGEST_LINE_BYTES => {
                    return Err("a line is too long for an event".to_owned());
                }
                byte => self.line.push(*byte),
            }
        }
        Ok(())
    }

    /// A line; an empty one ends an event.
    fn take(&mut self, line: &str) -> Result<Option<Event>, String> {
        if line.is_empty() {
            return self.finish();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.number = value.parse().ok(),
            "event" => value.clone_into(&mut self.kind),
            "data" if self.data.len() > LONGEST_LINE_BYTES => {
                return Err("an event is too long".to_owned());
            }
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            // A comment, or what a later version has added.
            _ => {}
        }
        Ok(None)
    }

    fn finish(&mut self) -> Result<Option<Event>, String> {
        let Parser {
            number, kind, data, ..
        } = std::mem::take(self);
        if data.is_empty() {
            return Ok(None);
        }
        let data = serde_json::from_str(&data)
            .map_err(|error| format!("an event is not in JSON: {error}"))?;
        Ok(Some(Event { number, kind, data }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const STREAM: &str = ": ping\n\nid: 7\nevent: call_started\ndata: {\"seq\":7}\n\n\
        event: gap\r\ndata: {\"from\":8,\r\ndata: \"to\":9}\r\n\r\nid: 10\n\nretry: 5\n\n";

    #[test]
    fn events_are_read_wherever_the_bytes_are_cut() {
        for size in 1..STREAM.len() {
            let (mut parser, mut events) = (Parser::default(), VecDeque::new());
            for bytes in STREAM.as_bytes().chunks(size) {
                parser.feed(bytes, &mut events).unwrap();
            }
            let started = Event {
                number: Some(7),
                kind: "call_started".to_owned(),
                data: json!({"seq": 7}),
            };
            let gap = Event {
                number: None,
                kind: "gap".to_owned(),
                data: json!({"from": 8, "to": 9}),
            };
            assert_eq!(events, [started, gap], "cut each {size} bytes");
        }
    }

    #[test]
    fn what_is_no_stream_of_events_is_said_to_be_none() {
        let (mut parser, mut events) = (Parser::default(), VecDeque::new());
        let problem = parser.feed(b"data: {\n\n", &mut events).unwrap_err();
        assert!(problem.contains("JSON"), "{problem}");
        let endless = vec![b'x'; LONGEST_LINE_BYTES + 1];
        let problem = parser.feed(&endless, &mut events).unwrap_err();
        assert!(problem.contains("too long"), "{problem}");
    }
}
