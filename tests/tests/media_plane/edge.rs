//! A media plane in the edge's namespace, and calls through it.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use media_common::counters::Verdicts;
use media_common::flow::{MediaAddress, ip_to_mapped};
use media_core::report::{MediaEvent, MediaReport};
use media_core::session::{CallId, Session, SourceRule};
use sip_control::media::{
    ActiveBackend, Attach, Backend, Carried, FlowStatus, MediaConfig, MediaError, MediaPlane,
};
use tokio::sync::mpsc::Receiver;
use trunkline_tests::lab::{self, EDGE, EDGE_INTERFACES, Host, Lab, LabOptions};

use crate::endpoint::Endpoint;
use crate::support::{Keys, LegSpec, local, session, until};

pub(crate) const PORTS: std::ops::RangeInclusive<u16> = 30_000..=30_099;

/// The lab with a running media plane.
pub(crate) struct Edge {
    // The plane goes before the lab that it runs in.
    pub(crate) plane: Option<MediaPlane>,
    pub(crate) events: Receiver<MediaEvent>,
    pub(crate) lab: Lab,
    next_port: u16,
    next_call: u64,
}

/// One leg of a call to be.
#[derive(Clone)]
pub(crate) struct Party {
    pub(crate) host: Host,
    pub(crate) ipv6: bool,
    pub(crate) keys: Option<Keys>,
    pub(crate) latches: bool,
    /// Networks that bound its latch; empty for none.
    pub(crate) allowed: Vec<(IpAddr, u8)>,
    /// What its SDP says instead of where it is.
    pub(crate) claims: Option<SocketAddr>,
    /// Where it is, if not on the network of its host.
    pub(crate) address: Option<IpAddr>,
}

impl Party {
    pub(crate) fn new(host: Host, ipv6: bool, keys: Option<Keys>) -> Party {
        Party {
            host,
            ipv6,
            keys,
            latches: false,
            allowed: Vec::new(),
            claims: None,
            address: None,
        }
    }
}

/// A call that is up.
pub(crate) struct Call {
    pub(crate) id: CallId,
    pub(crate) specs: [LegSpec; 2],
    pub(crate) caller: Endpoint,
    pub(crate) callee: Endpoint,
}

pub(crate) const CALLER_SSRC: u32 = 0x1111_1111;
pub(crate) const CALLEE_SSRC: u32 = 0x2222_2222;

impl Edge {
    pub(crate) fn start(options: LabOptions) -> Edge {
        Edge::start_with(options, |_| ())
    }

    pub(crate) fn start_with(
        options: LabOptions,
        configure: impl FnOnce(&mut MediaConfig),
    ) -> Edge {
        let lab = Lab::new(options).unwrap();
        await_link_local(&lab);
        let mut config = config(&lab);
        configure(&mut config);
        let (plane, events) = start_plane(&lab, config).unwrap();
        Edge {
            plane: Some(plane),
            events,
            lab,
            next_port: *PORTS.start(),
            next_call: 1,
        }
    }

    pub(crate) fn plane(&self) -> &MediaPlane {
        self.plane.as_ref().unwrap()
    }

    /// Applies a session for both parties and waits until the next hops are resolved.
    pub(crate) fn call(&mut self, caller: Party, callee: Party) -> Call {
        let call = self.prepare(caller, callee);
        self.apply(&call);
        call
    }

    pub(crate) fn prepare(&mut self, caller: Party, callee: Party) -> Call {
        let (caller_spec, caller) = self.leg(caller, CALLER_SSRC, 2);
        let (callee_spec, callee) = self.leg(callee, CALLEE_SSRC, 3);
        let id = CallId(self.next_call);
        self.next_call += 1;
        Call {
            id,
            specs: [caller_spec, callee_spec],
            caller,
            callee,
        }
    }

    pub(crate) fn apply(&self, call: &Call) {
        let [caller, callee] = &call.specs;
        self.apply_session(session(call.id.0, caller, callee));
    }

    /// Applies a session and waits until it is in force.
    pub(crate) fn apply_session(&self, session: Session) {
        let ready = self.plane().ready();
        let ticket = self.plane().apply(session);
        until("the session is in force", || *ready.borrow() >= ticket);
        // An unknown neighbour answers within a millisecond or two.
        std::thread::sleep(Duration::from_millis(100));
    }

