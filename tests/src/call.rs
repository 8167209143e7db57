//! One call between two parties through the edge, from INVITE to BYE.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use media_core::srtp::profile::Suite;

use crate::agent::{Agent, AgentConfig, Authority, MediaCounts, Pattern};
use crate::stage::{Party, Stage};

/// What the call does.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    pub caller: Party,
    pub callee: Party,
    /// Packets that each side sends.
    pub packets: u32,
    /// Hold and resume by the caller, half way.
    pub hold: bool,
    /// The caller hangs up, else the callee.
    pub caller_hangs_up: bool,
    /// The suite of secure legs.
    pub suite: Suite,
}

/// What the endpoints saw, caller first.
#[derive(Clone, Debug)]
pub struct CallResult {
    pub setup: Duration,
    pub counts: [MediaCounts; 2],
}

/// Counters of a call that is up, for a live table.
pub type Progress = Arc<Mutex<[MediaCounts; 2]>>;

impl CallResult {
    /// Payloads of the other side that arrived at `side`.
    pub fn received(&self, side: usize) -> u32 {
        self.counts[side].received.len() as u32
    }

    /// Every payload after the first `latching` of each direction arrived intact.
    pub fn is_complete(&self, latching: u32) -> bool {
        [0, 1].into_iter().all(|side| {
            let sent = self.counts[1 - side].sent;
            let counts = &self.counts[side];
            counts.payload_errors == 0
                && sent > latching
                && (latching..sent).all(|index| counts.received.contains(&index))
        })
    }
}

/// Places the call and plays the script; `number` keeps its payloads apart from other calls'.
pub async fn place(
    stage: &Stage,
    authority: &Authority,
    script: Script,
    number: u32,
    progress: &Progress,
) -> Result<CallResult> {
    let mut call = Live::set_up(stage, authority, script, number).await?;
    if script.hold {
        call.talk_and_show(script.packets / 2, progress).await?;
        hold_and_resume(&mut call.caller, &mut call.callee).await?;
        call.talk_and_show(script.packets - script.packets / 2, progress)
            .await?;
    } else {
        call.talk_and_show(script.packets, progress).await?;
    }
    call.hang_up().await
}

/// A call that is up, to be played by hand.
pub struct Live {
    script: Script,
    setup: Duration,
    pub caller: Agent,
    pub callee: Agent,
}

impl Live {
    /// Starts both agents, and has the one call the other.
    pub async fn set_up(
        stage: &Stage,
        authority: &Authority,
        script: Script,
        number: u32,
    ) -> Result<Live> {
        Live::dial(stage, authority, script, number, script.callee.number()).await
    }

    /// The same, where the callee is reached by another number than its own.
    pub async fn dial(
        stage: &Stage,
        authority: &Authority,
        script: Script,
        number: u32,
        dialled: &str,
    ) -> Result<Live> {
        let mut caller = agent_when_free(stage, authority, script, 0, number)
            .await
            .context("starting the caller")?;
        let mut callee = agent_when_free(stage, authority, script, 1, number)
            .await
            .context("starting the callee")?;
        let (setup, ()) = tokio::try_join!(caller.call(dialled), callee.answer())
            .context("setting up the call")?;
        Ok(Live {
            script,
            setup,
            caller,
            callee,
        })
    }

    /// Both sides send `packets`; returns when all that will come has come.
    pub async fn talk(&self, packets: u32) -> Result<()> {
        self.talk_and_show(packets, &Progress::default()).await?;
        last_packets(&self.caller, &self.callee).await;
        Ok(())
    }

    async fn talk_and_show(&self, packets: u32, progress: &Progress) -> Result<()> {
        talk(&self.caller, &self.callee, packets, progress).await
    }

    /// What the endpoints have seen so far, caller first.
    pub fn result(&self) -> CallResult {
        CallResult {
            setup: self.setup,
            counts: [self.caller.media().counts(), self.callee.media().counts()],
        }
    }

    /// Ends the call as its script says.
    pub async fn hang_up(mut self) -> Result<CallResult> {
        last_packets(&self.caller, &self.callee).await;
        let (first, second) = if self.script.caller_hangs_up {
            (&mut self.caller, &mut self.callee)
        } else {
            (&mut self.callee, &mut self.caller)
        };
        tokio::try_join!(first.hang_up(), second.await_hang_up()).context("ending the call")?;
        Ok(self.result())
    }
}

/// [`agent`], as soon as its ports are free: the sockets of a party's last call close a moment after
/// it.
async fn agent_when_free(
    stage: &Stage,
    authority: &Authority,
    script: Script,
    side: u8,
    number: u32,
) -> Result<Agent> {
    let begun = Instant::now();
    loop {
        match agent(stage, authority, script, side, number).await {
            Err(error) if is_in_use(&error) && begun.elapsed() < Duration::from_secs(5) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            started => return started,
        }
    }
}

fn is_in_use(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let cause = cause.downcast_ref::<std::io::Error>();
        cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::AddrInUse)
    })
}

/// The agent of a script's caller (side 0) or callee (side 1).
pub(crate) async fn agent(
    stage: &Stage,
    authority: &Authority,
    script: Script,
    side: u8,
    number: u32,
) -> Result<Agent> {
    let party = match side {
        0 => script.caller,
        _ => script.callee,
    };
    let address = stage.address(party);
    let credentials = party
        .is_secure()
        .then(|| authority.credentials(&[address]))
        .transpose()?;
    Agent::start(AgentConfig {
        place: stage.place(party.side()),
        user: party.number().to_owned(),
        address,
        sip_port: stage.sip_port(party),
        rtp_port: 20_000 + (number as u16 % 1000) * 4 + 2 * u16::from(side),
        announced_rtp_port: None,
        transport: party.transport(),
        events: party.events(),
        suite: party.is_secure().then_some(script.suite),
        credentials,
        edge: stage.edge_listener(party),
        pattern: Pattern { call: number, side },
    })
    .await
}

/// Both sides send `packets`, at the pace of speech.
pub(crate) async fn talk(
    caller: &Agent,
    callee: &Agent,
    packets: u32,
    progress: &Progress,
) -> Result<()> {
    let watch = async {
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let counts = [caller.media().counts(), callee.media().counts()];
            *progress.lock().unwrap_or_else(PoisonError::into_inner) = counts;
        }
    };
    tokio::select! {
        sent = async { tokio::try_join!(caller.media().send(packets), callee.media().send(packets)) } => sent.map(drop),
        () = watch => Ok(()),
    }
}

/// Waits for packets that are still on their way: until all have come, or not any more.
async fn last_packets(caller: &Agent, callee: &Agent) {
    for (from, to) in [(caller, callee), (callee, caller)] {
        let sent = from.media().counts().sent;
        let to = to.media();
        to.counts_when(|seen| seen.received.len() as u32 >= sent)
            .await;
    }
}

async fn hold_and_resume(caller: &mut Agent, callee: &mut Agent) -> Result<()> {
    for (offered, answered) in [("sendonly", "recvonly"), ("sendrecv", "sendrecv")] {
        let (answer, offer) = tokio::try_join!(caller.reinvite(offered), callee.accept_reinvite())
            .with_context(|| format!("re-INVITE {offered}"))?;
        ensure!(
            offer == offered && answer == answered,
            "offered {offered}: the callee saw {offer}, the caller {answer}"
        );
    }
    Ok(())
}
