//! A daemon in a process of its own, with files in a directory of its own.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustix::process::{Pid, Signal, kill_process};

/// For anything that should happen at once.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Removed when dropped.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Directory {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("trunkline-test-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A private CA.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Test CA");
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Certificate and key as PEM; addresses become addresses, all else DNS names.
    pub(crate) fn issue(&self, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.issue_names(names, KeyPair::generate().unwrap())
    }

    /// The same for a key that is there already.
    pub(crate) fn issue_for(&self, names: &[&str], key: KeyPair) -> (String, String) {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        self.issue_names(names, key)
    }

    fn issue_names(&self, names: Vec<String>, key: KeyPair) -> (String, String) {
        let certificate = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &self.0)
            .unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// A running `trunkline run`.
pub(crate) struct Daemon {
    child: Child,
    directory: Directory,
}

impl Daemon {
    /// Starts with `trunkline.toml` of the directory and waits until it is ready.
    pub(crate) fn start(directory: Directory) -> Daemon {
        Daemon::start_with(directory, &[])
    }

    /// The same with something in its environment.
    pub(crate) fn start_with(directory: Directory, environment: &[(&str, &str)]) -> Daemon {
        let log = File::create(directory.path("log")).unwrap();
        let mut daemon = Daemon::spawn(directory, log, environment);
        daemon.wait_for_log("ready");
        daemon
    }

    /// Starts with its log going there, and waits for nothing.
    pub(crate) fn start_unready(directory: Directory, log: impl Into<Stdio>) -> Daemon {
        Daemon::spawn(directory, log, &[])
    }

    fn spawn(directory: Directory, log: impl Into<Stdio>, environment: &[(&str, &str)]) -> Daemon {
        let child = run(&directory, log, environment);
        Daemon { child, directory }
    }

    /// Stops it, and starts it again with a log of its own.
    pub(crate) fn restart(&mut self) {
        self.signal(Signal::TERM);
        self.wait();
        let log = File::create(self.directory.path("log")).unwrap();
        self.child = run(&self.directory, log, &[]);
        self.wait_for_log("ready");
    }

