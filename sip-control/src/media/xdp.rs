//! The XDP backend: the program in the kernel, its maps, the AF_XDP workers, next hops.
//!
//! A flow has a slot, for the workers, and an entry, for the program. What is written last
//! lets packets through, and what closes comes first:
//! - a flow that starts: next hops, slot, entry;
//! - a flow that is forwarded, before or after a change: its action goes to the worker, then
//!   the slot, the rest of the entry, and the action again, because an entry is written word by
//!   word while the program reads it, and no packet may be forwarded by half of one;
//! - a flow that ends: entry to none, a while for packets on their way, slot, next hops.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Instant;

use media_common::counters::Verdicts;
use media_common::flow::{ACTION_FORWARD, ACTION_NONE, ACTION_WORKER, FlowEntry};
use media_core::flow_plan::{Action, PlannedFlow};
use media_core::relay::Route;
use media_core::report::MediaPath;
use media_core::session::CallId;

use super::carrier::{Carrier, FlowTotals, Paths, Place};
use super::config::MediaConfig;
use super::ephemeral;
use super::error::MediaError;
use super::events::KernelEvents;
use super::hops::FlowHops;
use super::loader::Loaded;
use super::maps::KernelMaps;
use super::memory;
use super::next_hop::{NextHops, Peer};
use super::slots::{FlowReports, SharedVerdicts, Slots};
use super::status::{ActiveBackend, InterfaceDescription};
use super::wake::Waker;
use super::xsk::{Tables, Workers};

/// Fields are dropped in order: the program is detached before the workers stop.
pub(super) struct XdpBackend {
    loaded: Loaded,
    workers: Workers,
    worker_verdicts: Vec<SharedVerdicts>,
    maps: KernelMaps,
    next_hops: NextHops,
    slots: Arc<Slots>,
    /// By index. Boxed, as the table has room for up to twice as many.
    flows: HashMap<u32, Box<Installed>>,
    events: KernelEvents,
}

/// What is in the tables for a flow.
struct Installed {
    entry: FlowEntry,
    hops: FlowHops,
}

impl XdpBackend {
    pub(super) fn start(
        config: &MediaConfig,
        slots: Arc<Slots>,
        reports: FlowReports,
        control: Waker,
    ) -> Result<XdpBackend, MediaError> {
        let (mut loaded, mut maps, setup) = Loaded::load(config, &slots)?;
        ephemeral::warn_of_overlap(slots.layout());
        let interfaces = loaded
            .interfaces
            .iter()
            .map(|interface| interface.ifindex)
            .collect();
        let next_hops =
            NextHops::new(setup.next_hops, interfaces).map_err(|source| MediaError::System {
                action: "opening rtnetlink",
                source,
            })?;
        loaded.attach(config)?;
        let events = KernelEvents::new(&mut loaded, reports.clone(), Arc::clone(&slots));
        let tables = Tables {
            slots: Arc::clone(&slots),
            hops: next_hops.shared(),
            reports,
            control,
        };
        let workers = Workers::start(&loaded.interfaces, &config.cpus, &tables)?;
        for socket in workers.sockets() {
            maps.set_socket(socket.slot, &socket.fd)
                .map_err(|error| MediaError::Map {
                    map: media_common::maps::XSKS,
                    detail: error.to_string(),
                })?;
        }
        let worker_verdicts = workers.verdicts().collect();
        let flows = HashMap::new();
        Ok(XdpBackend {
            loaded,
            workers,
            worker_verdicts,
            maps,
            next_hops,
            slots,
            flows,
            events,
        })
    }

    pub(super) fn description(&self) -> ActiveBackend {
        let describe = |interface: &super::loader::Attached| InterfaceDescription {
            name: interface.name.clone(),
            mode: interface.mode,
            queues: interface.queues,
            zero_copy: self
                .workers
                .sockets()
                .filter(|socket| socket.ifindex == interface.ifindex)
                .all(|socket| socket.is_zero_copy),
        };
        ActiveBackend::Xdp {
            interfaces: self.loaded.interfaces.iter().map(describe).collect(),
            workers: self.workers.len(),
            pins: self.loaded.pin_directory().map(Into::into),
            ports: self.slots.len(),
            map_bytes: memory::of_maps(self.slots.len()),
        }
    }

