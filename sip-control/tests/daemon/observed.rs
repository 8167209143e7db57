//! What an operator sees of calls and events from outside: over the socket, while they last, after
//! them, and after the daemon was killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    Authority, Daemon, Directory, Edge, SOON, ack, invite, ok, receive, udp_peer,
};

const STORE: &str = "[store]\npath = \"DIR/trunkline.db\"\n";

fn udp(edge: &Edge) -> SocketAddr {
    ([127, 0, 0, 1], edge.udp).into()
}

fn trunks(callee: &UdpSocket) -> String {
    format!(
        "{STORE}[[trunks]]\nname = \"caller\"\nacl = [\"127.0.0.2\"]\n\
         [[trunks]]\nname = \"callee\"\nacl = [\"127.0.0.3\"]\ndestination = \"sip:{}\"\n\
         [[routes]]\nfrom = \"caller\"\nto = \"callee\"\n",
        callee.local_addr().unwrap()
    )
}

struct Setup {
    edge: Edge,
    daemon: Daemon,
    caller: UdpSocket,
    callee: UdpSocket,
}

impl Setup {
    fn new() -> Setup {
        let (caller, callee) = (udp_peer("127.0.0.2"), udp_peer("127.0.0.3"));
        let edge = Edge::new();
        let directory = Directory::new();
        edge.configure(&directory, &Authority::new(), &trunks(&callee));
        let daemon = Daemon::start(directory);
        Setup {
            edge,
            daemon,
            caller,
            callee,
        }
    }

    /// From INVITE to ACK; its number.
    fn call(&self, id: &str) -> u64 {
        let to = udp(&self.edge);
        let request = invite(&self.caller, "100", id);
        self.caller.send_to(request.as_bytes(), to).unwrap();
        let (request, from) = receive(&self.callee, "INVITE ");
        let answer = ok(&self.callee, &request);
        self.callee.send_to(answer.as_bytes(), from).unwrap();
        let (answer, _) = receive(&self.caller, "SIP/2.0 200 ");
        let request = ack(&self.caller, &answer);
        self.caller.send_to(request.as_bytes(), to).unwrap();
        receive(&self.callee, "ACK ");
        let calls = self.get(&format!("/calls?search={id}"));
        calls["items"][0]["call"].as_u64().unwrap()
    }

    fn hang_up(&self, call: u64) {
        let path = format!("/calls/{call}/hang-up");
        let (status, _) = request(&self.daemon, "POST", &path, Some("{}"));
        assert_eq!(status, 202);
        for peer in [&self.caller, &self.callee] {
            let (bye, from) = receive(peer, "BYE ");
            peer.send_to(ok(peer, &bye).as_bytes(), from).unwrap();
        }
    }

    fn get(&self, path: &str) -> Value {
        get(&self.daemon, path)
    }

