//! A stage with a daemon, and scripts for calls between two parties.

use anyhow::Result;
use media_core::srtp::profile::Suite;
use trunkline_tests::agent::Authority;
use trunkline_tests::call::{Live, Script};
use trunkline_tests::edge::{Edge, EdgeOptions, daemon_path};
use trunkline_tests::stage::{Party, Stage};

/// A stage with a running daemon.
pub(crate) struct House {
    // The daemon goes before the stage that it runs on.
    pub(crate) edge: Option<Edge>,
    pub(crate) authority: Authority,
    pub(crate) stage: Stage,
}

impl House {
    pub(crate) fn open(stage: Stage, options: &EdgeOptions) -> House {
        let authority = Authority::new().unwrap();
        let edge = Edge::start(&daemon_path().unwrap(), &stage, &authority, options).unwrap();
        House {
            edge: Some(edge),
            authority,
            stage,
        }
    }

    pub(crate) fn edge(&self) -> &Edge {
        self.edge.as_ref().unwrap()
    }

    pub(crate) async fn call(&self, caller: Party, callee: Party, number: u32) -> Live {
        self.attempt(caller, callee, number)
            .await
            .unwrap_or_else(|error| panic!("{error:#}\nedge:\n{}", self.edge().log()))
    }

    /// A call that may be refused.
    pub(crate) async fn attempt(&self, caller: Party, callee: Party, number: u32) -> Result<Live> {
        let script = script(caller, callee);
        Live::set_up(&self.stage, &self.authority, script, number).await
    }
}

fn script(caller: Party, callee: Party) -> Script {
    Script {
        caller,
        callee,
        packets: 0,
        hold: false,
        caller_hangs_up: true,
        suite: Suite::AesCm128HmacSha1_80,
    }
}
