//! Kamailio: as a carrier's proxy, record-routing, in front of user agents that only it can reach; and
//! as a provider's registrar.
//!
//! ```text
//!   edge 192.0.2.1  ───  192.0.2.2 Kamailio 127.0.0.1  ───  127.0.0.1:5080 user agent
//! ```

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sip_core::transport::Transport;

use crate::agent::Authority;
use crate::lab::Namespace;
use crate::peer::{self, Directory, Peer};

/// The proxy's inner address.
pub const INSIDE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);
/// Where the user agent behind it is.
pub const BEHIND: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5080);

const PATIENCE: Duration = Duration::from_secs(15);

/// A proxy; ended when dropped.
pub struct Kamailio {
    process: Process,
    edge: IpAddr,
}

/// A registrar that asks for a password, and sends calls to where its users are; ended when dropped.
pub struct Registrar(Process);

struct Process(Peer);

impl Kamailio {
    /// Stands at `outside`, by UDP or TLS, before [`BEHIND`]; what comes from there goes to `edge`.
    pub fn start(
        namespace: &Namespace,
        files: &Directory,
        authority: &Authority,
        (transport, outside): (Transport, SocketAddr),
        edge: SocketAddr,
    ) -> Result<Kamailio> {
        let directory = files.path();
        authority
            .issue(&[], &[outside.ip()])?
            .write(directory, "proxy")?;
        std::fs::write(
            directory.join("tls.cfg"),
            tls_configuration(directory, "proxy"),
        )?;
        let configuration = configuration(directory, transport, outside, edge);
        let listeners = [(Transport::Udp, INSIDE), (transport, outside)];
        Ok(Kamailio {
            process: Process::start(namespace, files, &configuration, &listeners)?,
            edge: edge.ip(),
        })
    }

    /// How many requests within a dialog, with that method, came from the edge by the route set.
    pub fn routed_from_edge(&self, method: &str) -> usize {
        let line = format!("routed {method} from {}", self.edge);
        self.log().matches(&line).count()
    }

    /// The same, from the user agent behind.
    pub fn routed_from_behind(&self, method: &str) -> usize {
        let line = format!("routed {method} from {}", BEHIND.ip());
        self.log().matches(&line).count()
    }

    /// Requests that were for it and not for its user agent: none, if everybody follows the route.
    pub fn strays(&self) -> usize {
        self.log().matches("stray ").count()
    }

    pub fn log(&self) -> String {
        self.process.0.log()
    }

    /// Ends it, so that another may take its place.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop()
    }
}

impl Registrar {
    /// Stands at `address` by UDP; whoever knows `password`, by that digest algorithm, registers for
    /// the user name that it authenticates with.
    pub fn start(
        namespace: &Namespace,
        files: &Directory,
        address: SocketAddr,
        (algorithm, password): (&str, &str),
    ) -> Result<Registrar> {
        let configuration = registrar_configuration(address, algorithm, password);
        let listeners = [(Transport::Udp, address)];
        Process::start(namespace, files, &configuration, &listeners).map(Registrar)
    }

    pub fn log(&self) -> String {
        self.0.0.log()
    }
}

