//! The agent's media: 20 ms of PCMU at a time, every received byte checked.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use media_core::srtp::key::MasterKey;
use rand_core::{OsRng, RngCore, TryRngCore};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::pattern::{MARKER, PAYLOAD_LEN, Pattern};
use super::place::Place;
use super::protection::Protection;

/// Packet time of the stream (RFC 3551 section 4.2).
pub(super) const PTIME: Duration = Duration::from_millis(20);
/// How long what was sent may be on its way: on a busy machine the thread that has a packet may
/// wait for its CPU.
const ON_ITS_WAY: Duration = Duration::from_secs(2);
/// A sender report goes out with every so many packets.
const REPORT_EVERY: u32 = 50;

/// What an agent saw so far.
#[derive(Clone, Debug, Default)]
pub struct MediaCounts {
    pub sent: u32,
    /// Numbers of the payloads that arrived intact.
    pub received: BTreeSet<u32>,
    /// Datagrams that were not an intact payload of the other side: wrong bytes, a bad tag, a replay.
    pub payload_errors: u32,
    /// Datagrams of a secure leg that carried plaintext.
    pub plaintext: u32,
    pub reports_sent: u32,
    pub reports_received: u32,
    /// Interarrival jitter of what arrived (RFC 3550 section 6.4.1), milliseconds.
    pub jitter_ms: f64,
    /// Telephone-event packets that arrived, as they are (RFC 4733 section 2.3).
    pub events: Vec<[u8; 4]>,
    /// Datagrams that arrived during a fax.
    pub fax: Vec<Vec<u8>>,
}

struct State {
    counts: MediaCounts,
    pattern: Pattern,
    /// What the other side sends.
    expected: Pattern,
    ssrc: u32,
    /// Of the payload with index 0, and more by one with each packet of an event.
    first_sequence: u16,
    remote: Option<SocketAddr>,
    /// Payload types of telephone-event: what we send with, what we receive.
    event_types: [Option<u8>; 2],
    /// Where the other side receives a fax, while there is one instead of speech.
    fax: Option<SocketAddr>,
    keys: Option<(MasterKey, MasterKey)>,
    protection: Option<Protection>,
    /// When the packet before arrived, and the timestamp that it had.
    before: Option<(Instant, u32)>,
}

/// RTP and RTCP of one agent; receives until it is dropped.
pub struct Media {
    state: Arc<Mutex<State>>,
    rtp: Arc<UdpSocket>,
    rtcp: Arc<UdpSocket>,
    tasks: [JoinHandle<()>; 2],
}

impl Media {
    /// Opens `local` for RTP and the port above for RTCP; sends `pattern`, expects the other side's.
    pub fn open(place: &Place, local: SocketAddr, pattern: Pattern) -> Result<Media> {
        let bind = |port| -> Result<Arc<UdpSocket>> {
            let address = SocketAddr::new(local.ip(), port);
            let socket = place
                .open(|| std::net::UdpSocket::bind(address))
                .with_context(|| format!("binding {address}"))?;
            socket.set_nonblocking(true)?;
            Ok(Arc::new(UdpSocket::from_std(socket)?))
        };
        let (rtp, rtcp) = (bind(local.port())?, bind(local.port() + 1)?);
        let state = Arc::new(Mutex::new(State {
            counts: MediaCounts::default(),
            pattern,
            expected: Pattern {
                side: 1 - pattern.side,
                ..pattern
            },
            ssrc: OsRng.unwrap_err().next_u32(),
            first_sequence: OsRng.unwrap_err().next_u32() as u16,
            remote: None,
            event_types: [None; 2],
            fax: None,
            keys: None,
            protection: None,
            before: None,
        }));
        let tasks = [
            tokio::spawn(receive(
                Arc::clone(&rtp),
                Arc::clone(&state),
                State::receive_rtp,
            )),
            tokio::spawn(receive(
                Arc::clone(&rtcp),
                Arc::clone(&state),
                State::receive_rtcp,
            )),
        ];
        Ok(Media {
            state,
            rtp,
            rtcp,
            tasks,
        })
    }

    /// Where to send, and the keys (ours, the edge's) of a secure leg. Keys that stay keep their counters.
    pub(super) fn set_remote(&self, remote: SocketAddr, keys: Option<(MasterKey, MasterKey)>) {
        let mut state = lock(&self.state);
        (state.remote, state.fax) = (Some(remote), None);
        if state.keys != keys {
            state.protection = keys
                .as_ref()
                .map(|(send, receive)| Protection::new(send, receive));
            state.keys = keys;
        }
    }

