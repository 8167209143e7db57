//! The Unix socket: for this host, where the kernel says who asks (SO_PEERCRED of unix(7)).

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::REST;
use super::connection::{Connection, Peer};
use super::http::{self, Version};

/// Who may connect: the daemon's user, and its group.
const MODE: u32 = 0o660;
/// Those who may connect are few, and trusted; no bug of theirs takes every file of ours.
const MOST: usize = 1280;

/// A file that nobody answers at is of a daemon that died.
pub(super) fn bind(path: &Path) -> io::Result<UnixListener> {
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
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))?;
    Ok(bound)
}

pub(super) async fn accept(
    listener: UnixListener,
    router: Router,
    mut closed: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(MOST));
    let mut serving = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = serving.join_next() => continue,
            _ = closed.wait_for(|closing| *closing) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (Ok(place), Ok(connection)) =
                    (Arc::clone(&places).try_acquire_owned(), who(&stream))
                else {
                    continue;
                };
                let (router, closed) = (router.clone(), closed.clone());
                serving.spawn(async move {
                    http::serve(stream, Version::One, connection, router, closed).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("control.socket: {error}");
                tokio::time::sleep(REST).await;
            }
        }
    }
    drop(listener);
    while serving.join_next().await.is_some() {}
}

fn who(stream: &UnixStream) -> io::Result<Arc<Connection>> {
    let credentials = stream.peer_cred()?;
    let peer = Peer::Unix {
        uid: credentials.uid(),
        pid: credentials.pid(),
    };
    Ok(Arc::new(Connection::new(peer, false)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_replaced_only_if_nobody_answers() {
        let path = std::env::temp_dir().join(format!("trunkline-bind-{}", std::process::id()));
        let first = bind(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        let refused = bind(&path).unwrap_err().to_string();
        assert!(refused.contains("another daemon"), "{refused}");
        drop(first);
        let second = bind(&path);
        std::fs::remove_file(&path).unwrap();
        assert!(second.is_ok());
    }
}