    fn installed(&self, local: SocketAddr) -> Option<(u32, &Installed)> {
        let index = self.slots.index_of(local)?;
        Some((index, self.flows.get(&index)?))
    }

    /// The next hops of a flow's destinations.
    fn acquire_hops(&mut self, flow: &PlannedFlow) -> Result<FlowHops, String> {
        let mut hops = FlowHops::default();
        for Route { from, to } in flow.config.carries.routes() {
            let Some(to) = to else { continue };
            if hops.towards(to.ip()).is_some() {
                continue;
            }
            match self.next_hops.acquire(Peer {
                remote: to.ip(),
                local: from.ip(),
            }) {
                Ok(hop) => hops.push(to.ip(), hop),
                Err(error) => {
                    self.release_hops(&hops);
                    return Err(error.to_string());
                }
            }
        }
        Ok(hops)
    }

    fn release_hops(&mut self, hops: &FlowHops) {
        let now = Instant::now();
        for (_, hop) in hops.iter() {
            self.next_hops.release(hop, now);
        }
    }

    fn entry_of(&self, flow: &PlannedFlow, hops: &FlowHops) -> Result<FlowEntry, String> {
        let route = flow.config.carries.routes().next();
        let Some(Route { from, to: Some(to) }) =
            route.copied().filter(|_| flow.action == Action::Forward)
        else {
            return Ok(flow.entry(0, 0));
        };
        let local = self
            .slots
            .address_of(from)
            .ok_or_else(|| format!("{from} is not one of our media ports"))?;
        Ok(flow.entry(local, hops.towards(to.ip()).unwrap_or(0)))
    }

    /// No packet passes there any more.
    fn close_at(&mut self, index: u32) {
        if let Some(installed) = self.flows.get_mut(&index) {
            installed.entry = FlowEntry::default();
            self.maps.set_flow(index, FlowEntry::default());
        }
    }

    /// Slot and entry, in the order that the module describes.
    fn put(
        &mut self,
        index: u32,
        flow: &PlannedFlow,
        hops: FlowHops,
        old: Option<FlowEntry>,
        new: FlowEntry,
    ) {
        if old.is_none() {
            self.maps.reset_counters(index);
        }
        let steps = Steps::between(old.unwrap_or_default(), new);
        if let Some(entry) = steps.before_slot {
            self.maps.set_flow(index, entry);
        }
        self.slots.install(index, &flow.config, hops);
        for entry in steps.after_slot.into_iter().flatten() {
            self.maps.set_flow(index, entry);
        }
    }
}

/// The entries that lead from one to another, each safe to be read while it is written.
#[derive(Debug, PartialEq, Eq)]
struct Steps {
    before_slot: Option<FlowEntry>,
    after_slot: [Option<FlowEntry>; 2],
}

impl Steps {
    fn between(old: FlowEntry, new: FlowEntry) -> Steps {
        if old == new {
            return Steps {
                before_slot: None,
                after_slot: [None; 2],
            };
        }
        let meanwhile = if old.action == ACTION_NONE {
            ACTION_NONE
        } else {
            ACTION_WORKER
        };
        let with = |entry: FlowEntry| FlowEntry {
            action: meanwhile,
            ..entry
        };
        Steps {
            before_slot: (old.action == ACTION_FORWARD).then(|| with(old)),
            after_slot: [(new.action == ACTION_FORWARD).then(|| with(new)), Some(new)],
        }
    }
}

impl Carrier for XdpBackend {
    fn install(&mut self, _call: CallId, flow: &PlannedFlow) -> Result<(), String> {
        let index = self
            .slots
            .index_of(flow.local)
            .ok_or_else(|| format!("{} is not one of our media ports", flow.local))?;
        // Which queue a packet comes by, and so which worker has it, is the card's to say.
        if flow.action == Action::Worker && self.workers.has_failed() {
            return Err("an AF_XDP worker has ended".to_owned());
        }
        let hops = self.acquire_hops(flow)?;
        let entry = match self.entry_of(flow, &hops) {
            Ok(entry) => entry,
            Err(reason) => {
                self.release_hops(&hops);
                return Err(reason);
            }
        };
        // Known from here on, so that closing it cleans up whatever fails below.
        let installed = Box::new(Installed { entry, hops });
        let old = self.flows.insert(index, installed);
        let old_entry = old.as_ref().map(|old| old.entry);
        self.put(index, flow, hops, old_entry, entry);
        if let Some(old) = old {
            self.release_hops(&old.hops);
        }
        Ok(())
    }

