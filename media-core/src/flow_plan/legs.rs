//! The flows of one stream, leg by leg.

use std::net::SocketAddr;

use super::SIDES;
use super::entry::{Action, Forwarding, PlannedFlow};
use super::homes::{Homes, Spent};
use crate::relay::{Carries, FlowConfig, Route, Source, Transform, is_allowed};
use crate::session::{Security, Side, SourceRule, Stream, StreamLeg};
use crate::srtp::key::MasterKey;

/// What a stream knows beyond its session.
pub(super) struct StreamState {
    legs: [LegState; 2],
}

#[derive(Default)]
struct LegState {
    rtp: ComponentState,
    rtcp: ComponentState,
}

#[derive(Default)]
struct ComponentState {
    latched: Option<SocketAddr>,
    /// See [`FlowConfig::generation`].
    generation: u32,
    /// Of the keys that we send under.
    homes: Homes,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Component {
    Rtp,
    Rtcp,
}

impl StreamState {
    pub(super) fn new(stream: &Stream, spent: &mut Spent) -> StreamState {
        let mut state = StreamState {
            legs: <[LegState; 2]>::default(),
        };
        state.settle_homes(stream, spent);
        state
    }

    pub(super) fn update(&mut self, old: &Stream, new: &Stream, spent: &mut Spent) {
        for side in SIDES {
            if is_new_sdp(old.leg(side), new.leg(side)) {
                let leg = &mut self.legs[side.index()];
                leg.rtp.forget();
                leg.rtcp.forget();
            }
        }
        self.settle_homes(new, spent);
    }

    /// The stream is no longer relayed.
    pub(super) fn end(self, spent: &mut Spent) {
        for leg in self.legs {
            leg.rtp.homes.end(spent);
            leg.rtcp.homes.end(spent);
        }
    }

    pub(super) fn latched(
        &mut self,
        stream: &Stream,
        local: SocketAddr,
        source: SocketAddr,
    ) -> bool {
        SIDES.into_iter().any(|side| {
            let leg = stream.leg(side);
            let component = match component_at(leg, local) {
                Some(component) => component,
                None => return false,
            };
            let state = &mut self.legs[side.index()];
            match state.source(leg, component) {
                Source::Latch {
                    allowed,
                    latched: None,
                } if is_allowed(&allowed, source.ip()) => {}
                Source::Latch { .. } | Source::Exactly(_) | Source::Unknown => return false,
            }
            state.lock(component, source);
            true
        })
    }

    pub(super) fn flows(&self, index: usize, stream: &Stream) -> Vec<PlannedFlow> {
        let mut flows = Vec::with_capacity(4);
        for side in SIDES {
            let components: &[Component] = if stream.is_raw || stream.leg(side).rtcp_mux {
                &[Component::Rtp]
            } else {
                &[Component::Rtp, Component::Rtcp]
            };
            for component in components {
                let config = self.config(stream, side, *component);
                let action = self.action(stream, &config);
                flows.push(PlannedFlow {
                    local: local(stream.leg(side), *component),
                    action,
                    config,
                    side,
                    stream: index,
                    codec: stream.leg(side).codec,
                });
            }
        }
        flows
    }

    fn config(&self, stream: &Stream, side: Side, component: Component) -> FlowConfig {
        let leg = stream.leg(side);
        let other = stream.leg(side.other());
        let state = &self.legs[side.index()];
        let arrives_at = local(leg, component);
        let rtcp = self.route(stream, side.other(), Component::Rtcp, arrives_at);
        let carries = match component {
            Component::Rtcp => Carries::Rtcp(rtcp),
            Component::Rtp => {
                let rtp = self.route(stream, side.other(), Component::Rtp, arrives_at);
                if stream.is_raw {
                    Carries::Raw(rtp)
                } else if leg.rtcp_mux {
                    Carries::Both { rtp, rtcp }
                } else {
                    Carries::Rtp(rtp)
                }
            }
        };
        let transform = match transform(&leg.security, &other.security) {
            Transform::Copy => Transform::Copy,
            // There is no protection of ours for what is not RTP.
            _ if stream.is_raw => Transform::Blocked,
            other => other,
        };
        FlowConfig {
            carries,
            source: state.source(leg, component),
            payload_types: leg.payload_types,
            telephone_event: leg
                .telephone_event
                .filter(|_| transform != Transform::PassThrough),
            clock_khz: leg.codec.clock_khz,
            max_packet_rate: leg.max_packet_rate,
            transform,
            dscp: other.dscp,
            generation: state.component(component).generation,
        }
    }

    /// How packets of `component` that arrived at `arrives_at` leave towards `side`.
    fn route(
        &self,
        stream: &Stream,
        side: Side,
        component: Component,
        arrives_at: SocketAddr,
    ) -> Route {
        let leg = stream.leg(side);
        let state = &self.legs[side.index()];
        let leaves = if leg.rtcp_mux {
            Component::Rtp
        } else {
            component
        };
        let in_sdp = leg.remote.map(|remote| match leaves {
            Component::Rtp => remote.rtp,
            Component::Rtcp => remote.rtcp,
        });
        let may_send = state.component(component).homes.allow(arrives_at);
        Route {
            from: local(leg, leaves),
            to: state
                .component(leaves)
                .latched
                .or(in_sdp)
                .filter(|_| may_send),
        }
    }

