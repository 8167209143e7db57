//! Are the targets there? OPTIONS to each origination URI tells (TRK-5).
//!
//! A round asks the addresses of a URI in turn until one answers (`asking`); it fails if none does.

mod asking;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_core::RngCore;

use self::asking::Asking;
use super::{Event, EventKind, Stack};
use crate::call::context::{Asker, Context};
use crate::call::outcome::Failure;
use crate::message::Response;
use crate::transaction::ClientKey;
use crate::transport::Host;
use crate::trunk::failover::is_targets_fault;
use crate::trunk::health::{Change, Standing, TargetKey};
use crate::trunk::{Hop, Probing, Trunk, TrunkId};

/// An origination URI as status shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetStatus {
    pub trunk: String,
    /// As it is configured.
    pub uri: String,
    pub priority: u16,
    pub weight: u16,
    pub state: ProbeState,
    /// Probes in a row that failed.
    pub failed_probes: u32,
    /// What the latest probe brought, and when.
    pub latest: Option<(Instant, String)>,
}

/// Whether calls go to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProbeState {
    /// By configuration.
    Disabled,
    Enabled(Standing),
}

impl ProbeState {
    /// The name in status and on the console.
    pub fn name(self) -> &'static str {
        match self {
            ProbeState::Disabled => "disabled",
            ProbeState::Enabled(standing) => standing.name(),
        }
    }
}

/// Every URI that is probed.
#[derive(Debug, Default)]
pub(super) struct Prober {
    probes: Vec<Probe>,
    /// The time of each, and its place in `probes`.
    due: BTreeSet<(Instant, usize)>,
    /// Whose OPTIONS is out.
    waiting: HashMap<ClientKey, usize>,
}

#[derive(Debug)]
struct Probe {
    target: TargetKey,
    settings: Probing,
    /// How long an address may take to answer.
    patience: Duration,
    due: Instant,
    next_round: Instant,
    stage: Stage,
    latest: Option<(Instant, String)>,
}

#[derive(Debug)]
enum Stage {
    Resting,
    Locating,
    /// OPTIONS is out.
    Asking(ClientKey, Asking),
    /// It was refused at once, and will be sent again within the round.
    Refused(Asking),
}

impl Prober {
    /// Everything that `trunks` want probed; the first probes are spread over a moment.
    pub(super) fn of(trunks: &[Arc<Trunk>], now: Instant, rng: &mut dyn RngCore) -> Prober {
        let mut prober = Prober::default();
        for (id, trunk) in (0..=u16::MAX).map(TrunkId).zip(trunks) {
            let Some(settings) = trunk.origination.probing else {
                continue;
            };
            let patience = trunk.origination.no_response.min(settings.interval / 2);
            for uri in trunk.origination.uris.iter().filter(|uri| uri.enabled) {
                let due = now + Duration::from_millis(rng.next_u64() % FIRST_WITHIN_MS);
                prober.due.insert((due, prober.probes.len()));
                prober.probes.push(Probe {
                    target: (id, uri.uri.clone()),
                    settings,
                    patience,
                    due,
                    next_round: due,
                    stage: Stage::Resting,
                    latest: None,
                });
            }
        }
        prober
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    pub(super) fn is_waiting_for(&self, client: ClientKey) -> bool {
        self.waiting.contains_key(&client)
    }

    pub(super) fn describe(&self, trunks: &[Arc<Trunk>], cx: &Context) -> Vec<TargetStatus> {
        let mut targets = Vec::new();
        for (id, trunk) in (0..=u16::MAX).map(TrunkId).zip(trunks) {
            for uri in &trunk.origination.uris {
                let key = (id, uri.uri.clone());
                let probe = self.probes.iter().find(|probe| probe.target == key);
                targets.push(TargetStatus {
                    trunk: trunk.name.clone(),
                    uri: uri.uri.to_string(),
                    priority: uri.priority,
                    weight: uri.weight.get(),
                    state: match uri.enabled {
                        true => ProbeState::Enabled(cx.health.standing(cx.now, &key)),
                        false => ProbeState::Disabled,
                    },
                    failed_probes: cx.health.failed_probes(&key),
                    latest: probe.and_then(|probe| probe.latest.clone()),
                });
            }
        }
        targets
    }

    fn schedule(&mut self, place: usize, due: Instant) {
        let Some(probe) = self.probes.get_mut(place) else {
            return;
        };
        self.due.remove(&(probe.due, place));
        probe.due = due;
        self.due.insert((due, place));
    }

    /// What a URI that stays was last told of it.
    fn inherit(&mut self, old: Prober) {
        let mut known: HashMap<TargetKey, Probe> = old
            .probes
            .into_iter()
            .map(|probe| (probe.target.clone(), probe))
            .collect();
        for place in 0..self.probes.len() {
            let probe = &mut self.probes[place];
            if let Some(before) = known.remove(&probe.target) {
                probe.latest = before.latest;
                let latest = probe.next_round.max(before.next_round);
                let due = latest.min(probe.next_round + probe.settings.interval);
                self.schedule(place, due);
            }
        }
    }
}

impl Stack {
    /// Everything whose time has come: rounds begin, and silence ends.
    pub(super) fn probe(&mut self) {
        let now = self.cx.now;
        while let Some(&(_, place)) = self.prober.due.first().filter(|(due, _)| *due <= now) {
            // Each branch gives it another time.
            let stage = match self.prober.probes.get_mut(place) {
                Some(probe) => std::mem::replace(&mut probe.stage, Stage::Resting),
                None => return,
            };
            match stage {
                Stage::Resting => self.begin_round(place),
                Stage::Locating => self.end_round(place, Err("no answer from the resolver")),
                Stage::Asking(client, asking) => {
                    self.prober.waiting.remove(&client);
                    self.cx.transactions.abandon(now, client);
                    self.address_is_dead(place, asking, Failure::TimedOut.text());
                }
                Stage::Refused(asking) => self.send_options(place, asking),
            }
        }
    }