    fn is_ready(&mut self, local: SocketAddr) -> bool {
        let hops = self.installed(local).map(|(_, installed)| installed.hops);
        hops.is_none_or(|hops| hops.iter().all(|(_, hop)| self.next_hops.is_resolved(hop)))
    }

    fn close(&mut self, local: SocketAddr) {
        if let Some(index) = self.slots.index_of(local) {
            self.close_at(index);
        }
    }

    fn release(&mut self, local: SocketAddr) {
        let index = self.slots.index_of(local);
        let installed = index.and_then(|index| Some((index, self.flows.remove(&index)?)));
        if let Some((index, installed)) = installed {
            self.slots.clear(index);
            self.release_hops(&installed.hops);
        }
    }

    fn totals(&mut self, local: SocketAddr) -> FlowTotals {
        let Some((index, _)) = self.installed(local) else {
            return FlowTotals::default();
        };
        FlowTotals {
            kernel: self.maps.counters(index),
            incidents: self.maps.incidents(index),
            relay: self.slots.stats(index),
        }
    }

    fn heard_ns(&mut self, local: SocketAddr) -> u64 {
        let heard = self.installed(local).map(|(index, _)| {
            let kernel = self.maps.counters(index).last_seen_ns;
            kernel.max(self.slots.last_seen_ns(index))
        });
        heard.unwrap_or_default()
    }

    fn place(&self, local: SocketAddr) -> Place {
        let Some((index, Installed { hops, .. })) = self.installed(local) else {
            return Place::default();
        };
        let hops = hops
            .iter()
            .map(|(remote, hop)| (remote, hop, self.next_hops.value(hop)));
        Place {
            index: Some(index),
            hops: hops.collect(),
        }
    }

    fn latched(&mut self, local: SocketAddr) -> Option<SocketAddr> {
        self.slots.latched(self.installed(local)?.0)
    }

    fn verdicts(&mut self) -> Verdicts {
        let mut sum = self.maps.verdicts();
        for worker in &self.worker_verdicts {
            sum.add(&worker.get());
        }
        sum.drop_xsk_full += self.workers.lost();
        sum
    }

    fn stop(&mut self) {
        let indices: Vec<u32> = self.flows.keys().copied().collect();
        for index in indices {
            self.close_at(index);
        }
        self.workers.report_losses();
        self.workers.stop();
        self.next_hops.clear();
    }

    fn tick(&mut self, now: Instant) {
        self.next_hops.tick(now);
        self.workers.report_losses();
    }

    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let mut fds = vec![self.next_hops.changes_fd(), self.maps.events_fd()];
        fds.extend(self.events.trace_fd());
        fds
    }

    fn handle_readable(&mut self) {
        for socket in self.workers.take_failed() {
            self.maps.clear_socket(socket.slot);
        }
        self.next_hops.handle_changes();
        self.events.read(&mut self.maps);
    }

    fn paths(&self) -> Paths {
        Paths {
            kernel: MediaPath::Xdp,
            relay: MediaPath::AfXdp,
        }
    }
}

impl Drop for XdpBackend {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of an entry's writes, the program may see any byte before or after any other.
    #[test]
    fn nothing_but_the_action_changes_while_a_flow_is_forwarded() {
        let entry = |action, remote| FlowEntry {
            action,
            remote_port: [remote; 2],
            ..FlowEntry::default()
        };
        for old in [
            FlowEntry::default(),
            entry(ACTION_WORKER, 1),
            entry(ACTION_FORWARD, 1),
        ] {
            for new in [
                entry(ACTION_WORKER, 1),
                entry(ACTION_WORKER, 2),
                entry(ACTION_FORWARD, 1),
                entry(ACTION_FORWARD, 2),
            ] {
                let steps = Steps::between(old, new);
                let mut at = old;
                let writes = steps.before_slot.into_iter();
                for next in writes.chain(steps.after_slot.into_iter().flatten()) {
                    let is_forwarded = [at, next]
                        .iter()
                        .any(|entry| entry.action == ACTION_FORWARD);
                    assert!(
                        !is_forwarded || at.remote_port == next.remote_port,
                        "{old:?} to {new:?}"
                    );
                    at = next;
                }
                assert_eq!(at, new);
            }
        }
    }
}
