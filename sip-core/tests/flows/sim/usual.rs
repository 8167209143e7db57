//! The usual call, from its beginning to its end.

use super::{Agent, CALLER, Phase, Wire, World};

impl World {
    /// With one call, which is up.
    pub(crate) fn up(wires: [Wire; 2], seed: u64) -> World {
        let mut world = World::new(wires, seed);
        world.establish();
        world
    }

    /// Caller to callee, answered at once: both are up.
    pub(crate) fn establish(&mut self) {
        self.callee().manners.invite = Some(200);
        self.tell(CALLER, Agent::invite);
        self.run_ms(500);
        assert_eq!(self.phases(), [Phase::Up, Phase::Up]);
    }

    /// The caller hangs up, and nothing is left of the call but its record.
    pub(crate) fn end(mut self) {
        assert_eq!(self.phases(), [Phase::Up, Phase::Up]);
        self.tell(CALLER, Agent::hang_up);
        self.run_ms(500);
        assert_eq!(self.phases(), [Phase::Over(200), Phase::Over(200)]);
        self.assert_drained(1);
    }
}
