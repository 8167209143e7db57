//! Calls one can see: those that are up, the messages of each, and how good its media was.
//!
//! The driver leaves what changes ([`Live::changed`], [`Live::ended`]) and the messages that pass
//! ([`Live::came`], [`Live::left`]) and never waits: a thread of its own brings them into the mirror
//! and the ladder, another looks at the flows. Whoever reads gets values of its own: nothing is
//! locked while an answer is written.

mod alarm;
mod ended;
mod entry;
mod history;
mod intake;
mod ladder;
mod load;
mod quality;
mod sampler;
mod view;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sip_core::stack::{CallRecord, LiveCall};

pub(crate) use self::entry::LiveView;
pub(crate) use self::intake::Arrived;
pub(crate) use self::load::TrunkLoad;
pub(crate) use self::view::{LiveHealth, LiveQuery};

use self::ended::Ended;
use self::entry::Entry;
use self::intake::{Change, Intake};
use self::ladder::Ladder;
use self::load::Loads;
pub(crate) use self::sampler::Flows;
use crate::events::Hub;
use crate::store::CallRow;

/// After a batch the thread rests: what comes meanwhile is taken together.
const REST: Duration = Duration::from_millis(50);
/// A call that somebody looks at is looked at each second for so long, and no more than that many.
const WATCHED_FOR: Duration = Duration::from_secs(10);
const MOST_WATCHED: usize = 64;

/// What of the configuration matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LiveSettings {
    /// `[api] ladder_memory_mb`, in bytes; 0: no ladders.
    pub(crate) ladder_bytes: usize,
    /// `[api] quality_below`; 0: never told.
    pub(crate) quality_below: f64,
    /// `[media] log_digits`.
    pub(crate) show_digits: bool,
}

/// Where a call goes that is over.
pub(crate) type Journal = Box<dyn Fn(CallRow) + Send + Sync>;

/// The calls that are up.
pub(crate) struct Live {
    settings: LiveSettings,
    intake: Mutex<Intake>,
    /// Wakes the thread that takes from it.
    came: Condvar,
    /// Held while changes are brought into the mirror: they keep their order.
    settling: Mutex<()>,
    calls: RwLock<BTreeMap<u64, Arc<Entry>>>,
    ladder: Mutex<Ladder>,
    ended: Mutex<Ended>,
    loads: Mutex<Loads>,
    /// What the histories of quality take, as the thread that looks at the flows has found it.
    quality_bytes: AtomicUsize,
    /// Until when each is looked at each second.
    watched: Mutex<HashMap<u64, Instant>>,
    /// `None` where there is no store.
    journal: Option<Journal>,
    hub: Arc<Hub>,
    closing: AtomicBool,
}

/// Its threads.
pub(crate) struct LiveThreads(Vec<JoinHandle<()>>);

impl Live {
    /// Starts its threads.
    pub(crate) fn start(
        settings: LiveSettings,
        hub: Arc<Hub>,
        flows: Arc<dyn Flows>,
        journal: Option<Journal>,
    ) -> std::io::Result<(Arc<Live>, LiveThreads)> {
        let live = Arc::new(Live::new(settings, hub, journal));
        let (mirror, sampler) = (Arc::clone(&live), Arc::clone(&live));
        let mirror = std::thread::Builder::new()
            .name("live-calls".to_owned())
            .spawn(move || mirror.run())?;
        let sampler = std::thread::Builder::new()
            .name("call-quality".to_owned())
            .spawn(move || sampler.sample_until_closed(&*flows))?;
        Ok((live, LiveThreads(vec![mirror, sampler])))
    }

    fn new(settings: LiveSettings, hub: Arc<Hub>, journal: Option<Journal>) -> Live {
        Live {
            settings,
            intake: Mutex::default(),
            came: Condvar::new(),
            settling: Mutex::default(),
            calls: RwLock::default(),
            ladder: Mutex::new(Ladder::new(settings.ladder_bytes)),
            ended: Mutex::default(),
            loads: Mutex::default(),
            quality_bytes: AtomicUsize::new(0),
            watched: Mutex::default(),
            journal,
            hub,
            closing: AtomicBool::new(false),
        }
    }

    /// A call is new or has changed. Never waits.
    pub(crate) fn changed(&self, call: LiveCall) {
        self.leave(call.call.0, Change::Changed(Box::new(call)));
    }

    /// A call is over, or was refused. Never waits.
    pub(crate) fn ended(&self, record: Box<CallRecord>) {
        self.leave(record.call.0, Change::Ended(record));
    }

    /// Ends the threads; what waits is written into the store first.
    pub(crate) fn close(&self, threads: LiveThreads) {
        self.closing.store(true, Ordering::Relaxed);
        self.came.notify_all();
        for thread in threads.0 {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("a thread that follows live calls panicked");
            }
        }
        self.settle();
        self.take_messages();
        self.finish_ended(None);
    }

    fn run(&self) {
        while !self.is_closing() {
            self.wait_for_news();
            self.settle();
            self.take_messages();
            self.finish_ended(Some(Instant::now()));
            std::thread::sleep(REST);
        }
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Brings what has changed into the mirror. Readers do it too: they see what the driver has left.
    fn settle(&self) {
        let _settling = lock(&self.settling);
        let changes = lock(&self.intake).take_changes();
        if changes.is_empty() {
            return;
        }
        let mut loads = lock(&self.loads);
        let mut calls = self.calls.write().unwrap_or_else(PoisonError::into_inner);
        let (now, mut over) = (Instant::now(), Vec::new());
        for (id, change) in changes {
            match change {
                Change::Changed(call) => match calls.get(&id) {
                    Some(entry) => {
                        loads.changes(&entry.signalling().live.legs, &call.legs);
                        entry.update(*call);
                    }
                    None => {
                        loads.begins(&call.legs, now);
                        calls.insert(id, Arc::new(Entry::new(*call)));
                    }
                },
                Change::Ended(record) => {
                    let entry = calls.remove(&id);
                    match &entry {
                        Some(entry) => loads.ends(&entry.signalling().live.legs),
                        // Refused, or over before anybody looked.
                        None => {
                            let callee = record.callee.as_ref();
                            loads.passes([&record.caller].into_iter().chain(callee), now);
                        }
                    }
                    over.push((record, entry));
                }
            }
        }
        drop(calls);
        drop(loads);
        let mut ended = lock(&self.ended);
        for (record, entry) in over {
            ended.wait(record, entry);
        }
    }

    /// The calls that are up, by their numbers.
    fn entries(&self) -> Vec<Arc<Entry>> {
        self.settle();
        let calls = self.calls.read().unwrap_or_else(PoisonError::into_inner);
        calls.values().cloned().collect()
    }

    /// So many of them with lower numbers than `before`, the latest first.
    fn entries_below(&self, before: Option<u64>, most: usize) -> Vec<Arc<Entry>> {
        let calls = self.calls.read().unwrap_or_else(PoisonError::into_inner);
        let below = (Unbounded, before.map_or(Unbounded, Excluded));
        let below = calls.range(below).rev().take(most);
        below.map(|(_, entry)| Arc::clone(entry)).collect()
    }

    fn entry(&self, call: u64) -> Option<Arc<Entry>> {
        self.settle();
        let calls = self.calls.read().unwrap_or_else(PoisonError::into_inner);
        calls.get(&call).cloned()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked holding it left whole values behind.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
