//! One packet and what has to become of it.

use media_common::flow::{FlowEntry, NextHop};

use super::kernel::{INGRESS, Kernel};
use super::packet::Packet;
use super::scene::{self, Family, NEXT_HOP, next_hop};
use crate::privilege::require_root;

pub const XDP_DROP: u32 = 1;
pub const XDP_PASS: u32 = 2;
pub const XDP_TX: u32 = 3;
pub const XDP_REDIRECT: u32 = 4;

const WRITABLE: &str = "the maps are this test's own";

/// One packet and what has to become of it.
#[derive(Clone)]
pub struct Case {
    pub what: &'static str,
    pub packet: Vec<u8>,
    pub entry: FlowEntry,
    pub next_hop: NextHop,
    /// An AF_XDP socket is there.
    pub socket: bool,
    pub code: u32,
    /// The verdict counter that moves.
    pub counter: &'static str,
    /// The frame afterwards; `None`: as it was.
    pub leaves: Option<Vec<u8>>,
}

impl Case {
    /// Forwarded over IPv4 unless something is changed.
    pub fn forwarded(what: &'static str, family: Family) -> Case {
        Case {
            what,
            packet: family.packet().build(),
            entry: family.entry(),
            next_hop: next_hop(),
            socket: true,
            code: XDP_REDIRECT,
            counter: "redirect",
            leaves: Some(family.relayed().build()),
        }
    }

    /// Both packet and relayed packet changed in the same way.
    pub fn changed(what: &'static str, family: Family, change: impl Fn(&mut Packet)) -> Case {
        let (mut packet, mut relayed) = (family.packet(), family.relayed());
        change(&mut packet);
        change(&mut relayed);
        let leaves = Some(relayed.build());
        Case {
            packet: packet.build(),
            leaves,
            ..Case::forwarded(what, family)
        }
    }

    /// To the host, as it came.
    pub fn passed(what: &'static str, counter: &'static str, packet: Vec<u8>) -> Case {
        let case = Case::forwarded(what, Family::V4);
        Case {
            packet,
            code: XDP_PASS,
            counter,
            leaves: None,
            ..case
        }
    }

    /// Not sent on, with packet and entry changed.
    pub fn dropped(
        what: &'static str,
        counter: &'static str,
        family: Family,
        change: impl Fn(&mut Packet, &mut FlowEntry),
    ) -> Case {
        let (mut packet, mut entry) = (family.packet(), family.entry());
        change(&mut packet, &mut entry);
        let case = Case::forwarded(what, family);
        Case {
            packet: packet.build(),
            entry,
            code: XDP_DROP,
            counter,
            leaves: None,
            ..case
        }
    }

    /// # Panics
    /// If something else becomes of the packet.
    pub fn run(&self, kernel: &mut Kernel) {
        for family in [Family::V4, Family::V6] {
            kernel.set_flow(family.flow(), self.entry).expect(WRITABLE);
        }
        kernel
            .set_next_hop(u32::from(NEXT_HOP), self.next_hop)
            .expect(WRITABLE);
        let base = if self.socket { 0 } else { 8 };
        kernel.set_queue_base(INGRESS, base).expect(WRITABLE);

        let outcome = kernel
            .run(&self.packet)
            .expect("the kernel runs a program on a frame");
        assert_eq!(outcome.moved, [(self.counter, 1)], "{}: counter", self.what);
        assert_eq!(outcome.code, self.code, "{}: XDP code", self.what);
        // What a dropped packet's bytes are is nobody's business.
        if self.code != XDP_DROP {
            let expected = self.leaves.as_ref().unwrap_or(&self.packet);
            assert_eq!(hex(&outcome.frame), hex(expected), "{}: frame", self.what);
        }
    }
}

/// Sixteen bytes a line, to compare by eye.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .chunks(16)
        .map(|line| {
            let line: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
            line.join(" ") + "\n"
        })
        .collect()
}

/// Runs them one after another on one program.
///
/// # Panics
/// If something else becomes of a packet.
pub fn run(cases: &[Case]) {
    if !require_root("a run of the XDP program") {
        return;
    }
    let mut kernel = scene::kernel().expect("root can load the program");
    for case in cases {
        case.run(&mut kernel);
    }
}
