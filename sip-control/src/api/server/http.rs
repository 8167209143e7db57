//! One connection, from its first request to its end. Which version of HTTP it speaks is known
//! before: TLS says it (RFC 7301), and without TLS it is 1.1.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;
use tower::ServiceExt;

use super::connection::Connection;
use super::deadline::WriteDeadline;

/// For the head of a request, from the end of the one before.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);
/// For whoever is sent something and takes nothing of it.
const WRITE_PATIENCE: Duration = Duration::from_secs(20);
/// For what is being answered when the daemon stops; events would go on without end.
const LAST_ANSWER: Duration = Duration::from_secs(1);
const LONGEST_HEAD_BYTES: usize = 32 << 10;
const MOST_HEADERS: usize = 64;
/// Of one connection; a console has a few.
const STREAMS: u32 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// Answers until the client leaves, or the daemon stops.
pub(super) async fn serve<T>(
    stream: T,
    version: Version,
    connection: Arc<Connection>,
    router: Router,
    closed: watch::Receiver<bool>,
) where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let place = connection.place();
    let service = service_fn(move |request| answer(request, &connection, &router));
    let io = TokioIo::new(WriteDeadline::new(stream, WRITE_PATIENCE));
    let ended = match version {
        Version::One => {
            let mut serving = pin!(
                http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_PATIENCE)
                    .max_buf_size(LONGEST_HEAD_BYTES)
                    .max_headers(MOST_HEADERS)
                    .serve_connection(io, service)
                    .with_upgrades()
            );
            tokio::select! {
                ended = &mut serving => ended,
                () = is_closing(closed) => {
                    serving.as_mut().graceful_shutdown();
                    timeout(LAST_ANSWER, serving).await.unwrap_or(Ok(()))
                }
            }
        }
        Version::Two => {
            let mut serving = pin!(
                http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .max_concurrent_streams(STREAMS)
                    .max_header_list_size(u32::try_from(LONGEST_HEAD_BYTES).unwrap_or(u32::MAX))
                    .keep_alive_interval(HEAD_PATIENCE)
                    .keep_alive_timeout(WRITE_PATIENCE)
                    .serve_connection(io, service)
            );
            tokio::select! {
                ended = &mut serving => ended,
                () = is_closing(closed) => {
                    serving.as_mut().graceful_shutdown();
                    timeout(LAST_ANSWER, serving).await.unwrap_or(Ok(()))
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(from = place, "API: {error}");
    }
}

fn answer(
    request: Request<Incoming>,
    connection: &Arc<Connection>,
    router: &Router,
) -> impl Future<Output = Result<Response, Infallible>> + use<> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(Arc::clone(connection));
    router.clone().oneshot(request)
}

async fn is_closing(mut closed: watch::Receiver<bool>) {
    // A sender that is gone says the same.
    let _ = closed.wait_for(|closing| *closing).await;
}
