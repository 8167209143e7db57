//! Kamailio with rtpengine, both as Debian ships them, configured as the same edge: record-route,
//! topology hiding, every call's media through rtpengine, TLS.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use trunkline_tests::kamailio::{CANCEL, NOT_TOO_MANY_HOPS, in_foreground, tls_configuration};

use super::contender::{Bench, Edge};
use super::process::Process;
use super::scenario::Scenario;
use crate::media::lab::{EXIT, MEDIA, SINK, SOURCE};
use crate::media::ng::{Client, Item};

const CONTROL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 22_222);

pub struct Kamailio {
    kamailio: Process,
    rtpengine: Process,
}

impl Kamailio {
    pub fn start(bench: &Bench<'_>, scenario: Scenario) -> Result<Kamailio> {
        let rtpengine = start_rtpengine(bench)?;
        let directory = bench.directory();
        let path = directory.join("kamailio.cfg");
        std::fs::write(&path, configuration(directory, scenario))?;
        std::fs::write(
            directory.join("tls.cfg"),
            tls_configuration(directory, "edge"),
        )?;
        let mut command = bench.lab.edge.command("kamailio");
        // The default memory manager, qm, is one for finding bugs: it takes half of all CPU time.
        command.args(["-m", "512", "-M", "16", "-x", "fm", "-X", "fm"]);
        in_foreground(&mut command, &path, directory);
        let log = directory.join("kamailio.log");
        let mut kamailio = Process::start("kamailio", command, &bench.contender_cpus, &log)?;
        let probe = bench
            .lab
            .source
            .enter(|| UdpSocket::bind((SOURCE, 0)))?
            .context("a socket to ask Kamailio from")?;
        probe.set_read_timeout(Some(Duration::from_millis(50)))?;
        let ready = kamailio.await_ready(|| answers(&probe));
        ready.map_err(|error| {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            error.context(text)
        })?;
        Ok(Kamailio {
            kamailio,
            rtpengine,
        })
    }
}

impl Edge for Kamailio {
    fn processes(&self) -> Vec<&Process> {
        vec![&self.kamailio, &self.rtpengine]
    }
}

fn start_rtpengine(bench: &Bench<'_>) -> Result<Process> {
    let mut command = bench.lab.edge.command("rtpengine");
    command
        .args([
            "--config-file=none",
            "--foreground",
            "--log-stderr",
            "--log-level=2",
            "--table=-1",
            "--port-min=10000",
            "--port-max=59999",
            "--delete-delay=0",
            "--timeout=3600",
            "--silent-timeout=3600",
            "--offer-timeout=3600",
        ])
        .arg(format!("--listen-ng={CONTROL}"))
        .arg(format!("--interface=source/{}", MEDIA[0]))
        .arg(format!("--interface=sink/{EXIT}"));
    let log = bench.directory().join("rtpengine.log");
    let mut process = Process::start("rtpengine", command, &bench.contender_cpus, &log)?;
    let socket = bench.lab.edge.enter(|| UdpSocket::bind("127.0.0.1:0"))??;
    let mut client = Client::new(socket.try_clone()?, CONTROL)?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    process.await_ready(|| client.ask(&[("command", Item::from("ping"))]).is_ok())?;
    Ok(process)
}

/// Whether OPTIONS is answered.
fn answers(probe: &UdpSocket) -> bool {
    let (edge, Ok(near)) = (MEDIA[0], probe.local_addr()) else {
        return false;
    };
    let options = format!(
        "OPTIONS sip:{edge} SIP/2.0\r\nVia: SIP/2.0/UDP {near};branch=z9hG4bK-probe\r\n\
         Max-Forwards: 70\r\nFrom: <sip:probe@{SOURCE}>;tag=probe\r\nTo: <sip:{edge}>\r\n\
         Call-ID: probe\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    let mut answer = [0; 2048];
    probe.send_to(options.as_bytes(), (edge, 5060)).is_ok() && probe.recv(&mut answer).is_ok()
}

fn configuration(directory: &Path, scenario: Scenario) -> String {
    let near = MEDIA[0];
    let near_profile = match scenario {
        Scenario::Udp => "RTP/AVP",
        Scenario::TlsSrtp => "RTP/SAVP SDES-no-AEAD_AES_256_GCM",
    };
    let dir = directory.display();
    format!(
        r#"#!KAMAILIO
debug=0
log_stderror=yes
fork=yes
children=4
tcp_children=4
tcp_connection_lifetime=3600
auto_aliases=no
dns=no
rev_dns=no
dns_cache_init=off
use_dns_cache=off
server_signature=no
enable_tls=yes
listen=udp:{near}:5060
listen=tls:{near}:5061
listen=udp:{EXIT}:5060
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "rtpengine.so"
loadmodule "topoh.so"
loadmodule "tls.so"
modparam("tls", "config", "{dir}/tls.cfg")
modparam("rr", "enable_double_rr", 1)
modparam("rtpengine", "rtpengine_sock", "udp:{CONTROL}")
modparam("topoh", "mask_key", "TrunklineBench")
modparam("topoh", "mask_ip", "203.0.113.9")
modparam("topoh", "mask_callid", 1)

request_route {{
{NOT_TOO_MANY_HOPS}
    if (is_method("OPTIONS")) {{
        sl_send_reply("200", "OK");
        exit;
    }}
    if (has_totag()) {{
        if (loose_route()) {{
            if (is_method("BYE")) {{
                rtpengine_delete();
            }}
            t_relay();
            exit;
        }}
        if (is_method("ACK")) {{
            if (t_check_trans()) {{
                t_relay();
            }}
            exit;
        }}
        sl_send_reply("404", "Not here");
        exit;
    }}
{CANCEL}
    t_check_trans();
    if ($si != "{SOURCE}") {{
        sl_send_reply("403", "Forbidden");
        exit;
    }}
    record_route();
    if (is_method("INVITE")) {{
        rtpengine_offer("replace-origin replace-session-connection ICE=remove direction=source direction=sink RTP/AVP");
        t_on_reply("ANSWER");
        t_on_failure("FAILED");
    }}
    $du = "sip:{SINK}:5060";
    $fs = "udp:{EXIT}:5060";
    if (!t_relay()) {{
        sl_reply_error();
    }}
    exit;
}}

onreply_route[ANSWER] {{
    if (has_body("application/sdp")) {{
        rtpengine_answer("replace-origin replace-session-connection ICE=remove {near_profile}");
    }}
}}

failure_route[FAILED] {{
    rtpengine_delete();
}}
"#
    )
}
