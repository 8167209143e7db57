//! The HTTP API of a running daemon: at its socket, at its port, with good clients and bad ones.

mod access;
mod calls;
mod events;
mod strangers;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::support::{
    Authority, Daemon, Directory, Edge, SOON, ack, free_port, invite, ok, receive,
};

/// Status, head and body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
    }
}

/// A daemon with the API at a port of the loopback, and what it takes to ask it.
pub(crate) struct Api {
    pub(crate) daemon: Daemon,
    pub(crate) edge: Edge,
    pub(crate) port: u16,
}

impl Api {
    pub(crate) fn start(more: &str) -> Api {
        Api::start_in(Directory::new(), &Authority::new(), &[], more)
    }

    /// With a directory and an authority of the test's own, and something in the environment.
    pub(crate) fn start_in(
        directory: Directory,
        authority: &Authority,
        environment: &[(&str, &str)],
        more: &str,
    ) -> Api {
        let (edge, port) = (Edge::new(), free_port());
        let mut api = format!("[api]\nlisten = \"127.0.0.1:{port}\"\n");
        if !more.contains("[store]") {
            api += "[store]\npath = \"DIR/store.db\"\n";
        }
        edge.configure(&directory, authority, &(api + more));
        // Calls of a test follow each other closely, and nobody speaks.
        let file = std::fs::read_to_string(directory.path("trunkline.toml")).unwrap();
        let file = file.replace(
            "[media]\n",
            "[media]\nport_cooldown = \"1s\"\ntimeout = \"600s\"\n",
        );
        directory.write("trunkline.toml", &file);
        Api {
            daemon: Daemon::start_with(directory, environment),
            edge,
            port,
        }
    }

    /// By the socket, where we need no token.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &str, body: &Value) -> Answer {
        let socket = UnixStream::connect(self.daemon.directory().path("control.sock")).unwrap();
        exchange(socket, &request(method, path, headers, body))
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, "", &Value::Null);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    pub(crate) fn token(&self, role: &str) -> String {
        let made = self.ask("POST", "/tokens", "", &json!({"label": role, "role": role}));
        assert_eq!(made.status, 201, "{}", made.body);
        made.json()["token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    }

    pub(crate) fn udp(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.edge.udp).into()
    }

    /// Sends an INVITE for `number`; `id` is its own.
    pub(crate) fn invite(&self, caller: &UdpSocket, number: &str, id: &str) {
        let invite = invite(caller, number, id);
        caller.send_to(invite.as_bytes(), self.udp()).unwrap();
    }

    /// Sets a call up between two parties of [`trunks`].
    pub(crate) fn set_up(&self, [caller, callee]: [&UdpSocket; 2], id: &str) {
        self.invite(caller, "100", id);
        let (asked, from) = receive(callee, "INVITE ");
        callee.send_to(ok(callee, &asked).as_bytes(), from).unwrap();
        let (answer, _) = receive(caller, "SIP/2.0 200 ");
        let ack = ack(caller, &answer);
        caller.send_to(ack.as_bytes(), self.udp()).unwrap();
        receive(callee, "ACK ");
    }
}

pub(crate) fn request(method: &str, path: &str, headers: &str, body: &Value) -> String {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    format!(
        "{method} /api/v1{path} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n{headers}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn by(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// What comes until the other end closes.
pub(crate) fn exchange(mut stream: impl Read + Write, request: &str) -> Answer {
    // The daemon may have seen enough of it.
    let _ = stream.write_all(request.as_bytes());
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Answer {
        status: status.unwrap_or(0),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

pub(crate) fn trunks(callee: SocketAddr) -> String {
    format!(
        "[[trunks]]\nname = \"caller\"\nacl = [\"127.0.0.2\"]\nmax_calls_per_second = 0\n\
         [[trunks]]\nname = \"callee\"\nacl = [\"127.0.0.3\"]\ndestination = \"sip:{callee}\"\nmax_calls_per_second = 0\n\
         [[routes]]\nfrom = \"caller\"\nto = \"callee\"\n"
    )
}

/// Reads a stream until it has that text.
fn read_until(stream: &mut impl Read, text: &str) -> String {
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    while !seen.contains(text) {
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "ended without {text:?}: {seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    seen
}
