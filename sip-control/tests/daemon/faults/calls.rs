//! Calls that go on while something else fails.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::{SOON, ack, header, invite, ok, receive, udp_peer};

/// Timer B (RFC 3261 section 17.1.1.2) is 32 s: a call that took longer than this was in trouble.
const TOO_LONG: Duration = Duration::from_secs(4);

/// Somebody who answers every call, and every BYE.
pub(super) struct Callee {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Callee {
    pub(super) fn start() -> Callee {
        let socket = udp_peer("127.0.0.3");
        socket
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let address = socket.local_addr().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || answer_all(&socket, &over));
        Callee {
            address,
            is_over,
            thread: Some(thread),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Callee {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer_all(socket: &UdpSocket, is_over: &AtomicBool) {
    let mut buffer = vec![0; 65_535];
    while !is_over.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if request.starts_with("INVITE ") || request.starts_with("BYE ") {
            let _ = socket.send_to(ok(socket, &request).as_bytes(), from);
        }
    }
}

/// One who calls; each call by a Call-ID of its own.
pub(super) struct Caller {
    socket: UdpSocket,
    edge: SocketAddr,
}

/// A call that is up: its 200.
pub(super) struct Up {
    answer: String,
    pub(super) took: Duration,
}

impl Caller {
    pub(super) fn new(edge: SocketAddr) -> Caller {
        let socket = udp_peer("127.0.0.2");
        Caller { socket, edge }
    }

    /// From INVITE to ACK.
    pub(super) fn set_up(&self, id: &str) -> Up {
        let begun = Instant::now();
        self.send(&invite(&self.socket, "100", id));
        let answer = self.answer_to(id, "INVITE");
        let took = begun.elapsed();
        self.send(&ack(&self.socket, &answer));
        Up { answer, took }
    }

    pub(super) fn hang_up(&self, up: &Up) {
        let id = header(&up.answer, "Call-ID");
        let bye = ack(&self.socket, &up.answer)
            .replace("ACK ", "BYE ")
            .replace("CSeq: 1 ACK", "CSeq: 2 BYE")
            .replace("z9hG4bKack", &format!("z9hG4bK{id}bye"));
        self.send(&bye);
        self.answer_to(id, "BYE");
    }

    /// Whether the other side has ended it, from now on or before.
    pub(super) fn is_hung_up(&self) -> bool {
        self.socket
            .set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        let mut buffer = vec![0; 65_535];
        let mut is_hung_up = false;
        while let Ok(length) = self.socket.recv(&mut buffer) {
            is_hung_up |= buffer[..length].starts_with(b"BYE ");
        }
        self.socket.set_read_timeout(Some(SOON)).unwrap();
        is_hung_up
    }

    fn send(&self, message: &str) {
        self.socket.send_to(message.as_bytes(), self.edge).unwrap();
    }

    /// The 200 of that call to that method. What a busy machine has sent twice is passed over.
    fn answer_to(&self, id: &str, method: &str) -> String {
        loop {
            let (answer, _) = receive(&self.socket, "SIP/2.0 ");
            let is_ours = header(&answer, "Call-ID") == id
                && header(&answer, "CSeq").ends_with(method)
                && !answer.starts_with("SIP/2.0 1");
            if is_ours {
                assert!(answer.starts_with("SIP/2.0 200 "), "{method}: {answer}");
                return answer;
            }
        }
    }
}

/// Calls one after another, on some lines at once, until it is told to end.
pub(super) struct Traffic {
    is_over: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    lines: Vec<JoinHandle<Vec<Duration>>>,
}

impl Traffic {
    /// `pause` is between two calls of a line.
    pub(super) fn start(edge: SocketAddr, lines: usize, pause: Duration) -> Traffic {
        let is_over = Arc::new(AtomicBool::new(false));
        let calls = Arc::new(AtomicUsize::new(0));
        let line = |line: usize| {
            let (is_over, calls) = (Arc::clone(&is_over), Arc::clone(&calls));
            std::thread::spawn(move || {
                let caller = Caller::new(edge);
                let mut took = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let up = caller.set_up(&format!("line{line}call{}", took.len()));
                    caller.hang_up(&up);
                    took.push(up.took);
                    calls.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(pause);
                }
                took
            })
        };
        let lines = (0..lines).map(line).collect();
        Traffic {
            is_over,
            calls,
            lines,
        }
    }

    /// How many are over.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Until some more are over than there are.
    #[track_caller]
    pub(super) fn go_on_for(&self, more: usize) {
        let (begun, until) = (Instant::now(), self.calls() + more);
        while self.calls() < until {
            assert!(begun.elapsed() < SOON, "calls do not go on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it: how many calls there were, each of which was set up in good time.
    #[track_caller]
    pub(super) fn finish(self) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        let mut took: Vec<Duration> = Vec::new();
        for line in self.lines {
            took.extend(line.join().unwrap());
        }
        took.sort();
        let slowest = took.last().copied().unwrap_or_default();
        println!(
            "{} calls, set up within {:?} (half of them), {slowest:?} (all)",
            took.len(),
            took[took.len() / 2],
        );
        assert!(slowest < TOO_LONG, "a call took {slowest:?}");
        took.len()
    }
}
