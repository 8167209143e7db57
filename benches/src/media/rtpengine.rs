//! rtpengine in user space, as Debian ships it, with calls set up over its control protocol.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use media_core::srtp::key::MasterKey;
use trunkline_tests::sys::{die_with_parent, in_child};

use super::contender::{CALLS, Call, Crypto, Relay, SUITE, far_port};
use super::lab::{EXIT, Lab, MEDIA, SINK, SOURCE};
use super::ng::{Client, Item};
use super::sys::{self, Policy};

const CONTROL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 22_222);

pub struct Rtpengine {
    child: Child,
    calls: Vec<Call>,
}

impl Rtpengine {
    /// Starts it in the edge on those CPUs and sets up the calls.
    pub fn start(lab: &Lab, crypto: Crypto, cpus: &[usize], policy: Policy) -> Result<Rtpengine> {
        let interfaces = [
            format!("--interface=source/{}", MEDIA[0]),
            format!("--interface=sink/{EXIT}"),
        ];
        let mut command = lab.edge.command("rtpengine");
        command
            .args([
                "--config-file=none",
                "--foreground",
                "--log-stderr",
                "--log-level=2",
            ])
            .args(["--table=-1", "--port-min=10000", "--port-max=20000"])
            .args([
                "--timeout=3600",
                "--silent-timeout=3600",
                "--offer-timeout=3600",
            ])
            .arg(format!("--listen-ng={CONTROL}"))
            .args(interfaces)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let cpus = cpus.to_vec();
        in_child(&mut command, move || {
            die_with_parent()?;
            sys::pin(&cpus)?;
            sys::schedule(policy)
        });
        let child = command.spawn().context(
            "starting rtpengine (Debian: rtpengine-daemon; cargo xtask setup installs it)",
        )?;
        let mut rtpengine = Rtpengine {
            child,
            calls: Vec::new(),
        };
        let mut client = rtpengine.connect(lab)?;
        for call in 0..CALLS {
            let call = set_up(&mut client, call, crypto)?;
            rtpengine.calls.push(call);
        }
        Ok(rtpengine)
    }

    fn connect(&mut self, lab: &Lab) -> Result<Client> {
        let socket = lab.edge.enter(|| UdpSocket::bind("127.0.0.1:0"))??;
        let mut client = Client::new(socket.try_clone()?, CONTROL)?;
        let begun = Instant::now();
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        while client.ask(&[("command", Item::from("ping"))]).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("rtpengine ended at once: {status}");
            }
            ensure!(
                begun.elapsed() < Duration::from_secs(10),
                "rtpengine does not answer"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(client)
    }
}

impl Relay for Rtpengine {
    fn calls(&self) -> &[Call] {
        &self.calls
    }
}

impl Drop for Rtpengine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Offer from the source, answer from the sink.
fn set_up(client: &mut Client, number: u16, crypto: Crypto) -> Result<Call> {
    let source_key = key(number, 1);
    let sink_key = key(number, 2);
    let offered = match crypto {
        Crypto::FromSource => sdp(SOURCE, number, Some(("1", &source_key.1))),
        _ => sdp(SOURCE, number, None),
    };
    let profile = match crypto {
        Crypto::ToSink => "RTP/SAVP",
        _ => "RTP/AVP",
    };
    let id = format!("bench-{number}");
    let common = || {
        vec![
            ("call-id", Item::from(id.as_str())),
            ("from-tag", Item::from("from")),
            ("ICE", Item::from("remove")),
            ("DTLS", Item::from("off")),
            ("replace", Item::from(["origin", "session-connection"])),
            ("flags", Item::from(["trust-address"])),
        ]
    };
    let mut offer = common();
    offer.push(("command", Item::from("offer")));
    offer.push(("sdp", Item::Text(offered)));
    offer.push(("direction", Item::from(["source", "sink"])));
    offer.push(("transport-protocol", Item::from(profile)));
    let to_sink = client.ask(&offer).context("offer")?;
    let to_sink = to_sink.get("sdp").context("no SDP in rtpengine's offer")?;
    let accepted = match crypto {
        Crypto::ToSink => Some(crypto_of(to_sink)?),
        _ => None,
    };
    let answered = match &accepted {
        Some((tag, _)) => sdp(SINK, number, Some((tag, &sink_key.1))),
        None => sdp(SINK, number, None),
    };
    let mut answer = common();
    answer.push(("command", Item::from("answer")));
    answer.push(("to-tag", Item::from("to")));
    answer.push(("sdp", Item::Text(answered)));
    let to_source = client.ask(&answer).context("answer")?;

    let to_source = to_source
        .get("sdp")
        .context("no SDP in rtpengine's answer")?;
    Ok(Call {
        ports: (far_port(number), port_of(to_source)?),
        source_key: (crypto == Crypto::FromSource).then_some(source_key.0),
        sink_key: accepted.map(|(_, key)| key),
    })
}

/// A key of ours, with its text for SDES.
fn key(call: u16, side: u8) -> (MasterKey, String) {
    let bytes: Vec<u8> = (0..30_u8)
        .map(|at| at ^ side ^ (call as u8) ^ ((call >> 8) as u8).rotate_left(4))
        .collect();
    let key = MasterKey::from_key_salt(SUITE, &bytes)
        .expect("16 bytes of key and 14 of salt, as AES_CM_128 has them");
    (key, STANDARD.encode(&bytes))
}

/// `key` is the tag and the key of the crypto line.
fn sdp(address: Ipv4Addr, call: u16, key: Option<(&str, &str)>) -> String {
    let port = far_port(call);
    let (profile, crypto) = match key {
        Some((tag, text)) => (
            "RTP/SAVP",
            format!("a=crypto:{tag} {} inline:{text}\r\n", SUITE.name()),
        ),
        None => ("RTP/AVP", String::new()),
    };
    format!(
        "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n\
         m=audio {port} {profile} 0\r\na=rtpmap:0 PCMU/8000\r\n{crypto}a=sendrecv\r\n"
    )
}

fn port_of(sdp: &str) -> Result<u16> {
    let line = sdp.lines().find_map(|line| line.strip_prefix("m=audio "));
    let port = line.and_then(|line| line.split(' ').next()?.parse().ok());
    port.context("no port in rtpengine's SDP")
}

/// The first crypto line of our suite, which is the one that the sink accepts: tag and key.
fn crypto_of(sdp: &str) -> Result<(String, MasterKey)> {
    let line = sdp
        .lines()
        .filter_map(|line| line.strip_prefix("a=crypto:"))
        .find(|line| line.contains(SUITE.name()))
        .context("no crypto line of our suite in rtpengine's offer")?;
    let tag = line.split(' ').next().unwrap_or_default();
    let (_, key) = line.split_once("inline:").context("no key")?;
    let bytes = STANDARD.decode(key.split(['|', ' ']).next().unwrap_or_default())?;
    let key = MasterKey::from_key_salt(SUITE, &bytes).context("a key of another length")?;
    Ok((tag.to_owned(), key))
}
