//! Frames that pass an interface one way, kept to be looked at: by a test, or by tshark.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::lab::Namespace;
use crate::sys;

/// Keeps every frame that passes one way, with its VLAN tag, until it is dropped.
pub struct Capture {
    frames: Arc<Mutex<Vec<Vec<u8>>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Capture {
    /// Frames that arrive at `interface` from now on.
    pub fn start(namespace: &Namespace, interface: &str) -> Result<Capture> {
        Capture::of(namespace, interface, false)
    }

    /// Frames that the host sends by `interface` from now on.
    pub fn of_sent(namespace: &Namespace, interface: &str) -> Result<Capture> {
        Capture::of(namespace, interface, true)
    }

    fn of(namespace: &Namespace, interface: &str, outgoing: bool) -> Result<Capture> {
        let socket =
            namespace.enter(|| sys::packet_socket(interface, Duration::from_millis(50)))??;
        let (frames, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::default());
        let (kept, stopped): (_, Arc<AtomicBool>) = (Arc::clone(&frames), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while !stopped.load(Ordering::Relaxed) {
                if let Ok(Some(seen)) = sys::receive_frame(&socket, &mut buffer)
                    && seen.is_outgoing == outgoing
                {
                    let frame = with_tag(&buffer[..seen.length], seen.tag);
                    kept.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(frame);
                }
            }
        });
        Ok(Capture {
            frames,
            stop,
            thread: Some(thread),
        })
    }

    /// What has arrived so far.
    pub fn frames(&self) -> Vec<Vec<u8>> {
        self.frames
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The UDP datagrams that were in them.
    pub fn all_datagrams(&self) -> Vec<Datagram> {
        let frames = self.frames();
        frames
            .iter()
            .filter_map(|frame| Datagram::of(frame))
            .collect()
    }

    /// UDP datagrams for `destination`, once there are `count` of them; fewer after ten seconds.
    pub fn datagrams(&self, destination: SocketAddr, count: usize) -> Vec<Datagram> {
        let begun = Instant::now();
        loop {
            let datagrams: Vec<_> = self
                .all_datagrams()
                .into_iter()
                .filter(|datagram| datagram.destination == destination)
                .collect();
            if datagrams.len() >= count || begun.elapsed() > Duration::from_secs(10) {
                return datagrams;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The frame as it was on the wire.
fn with_tag(frame: &[u8], tag: Option<(u16, u16)>) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(frame.len().min(12));
    let mut whole = addresses.to_vec();
    if let Some((identifier, contents)) = tag {
        whole.extend(identifier.to_be_bytes());
        whole.extend(contents.to_be_bytes());
    }
    whole.extend(rest);
    whole
}

/// A UDP datagram as it stood in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// VLAN identifier.
    pub vlan: Option<u16>,
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub payload: Vec<u8>,
    /// The frame that it was in.
    pub frame: Vec<u8>,
}

impl Datagram {
    /// `None` if the frame has none, or an IP header with options.
    pub fn of(frame: &[u8]) -> Option<Datagram> {
        let mut at = 12;
        let mut vlan = None;
        if matches!(word(frame, at)?, 0x8100 | 0x88a8) {
            vlan = Some(word(frame, at + 2)? & 0xfff);
            at += 4;
        }
        let (source, destination, udp): (IpAddr, IpAddr, usize) = match word(frame, at)? {
            0x0800 if frame.get(at + 2) == Some(&0x45) && frame.get(at + 11) == Some(&17) => {
                let address = |at| Some(Ipv4Addr::from(array::<4>(frame, at)?).into());
                (address(at + 14)?, address(at + 18)?, at + 22)
            }
            0x86dd if frame.get(at + 8) == Some(&17) => {
                let address = |at| Some(Ipv6Addr::from(array::<16>(frame, at)?).into());
                (address(at + 10)?, address(at + 26)?, at + 42)
            }
            _ => return None,
        };
        let length = usize::from(word(frame, udp + 4)?);
        Some(Datagram {
            vlan,
            source: SocketAddr::new(source, word(frame, udp)?),
            destination: SocketAddr::new(destination, word(frame, udp + 2)?),
            payload: frame.get(udp + 8..udp + length)?.to_vec(),
            frame: frame.to_vec(),
        })
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_be_bytes)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// Writes frames as a capture file that tshark and Wireshark read (classic pcap, Ethernet).
pub fn write_pcap<'f>(path: &Path, frames: impl IntoIterator<Item = &'f [u8]>) -> Result<()> {
    const SNAPLEN: u32 = 65_535;
    const ETHERNET: u32 = 1;
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_le_bytes());
    file.extend([2, 0, 4, 0]);
    for word in [0, 0, SNAPLEN, ETHERNET] {
        file.extend(word.to_le_bytes());
    }
    for (second, frame) in frames.into_iter().enumerate() {
        let length = u32::try_from(frame.len())?;
        for word in [u32::try_from(second)?, 0, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    Ok(std::fs::write(path, file)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xdp::packet::{Packet, TAG_802_1Q};

    #[test]
    fn datagrams_are_read_from_frames_of_both_families_with_and_without_a_tag() {
        for (source, destination) in [
            ("192.0.2.1:5004", "192.0.2.2:6000"),
            ("[2001:db8::1]:5004", "[2001:db8::2]:6000"),
        ] {
            for tags in [vec![], vec![(TAG_802_1Q, 0x2007)]] {
                let mut packet = Packet::udp(
                    source.parse().unwrap(),
                    destination.parse().unwrap(),
                    vec![1, 2, 3],
                );
                packet.padding = vec![0; 5];
                packet.tags.clone_from(&tags);
                let frame = packet.build();
                let datagram = Datagram::of(&frame).unwrap();
                assert_eq!(datagram.vlan, tags.first().map(|_| 7));
                assert_eq!(
                    (datagram.source, datagram.destination),
                    (packet.source, packet.destination)
                );
                assert_eq!(datagram.payload, [1, 2, 3]);
            }
        }
        assert_eq!(Datagram::of(&[0; 60]), None);
        assert_eq!(Datagram::of(&[]), None);
    }

    #[test]
    fn a_tag_that_the_kernel_took_out_is_put_back() {
        let frame: Vec<u8> = (0..20).collect();
        let whole = with_tag(&frame, Some((0x8100, 7)));
        assert_eq!(whole[..12], frame[..12]);
        assert_eq!(whole[12..16], [0x81, 0, 0, 7]);
        assert_eq!(whole[16..], frame[12..]);
        assert_eq!(with_tag(&frame, None), frame);
    }
}