    fn leg(&mut self, party: Party, ssrc: u32, host_part: u8) -> (LegSpec, Endpoint) {
        let port = self.next_port;
        self.next_port += 2;
        // By then the first calls have ended.
        if self.next_port >= *PORTS.end() {
            self.next_port = *PORTS.start();
        }
        let local = local(address(party.host, EDGE, party.ipv6), port);
        let own = party
            .address
            .unwrap_or_else(|| address(party.host, host_part, party.ipv6));
        let keys = party.keys.clone();
        let endpoint = self
            .lab
            .namespace(party.host)
            .enter(|| Endpoint::open(own, local, keys.as_ref(), ssrc))
            .unwrap();
        let mut remote = endpoint.sdp();
        if let Some(claimed) = party.claims {
            remote.rtp = claimed;
            remote.rtcp = SocketAddr::new(claimed.ip(), claimed.port() + 1);
        }
        let source = if party.latches {
            SourceRule::Latch {
                allowed: party.allowed,
            }
        } else {
            SourceRule::Strict
        };
        let spec = LegSpec {
            local,
            remote,
            keys: party.keys,
            source,
        };
        (spec, endpoint)
    }

    pub(crate) fn verdicts(&self) -> Verdicts {
        self.plane().verdicts()
    }

    /// The flows of both directions: from the caller, from the callee.
    pub(crate) fn flows(&self, call: &Call) -> [FlowStatus; 2] {
        let flows: Vec<_> = self
            .plane()
            .flows_of(vec![call.id])
            .into_iter()
            .filter(|flow| flow.carries != Carried::Rtcp)
            .collect();
        flows.try_into().expect("a call has two RTP flows")
    }

    /// Removes the call; its report.
    pub(crate) fn remove(&mut self, call: &Call) -> MediaReport {
        self.plane().remove(call.id);
        match self.event(Duration::from_secs(2)) {
            Some(MediaEvent::Removed { call: id, report }) => {
                assert_eq!(id, call.id);
                report
            }
            other => panic!("a removed call is reported, not {other:?}"),
        }
    }

    pub(crate) fn event(&mut self, within: Duration) -> Option<MediaEvent> {
        let until = Instant::now() + within;
        loop {
            if let Ok(event) = self.events.try_recv() {
                return Some(event);
            }
            if Instant::now() > until {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Media by the third interface as well, at two more addresses.
pub(crate) fn with_third(config: &mut MediaConfig) {
    config.interfaces.push(lab::STRANGER_INTERFACE.to_owned());
    let mut addresses = media_addresses().to_vec();
    addresses.extend([
        lab::ipv4(Host::Stranger, EDGE),
        lab::ipv6(Host::Stranger, EDGE),
    ]);
    config.layout = layout(&addresses);
}

/// Where media arrives from carrier and pbx.
pub(crate) fn media_addresses() -> [IpAddr; 4] {
    [
        lab::ipv4(Host::Carrier, EDGE),
        lab::ipv4(Host::Pbx, EDGE),
        lab::ipv6(Host::Carrier, EDGE),
        lab::ipv6(Host::Pbx, EDGE),
    ]
}

/// XDP on both of the edge's interfaces, four media addresses.
pub(crate) fn config(lab: &Lab) -> MediaConfig {
    MediaConfig {
        backend: Backend::Xdp,
        interfaces: EDGE_INTERFACES.map(str::to_owned).to_vec(),
        attach: Attach::Auto,
        attach_of: Vec::new(),
        layout: layout(&media_addresses()),
        timeout: None,
        pin_dir: lab.bpffs().join("trunkline"),
        cpus: Vec::new(),
    }
}

/// The edge asks for IPv6 neighbours from its link-local addresses, which it may use only
/// when nobody has objected to them for a second (RFC 4862 section 5.4).
fn await_link_local(lab: &Lab) {
    let is_tentative = || {
        let mut ip = lab.namespace(Host::Edge).command("ip");
        let output = ip
            .args(["-6", "address", "show", "tentative"])
            .output()
            .unwrap();
        !output.stdout.is_empty()
    };
    let begun = Instant::now();
    while is_tentative() {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "the link-local addresses stay tentative"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) fn layout(addresses: &[IpAddr]) -> Vec<MediaAddress> {
    let per_address = u32::from(PORTS.end() - PORTS.start()) + 1;
    let place = |(place, address): (usize, &IpAddr)| MediaAddress {
        address: ip_to_mapped(*address),
        first_index: place as u32 * per_address,
        port_low: *PORTS.start(),
        port_high: *PORTS.end(),
    };
    addresses.iter().enumerate().map(place).collect()
}

pub(crate) fn start_plane(
    lab: &Lab,
    config: MediaConfig,
) -> Result<(MediaPlane, Receiver<MediaEvent>), MediaError> {
    let (sender, events) = tokio::sync::mpsc::channel(64);
    let wanted = config.interfaces.len();
    let plane = lab
        .namespace(Host::Edge)
        .enter(|| MediaPlane::start(config, sender))
        .unwrap()?;
    if let ActiveBackend::Xdp { interfaces, .. } = &plane.description().backend {
        assert_eq!(interfaces.len(), wanted);
    }
    Ok((plane, events))
}

pub(crate) fn address(host: Host, part: u8, ipv6: bool) -> IpAddr {
    if ipv6 {
        lab::ipv6(host, part)
    } else {
        lab::ipv4(host, part)
    }
}
