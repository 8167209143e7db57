//! What operators do (OPS-3).

use media_core::session::{CallId, Side};
use sip_core::stack::{Place, TransferHow};

use super::peer::{COUNT, Peer, addresses_of_record};
use super::world::World;
use crate::input::Input;

/// Whom a transfer or a new call may be meant for.
const TARGETS: [&str; 12] = [
    "200",
    "100",
    "400",
    "900",
    "sip:300@198.51.100.1",
    "sips:400@192.0.2.40",
    "tel:+49-200",
    "500",
    "",
    "sip:",
    "a b",
    "sip:1@h?Replaces=x",
];

impl World {
    pub(super) fn control(&mut self, input: &mut Input<'_>) {
        let what = input.below(10);
        let which = usize::from(input.byte());
        let live = self.stack.live_calls();
        let call = live.get(which % live.len().max(1));
        let call = call.map_or(CallId(which as u64), |live| live.call);
        let side = input.one_of(&[Side::Caller, Side::Callee]);
        let now = self.now;
        // That it is refused is as good.
        match what {
            0 => drop(self.stack.hang_up(now, call)),
            1 | 2 => drop(self.stack.hold(now, call, true)),
            3 => drop(self.stack.hold(now, call, false)),
            4 | 5 => {
                let target = input.one_of(&TARGETS);
                let how = input.one_of(&[TransferHow::Refer, TransferHow::Local]);
                drop(self.stack.transfer(now, call, side, target, how));
            }
            6 => self.stack.set_draining(which % 4 == 1),
            _ => self.place(input),
        }
        let known = self.stack.live_call(call).is_some();
        let mut live = self.stack.live_calls().into_iter();
        assert_eq!(known, live.any(|live| live.call == call));
    }

    fn place(&mut self, input: &mut Input<'_>) {
        let mut parties = addresses_of_record();
        parties.extend(TARGETS.map(str::to_owned));
        let place = Place {
            first: parties[input.below(parties.len())].clone(),
            to: input.one_of(&TARGETS).to_owned(),
            from: input.one_of(&["", "123", "sip:x@y", "<"]).to_owned(),
            trunk: match input.below(COUNT + 1) {
                COUNT => None,
                which => Some(Peer::chosen(which).name().to_owned()),
            },
        };
        let is_draining = self.stack.is_draining();
        let placed = self.stack.place(self.now, &place);
        assert!(placed.is_err() || !is_draining);
    }
}
