//! tshark as the judge of checksums: somebody else's arithmetic.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};

use crate::capture::write_pcap;

/// What tshark says of a packet's checksums; `None` where there is none to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksums {
    /// The IPv4 header's.
    pub ip: Option<bool>,
    pub udp: Option<bool>,
}

/// Has tshark verify the checksums of every frame.
pub fn verify(frames: &[Vec<u8>]) -> Result<Vec<Checksums>> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("trunkline-{}-{number}.pcap", std::process::id());
    let file = std::env::temp_dir().join(name);
    write_pcap(&file, frames.iter().map(Vec::as_slice))?;
    let output = Command::new("tshark")
        .args(["-n", "-o", "ip.check_checksum:TRUE", "-o"])
        .args(["udp.check_checksum:TRUE", "-T", "fields", "-E"])
        .args(["separator=,", "-e", "ip.checksum.status"])
        .args(["-e", "udp.checksum.status", "-r"])
        .arg(&file)
        .output()
        .context("starting tshark")?;
    let _ = std::fs::remove_file(&file);
    ensure!(
        output.status.success(),
        "tshark: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let text = String::from_utf8(output.stdout)?;
    let verdicts: Vec<_> = text.lines().map(checksums).collect::<Result<_>>()?;
    ensure!(
        verdicts.len() == frames.len(),
        "tshark read {} of {} frames",
        verdicts.len(),
        frames.len()
    );
    Ok(verdicts)
}

fn checksums(line: &str) -> Result<Checksums> {
    let (ip, udp) = line.split_once(',').context("two fields")?;
    Ok(Checksums {
        ip: status(ip)?,
        udp: status(udp)?,
    })
}

/// `PROTO_CHECKSUM_E_BAD`, `_GOOD`, and absent (epan/proto.h of Wireshark).
fn status(field: &str) -> Result<Option<bool>> {
    match field {
        "" => Ok(None),
        "0" | "Bad" => Ok(Some(false)),
        "1" | "Good" => Ok(Some(true)),
        other => anyhow::bail!("tshark calls a checksum {other}"),
    }
}