    /// Asks until it is so.
    fn get_until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let value = self.get(path);
            if is_so(&value) {
                return value;
            }
            assert!(begun.elapsed() < SOON, "{path} stays {value}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Over the socket, as its owner.
fn request(daemon: &Daemon, method: &str, path: &str, body: Option<&str>) -> (u16, Value) {
    let socket = daemon.directory().path("control.sock");
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let body = body.unwrap_or("");
    let text = format!(
        "{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = match head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked")
    {
        true => dechunked(body),
        false => body.to_owned(),
    };
    (status, serde_json::from_str(&body).unwrap_or_default())
}

fn dechunked(body: &str) -> String {
    let (mut rest, mut whole) = (body, String::new());
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        whole.push_str(&after[..length]);
        rest = after.get(length + 2..).unwrap_or("");
    }
    whole
}

fn get(daemon: &Daemon, path: &str) -> Value {
    let (status, body) = request(daemon, "GET", path, None);
    assert_eq!(status, 200, "{path}: {body}\n{}", daemon.log());
    body
}

fn kinds(events: &Value) -> Vec<&str> {
    let events = events.as_array().unwrap().iter();
    events.filter_map(|event| event["kind"].as_str()).collect()
}

fn seqs(events: &Value) -> Vec<u64> {
    let events = events.as_array().unwrap().iter();
    events.filter_map(|event| event["seq"].as_u64()).collect()
}

#[test]
fn ops_2_a_call_is_seen_while_it_lasts_and_then_in_the_history_with_its_messages() {
    let setup = Setup::new();
    let call = setup.call("seen");
    let live = setup.get(&format!("/calls/{call}"));
    assert_eq!(
        (
            &live["state"],
            &live["caller"]["trunk"],
            &live["callee"]["trunk"]
        ),
        (&json!("answered"), &json!("caller"), &json!("callee")),
        "{live}"
    );
    let summaries = |ladder: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let messages = ladder["messages"].as_array().unwrap().iter();
        messages
            .map(|message| {
                let summary = text(&message["summary"]);
                let word = summary.split(' ').next().unwrap().to_owned();
                (word, text(&message["leg"]))
            })
            .collect()
    };
    let ladder = summaries(&setup.get(&format!("/calls/{call}/ladder")));
    let of = |leg: &str| -> Vec<&str> {
        let words = ladder.iter().filter(|(_, of)| of == leg);
        words.map(|(word, _)| word.as_str()).collect()
    };
    assert_eq!(of("caller"), ["INVITE", "100", "200", "ACK"], "{ladder:?}");
    assert_eq!(of("callee"), ["INVITE", "200", "ACK"], "{ladder:?}");

    setup.hang_up(call);
    let ended = setup.get_until(&format!("/calls/{call}"), |call| call["state"] == "ended");
    assert_eq!(
        (&ended["status"], &ended["outcome"]),
        (&json!(200), &json!("answered"))
    );
    let timeline = kinds(&ended["timeline"]);
    for kind in ["call_started", "call_answered", "call_ended"] {
        assert!(timeline.contains(&kind), "{kind} in {timeline:?}");
    }
    let history = setup.get_until("/history", |page| page["items"][0].is_object());
    assert_eq!(
        (
            &history["items"][0]["call"],
            &history["items"][0]["has_ladder"]
        ),
        (&json!(call), &json!(true)),
        "{history}"
    );
    let ladder = setup.get(&format!("/calls/{call}/ladder"));
    let words: Vec<String> = summaries(&ladder)
        .into_iter()
        .map(|(word, _)| word)
        .collect();
    assert_eq!(
        words.iter().filter(|word| *word == "BYE").count(),
        2,
        "{words:?}"
    );
    assert_eq!(ladder["truncated"], false);
    let health = setup.get("/health");
    assert_eq!(
        (&health["calls"]["live"], &health["live"]["ladder_bytes"]),
        (&json!(0), &json!(0)),
        "{health}"
    );
}

#[test]
fn ops_3_numbers_of_events_and_calls_are_never_given_twice_even_after_kill_9() {
    let mut setup = Setup::new();
    let mut last = (0, 0);
    for round in 0..3 {
        let call = setup.call(&format!("round-{round}"));
        // Those of the call before may not have been written when the daemon was killed.
        let events = setup.get_until("/events?limit=1000", |page| {
            let items = page["items"].as_array().unwrap();
            items
                .iter()
                .any(|item| item["kind"] == "call_answered" && item["call"] == call)
        });
        let seqs = seqs(&events["items"]);
        assert!(seqs.is_sorted(), "{seqs:?}");
        let newest = *seqs.last().unwrap();
        assert!(
            call > last.0 && newest > last.1,
            "{call} {newest} after {last:?}"
        );
        // A client that was away misses nothing, or is told what it misses.
        if last.1 > 0 {
            let since = setup.get(&format!("/events?after={}&limit=1000", last.1));
            let mut next = last.1 + 1;
            for item in since["items"].as_array().unwrap() {
                let (from, to) = match item["seq"].as_u64() {
                    Some(seq) => (seq, seq),
                    None => (
                        item["gap"]["from"].as_u64().unwrap(),
                        item["gap"]["to"].as_u64().unwrap(),
                    ),
                };
                assert_eq!(from, next, "{since}");
                next = to + 1;
            }
        }
        last = (call, newest);
        setup.daemon.signal(Signal::KILL);
        setup.daemon.wait();
        let directory = setup.daemon.into_directory();
        setup.daemon = Daemon::start(directory);
        // What was up is over for us; the peers' are new sockets in effect.
        setup.caller = udp_peer("127.0.0.2");
    }
}

