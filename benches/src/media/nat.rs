//! The kernel's own ways through the edge: plain routing, and nftables' DNAT with SNAT.

use std::io::Write as _;
use std::ops::RangeInclusive;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use trunkline_tests::lab::{Namespace, run};

use super::forwarder::target;
use super::lab::{EXIT, Lab, MEDIA, OUT, SINK};

/// The edge routes what is sent to its first media address, as if that lay behind it.
///
/// The packets are the same as everybody's, so the address is taken from the edge and given a
/// route to the sink; both come back when this is dropped.
pub struct Routed<'a>(&'a Lab);

impl<'a> Routed<'a> {
    pub fn new(lab: &'a Lab) -> Result<Routed<'a>> {
        let routed = Routed(lab);
        lab.set_forwarding(true)?;
        ip(&lab.edge, &["address", "del", &address(), "dev", "in"])?;
        let (to, via) = (MEDIA[0].to_string(), SINK.to_string());
        ip(&lab.edge, &["route", "add", &to, "via", &via, "dev", OUT])?;
        Ok(routed)
    }
}

impl Drop for Routed<'_> {
    fn drop(&mut self) {
        let to = MEDIA[0].to_string();
        let _ = ip(&self.0.edge, &["route", "del", &to]);
        let _ = ip(&self.0.edge, &["address", "add", &address(), "dev", "in"]);
        let _ = self.0.set_forwarding(false);
    }
}

/// nftables translates both addresses of every flow, with connection tracking.
pub struct Translated<'a>(&'a Lab);

impl<'a> Translated<'a> {
    pub fn new(lab: &'a Lab, ports: RangeInclusive<u16>) -> Result<Translated<'a>> {
        let translated = Translated(lab);
        lab.set_forwarding(true)?;
        nft(&lab.edge, &rules(ports))?;
        Ok(translated)
    }
}

impl Drop for Translated<'_> {
    fn drop(&mut self) {
        let _ = nft(&self.0.edge, "delete table ip bench\n");
        let _ = self.0.set_forwarding(false);
    }
}

fn rules(ports: RangeInclusive<u16>) -> String {
    let targets: Vec<String> = ports
        .map(|port| {
            let to = target(port);
            format!("{port} : {} . {}", to.ip(), to.port())
        })
        .collect();
    format!(
        "table ip bench {{
           map targets {{ type inet_service : ipv4_addr . inet_service; elements = {{ {} }} }}
           chain before {{
             type nat hook prerouting priority dstnat;
             ip daddr {} meta l4proto udp dnat ip to udp dport map @targets
           }}
           chain after {{
             type nat hook postrouting priority srcnat;
             oifname \"{OUT}\" snat ip to {EXIT}
           }}
         }}\n",
        targets.join(", "),
        MEDIA[0]
    )
}

fn nft(edge: &Namespace, rules: &str) -> Result<()> {
    let mut child = edge
        .command("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting nft (Debian: nftables; cargo xtask setup installs it)")?;
    let mut input = child.stdin.take().context("nft's input")?;
    input.write_all(rules.as_bytes())?;
    drop(input);
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "nft: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

fn ip(edge: &Namespace, arguments: &[&str]) -> Result<()> {
    run(edge.command("ip").args(arguments))
}

fn address() -> String {
    format!("{}/24", MEDIA[0])
}