impl Process {
    fn start(
        namespace: &Namespace,
        files: &Directory,
        configuration: &str,
        listeners: &[(Transport, SocketAddr)],
    ) -> Result<Process> {
        let directory = files.path();
        let path = directory.join("kamailio.cfg");
        std::fs::write(&path, configuration)?;
        let mut command = namespace.command("kamailio");
        command.args(["-m", "64", "-M", "4"]);
        in_foreground(&mut command, &path, directory);
        let mut peer = Peer::start(command, &directory.join("kamailio.log"))
            .context("cargo xtask setup --for test installs kamailio")?;
        let started = Instant::now();
        for (transport, address) in listeners {
            while !peer::is_bound(namespace, *transport, *address)? {
                ensure!(
                    peer.is_running()? && started.elapsed() < PATIENCE,
                    "Kamailio does not listen:\n{}",
                    peer.log()
                );
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(Process(peer))
    }

    /// Ends it, and its children: when it is killed it leaves them.
    fn stop(&mut self) -> Result<()> {
        self.0.interrupt()?;
        self.0.wait(PATIENCE)?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// Has it stay in the foreground as the parent of all, with that configuration and its files in the
/// directory.
pub fn in_foreground(command: &mut Command, configuration: &Path, directory: &Path) {
    command
        .args(["-DD", "-E", "-f"])
        .arg(configuration)
        .arg("-P")
        .arg(directory.join("kamailio.pid"))
        .arg("-Y")
        .arg(directory);
}

/// What a proxy's route begins with (RFC 3261 section 16.3).
pub const NOT_TOO_MANY_HOPS: &str = r#"
    if (!mf_process_maxfwd_header("70")) {
        sl_send_reply("483", "Too Many Hops");
        exit;
    }"#;

/// CANCEL goes where its INVITE went (RFC 3261 section 16.10).
pub const CANCEL: &str = r#"
    if (is_method("CANCEL")) {
        if (t_check_trans()) {
            t_relay();
        }
        exit;
    }"#;

fn configuration(
    directory: &Path,
    transport: Transport,
    outside: SocketAddr,
    edge: SocketAddr,
) -> String {
    let (dir, token) = (directory.display(), transport.uri_token());
    let (edge_ip, edge_port) = (edge.ip(), edge.port());
    format!(
        r#"#!KAMAILIO
debug=0
log_stderror=yes
fork=yes
children=1
tcp_children=1
auto_aliases=no
dns=no
rev_dns=no
dns_cache_init=off
use_dns_cache=off
enable_tls=yes
listen={token}:{outside}
listen=udp:{INSIDE}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
loadmodule "tls.so"
modparam("tls", "config", "{dir}/tls.cfg")
modparam("rr", "enable_double_rr", 1)

request_route {{
{NOT_TOO_MANY_HOPS}
    if (has_totag()) {{
        if (loose_route()) {{
            xlog("L_ALERT", "routed $rm from $si\n");
            t_relay();
            exit;
        }}
        if (is_method("ACK") && t_check_trans()) {{
            t_relay();
            exit;
        }}
        xlog("L_ALERT", "stray $rm from $si for $ru\n");
        if (!is_method("ACK")) {{
            sl_send_reply("404", "Not here");
        }}
        exit;
    }}
{CANCEL}
    t_check_trans();
    record_route();
    if ($si == "{edge_ip}") {{
        $du = "sip:{BEHIND}";
        $fs = "udp:{INSIDE}";
    }} else {{
        $ru = "sip:" + $rU + "@{edge_ip}:{edge_port};transport={token}";
        $fs = "{token}:{outside}";
    }}
    if (!t_relay()) {{
        sl_reply_error();
    }}
    exit;
}}
"#
    )
}

fn registrar_configuration(address: SocketAddr, algorithm: &str, password: &str) -> String {
    format!(
        r#"#!KAMAILIO
debug=0
log_stderror=yes
fork=yes
children=1
auto_aliases=no
dns=no
rev_dns=no
disable_tcp=yes
listen=udp:{address}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("auth", "algorithm", "{algorithm}")

request_route {{
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("provider.example", "{password}", "0")) {{
            xlog("L_ALERT", "challenged $fu\n");
            www_challenge("provider.example", "1");
            exit;
        }}
        xlog("L_ALERT", "registered $au for $hdr(Expires)\n");
        save("location");
        exit;
    }}
    if (is_method("INVITE|CANCEL") && lookup("location")) {{
        t_relay();
        exit;
    }}
    if (!is_method("ACK")) {{
        sl_send_reply("404", "Not here");
    }}
}}
"#
    )
}

/// TLS with `{name}.crt` and `{name}.key` of the directory, and no questions to peers.
pub fn tls_configuration(directory: &Path, name: &str) -> String {
    let dir = directory.display();
    let part = |role: &str| {
        format!(
            "[{role}:default]\nmethod = TLSv1.2+\nverify_certificate = no\nrequire_certificate = no\n\
             private_key = {dir}/{name}.key\ncertificate = {dir}/{name}.crt\n"
        )
    };
    part("server") + &part("client")
}
