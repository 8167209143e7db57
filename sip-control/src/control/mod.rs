//! A Unix socket that tells how the daemon is: one line in, one line of JSON out.
//!
//! `status` asks for everything at a glance, `flows` for every flow, `flow 7` for the one at that
//! index of the flow table.

mod ask;
mod flows;
mod status;

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub use self::ask::{ask_flow, ask_flows, ask_status};
pub(crate) use self::status::{Snapshot, verdicts};
use crate::media::MediaPlane;
use crate::operation::Operation;

/// Where the socket is usually put.
pub const DEFAULT_SOCKET: &str = "/run/trunkline/control.sock";

const STATUS: &str = "status";
const FLOWS: &str = "flows";
const FLOW: &str = "flow";
const LONGEST_QUESTION_BYTES: u64 = 256;
/// For the command line; the daemon answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// The open socket; its file is removed when it is closed.
pub(crate) struct ControlSocket {
    path: PathBuf,
    accepting: JoinHandle<()>,
}

impl ControlSocket {
    /// A file that a dead daemon left behind is replaced.
    pub(crate) fn open(
        path: &Path,
        operations: mpsc::Sender<Operation>,
        media: Arc<MediaPlane>,
    ) -> anyhow::Result<ControlSocket> {
        let listener = bind(path).with_context(|| format!("control.socket {}", path.display()))?;
        let accepting = tokio::spawn(accept(listener, operations, media));
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

async fn accept(
    listener: UnixListener,
    operations: mpsc::Sender<Operation>,
    media: Arc<MediaPlane>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // One at a time: those who ask are few, and none may hold the media plane for long.
                let answering = answer(stream, &operations, &media);
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
    operations: &mpsc::Sender<Operation>,
    media: &Arc<MediaPlane>,
) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    tokio::io::BufReader::new(reader.take(LONGEST_QUESTION_BYTES))
        .read_line(&mut line)
        .await?;
    let mut words = line.split_ascii_whitespace();
    let reply = match (words.next(), words.next()) {
        (Some(STATUS), None) => status(operations, media).await?,
        (Some(FLOWS), None) => flows(media, None).await?,
        (Some(FLOW), Some(index)) => match index.parse() {
            Ok(index) => flows(media, Some(index)).await?,
            Err(_) => json!({"error": format!("{index:?} is not the number of a flow")}),
        },
        _ => {
            let known = [STATUS, FLOWS, FLOW].join(", ");
            json!({"error": format!("unknown question {:?}; expected one of: {known}", line.trim())})
        }
    };
    let mut reply = reply.to_string();
    reply.push('\n');
    writer.write_all(reply.as_bytes()).await
}

async fn status(
    operations: &mpsc::Sender<Operation>,
    media: &Arc<MediaPlane>,
) -> io::Result<Value> {
    let stopping = || io::Error::new(io::ErrorKind::NotConnected, "the daemon is stopping");
    let (sender, answered) = oneshot::channel();
    operations
        .send(Operation::Snapshot(sender))
        .await
        .map_err(|_| stopping())?;
    let snapshot = answered.await.map_err(|_| stopping())?;
    let media = Arc::clone(media);
    tokio::task::spawn_blocking(move || status::assemble(snapshot, &media))
        .await
        .map_err(io::Error::other)
}

/// Every flow, or the one at that index.
async fn flows(media: &Arc<MediaPlane>, index: Option<u32>) -> io::Result<Value> {
    let media = Arc::clone(media);
    let answer = move || match index {
        None => flows::all(&media.flows()),
        Some(index) => flows::one(&media.flows(), index),
    };
    tokio::task::spawn_blocking(answer)
        .await
        .map_err(io::Error::other)
}

fn named(counters: impl Iterator<Item = (&'static str, u64)>) -> Map<String, Value> {
    counters
        .map(|(name, count)| (name.to_owned(), count.into()))
        .collect()
}
