//! Media ports from a list that knows what is given out.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use media_core::ports::{MediaPorts, NoPorts, RealmId};
use media_core::session::LocalMedia;

/// Where our media is, as the SDP of both legs must say.
pub(crate) const MEDIA_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));

/// Shared between the stack, which owns it, and the test, which looks.
#[derive(Clone, Default)]
pub(crate) struct PortList(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    next: u16,
    given_out: BTreeSet<u16>,
    exhausted: bool,
}

impl PortList {
    /// Pairs that no flow and no call has given back.
    pub(crate) fn given_out(&self) -> usize {
        self.0
            .lock()
            .expect("no panic while it was held")
            .given_out
            .len()
    }

    /// From now on there is none.
    pub(crate) fn exhaust(&self) {
        self.0.lock().expect("no panic while it was held").exhausted = true;
    }
}

impl MediaPorts for PortList {
    fn allocate(&mut self, _: RealmId, ipv6: bool) -> Result<LocalMedia, NoPorts> {
        let mut state = self.0.lock().expect("no panic while it was held");
        if state.exhausted {
            return Err(NoPorts::Exhausted);
        }
        let rtp_port = 20_000 + state.next;
        state.next = (state.next + 2) % 40_000;
        state.given_out.insert(rtp_port);
        let address = if ipv6 {
            IpAddr::V6(Ipv6Addr::LOCALHOST)
        } else {
            MEDIA_ADDRESS
        };
        Ok(LocalMedia {
            address,
            rtp_port,
            rtcp_port: rtp_port + 1,
        })
    }

    fn release(&mut self, _: Instant, _: RealmId, media: LocalMedia) {
        let was_given_out = self
            .0
            .lock()
            .expect("no panic while it was held")
            .given_out
            .remove(&media.rtp_port);
        assert!(
            was_given_out,
            "port {} was given back twice",
            media.rtp_port
        );
    }
}
