//! One packet and what has to become of it.

use media_common::flow::{FlowEntry, NextHop};
use media_common::quality::CEILING_SHIFT;

use super::kernel::{INGRESS, Kernel};
use super::packet::Packet;
use super::scene::{self, Family, NEXT_HOP, next_hop};
use crate::privilege::require_root;
use crate::sys::monotonic_ns;

pub const XDP_DROP: u32 = 1;
pub const XDP_PASS: u32 = 2;
pub const XDP_TX: u32 = 3;
pub const XDP_REDIRECT: u32 = 4;

const WRITABLE: &str = "the maps are this test's own";
const RUNS: &str = "the kernel runs a program on a frame";

/// One packet and what has to become of it.
#[derive(Clone)]
pub struct Case {
    pub what: &'static str,
    pub packet: Vec<u8>,
    /// How often it has come before.
    pub before: u32,
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
            before: 0,
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

    /// The packet in one family, changed, and what leaves in the other, changed in the same way.
    pub fn translated(what: &'static str, family: Family, change: impl Fn(&mut Packet)) -> Case {
        let (mut packet, mut translated) = (family.packet(), family.translated());
        change(&mut packet);
        change(&mut translated);
        Case {
            packet: packet.build(),
            entry: family.translating_entry(),
            leaves: Some(translated.build()),
            ..Case::forwarded(what, family)
        }
    }

    /// # Panics
    /// If something else becomes of the packet.
    pub fn run(&self, kernel: &mut Kernel) {
        let outcome = loop {
            self.prepare(kernel);
            let window = ceiling_window();
            for _ in 0..self.before {
                kernel.run(&self.packet).expect(RUNS);
            }
            let outcome = kernel.run(&self.packet).expect(RUNS);
            // Ceilings begin anew with every window.
            if window == ceiling_window() {
                break outcome;
            }
        };
        assert_eq!(outcome.moved, [(self.counter, 1)], "{}: counter", self.what);
        assert_eq!(outcome.code, self.code, "{}: XDP code", self.what);
        // What a dropped packet's bytes are is nobody's business.
        if self.code != XDP_DROP {
            let expected = self.leaves.as_ref().unwrap_or(&self.packet);
            assert_eq!(hex(&outcome.frame), hex(expected), "{}: frame", self.what);
        }
    }

    fn prepare(&self, kernel: &mut Kernel) {
        for family in [Family::V4, Family::V6] {
            kernel.set_flow(family.flow(), self.entry).expect(WRITABLE);
        }
        kernel
            .set_next_hop(u32::from(NEXT_HOP), self.next_hop)
            .expect(WRITABLE);
        let base = if self.socket { 0 } else { 8 };
        kernel.set_queue_base(INGRESS, base).expect(WRITABLE);
    }
}

/// The window that ceilings count in now.
pub fn ceiling_window() -> u64 {
    monotonic_ns() >> CEILING_SHIFT
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