    fn action(&self, stream: &Stream, config: &FlowConfig) -> Action {
        let same_mux = stream.legs[0].rtcp_mux == stream.legs[1].rtcp_mux;
        if same_mux && Forwarding::of(config).is_some() {
            Action::Forward
        } else {
            Action::Worker
        }
    }

    fn settle_homes(&mut self, stream: &Stream, spent: &mut Spent) {
        for side in SIDES {
            let key = send_key(&stream.leg(side).security);
            let source = stream.leg(side.other());
            let leg = &mut self.legs[side.index()];
            let rtcp_at = if source.rtcp_mux {
                Component::Rtp
            } else {
                Component::Rtcp
            };
            leg.rtp
                .homes
                .settle(key, local(source, Component::Rtp), spent);
            leg.rtcp.homes.settle(key, local(source, rtcp_at), spent);
        }
    }
}

impl LegState {
    fn component(&self, component: Component) -> &ComponentState {
        match component {
            Component::Rtp => &self.rtp,
            Component::Rtcp => &self.rtcp,
        }
    }

    /// Where packets of `leg` may come from now.
    fn source(&self, leg: &StreamLeg, component: Component) -> Source {
        let Some(remote) = leg.remote else {
            return Source::Unknown;
        };
        match &leg.source {
            SourceRule::Strict => Source::Exactly(match component {
                Component::Rtp => remote.rtp,
                Component::Rtcp => remote.rtcp,
            }),
            SourceRule::Latch { allowed } => {
                let allowed = match (component, self.rtp.latched) {
                    (Component::Rtcp, Some(rtp)) => {
                        vec![(rtp.ip(), if rtp.is_ipv4() { 32 } else { 128 })]
                    }
                    (Component::Rtcp, None) | (Component::Rtp, _) => allowed.clone(),
                };
                Source::Latch {
                    allowed,
                    latched: self.component(component).latched,
                }
            }
        }
    }

    fn lock(&mut self, component: Component, source: SocketAddr) {
        match component {
            Component::Rtcp => self.rtcp.latched = Some(source),
            Component::Rtp => {
                self.rtp.latched = Some(source);
                // RTCP that came first, from elsewhere, was not the peer's.
                if self
                    .rtcp
                    .latched
                    .is_some_and(|rtcp| rtcp.ip() != source.ip())
                {
                    self.rtcp.forget();
                }
            }
        }
    }
}

impl ComponentState {
    fn forget(&mut self) {
        self.latched = None;
        self.generation = self.generation.wrapping_add(1);
    }
}

impl Stream {
    pub(super) fn leg(&self, side: Side) -> &StreamLeg {
        &self.legs[side.index()]
    }
}

/// Whether the peer's SDP is another one. Not every peer counts its versions (RFC 3264 section
/// 8): what the SDP decides tells as well.
fn is_new_sdp(old: &StreamLeg, new: &StreamLeg) -> bool {
    old.sdp_version != new.sdp_version
        || old.remote != new.remote
        || old.source != new.source
        || old.local != new.local
        || old.rtcp_mux != new.rtcp_mux
        || receive_key(&old.security) != receive_key(&new.security)
}

fn receive_key(security: &Security) -> Option<&MasterKey> {
    match security {
        Security::Srtp { receive, .. } => Some(receive),
        Security::Plain | Security::Pending | Security::Passthrough { .. } => None,
    }
}

fn send_key(security: &Security) -> Option<&MasterKey> {
    match security {
        Security::Srtp { send, .. } => Some(send),
        Security::Plain | Security::Pending | Security::Passthrough { .. } => None,
    }
}

/// What turns packets of a leg under `from` into packets of a leg under `to`.
fn transform(from: &Security, to: &Security) -> Transform {
    match (from, to) {
        (Security::Plain, Security::Plain) => Transform::Copy,
        (Security::Passthrough { suite: from }, Security::Passthrough { suite: to })
            if from == to =>
        {
            Transform::PassThrough
        }
        (Security::Srtp { receive, .. }, Security::Plain) => Transform::Decrypt {
            receive: receive.clone(),
        },
        (Security::Plain, Security::Srtp { send, .. }) => Transform::Encrypt { send: send.clone() },
        (Security::Srtp { receive, .. }, Security::Srtp { send, .. }) => Transform::Reencrypt {
            receive: receive.clone(),
            send: send.clone(),
        },
        (Security::Pending | Security::Passthrough { .. }, _)
        | (_, Security::Pending | Security::Passthrough { .. }) => Transform::Blocked,
    }
}

fn component_at(leg: &StreamLeg, address: SocketAddr) -> Option<Component> {
    if address == local(leg, Component::Rtp) {
        Some(Component::Rtp)
    } else if !leg.rtcp_mux && address == local(leg, Component::Rtcp) {
        Some(Component::Rtcp)
    } else {
        None
    }
}

fn local(leg: &StreamLeg, component: Component) -> SocketAddr {
    let port = match component {
        Component::Rtp => leg.local.rtp_port,
        Component::Rtcp => leg.local.rtcp_port,
    };
    SocketAddr::new(leg.local.address, port)
}
