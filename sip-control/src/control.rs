//! A Unix socket that tells how the daemon is: one line in, one line of JSON out.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use media_common::counters::Verdicts;
use media_core::quality::Mos;
use serde_json::{Map, Value, json};
use sip_core::stack::{LiveCall, Stack};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::cdr::{self, Records};
use crate::media::{Carried, FlowStatus, MediaPlane};
use crate::transport::Transports;

/// Where the socket is usually put.
pub const DEFAULT_SOCKET: &str = "/run/trunkline/control.sock";

/// The only question so far.
const STATUS: &str = "status";
const LONGEST_QUESTION_BYTES: u64 = 256;
/// For the command line; the daemon answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks the driver what signalling knows.
pub(crate) struct Question(oneshot::Sender<Snapshot>);

impl Question {
    pub(crate) fn answer(self, snapshot: Snapshot) {
        // Whoever asked may have left.
        let _ = self.0.send(snapshot);
    }
}

/// What signalling knows at one moment.
pub(crate) struct Snapshot {
    calls: Vec<(u64, Map<String, Value>)>,
    counters: Value,
}

impl Snapshot {
    pub(crate) fn take(stack: &Stack, transports: &Transports, records: &Records) -> Snapshot {
        let signalling: Map<String, Value> = named(stack.counters().iter());
        let transport: Map<String, Value> = named(transports.counters().iter());
        Snapshot {
            calls: stack
                .live_calls()
                .iter()
                .map(|call| (call.call.0, live_call(call)))
                .collect(),
            counters: json!({
                "calls": stack.calls(),
                "connections": transports.open_connections(),
                "records_lost": records.lost(),
                "signalling": signalling,
                "transport": transport,
            }),
        }
    }
}

fn live_call(call: &LiveCall) -> Map<String, Value> {
    let age_ms = |since: Instant| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    let [caller, callee] = &call.legs;
    let fields = [
        ("call", json!(call.call.0)),
        ("from", json!(call.from)),
        ("to", json!(call.to)),
        ("age_ms", json!(age_ms(call.start))),
        ("answered_ms", json!(call.answer.map(age_ms))),
        ("caller", cdr::leg(caller)),
        ("callee", cdr::leg(callee)),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The open socket; its file is removed when it is closed.
pub(crate) struct ControlSocket {
    path: PathBuf,
    accepting: JoinHandle<()>,
}

impl ControlSocket {
    /// A file that a dead daemon left behind is replaced.
    pub(crate) fn open(
        path: &Path,
        questions: mpsc::Sender<Question>,
        media: Arc<MediaPlane>,
    ) -> anyhow::Result<ControlSocket> {
        let listener = bind(path).with_context(|| format!("control.socket {}", path.display()))?;
        let accepting = tokio::spawn(accept(listener, questions, media));
        Ok(ControlSocket {
            path: path.to_owned(),
            accepting,
        })
    }

    pub(crate) async fn close(self) {
        self.accepting.abort();
        // Wait: the task holds the media plane.
        let _ = self.accepting.await;
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!("{}: {error}", self.path.display());
        }
    }
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    let bound = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if BlockingStream::connect(path).is_ok() {
                return Err(io::Error::new(error.kind(), "another daemon answers there"));
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(bound)
}

async fn accept(listener: UnixListener, questions: mpsc::Sender<Question>, media: Arc<MediaPlane>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // One at a time: those who ask are few, and none may hold the media plane for long.
                let answering = answer(stream, &questions, &media);
                if let Ok(Err(error)) = tokio::time::timeout(PATIENCE, answering).await {
                    tracing::debug!("control socket: {error}");
                }
            }
            Err(error) => {
                tracing::warn!("control socket: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(
    mut stream: UnixStream,
    questions: &mpsc::Sender<Question>,
    media: &Arc<MediaPlane>,
) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    tokio::io::BufReader::new(reader.take(LONGEST_QUESTION_BYTES))
        .read_line(&mut line)
        .await?;
    let mut reply = match line.trim() {
        STATUS => status(questions, media).await?.to_string(),
        other => {
            json!({"error": format!("unknown question {other:?}; expected {STATUS:?}")}).to_string()
        }
    };
    reply.push('\n');
    writer.write_all(reply.as_bytes()).await
}

async fn status(questions: &mpsc::Sender<Question>, media: &Arc<MediaPlane>) -> io::Result<Value> {
    let stopping = || io::Error::new(io::ErrorKind::NotConnected, "the daemon is stopping");
    let (sender, answered) = oneshot::channel();
    questions
        .send(Question(sender))
        .await
        .map_err(|_| stopping())?;
    let snapshot = answered.await.map_err(|_| stopping())?;
    let media = Arc::clone(media);
    tokio::task::spawn_blocking(move || assemble(snapshot, &media))
        .await
        .map_err(io::Error::other)
}

fn assemble(snapshot: Snapshot, media: &MediaPlane) -> Value {
    let flows = media.flows();
    let description = media.description();
    let calls: Vec<Value> = snapshot
        .calls
        .into_iter()
        .map(|(call, fields)| with_flows(call, fields, &flows))
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "backend": description.backend_name(),
        "attach_mode": description.attach_mode(),
        "fallback_reason": description.fallback_reason,
        "verdicts": verdicts(&media.verdicts()),
        "calls": calls,
        "counters": snapshot.counters,
    })
}

/// A live call and its flows.
fn with_flows(call: u64, mut fields: Map<String, Value>, flows: &[FlowStatus]) -> Value {
    let directions: Vec<Value> = flows
        .iter()
        .filter(|flow| flow.call.0 == call && flow.carries != Carried::Rtcp)
        .map(|flow| {
            json!({
                "from": cdr::side(flow.from),
                "stream": flow.stream,
                "local": flow.local.to_string(),
                "path": flow.path.name(),
                "packets": flow.packets,
                "bytes": flow.bytes,
                "dropped": flow.dropped,
                "lost": flow.quality.lost,
                "jitter_ms": flow.quality.jitter_us.map(cdr::in_ms),
                "mos": flow.mos.map(Mos::as_f64),
            })
        })
        .collect();
    fields.insert("media".to_owned(), json!({ "directions": directions }));
    Value::Object(fields)
}

/// Every packet by its fate: sent on, passed to the host, dropped by reason (those that occurred).
fn verdicts(verdicts: &Verdicts) -> Value {
    let (passed, sent): (Vec<_>, Vec<_>) = verdicts
        .passed()
        .partition(|(name, _)| name.starts_with("pass"));
    let mut fields = named(sent.into_iter());
    fields.insert(
        "pass".to_owned(),
        passed.iter().map(|(_, count)| count).sum::<u64>().into(),
    );
    let occurred = verdicts.dropped().filter(|(_, count)| *count > 0);
    fields.insert(
        "drop".to_owned(),
        named(occurred.map(|(reason, count)| (reason.name(), count))).into(),
    );
    Value::Object(fields)
}

fn named(counters: impl Iterator<Item = (&'static str, u64)>) -> Map<String, Value> {
    counters
        .map(|(name, count)| (name.to_owned(), count.into()))
        .collect()
}

/// Asks a running daemon for its status; for the command line.
pub fn ask_status(socket: &Path) -> anyhow::Result<Value> {
    let asked = || -> io::Result<String> {
        let mut stream = BlockingStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{STATUS}\n").as_bytes())?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(line)
    };
    let line = asked().with_context(|| format!("no daemon answers at {}", socket.display()))?;
    serde_json::from_str(&line)
        .with_context(|| format!("the daemon at {} does not answer in JSON", socket.display()))
}
