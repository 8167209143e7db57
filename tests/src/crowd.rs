//! Several calls at once that go on until nobody watches any more: for the console.
//!
//! Each lane is a caller of a carrier and a telephone of the PBX with a port and a trunk of its own. They
//! talk for a while, hang up, and call again; the operator may end or hold a call in between.

use std::time::Duration;

use anyhow::{Context as _, Result};
use media_core::srtp::profile::Suite;

use crate::agent::{Agent, AgentConfig, Authority, Pattern, Served, uri_host};
use crate::stage::{Party, Stage};

/// Of the telephones; the callers' are as many above.
const FIRST_PORT: u16 = 5200;
const CALLERS_ABOVE: u16 = 100;
/// How long a call lasts at first; each lane's are some seconds longer than those of the lane before.
const SHORTEST_CALL: Duration = Duration::from_secs(25);
const LONGER_EACH: Duration = Duration::from_secs(7);
/// Between two calls of a lane.
const PAUSE: Duration = Duration::from_secs(3);
/// After a call that went wrong: the operator has changed something.
const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(2);
/// A second: that many packets at a time.
const SPELL_PACKETS: u32 = 50;

/// One caller and the telephone that it calls.
#[derive(Clone, Copy, Debug)]
pub struct Lane {
    number: u16,
    caller: Party,
    callee: Party,
}

/// What stands on the PBX's side of each lane, by name and by number.
const DESKS: [(&str, &str, Party, Party); 4] = [
    ("desk", "6101", Party::CarrierSecure, Party::PbxPlain),
    (
        "contact-centre",
        "6102",
        Party::CarrierSecure,
        Party::PbxSecure,
    ),
    ("warehouse", "6103", Party::CarrierPlain, Party::PbxPlain),
    (
        "branch-office",
        "6104",
        Party::CarrierPlain,
        Party::PbxSecure,
    ),
];

impl Lane {
    /// Every pairing of a secure and a plain side.
    pub fn all() -> Vec<Lane> {
        let lane = |(number, (_, _, caller, callee)): (usize, &(&str, &str, Party, Party))| Lane {
            number: number as u16,
            caller: *caller,
            callee: *callee,
        };
        DESKS.iter().enumerate().map(lane).collect()
    }

    /// Name of the telephone's trunk.
    pub fn trunk(self) -> &'static str {
        DESKS[usize::from(self.number)].0
    }

    /// The number that it is called by.
    pub fn dialled(self) -> &'static str {
        DESKS[usize::from(self.number)].1
    }

    fn port(self) -> u16 {
        FIRST_PORT + self.number
    }

    async fn agent(
        self,
        stage: &Stage,
        authority: &Authority,
        side: u8,
        call: u32,
    ) -> Result<Agent> {
        let (party, port) = match side {
            0 => (self.caller, self.port() + CALLERS_ABOVE),
            _ => (self.callee, self.port()),
        };
        let address = stage.address(party);
        let credentials = party
            .is_secure()
            .then(|| authority.credentials(&[address]))
            .transpose()?;
        let user = match side {
            0 => format!("+4930{:06}", 100_000 + u32::from(self.number) * 1111),
            _ => self.dialled().to_owned(),
        };
        Agent::start(AgentConfig {
            place: stage.place(party.side()),
            user,
            address,
            sip_port: port,
            rtp_port: 24_000 + (call % 1000) as u16 * 4 + 2 * u16::from(side),
            announced_rtp_port: None,
            transport: party.transport(),
            events: party.events(),
            suite: party.is_secure().then_some(Suite::AesCm128HmacSha1_80),
            credentials,
            edge: stage.edge_listener(party),
            pattern: Pattern { call, side },
        })
        .await
    }

    /// Calls again and again; ends only with the task that it runs in.
    pub async fn run(self, stage: &Stage, authority: &Authority) {
        for turn in 0_u32.. {
            let call = turn * 64 + u32::from(self.number) + 1;
            let pause = match self.call(stage, authority, call).await {
                Ok(()) => PAUSE,
                Err(error) => {
                    eprintln!("{}: {error:#}", self.trunk());
                    PAUSE_AFTER_FAULT
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn call(self, stage: &Stage, authority: &Authority, call: u32) -> Result<()> {
        let mut caller = self
            .agent(stage, authority, 0, call)
            .await
            .context("starting the caller")?;
        let mut callee = self
            .agent(stage, authority, 1, call)
            .await
            .context("starting the callee")?;
        tokio::try_join!(caller.call(self.dialled()), callee.answer())
            .context("setting up the call")?;
        let lasts = SHORTEST_CALL + LONGER_EACH * u32::from(self.number);
        let (caller_ended, callee_ended) = tokio::try_join!(
            attend(&mut caller, lasts),
            attend(&mut callee, lasts + PAUSE)
        )?;
        match (caller_ended, callee_ended) {
            (Served::TimeIsUp, Served::TimeIsUp) => {
                tokio::try_join!(caller.hang_up(), callee.await_hang_up())
                    .context("ending the call")?;
            }
            // Whoever hung up has told both.
            (Served::HungUp, Served::HungUp) => {}
            (Served::TimeIsUp, Served::HungUp) => {
                caller.serve(PAUSE).await?;
            }
            (Served::HungUp, Served::TimeIsUp) => {
                callee.serve(PAUSE).await?;
            }
        }
        Ok(())
    }
}

/// Talks and answers what comes, until the time is up or the other side has hung up.
async fn attend(agent: &mut Agent, lasts: Duration) -> Result<Served> {
    let speaker = agent.media().speaker();
    let talking = tokio::spawn(async move { while speaker.send(SPELL_PACKETS).await.is_ok() {} });
    let served = agent.serve(lasts).await;
    talking.abort();
    served
}

/// The telephones' trunks and routes, as `trunkline import` takes them.
pub fn sections(stage: &Stage) -> String {
    let mut text = String::new();
    for lane in Lane::all() {
        let (name, callee) = (lane.trunk(), lane.callee);
        let (mode, token) = match callee.is_secure() {
            true => ("srtp", "tls"),
            false => ("disabled", "udp"),
        };
        text += &format!(
            "[[trunks]]\nname = \"{name}\"\nsecure = \"{mode}\"\nrealm = \"pbx\"\nlistener = \"pbx-{token}\"\n\
             max_calls_per_second = 30\n[[trunks.origination]]\nuri = \"sip:{}:{};transport={token}\"\n\
             [[routes]]\nprefix = \"{}\"\nto = \"{name}\"\n",
            uri_host(stage.address(callee)),
            lane.port(),
            lane.dialled()
        );
    }
    text
}
