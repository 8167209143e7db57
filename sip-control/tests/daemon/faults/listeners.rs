//! A thousand who listen for events, of which half stop reading.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::calls::{Callee, Traffic};
use super::{PATIENCE, get_until, latest};
use crate::api::{Api, by, request, trunks};
use crate::support::wait_until;

/// Of each kind, and of each mood.
const EACH: usize = 250;
/// As of a client beyond an Ethernet: with the loopback's segments the kernel would keep a megabyte
/// and more for each.
const SEGMENT_BYTES: u32 = 1440;
/// What a client's kernel takes for one that does not read.
const RECEIVE_BYTES: usize = 4096;
/// What the daemon may hold for each that stalls, as much as it likes to write at a time.
const MOST_FOR_EACH_KB: u64 = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sse,
    WebSocket,
}

/// One whose answer has begun; what came after its head is kept.
struct Listener {
    kind: Kind,
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Listener {
    async fn open(api: &Api, kind: Kind, token: &str, after: u64) -> Listener {
        let mut stream = connect(api.port).await;
        let asked = match kind {
            Kind::Sse => request(
                "GET",
                &format!("/events/stream?after={after}"),
                &by(token),
                &Value::Null,
            ),
            Kind::WebSocket => format!(
                "GET /api/v1/events/socket?after={after} HTTP/1.1\r\nHost: edge\r\n{}Upgrade: websocket\r\n\
                 Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                by(token)
            ),
        };
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let end = loop {
            let read = stream.read_buf(&mut bytes).await.unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(read > 0, "{kind:?} ended: {text}");
            if let Some(end) = text.find("\r\n\r\n") {
                break end + 4;
            }
        };
        let expected = match kind {
            Kind::Sse => "HTTP/1.1 200 ",
            Kind::WebSocket => "HTTP/1.1 101 ",
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        assert!(head.starts_with(expected), "{head}");
        let rest = bytes.split_off(end);
        Listener { kind, stream, rest }
    }

    /// Reads on; `at` is the number of the last event. Numbers follow each other, or it panics.
    async fn follow(mut self, at: Arc<AtomicU64>) {
        loop {
            let mut last = at.load(Ordering::Relaxed);
            let used = match self.kind {
                Kind::Sse => take_lines(&self.rest, &mut last),
                Kind::WebSocket => take_frames(&self.rest, &mut last),
            };
            self.rest.drain(..used);
            at.store(last, Ordering::Relaxed);
            let read = self.stream.read_buf(&mut self.rest).await.unwrap();
            assert!(read > 0, "{:?} was ended after {last}", self.kind);
        }
    }
}

async fn connect(port: u16) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_tcp_mss(SEGMENT_BYTES).unwrap();
    socket.set_recv_buffer_size(RECEIVE_BYTES).unwrap();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    socket.connect(&address.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    TcpStream::from_std(socket.into()).unwrap()
}

#[track_caller]
fn is_next(last: &mut u64, seq: u64) {
    assert_eq!(seq, *last + 1, "after {last} came {seq}");
    *last = seq;
}

/// Whole lines of server-sent events, in chunks or not; how many bytes they took.
fn take_lines(bytes: &[u8], last: &mut u64) -> usize {
    let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
        return 0;
    };
    let text = std::str::from_utf8(&bytes[..=end]).unwrap();
    for line in text.lines() {
        if let Some(id) = line.strip_prefix("id: ") {
            is_next(last, id.trim().parse().unwrap());
        }
        assert!(!line.starts_with("event: gap") && !line.starts_with("event: stalled"));
    }
    end + 1
}

/// Whole frames of a WebSocket (RFC 6455 section 5.2); a server's are not masked.
fn take_frames(bytes: &[u8], last: &mut u64) -> usize {
    let mut used = 0;
    while let [first, length, rest @ ..] = &bytes[used..] {
        let (length, header) = match (length, rest) {
            (126, [high, low, ..]) => (usize::from(u16::from_be_bytes([*high, *low])), 4),
            (0..126, _) => (usize::from(*length), 2),
            _ => break,
        };
        let Some(payload) = bytes.get(used + header..used + header + length) else {
            break;
        };
        // A text; else it is a ping.
        if *first == 0x81 {
            let event: Value = serde_json::from_slice(payload).unwrap();
            let seq = event["seq"].as_u64();
            is_next(last, seq.unwrap_or_else(|| panic!("no event: {event}")));
        }
        used += header + length;
    }
    used
}

/// What the daemon has in memory, in KiB.
fn resident_kb(api: &Api) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", api.daemon.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let fields: Vec<&str> = line.unwrap().split_whitespace().collect();
    fields[1].parse().unwrap()
}

