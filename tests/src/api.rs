//! A client of the daemon's HTTP API: over its Unix socket, where whoever may open it is an
//! administrator, or by TCP with a token.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// One connection that stays.
pub struct Api {
    requests: SendRequest<Full<Bytes>>,
    token: Option<String>,
}

/// What the daemon answered.
pub struct Answer {
    pub status: StatusCode,
    pub etag: Option<String>,
    pub body: Bytes,
}

impl Answer {
    /// # Errors
    /// It is not JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("not JSON: {}", String::from_utf8_lossy(&self.body)))
    }
}

impl Api {
    pub async fn over_socket(path: &Path) -> Result<Api> {
        let stream = UnixStream::connect(path)
            .await
            .with_context(|| format!("connecting to {}", path.display()))?;
        Api::over(stream, None).await
    }

    pub async fn over_tcp(address: SocketAddr, token: &str) -> Result<Api> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Api::over(stream, Some(token.to_owned())).await
    }

    async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        token: Option<String>,
    ) -> Result<Api> {
        let (requests, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends with the connection; what was wrong with it is what the next request says.
        tokio::spawn(connection);
        Ok(Api { requests, token })
    }

    /// `path` below `/api/v1`.
    pub async fn get(&mut self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, None, None).await
    }

    /// The object that a 200 carries.
    pub async fn get_json(&mut self, path: &str) -> Result<Value> {
        let answer = self.get(path).await?;
        ensure!(
            answer.status == StatusCode::OK,
            "GET {path}: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        answer.json()
    }

    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        if_match: Option<&str>,
    ) -> Result<Answer> {
        self.requests.ready().await?;
        let mut request = Request::builder()
            .method(method.clone())
            .uri(format!("/api/v1{path}"))
            .header("Host", "localhost");
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if let Some(version) = if_match {
            request = request.header("If-Match", version);
        }
        let body = match body {
            Some(body) => {
                request = request.header("Content-Type", "application/json");
                Bytes::from(serde_json::to_vec(body)?)
            }
            None => Bytes::new(),
        };
        let sent = self.requests.send_request(request.body(Full::new(body))?);
        let response = sent.await.with_context(|| format!("{method} {path}"))?;
        let etag = response.headers().get("ETag");
        let etag = etag
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        Ok(Answer {
            status: response.status(),
            etag,
            body: response.into_body().collect().await?.to_bytes(),
        })
    }
}