    /// The addresses of a name that is probed.
    pub(super) fn probe_located(&mut self, place: usize, found: Result<Vec<Hop>, String>) {
        let Some(probe) = self.prober.probes.get_mut(place) else {
            return;
        };
        if !matches!(probe.stage, Stage::Locating) {
            return;
        }
        match found {
            Ok(hops) => self.ask(place, hops.into(), "it has no address that can be used"),
            Err(reason) => self.end_round(place, Err(&reason)),
        }
    }

    /// A response to a probe: whatever it says, somebody is there, unless he says that nobody is.
    pub(super) fn probe_answered(&mut self, client: ClientKey, response: &Response) {
        if response.status.is_provisional() {
            return;
        }
        let phrase = String::from_utf8_lossy(&response.reason);
        let text = format!("{} {phrase}", response.status);
        if is_targets_fault(response.status) || response.status == 408 {
            return self.end_asking(client, Err(text.trim_end()));
        }
        self.end_asking(client, Ok(text.trim_end()));
    }

    pub(super) fn probe_failed(&mut self, client: ClientKey, failure: &Failure) {
        match failure {
            Failure::TimedOut => self.end_asking(client, Err(failure.text())),
            Failure::TransportFailed(reason) => self.asking_refused(client, reason),
        }
    }

    /// What is out is forgotten, what stays is probed when it would have been.
    pub(super) fn reconfigure_probes(&mut self) {
        self.end_probes();
        let new = Prober::of(&self.trunks, self.cx.now, &mut *self.cx.rng);
        let old = std::mem::replace(&mut self.prober, new);
        self.prober.inherit(old);
        let (trunks, probes) = (&self.trunks, &self.prober.probes);
        let origination = |trunk: TrunkId| {
            let trunk = trunks.get(usize::from(trunk.0));
            trunk.map(|trunk| &trunk.origination)
        };
        self.cx.health.retain(
            |(trunk, target)| {
                origination(*trunk).is_some_and(|origination| {
                    let mut uris = origination.uris.iter().map(|uri| &uri.uri);
                    uris.any(|uri| uri == target) || origination.fallback.as_ref() == Some(target)
                })
            },
            |target| probes.iter().any(|probe| probe.target == *target),
        );
    }

    /// Nothing is asked any more.
    pub(super) fn end_probes(&mut self) {
        for (client, _) in self.prober.waiting.drain() {
            self.cx.transactions.abandon(self.cx.now, client);
        }
        self.prober.due.clear();
        self.cx.lookups.forget_probes();
    }

    fn begin_round(&mut self, place: usize) {
        let probe = &mut self.prober.probes[place];
        probe.next_round = self.cx.now + probe.settings.interval;
        let until = self.cx.now + probe.patience;
        let (id, target) = probe.target.clone();
        let Some(trunk) = self.trunks.get(usize::from(id.0)).cloned() else {
            return self.end_round(place, Err("the trunk is gone"));
        };
        let target = trunk.secured(&target);
        let transports = trunk.transports(&self.cx.config.listeners, &target);
        match (&target.host, transports.first()) {
            (_, None) => self.end_round(place, Err(NO_LISTENER)),
            (Host::Address(address), Some(&transport)) => {
                let address = (*address, target.port_for(transport)).into();
                let hops = VecDeque::from([Hop { transport, address }]);
                self.ask(place, hops, NO_LISTENER);
            }
            (Host::Name(_), Some(_)) => {
                self.cx.resolve(Asker::Probe(place), target, transports);
                self.prober.probes[place].stage = Stage::Locating;
                self.prober.schedule(place, until);
            }
        }
    }

    /// Remembers what a round brought, tells of a change, and lets the next one come.
    fn end_round(&mut self, place: usize, result: Result<&str, &str>) {
        let now = self.cx.now;
        let probe = &mut self.prober.probes[place];
        let (Ok(text) | Err(text)) = result;
        probe.stage = Stage::Resting;
        probe.latest = Some((now, text.to_owned()));
        let (target, failures) = (probe.target.clone(), probe.settings.failures);
        let next = probe.next_round.max(now);
        self.prober.schedule(place, next);
        let change = self
            .cx
            .health
            .probed(target.clone(), result.is_ok(), failures);
        let kind = match change {
            Change::None => return,
            Change::WentOut => EventKind::TargetOutOfService,
            Change::CameBack => EventKind::TargetInService,
        };
        let (id, uri) = target;
        let trunk = self.trunks.get(usize::from(id.0));
        self.cx.event(Event {
            kind,
            call: None,
            trunk: trunk.map(|trunk| trunk.name.clone()),
            peer: None,
            code: None,
            text: format!("{uri}: {text}"),
        });
    }
}

/// Milliseconds after the start in which the first probes leave.
const FIRST_WITHIN_MS: u64 = 1_000;
const NO_LISTENER: &str = "no listener of the trunk's realm fits";