#[test]
fn ops_3_a_webhook_is_told_and_goes_on_where_it_was_after_kill_9() {
    let mut setup = Setup::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let settings = json!({"name": "crm", "url": url, "secret": "0123456789abcdef0123", "kinds": ["call_started"]});
    let (status, body) = request(
        &setup.daemon,
        "POST",
        "/webhooks",
        Some(&settings.to_string()),
    );
    assert_eq!(status, 201, "{body}");
    setup.get_until("/health", |health| health["webhooks"][0]["name"] == "crm");
    let first = setup.call("one");
    assert_eq!(one_post(&listener, 200)["call"], first);
    // Long enough for its place to be in the store.
    std::thread::sleep(Duration::from_millis(1500));
    let second = setup.call("two");
    // It hangs: nobody answers. Then the daemon is killed.
    std::thread::sleep(Duration::from_millis(300));
    let health = setup.get("/health");
    assert_eq!(health["webhooks"][0]["delivered"], 1, "{health}");
    setup.daemon.signal(Signal::KILL);
    setup.daemon.wait();
    let directory = setup.daemon.into_directory();
    setup.daemon = Daemon::start(directory);
    listener.set_nonblocking(false).unwrap();
    // The first connection is that of the killed daemon.
    let told = loop {
        let told = one_post(&listener, 200);
        if told["call"] == second {
            break told;
        }
        assert!(told.is_null() || told["call"] == first, "{told}");
    };
    assert_eq!(told["kind"], "call_started");
}

/// Takes one POST and answers it; `null` if the connection ends without.
fn one_post(listener: &TcpListener, status: u16) -> Value {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return Value::Null;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return Value::Null;
    }
    let answer = format!("HTTP/1.1 {status} OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    // One that was killed does not hear it.
    let _ = stream.write_all(answer.as_bytes());
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn ops_3_a_store_that_cannot_be_written_is_told_in_health_and_calls_go_on() {
    let setup = Setup::new();
    let first = setup.call("before");
    let path = setup.daemon.directory().path("trunkline.db");
    // A directory in its place cannot be written, by root either.
    for suffix in ["", "-wal", "-shm"] {
        let file = path.with_file_name(format!("trunkline.db{suffix}"));
        let _ = std::fs::remove_file(&file);
        std::fs::create_dir(&file).unwrap();
    }
    let health = setup.get_until("/health", |health| health["status"] == "degraded");
    assert_eq!(health["problems"][0]["what"], "store", "{health}");
    let second = setup.call("meanwhile");
    assert!(second > first);
    setup.hang_up(second);
    let kinds = ["store_degraded", "call_ended"];
    let begun = Instant::now();
    while !kinds.iter().all(|kind| {
        let page = setup.get(&format!(
            "/events?after={}&limit=1000&kinds=",
            first_seq(&setup)
        ));
        self::kinds(&page["items"]).contains(kind)
    }) {
        assert!(begun.elapsed() < SOON);
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A number before which nothing is asked for.
fn first_seq(setup: &Setup) -> u64 {
    let latest = setup.get("/health")["events"]["latest"].as_u64().unwrap();
    latest.saturating_sub(50)
}