    /// The payload types of telephone-event that the other side and we want to receive.
    pub(super) fn set_event_types(&self, theirs: Option<u8>, ours: u8) {
        lock(&self.state).event_types = [theirs, Some(ours)];
    }

    /// From now on somebody else is the other side: what it sends is counted from nothing.
    pub fn expect(&self, pattern: Pattern) {
        let mut state = lock(&self.state);
        state.expected = pattern;
        state.counts.received.clear();
    }

    /// Sends `count` packets, one each 20 ms, with sender reports between them.
    pub async fn send(&self, count: u32) -> Result<()> {
        self.speaker().send(count).await
    }

    /// What sends in the agent's place, while the agent itself is busy.
    pub fn speaker(&self) -> Speaker {
        Speaker {
            state: Arc::clone(&self.state),
            rtp: Arc::clone(&self.rtp),
            rtcp: Arc::clone(&self.rtcp),
        }
    }

    /// From now on what arrives is a fax's, and what [`Media::send_fax`] sends goes there; speech
    /// again with `None`.
    pub(super) fn set_fax(&self, remote: Option<SocketAddr>) {
        lock(&self.state).fax = remote;
    }

    /// Sends datagrams of a fax, one each 20 ms.
    pub async fn send_fax(&self, datagrams: &[Vec<u8>]) -> Result<()> {
        let remote = lock(&self.state).fax.context("no fax")?;
        let mut ticks = tokio::time::interval(PTIME);
        for datagram in datagrams {
            ticks.tick().await;
            self.rtp
                .send_to(datagram, remote)
                .await
                .context("sending a fax")?;
        }
        Ok(())
    }

    /// Presses a key for 60 ms (RFC 4733 section 2.5): three updates and three ends.
    pub async fn press(&self, code: u8) -> Result<()> {
        const UNITS_PER_PTIME: u16 = PAYLOAD_LEN as u16;
        let mut ticks = tokio::time::interval(PTIME);
        for number in 0..6_u16 {
            ticks.tick().await;
            let ended = if number >= 3 { 0x80 } else { 0 };
            let duration = (number + 1).min(3) * UNITS_PER_PTIME;
            let [high, low] = duration.to_be_bytes();
            let event = [code, ended | 10, high, low];
            let (packet, remote) = lock(&self.state).event_packet(event, number == 0)?;
            self.rtp
                .send_to(&packet, remote)
                .await
                .context("sending an event")?;
        }
        // The next key's timestamp is another.
        self.send(1).await
    }

    pub fn counts(&self) -> MediaCounts {
        lock(&self.state).counts.clone()
    }

    /// What was seen as soon as that is `enough`; what there is, if it does not come to that any
    /// more.
    pub async fn counts_when(&self, enough: impl Fn(&MediaCounts) -> bool) -> MediaCounts {
        let begun = Instant::now();
        loop {
            let counts = self.counts();
            if enough(&counts) || begun.elapsed() > ON_ITS_WAY {
                return counts;
            }
            tokio::time::sleep(PTIME / 2).await;
        }
    }
}

/// The sending half of [`Media`].
pub struct Speaker {
    state: Arc<Mutex<State>>,
    rtp: Arc<UdpSocket>,
    rtcp: Arc<UdpSocket>,
}