    /// Ends it as a crash does, and starts it again with a log of its own.
    pub(crate) fn crash_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let log = File::create(self.directory.path("log")).unwrap();
        self.child = run(&self.directory, log, &[]);
        self.wait_for_log("ready");
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// For another daemon in its place.
    pub(crate) fn into_directory(mut self) -> Directory {
        std::mem::replace(&mut self.directory, Directory::new())
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path("log")).unwrap()
    }

    /// Waits until the log has a line with `text`, and returns it.
    pub(crate) fn wait_for_log(&mut self, text: &str) -> String {
        self.wait_for_logs(text, 1)
    }

    /// Waits until the log has that many lines with `text`, and returns the last of them.
    pub(crate) fn wait_for_logs(&mut self, text: &str, count: usize) -> String {
        self.wait_for_logs_within(SOON, text, count)
    }

    pub(crate) fn wait_for_logs_within(
        &mut self,
        time: Duration,
        text: &str,
        count: usize,
    ) -> String {
        let started = Instant::now();
        loop {
            let log = self.log();
            let mut lines = log.lines().filter(|line| line.contains(text));
            if let Some(line) = lines.nth(count - 1) {
                return line.to_owned();
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && started.elapsed() < time,
                "no {text:?} in the log:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                started.elapsed() < SOON,
                "the daemon does not end:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What `trunkline status --json` says; `control.socket` is in the directory.
    pub(crate) fn status(&self) -> serde_json::Value {
        let output = trunkline(
            &["status", "--json", "--socket"],
            &self.directory.path("control.sock"),
        );
        assert!(output.0, "{}", output.2);
        serde_json::from_str(&output.1).unwrap()
    }
}

fn run(directory: &Directory, log: impl Into<Stdio>, environment: &[(&str, &str)]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_trunkline"))
        .envs(environment.iter().copied())
        .args(["run", "--config"])
        .arg(directory.path("trunkline.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the binary to its end: success, standard output, standard error.
pub(crate) fn trunkline(arguments: &[&str], path: &Path) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_trunkline"))
        .args(arguments)
        .arg(path)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// A port of 127.0.0.1 that neither UDP nor TCP uses, outside the media ranges of the tests.
pub(crate) fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A UDP peer on that address of the loopback.
pub(crate) fn udp_peer(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

/// The next SIP message whose start line begins with `start`; others are passed over.
pub(crate) fn receive(socket: &UdpSocket, start: &str) -> (String, SocketAddr) {
    let mut buffer = vec![0; 65_535];
    loop {
        let (length, from) = socket
            .recv_from(&mut buffer)
            .unwrap_or_else(|error| panic!("no {start:?}: {error}"));
        let message = String::from_utf8(buffer[..length].to_vec()).unwrap();
        if message.starts_with(start) {
            return (message, from);
        }
    }
}

/// The value of a header, by its full name.
pub(crate) fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    let value = message
        .lines()
        .find_map(|line| line.strip_prefix(prefix.as_str()));
    value.unwrap_or_else(|| panic!("no {name} in\n{message}"))
}

/// An OPTIONS with a branch of its own.
pub(crate) fn options(transport: &str, from: SocketAddr, id: &str) -> String {
    format!(
        "OPTIONS sip:edge@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} {from};branch=z9hG4bK{id};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:probe@{from}>;tag={id}\r\nTo: <sip:edge@127.0.0.1>\r\n\
         Call-ID: {id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

/// An INVITE over UDP with an offer of PCMU.
pub(crate) fn invite(from: &UdpSocket, number: &str, id: &str) -> String {
    let body = sdp(from);
    let from = from.local_addr().unwrap();
    format!(
        "INVITE sip:{number}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{id};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:caller@{from}>;tag={id}\r\nTo: <sip:{number}@127.0.0.1>\r\n\
         Call-ID: {id}\r\nCSeq: 1 INVITE\r\nContact: <sip:caller@{from}>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The ACK to the 200 of [`invite`].
pub(crate) fn ack(from: &UdpSocket, answer: &str) -> String {
    let from = from.local_addr().unwrap();
    let target = header(answer, "Contact")
        .trim_start_matches('<')
        .split('>')
        .next()
        .unwrap();
    format!(
        "ACK {target} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKack;rport\r\nMax-Forwards: 70\r\n\
         From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
        header(answer, "From"),
        header(answer, "To"),
        header(answer, "Call-ID")
    )
}

/// A 200 of that peer: with an SDP answer to an INVITE, else without a body.
pub(crate) fn ok(peer: &UdpSocket, request: &str) -> String {
    let (contact, body) = match request.starts_with("INVITE ") {
        true => (
            format!(
                "Contact: <sip:{}>\r\nContent-Type: application/sdp\r\n",
                peer.local_addr().unwrap()
            ),
            sdp(peer),
        ),
        false => (String::new(), String::new()),
    };
    let tag = if header(request, "To").contains(";tag=") {
        ""
    } else {
        ";tag=callee"
    };
    let vias: String = request
        .lines()
        .filter(|line| line.starts_with("Via: "))
        .map(|line| format!("{line}\r\n"))
        .collect();
    format!(
        "SIP/2.0 200 OK\r\n{vias}From: {}\r\nTo: {}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n{contact}\
         Content-Length: {}\r\n\r\n{body}",
        header(request, "From"),
        header(request, "To"),
        header(request, "Call-ID"),
        header(request, "CSeq"),
        body.len()
    )
}

fn sdp(peer: &UdpSocket) -> String {
    let address = peer.local_addr().unwrap().ip();
    format!(
        "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
    )
}

/// `trunkline.toml` with a realm, a listener of each transport on 127.0.0.1 and what is added.
pub(crate) struct Edge {
    pub(crate) udp: u16,
    pub(crate) tcp: u16,
    pub(crate) tls: u16,
}

impl Edge {
    pub(crate) fn new() -> Edge {
        let [udp, tcp, tls] = [free_port(), free_port(), free_port()];
        Edge { udp, tcp, tls }
    }

    /// Writes configuration and certificates. `more` is TOML: sections.
    pub(crate) fn configure(&self, directory: &Directory, authority: &Authority, more: &str) {
        let (certificate, key) = authority.issue(&["edge.example.com", "127.0.0.1"]);
        directory.write("edge.crt", &certificate);
        directory.write("edge.key", &key);
        directory.write("ca.crt", &authority.pem());
        self.write(directory, more);
    }

    /// Writes the configuration alone.
    pub(crate) fn write(&self, directory: &Directory, more: &str) {
        self.serve(directory, "", more);
    }

    /// The same, with more settings of the TLS listener.
    pub(crate) fn serve(&self, directory: &Directory, listener: &str, more: &str) {
        let Edge { udp, tcp, tls } = self;
        let path = directory.path("");
        let dir = path.to_str().unwrap().trim_end_matches('/');
        let mut text = "[[realms]]\nname = \"lo\"\nmedia_addresses = [\"127.0.0.1\"]\nports = \"21000-21999\"\n".to_owned();
        for (transport, port) in [("udp", udp), ("tcp", tcp), ("tls", tls)] {
            text += &format!(
                "[[listeners]]\nname = \"{transport}\"\ntransport = \"{transport}\"\naddress = \"127.0.0.1:{port}\"\nrealm = \"lo\"\n"
            );
        }
        text += &format!(
            "certificate = \"{dir}/edge.crt\"\nkey = \"{dir}/edge.key\"\n{listener}\n[tls]\nca = \"{dir}/ca.crt\"\n\
             [media]\nbackend = \"socket\"\n[control]\nsocket = \"{dir}/control.sock\"\n"
        );
        // Peers of most tests expect nothing but calls.
        let more = match more.contains("probe = ") {
            true => more.to_owned(),
            false => more.replace("\ndestination = ", "\nprobe = \"off\"\ndestination = "),
        };
        directory.write("trunkline.toml", &(text + &more).replace("DIR", dir));
    }
}

/// Until it is so.
#[track_caller]
pub(crate) fn wait_until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < SOON, "not in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}
