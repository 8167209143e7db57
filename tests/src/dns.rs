//! dnsmasq as the name server of a carrier.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::lab::Namespace;
use crate::peer::{Directory, Peer};

/// The domain that it knows all about; of any other it knows nothing.
pub const DOMAIN: &str = "carrier.example";

/// Records, as dnsmasq's configuration has them.
#[derive(Clone, Debug, Default)]
pub struct Zone(Vec<String>);

impl Zone {
    /// A host of the domain.
    #[must_use]
    pub fn host(mut self, label: &str, address: IpAddr) -> Zone {
        self.0
            .push(format!("host-record={label}.{DOMAIN},{address}"));
        self
    }

    /// A host that serves `service`, as `_sip._udp`.
    #[must_use]
    pub fn srv(mut self, service: &str, label: &str, port: u16, priority: u16) -> Zone {
        let weight = 10;
        self.0.push(format!(
            "srv-host={service}.{DOMAIN},{label}.{DOMAIN},{port},{priority},{weight}"
        ));
        self
    }

    /// A service of the domain, as `SIP+D2U`, of that order, and where its SRV records are.
    #[must_use]
    pub fn naptr(mut self, order: u16, token: &str, service: &str) -> Zone {
        self.0.push(format!(
            "naptr-record={DOMAIN},{order},50,s,{token},,{service}.{DOMAIN}"
        ));
        self
    }
}

/// A running name server; ended when dropped.
pub struct NameServer {
    peer: Peer,
}

impl NameServer {
    /// Serves `zone` on port 53 of an address; each record holds for `ttl_s`.
    pub fn start(
        namespace: &Namespace,
        address: IpAddr,
        files: &Directory,
        zone: &Zone,
        ttl_s: u32,
    ) -> Result<NameServer> {
        let records = zone.0.join("\n");
        let configuration = format!(
            "port=53\nlisten-address={address}\nbind-interfaces\nno-resolv\nno-hosts\nuser=root\n\
             pid-file={}\nlog-queries\nlog-facility=-\nlocal=/{DOMAIN}/\nlocal-ttl={ttl_s}\n{records}\n",
            files.path().join("dnsmasq.pid").display()
        );
        let path = files.path().join("dnsmasq.conf");
        std::fs::write(&path, configuration)?;
        let mut command = namespace.command("dnsmasq");
        command
            .arg("--keep-in-foreground")
            .arg(format!("--conf-file={}", path.display()));
        let mut peer = Peer::start(command, &files.path().join("dnsmasq.log"))
            .context("cargo xtask setup --for test installs dnsmasq")?;
        peer.wait_for(": started, version", Duration::from_secs(10))?;
        Ok(NameServer { peer })
    }

    /// Ends it, so that another may take its place with another zone.
    pub fn stop(self) -> Result<()> {
        self.peer.kill()
    }

    /// How often a type of record was asked of a name so far.
    pub fn times_asked(&self, kind: &str, name: &str) -> usize {
        let question = format!("query[{kind}] {name} ");
        self.peer.log().matches(&question).count()
    }
}

/// The edge's setting that has it ask that name server.
pub fn section(server: IpAddr) -> String {
    format!("[dns]\nservers = [\"{}\"]\n", SocketAddr::new(server, 53))
}