impl Speaker {
    /// See [`Media::send`].
    pub async fn send(&self, count: u32) -> Result<()> {
        let mut ticks = tokio::time::interval(PTIME);
        for _ in 0..count {
            ticks.tick().await;
            let (packet, report, remote) = lock(&self.state).next_packets()?;
            self.rtp
                .send_to(&packet, remote)
                .await
                .context("sending RTP")?;
            if let Some(report) = report {
                self.rtcp
                    .send_to(&report, SocketAddr::new(remote.ip(), remote.port() + 1))
                    .await
                    .context("sending RTCP")?;
            }
        }
        Ok(())
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl State {
    /// The next RTP packet, a sender report if one is due, and where they go.
    fn next_packets(&mut self) -> Result<(Vec<u8>, Option<Vec<u8>>, SocketAddr)> {
        let remote = self.remote.context("no call")?;
        let index = self.counts.sent;
        let mut packet = self.rtp_packet(index);
        let mut report = index
            .is_multiple_of(REPORT_EVERY)
            .then(|| self.sender_report(index));
        if let Some(protection) = &mut self.protection {
            packet = protection.protect_rtp(&packet)?;
            report = report
                .map(|report| protection.protect_rtcp(&report))
                .transpose()?;
        }
        self.counts.sent += 1;
        self.counts.reports_sent += u32::from(report.is_some());
        Ok((packet, report, remote))
    }

    /// A packet of the event that begins now: its timestamp is that of the next payload.
    fn event_packet(&mut self, event: [u8; 4], is_first: bool) -> Result<(Vec<u8>, SocketAddr)> {
        let remote = self.remote.context("no call")?;
        let mut packet = self.rtp_packet(self.counts.sent);
        let payload_type = self.event_types[0].context("the other side wants no events")?;
        packet[1] = payload_type | if is_first { 0x80 } else { 0 };
        packet.truncate(12);
        packet.extend(event);
        self.first_sequence = self.first_sequence.wrapping_add(1);
        if let Some(protection) = &mut self.protection {
            packet = protection.protect_rtp(&packet)?;
        }
        Ok((packet, remote))
    }

    /// RFC 3550 section 5.1.
    fn rtp_packet(&self, index: u32) -> Vec<u8> {
        let marker = if index == 0 { 0x80 } else { 0 };
        let mut packet = vec![0x80, marker];
        packet.extend(self.first_sequence.wrapping_add(index as u16).to_be_bytes());
        packet.extend(index.wrapping_mul(PAYLOAD_LEN as u32).to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(self.pattern.payload(index));
        packet
    }

    /// RFC 3550 section 6.4.1, without report blocks; the times are the stream's own.
    fn sender_report(&self, index: u32) -> Vec<u8> {
        let mut report = vec![0x80, 200, 0, 6];
        let seconds = 3_900_000_000_u32.wrapping_add(index / 50);
        for word in [
            self.ssrc,
            seconds,
            0,
            index * PAYLOAD_LEN as u32,
            index,
            index * PAYLOAD_LEN as u32,
        ] {
            report.extend(word.to_be_bytes());
        }
        report
    }

    fn receive_rtp(&mut self, datagram: &[u8]) {
        if self.fax.is_some() {
            return self.counts.fax.push(datagram.to_vec());
        }
        let Some(packet) = self.unprotect(datagram, Protection::unprotect_rtp) else {
            return;
        };
        let payload_type = packet.get(1).map(|kind| kind & 0x7f);
        if payload_type.is_some() && payload_type == self.event_types[1] {
            match packet.get(12..).and_then(|event| event.try_into().ok()) {
                Some(event) => self.counts.events.push(event),
                None => self.counts.payload_errors += 1,
            }
            return;
        }
        let expected = self.expected;
        match packet.get(12..).and_then(|payload| expected.check(payload)) {
            Some(index) if packet[0] == 0x80 => {
                self.counts.received.insert(index);
                self.measure_jitter(&packet);
            }
            _ => self.counts.payload_errors += 1,
        }
    }

    fn measure_jitter(&mut self, packet: &[u8]) {
        let now = Instant::now();
        let timestamp = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
        if let Some((arrived, before)) = self.before.replace((now, timestamp)) {
            let sent_ms = f64::from(timestamp.wrapping_sub(before).cast_signed()) / 8.0;
            let apart_ms = now.duration_since(arrived).as_secs_f64() * 1000.0 - sent_ms;
            self.counts.jitter_ms += (apart_ms.abs() - self.counts.jitter_ms) / 16.0;
        }
    }

    fn receive_rtcp(&mut self, datagram: &[u8]) {
        let Some(packet) = self.unprotect(datagram, Protection::unprotect_rtcp) else {
            return;
        };
        match packet.get(..4) {
            Some([0x80, 200, 0, 6]) if packet.len() == 28 => self.counts.reports_received += 1,
            _ => self.counts.payload_errors += 1,
        }
    }

    /// The plain packet; `None`, and counted, if its protection is wrong.
    fn unprotect(
        &mut self,
        datagram: &[u8],
        unprotect: fn(&mut Protection, &[u8]) -> Option<Vec<u8>>,
    ) -> Option<Vec<u8>> {
        let Some(protection) = &mut self.protection else {
            return Some(datagram.to_vec());
        };
        if datagram
            .windows(MARKER.len())
            .any(|window| window == MARKER)
        {
            self.counts.plaintext += 1;
        }
        let packet = unprotect(protection, datagram);
        self.counts.payload_errors += u32::from(packet.is_none());
        packet
    }
}

async fn receive(socket: Arc<UdpSocket>, state: Arc<Mutex<State>>, handle: fn(&mut State, &[u8])) {
    let mut buffer = [0; 2048];
    loop {
        // An ICMP error of an earlier packet is not the end of the stream.
        if let Ok((length, _)) = socket.recv_from(&mut buffer).await {
            handle(&mut lock(&state), &buffer[..length]);
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
