//! What a call may go through besides talk: its carrier is dead, it is transferred. For the demo
//! and for tests; each act is played by user agents against the daemon and leaves its media counted.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use media_core::srtp::profile::Suite;

use crate::agent::{Authority, MediaCounts, Pattern, uri_host};
use crate::call::{CallResult, Live, Progress, Script, agent, talk};
use crate::stage::{Party, Stage};

/// The number that leads to the trunk of [`failover`].
pub const FAILOVER_NUMBER: &str = "6000";
/// Name of that trunk.
pub const FAILOVER_TRUNK: &str = "carrier-pair";

/// A trunk with two carriers, of which the preferred one never says a word, and the route to it.
pub fn failover_sections(stage: &Stage) -> String {
    let uri = |address: SocketAddr| {
        format!(
            "sip:{}:{};transport=udp",
            uri_host(address.ip()),
            address.port()
        )
    };
    let living = Party::CarrierPlain;
    let living = SocketAddr::new(stage.address(living), stage.sip_port(living));
    format!(
        "[[trunks]]\nname = \"{FAILOVER_TRUNK}\"\nrealm = \"carrier\"\nlistener = \"carrier-udp\"\nprobe = \"off\"\n\
         [[trunks.origination]]\nuri = \"{}\"\npriority = 1\n\
         [[trunks.origination]]\nuri = \"{}\"\npriority = 2\n\
         [[routes]]\nprefix = \"{FAILOVER_NUMBER}\"\nto = \"{FAILOVER_TRUNK}\"\n",
        uri(dead_carrier(stage)),
        uri(living)
    )
}

/// Where nobody answers: the secure carrier takes nothing by UDP.
fn dead_carrier(stage: &Stage) -> SocketAddr {
    SocketAddr::new(stage.address(Party::CarrierSecure), 5060)
}

/// A telephone of the PBX calls a number whose first carrier is dead; the second answers, and both
/// talk for `packets`. TRK-3.
pub async fn failover(
    stage: &Stage,
    authority: &Authority,
    packets: u32,
    number: u32,
) -> Result<CallResult> {
    // A host that is up and takes what comes, without a word: a port that nobody has would be
    // refused by ICMP at once.
    let _dead = stage
        .place(Party::CarrierSecure.side())
        .open(|| std::net::UdpSocket::bind(dead_carrier(stage)))
        .context("opening the dead carrier's port")?;
    let script = Script {
        packets,
        ..script(Party::PbxPlain, Party::CarrierPlain)
    };
    let call = Live::dial(stage, authority, script, number, FAILOVER_NUMBER).await?;
    call.talk(packets).await?;
    call.hang_up().await
}

/// What [`transfer`] shows.
#[derive(Clone, Debug)]
pub struct Transferred {
    /// From REFER to the report of success.
    pub took: Duration,
    /// Packets that each of the remaining and the new party sent, and that the other heard intact.
    pub sent: u32,
    pub heard: [u32; 2],
    /// Packets that were of nobody, or of somebody else; and those in the clear on a secure leg.
    pub faults: u32,
}

impl Transferred {
    /// Both heard all, and nothing else.
    pub fn is_complete(&self) -> bool {
        self.heard == [self.sent; 2] && self.faults == 0
    }
}

/// A secure carrier calls a telephone of the PBX, which refers it to another one, on TLS and SRTP;
/// both talk for `packets`. SIG-7, with `refer = "local"` on the PBX's trunk. Takes the numbers
/// `number` and the next.
pub async fn transfer(
    stage: &Stage,
    authority: &Authority,
    packets: u32,
    number: u32,
) -> Result<Transferred> {
    let first = script(Party::CarrierSecure, Party::PbxPlain);
    let second = script(Party::CarrierSecure, Party::PbxSecure);
    let mut call = Live::set_up(stage, authority, first, number).await?;
    call.talk(packets).await?;

    let mut third = agent(stage, authority, second, 1, number + 1).await?;
    call.caller.media().expect(pattern(number + 1, 1));
    third.media().expect(pattern(number, 0));
    let refer_to = format!("sip:{}@{}", second.callee.number(), call.callee.edge_host());
    let begun = Instant::now();
    tokio::try_join!(
        async { call.callee.refer(&refer_to).await.context("transferor") },
        async { third.answer().await.context("new party") },
        async { call.caller.accept_reinvite().await.context("remaining") }
    )?;
    let took = begun.elapsed();
    call.callee
        .hang_up()
        .await
        .context("the transferor's BYE")?;

    let (caller, before) = (&call.caller, call.caller.media().counts().sent);
    talk(caller, &third, packets, &Progress::default()).await?;
    let all = |seen: &MediaCounts| seen.received.len() as u32 >= packets;
    let counts = [
        caller.media().counts_when(all).await,
        third.media().counts_when(all).await,
    ];
    let transferred = Transferred {
        took,
        sent: counts[0].sent - before,
        heard: counts.each_ref().map(|seen| seen.received.len() as u32),
        faults: counts
            .iter()
            .map(|seen| seen.payload_errors + seen.plaintext)
            .sum(),
    };
    tokio::try_join!(third.hang_up(), call.caller.await_hang_up())
        .context("ending the new call")?;
    Ok(transferred)
}

fn pattern(call: u32, side: u8) -> Pattern {
    Pattern { call, side }
}

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

fn script(caller: Party, callee: Party) -> Script {
    Script {
        caller,
        callee,
        packets: 50,
        hold: false,
        caller_hangs_up: true,
        suite: SUITE,
    }
}
