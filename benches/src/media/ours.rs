//! Our media plane, driven as the daemon drives it, in the edge's namespace.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use media_common::flow::{MediaAddress, ip_to_mapped};
use media_core::quality::Codec;
use media_core::report::MediaEvent;
use media_core::session::{
    CallId, LocalMedia, RemoteMedia, Security, Session, SourceRule, Stream, StreamLeg,
};
use media_core::srtp::key::MasterKey;
use sip_control::media::{Attach, Backend, MediaConfig, MediaPlane};
use tokio::sync::mpsc::Receiver;

use super::contender::{CALLS, Call, Crypto, Relay, SUITE, Way, far_port};
use super::frames::PORT_LOW;
use super::lab::{EXIT, IN, Lab, MEDIA, OUT, SINK, SOURCE};
use super::sys::{self, Policy};

/// Ports of each address: four for a call would do, and some for calls that come and go.
const PORTS: u16 = 4 * MOST_CALLS;
/// Calls that there is room for.
pub const MOST_CALLS: u16 = 2_500;

pub struct Ours {
    pub plane: MediaPlane,
    pub events: Receiver<MediaEvent>,
    calls: Vec<Call>,
}

impl Ours {
    /// Starts it on those CPUs and applies the calls.
    pub fn start(
        lab: &Lab,
        way: Way,
        crypto: Crypto,
        cpus: &[usize],
        policy: Policy,
    ) -> Result<Ours> {
        let (sender, events) = tokio::sync::mpsc::channel(1 << 16);
        let config = MediaConfig {
            backend: match way {
                Way::OursXdp => Backend::Xdp,
                _ => Backend::Socket,
            },
            interfaces: vec![IN.to_owned(), OUT.to_owned()],
            attach: Attach::Native,
            attach_of: Vec::new(),
            layout: layout(),
            timeout: None,
            pin_dir: lab.bpffs().join("trunkline"),
            cpus: cpus.to_vec(),
        };
        let plane = lab.edge.enter(|| -> Result<MediaPlane> {
            sys::pin(cpus)?;
            sys::schedule(policy)?;
            Ok(MediaPlane::start(config, sender)?)
        })??;
        let mut ours = Ours {
            plane,
            events,
            calls: Vec::new(),
        };
        let mut last = 0;
        for number in 0..CALLS {
            last = ours.plane.apply(session(number, crypto));
            ours.calls.push(call(number, crypto));
        }
        ours.await_ready(last)?;
        let flows = ours.plane.flows();
        let carried: BTreeSet<CallId> = flows.iter().map(|flow| flow.call).collect();
        ensure!(
            carried.len() == usize::from(CALLS),
            "{} of {CALLS} calls have flows",
            carried.len()
        );
        Ok(ours)
    }

    /// Waits until that session, as [`MediaPlane::apply`] numbers them, and all before it have
    /// their packets pass.
    pub fn await_ready(&mut self, session: u64) -> Result<()> {
        let ready = self.plane.ready();
        let begun = Instant::now();
        while *ready.borrow() < session {
            ensure!(
                begun.elapsed() < Duration::from_secs(10),
                "the media plane does not get ready"
            );
            std::thread::sleep(Duration::from_micros(100));
        }
        while let Ok(event) = self.events.try_recv() {
            if let MediaEvent::Failed { call, reason } = event {
                bail!("call {} cannot be carried: {reason}", call.0);
            }
        }
        Ok(())
    }
}

impl Relay for Ours {
    fn calls(&self) -> &[Call] {
        &self.calls
    }
}

fn layout() -> Vec<MediaAddress> {
    [MEDIA[0], EXIT]
        .into_iter()
        .enumerate()
        .map(|(place, address)| MediaAddress {
            address: ip_to_mapped(address.into()),
            first_index: place as u32 * u32::from(PORTS),
            port_low: PORT_LOW,
            port_high: PORT_LOW + PORTS - 1,
        })
        .collect()
}

/// A call that is applied as [`session`] describes it.
pub fn call(number: u16, crypto: Crypto) -> Call {
    Call {
        ports: (far_port(number), near_port(number)),
        source_key: (crypto == Crypto::FromSource).then(|| key(number, 1)),
        sink_key: (crypto == Crypto::ToSink).then(|| key(number, 2)),
    }
}

/// The edge's port for a call, at both addresses.
pub fn near_port(call: u16) -> u16 {
    PORT_LOW + 4 * call
}

/// A call between the source and the sink.
pub fn session(number: u16, crypto: Crypto) -> Session {
    let secure = |is_secure: bool, receive: u8| match is_secure {
        false => Security::Plain,
        true => Security::Srtp {
            receive: key(number, receive),
            send: key(number, if receive == 1 { 3 } else { 2 }),
        },
    };
    let leg = |near: IpAddr, far: IpAddr, security| StreamLeg {
        local: LocalMedia {
            address: near,
            rtp_port: near_port(number),
            rtcp_port: near_port(number) + 1,
        },
        remote: Some(RemoteMedia {
            rtp: (far, far_port(number)).into(),
            rtcp: (far, far_port(number) + 1).into(),
        }),
        rtcp_mux: false,
        sdp_version: 1,
        security,
        source: SourceRule::Strict,
        payload_types: 1 | 1 << 101,
        telephone_event: Some(101),
        codec: Codec::named("PCMU", 8000),
        // More than any turn sends to one flow.
        max_packet_rate: 60_000,
        dscp: None,
    };
    let source = secure(crypto == Crypto::FromSource, 1);
    let sink = secure(crypto == Crypto::ToSink, 4);
    Session {
        call: CallId(number.into()),
        streams: vec![Stream {
            legs: [
                leg(MEDIA[0].into(), SOURCE.into(), source),
                leg(EXIT.into(), SINK.into(), sink),
            ],
            on_hold: false,
            is_raw: false,
        }],
    }
}

/// Keys of a call: 1 from the source, 2 to the sink; 3 and 4 are those of the silent directions.
fn key(call: u16, which: u8) -> MasterKey {
    let mut bytes = [which; 30];
    bytes[..2].copy_from_slice(&call.to_be_bytes());
    MasterKey::from_key_salt(SUITE, &bytes)
        .expect("16 bytes of key and 14 of salt, as AES_CM_128 has them")
}
