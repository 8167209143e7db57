//! A stage with a daemon, and scripts for calls between two parties.

use std::time::{Duration, Instant};

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
        let begun = Instant::now();
        loop {
            let script = script(caller, callee);
            let call = Live::set_up(&self.stage, &self.authority, script, number).await;
            match call {
                // The sockets of the party's last call close a moment after it.
                Err(error) if is_in_use(&error) && begun.elapsed() < Duration::from_secs(5) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                call => return call,
            }
        }
    }
}

fn is_in_use(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let cause = cause.downcast_ref::<std::io::Error>();
        cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::AddrInUse)
    })
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
