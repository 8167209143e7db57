//! `handshakes`: TLS handshakes per second, full ones and resumed ones, one connection for each.
//!
//! The client is one thread that keeps some connections in the making. It checks neither
//! certificate nor signature, which would cost it more than the server's side costs: it must not be
//! the limit. A handshake counts when the server's tickets have come, which is after it has
//! seen the client's last message.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, SignatureScheme,
};
use serde_json::{Map, Value};

use super::contender::{Bench, Who, cpu_times};
use super::pace::Slowdown;
use super::scenario::Scenario;
use super::sys::reset_on_close;
use crate::media::lab::MEDIA;
use crate::media::measure::go_on;
use crate::media::report::{Section, rounded, short};
use crate::media::sys::{monotonic, thread_cpu_time};

/// Connections in the making.
const AT_ONCE: usize = 8;
/// Until the host has not disturbed one; else the one that it disturbed least counts.
const TRIALS: usize = 5;
const PAUSE: Duration = Duration::from_micros(20);

/// What one contender did.
struct Handshakes {
    per_s: f64,
    /// Of the server, microseconds each.
    cpu_us: f64,
    client_busy: f64,
}

pub fn measure(bench: &Bench<'_>) -> Result<Section> {
    let time = Duration::from_secs(if bench.is_quick { 1 } else { 3 });
    let (mut values, mut lines) = (Map::new(), Vec::new());
    // Kamailio's processes do not take each other's tickets: two of three of its handshakes that
    // should be resumed are full ones.
    let kinds: [(_, _, _, &[Who]); 2] = [
        (HandshakeKind::Full, "", "full", &Who::ALL),
        (HandshakeKind::Resumed, "_resumed", "resumed", &[Who::Ours]),
    ];
    for (kind, suffix, name, contenders) in kinds {
        for who in contenders.iter().copied() {
            let done = of(bench, who, kind, time)
                .with_context(|| format!("{name} handshakes with {}", who.name()))?;
            // The key of the issue has no name in it.
            let by = match who {
                Who::Ours => String::new(),
                Who::Kamailio => format!("_{}", who.key()),
            };
            values.insert(format!("handshakes_per_s{suffix}{by}"), rounded(done.per_s));
            values.insert(
                format!("handshake_cpu_us{suffix}{by}"),
                rounded(done.cpu_us),
            );
            lines.push(format!(
                "{name}, {}: {} per second, {} us of CPU each (client {} % busy)",
                who.name(),
                short(done.per_s),
                short(done.cpu_us),
                short(100.0 * done.client_busy)
            ));
        }
    }
    Ok(Section {
        key: "handshakes",
        values: Value::Object(values),
        lines,
        aims: Vec::new(),
    })
}

fn of(bench: &Bench<'_>, who: Who, kind: HandshakeKind, time: Duration) -> Result<Handshakes> {
    let mut best: Option<(Slowdown, Handshakes)> = None;
    for _ in 0..TRIALS {
        let (slowdown, done) = trial(bench, who, kind, time)?;
        if best.as_ref().is_none_or(|(least, _)| slowdown < *least) {
            best = Some((slowdown, done));
        }
        if !slowdown.is_disturbance() {
            break;
        }
    }
    best.map(|(_, done)| done).context("no trial was made")
}

fn trial(
    bench: &Bench<'_>,
    who: Who,
    kind: HandshakeKind,
    time: Duration,
) -> Result<(Slowdown, Handshakes)> {
    let edge = bench.start(who, Scenario::TlsSrtp)?;
    let before = cpu_times(&*edge)?;
    let work = || bench.alone(|| bench.lab.source.enter(|| make(kind, time))?);
    let ((done, wall, busy), slowdown) = bench.watched(work)?;
    let after = cpu_times(&*edge)?;
    let sum = |times: &[(&str, Duration)]| times.iter().map(|(_, time)| *time).sum::<Duration>();
    ensure!(done > 0, "none was completed");
    let handshakes = Handshakes {
        per_s: done as f64 / wall.as_secs_f64(),
        cpu_us: (sum(&after) - sum(&before)).as_secs_f64() * 1e6 / done as f64,
        client_busy: busy.as_secs_f64() / wall.as_secs_f64(),
    };
    Ok((slowdown, handshakes))
}

/// Makes connections for that time: how many handshakes were of that kind, how long it took, and
/// the CPU time of it.
fn make(kind: HandshakeKind, time: Duration) -> Result<(u64, Duration, Duration)> {
    let config = client();
    let (begun, cpu) = (monotonic(), thread_cpu_time());
    let mut connections: Vec<Handshake> = Vec::new();
    let (mut done, mut others) = (0, 0);
    while monotonic() < begun + time {
        go_on()?;
        // The first alone: it gets the tickets that the others resume with.
        let wanted = if done + others == 0 { 1 } else { AT_ONCE };
        while connections.len() < wanted {
            let mut config = config.clone();
            if kind == HandshakeKind::Full {
                // It has no ticket, but can take one: only that tells that the server is done.
                config.resumption = Resumption::in_memory_sessions(1);
            }
            connections.push(Handshake::begin(config)?);
        }
        let mut has_worked = false;
        let mut at = 0;
        while let Some(connection) = connections.get_mut(at) {
            has_worked |= connection.go_on()?;
            if connection.is_done() {
                let session = connections.swap_remove(at).session;
                match session.handshake_kind() {
                    Some(made) if made == kind => done += 1,
                    _ => others += 1,
                }
            } else {
                at += 1;
            }
        }
        if !has_worked {
            std::thread::sleep(PAUSE);
        }
    }
    ensure!(
        others * 20 <= done,
        "{others} of {} handshakes were not {kind:?}",
        done + others
    );
    Ok((done, monotonic() - begun, thread_cpu_time() - cpu))
}

/// A connection in the making; reset when dropped.
struct Handshake {
    stream: TcpStream,
    session: ClientConnection,
}

impl Handshake {
    fn begin(config: ClientConfig) -> Result<Handshake> {
        let to = SocketAddr::from((MEDIA[0], 5061));
        let stream = TcpStream::connect(to).context("connecting to the edge by TCP")?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        reset_on_close(&stream)?;
        let session = ClientConnection::new(Arc::new(config), ServerName::from(to.ip()))?;
        Ok(Handshake { stream, session })
    }

    /// Does what can be done; whether there was anything.
    fn go_on(&mut self) -> Result<bool> {
        let mut has_worked = false;
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.stream) {
                Ok(_) => has_worked = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("the edge closed a connection"),
            }
        }
        match self.session.read_tls(&mut self.stream) {
            Ok(0) => bail!("the edge closed a connection in its handshake"),
            Ok(_) => {
                self.session.process_new_packets()?;
                has_worked = true;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("the edge closed a connection"),
        }
        Ok(has_worked)
    }

    fn is_done(&self) -> bool {
        !self.session.is_handshaking()
            && !self.session.wants_write()
            && self.session.tls13_tickets_received() > 0
    }
}

fn client() -> ClientConfig {
    let mut config = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Unchecked))
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(256);
    config
}

/// Takes any certificate and any signature.
#[derive(Debug)]
struct Unchecked;

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
