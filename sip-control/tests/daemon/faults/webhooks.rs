//! Webhooks by HTTPS with a private CA: one whose server is trusted, one whose is not, and one that
//! hangs, all at once.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use ring::hmac;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::calls::{Callee, Traffic};
use super::{events_after, get_until, latest, problem};
use crate::api::{Api, trunks};
use crate::support::{Authority, Directory, SOON, wait_until};

const SECRET: &str = "0123456789abcdef0123";
/// Each call has one event of each.
const KINDS: [&str; 2] = ["call_started", "call_ended"];

/// One event that was taken.
struct Got {
    signature: String,
    body: String,
}

/// A server of its own, with a certificate that may be changed.
#[derive(Clone)]
struct Server {
    address: SocketAddr,
    identity: Arc<Mutex<Arc<ServerConfig>>>,
    hangs: Arc<AtomicBool>,
    got: Arc<Mutex<Vec<Got>>>,
}

fn identity(authority: &Authority) -> Arc<ServerConfig> {
    let (certificate, key) = authority.issue(&["127.0.0.1"]);
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    Arc::new(config.unwrap())
}

impl Server {
    fn start(authority: &Authority) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server {
            address: listener.local_addr().unwrap(),
            identity: Arc::new(Mutex::new(identity(authority))),
            hangs: Arc::default(),
            got: Arc::default(),
        };
        let accepting = server.clone();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let serving = accepting.clone();
                // A client that leaves ends it.
                std::thread::spawn(move || serving.serve(stream));
            }
        });
        server
    }

    fn is_of(&self, authority: &Authority) {
        *self.identity.lock().unwrap() = identity(authority);
    }

    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let config = Arc::clone(&self.identity.lock().unwrap());
        let tls = ServerConnection::new(config).map_err(std::io::Error::other)?;
        let mut reader = BufReader::new(StreamOwned::new(tls, stream));
        loop {
            let got = one_post(&mut reader)?;
            if self.hangs.load(Ordering::Relaxed) {
                while self.hangs.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(20));
                }
                return Ok(());
            }
            self.got.lock().unwrap().push(got);
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            reader.get_mut().write_all(answer)?;
            reader.get_mut().flush()?;
        }
    }

    fn taken(&self) -> usize {
        self.got.lock().unwrap().len()
    }

    /// The numbers of what was taken, each of which must be signed.
    fn numbers(&self) -> Vec<u64> {
        let got = self.got.lock().unwrap();
        got.iter().map(Got::number).collect()
    }
}

impl Got {
    #[track_caller]
    fn number(&self) -> u64 {
        let (time, mac) = self.signature.split_once(",v1=").unwrap();
        let time = time.strip_prefix("t=").unwrap();
        let mac: Vec<u8> = (0..mac.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&mac[at..at + 2], 16).unwrap())
            .collect();
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let signed = format!("{time}.{}", self.body);
        hmac::verify(&key, signed.as_bytes(), &mac).expect("the signature is ours");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let age = now.unwrap().as_secs().abs_diff(time.parse().unwrap());
        assert!(age < 300, "{age} s");
        let body: Value = serde_json::from_str(&self.body).unwrap();
        body["seq"].as_u64().unwrap()
    }
}

fn one_post(reader: &mut impl BufRead) -> std::io::Result<Got> {
    let (mut length, mut signature) = (0, String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().unwrap();
            }
            Some((name, value)) if name.eq_ignore_ascii_case("trunkline-signature") => {
                signature = value.to_owned();
            }
            Some(_) => {}
            None if line == "\r\n" => break,
            // The line of the request.
            None => assert!(line.starts_with("POST /hook "), "{line}"),
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8(body).unwrap();
    Ok(Got { signature, body })
}

fn register(api: &Api, name: &str, server: &Server) {
    let settings = json!({
        "name": name, "url": format!("https://{}/hook", server.address),
        "secret": SECRET, "kinds": KINDS,
    });
    let made = api.ask("POST", "/webhooks", "", &settings);
    assert_eq!(made.status, 201, "{}", made.body);
}

/// OPS-3: each is shown by name with what is wrong, the others are told all the same, and in the end
/// each has every event in order.
#[test]
fn ops_3_webhooks_that_hang_or_cannot_be_trusted_hold_up_neither_calls_nor_each_other() {
    let (ours, stranger) = (Authority::new(), Authority::new());
    let callee = Callee::start();
    let more = trunks(callee.address());
    let api = Api::start_in(Directory::new(), &ours, &[], &more);
    let (good, distrusted, hanging) = (
        Server::start(&ours),
        Server::start(&stranger),
        Server::start(&ours),
    );
    hanging.hangs.store(true, Ordering::Relaxed);
    register(&api, "good", &good);
    register(&api, "distrusted", &distrusted);
    register(&api, "hanging", &hanging);
    get_until(&api, "/health", |health| {
        health["webhooks"].as_array().unwrap().len() == 3
    });
    let before = latest(&api);

    let traffic = Traffic::start(api.udp(), 1, Duration::from_millis(100));
    let health = get_until(&api, "/health", |health| {
        problem(health, "webhook distrusted").is_some()
            && problem(health, "webhook hanging").is_some()
    });
    let why = problem(&health, "webhook distrusted").unwrap();
    assert!(why.contains("TLS: invalid peer certificate"), "{why}");
    let why = problem(&health, "webhook hanging").unwrap();
    assert!(why.contains("no answer within 10s"), "{why}");
    assert_eq!(problem(&health, "webhook good"), None);
    assert_eq!(health["status"], "degraded");
    let taken = good.taken();
    traffic.go_on_for(5);
    wait_until(|| good.taken() > taken);
    assert_eq!((distrusted.taken(), hanging.taken()), (0, 0));

    distrusted.is_of(&ours);
    hanging.hangs.store(false, Ordering::Relaxed);
    get_until(&api, "/health", |health| {
        problem(health, "webhook distrusted").is_none()
            && problem(health, "webhook hanging").is_none()
    });
    let calls = traffic.finish();

    let is_wanted = |event: &&Value| KINDS.contains(&event["kind"].as_str().unwrap());
    let told = || -> Vec<u64> {
        let events = events_after(&api, before);
        let wanted = events.iter().filter(is_wanted);
        wanted.map(|event| event["seq"].as_u64().unwrap()).collect()
    };
    // The last call is over for its peers before that is told.
    let begun = std::time::Instant::now();
    while told().len() < 2 * calls {
        assert!(begun.elapsed() < SOON, "{:?} of {calls} calls", told());
    }
    let told = told();
    for (name, server) in [
        ("good", &good),
        ("distrusted", &distrusted),
        ("hanging", &hanging),
    ] {
        wait_until(|| server.taken() >= told.len());
        assert_eq!(server.numbers(), told, "{name}");
    }
}