/// How many files a process may have open.
fn open_files(api: &Api) -> u64 {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", api.daemon.pid())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.unwrap().split_whitespace().nth(3).unwrap();
    soft.parse().unwrap_or(u64::MAX)
}

/// The daemon starts with as few files as many systems give (1024), and must raise that by itself;
/// this process too.
fn start_with_few_files(more: &str) -> Api {
    let before = getrlimit(Resource::Nofile);
    let mut few = before;
    few.current = Some(1024);
    setrlimit(Resource::Nofile, few).unwrap();
    let api = Api::start(more);
    let mut many = before;
    many.current = before.maximum;
    setrlimit(Resource::Nofile, many).unwrap();
    let most = open_files(&api);
    assert!(most >= 4096, "the daemon may have {most} files open");
    api
}

/// OPS-3: who reads gets every event in order; who does not is shown, and cut off, and costs little.
#[test]
fn ops_3_of_a_thousand_event_clients_half_may_stall() {
    let callee = Callee::start();
    let api = start_with_few_files(&trunks(callee.address()));
    let token = api.token("read");
    let runtime = Runtime::new().unwrap();
    let first = latest(&api);
    let kinds = [Kind::Sse, Kind::WebSocket];
    let (mut reading, mut stalled, places) = runtime.block_on(async {
        let (mut reading, mut stalled, mut places) = (JoinSet::new(), Vec::new(), Vec::new());
        for kind in kinds {
            for _ in 0..EACH {
                let at = Arc::new(AtomicU64::new(first));
                let listener = Listener::open(&api, kind, &token, first).await;
                reading.spawn(listener.follow(Arc::clone(&at)));
                places.push(at);
                stalled.push(Listener::open(&api, kind, &token, first).await);
            }
        }
        (reading, stalled, places)
    });
    let all = 4 * EACH;
    get_until(&api, "/health", |health| health["events"]["clients"] == all);
    let before_kb = resident_kb(&api);

    let traffic = Traffic::start(api.udp(), 2, Duration::from_millis(10));
    // Far behind, and shown to be.
    let health = get_until(&api, "/health", |health| {
        health["events"]["stalled"] == 2 * EACH
    });
    let held_kb = resident_kb(&api).saturating_sub(before_kb);
    println!("{} with {held_kb} KiB more than before", health["events"]);
    assert!(
        held_kb < MOST_FOR_EACH_KB * 4 * EACH as u64,
        "{held_kb} KiB for those who stall"
    );
    traffic.go_on_for(50);
    // Then cut off, each after 20 s in which it took nothing.
    get_until(&api, "/health", |health| {
        let events = &health["events"];
        events["clients"] == 2 * EACH && events["stalled"] == 0
    });
    traffic.go_on_for(50);
    traffic.finish();

    let last = latest(&api);
    let is_there = |at: &Arc<AtomicU64>| at.load(Ordering::Relaxed) >= last;
    wait_until(|| places.iter().all(is_there));
    runtime.block_on(async {
        assert!(reading.try_join_next().is_none(), "one was ended");
        for listener in &mut stalled {
            assert_is_cut_off(listener).await;
        }
    });
    println!("{} events for each", last - first);
    assert_eq!(api.get("/health")["events"]["lost"], 0);
}

/// What the kernel kept comes, then the end.
async fn assert_is_cut_off(listener: &mut Listener) {
    let ended = tokio::time::timeout(PATIENCE, async {
        while matches!(listener.stream.read_buf(&mut listener.rest).await, Ok(1..)) {}
    });
    ended.await.expect("it is not ended");
    assert!(listener.rest.len() < 1 << 20, "{}", listener.rest.len());
}
