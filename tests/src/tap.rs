//! Listens on the wire of a secure leg for plaintext.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;

use crate::agent::MARKER;
use crate::lab::{Namespace, UPLINK};
use crate::sys;

/// Watches every frame of one party's address, at the party's end of the wire.
pub struct Tap {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    frames: AtomicU64,
    plaintext: AtomicU64,
}

impl Tap {
    /// Starts to watch; frames from now on are counted.
    pub fn start(namespace: &Namespace, party: IpAddr) -> Result<Tap> {
        let shared = Arc::new(Shared::default());
        let socket =
            namespace.enter(|| sys::packet_socket(UPLINK, Duration::from_millis(50)))??;
        let watcher = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while !watcher.stop.load(Ordering::Relaxed) {
                if let Ok(Some(seen)) = sys::receive_frame(&socket, &mut buffer) {
                    watcher.see(&buffer[..seen.length], party);
                }
            }
        });
        Ok(Tap {
            shared,
            thread: Some(thread),
        })
    }

    /// Frames from or to the party, and those of them that carried plaintext.
    pub fn counts(&self) -> (u64, u64) {
        (
            self.shared.frames.load(Ordering::Relaxed),
            self.shared.plaintext.load(Ordering::Relaxed),
        )
    }
}

impl Shared {
    fn see(&self, frame: &[u8], party: IpAddr) {
        if !is_of(frame, party) {
            return;
        }
        self.frames.fetch_add(1, Ordering::Relaxed);
        if frame.windows(MARKER.len()).any(|window| window == MARKER) {
            self.plaintext.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Whether the IP packet in an untagged Ethernet frame is from or to `address`.
fn is_of(frame: &[u8], address: IpAddr) -> bool {
    let (kind, addresses, octets): (_, [usize; 2], Vec<u8>) = match address {
        IpAddr::V4(v4) => ([8, 0], [26, 30], v4.octets().to_vec()),
        IpAddr::V6(v6) => ([0x86, 0xdd], [22, 38], v6.octets().to_vec()),
    };
    frame.get(12..14) == Some(&kind)
        && addresses
            .iter()
            .any(|at| frame.get(*at..at + octets.len()) == Some(&octets))
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
