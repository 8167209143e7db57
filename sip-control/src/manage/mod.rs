//! Trunks, routes, accounts, tokens and webhooks that change while the daemon runs.
//!
//! What is in effect is what `trunkline.toml` says and what the store has, resolved as one. A change
//! is checked as part of the whole, then stored, then applied to the running stack as SIGHUP would
//! (SEC-1: the next call follows it, live calls do not change), one change after the other. Whatever is
//! asked is answered from memory, never from the disk.

mod accounts;
mod change;
mod diff;
mod exchange;
mod kept;
mod model;
mod parts;
mod read;
mod reload;
mod resolve;
mod restore;
mod routes;
mod tokens;
mod trunks;
mod uses;
mod webhooks;

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use tokio::sync::{Mutex, mpsc, watch};

use self::kept::{Kept, Section};
use self::resolve::{Changed, LeaveOut};
use self::restore::Trust;
use self::uses::Uses;
use crate::config::Config;
use crate::events::Hub;
use crate::operation::Operation;
use crate::store::{Entry, Store, StoreError};

pub(crate) use self::diff::Diff;
pub(crate) use self::exchange::Mode;
pub(crate) use self::model::{Actor, IfMatch, ManageError, Managed, Origin, Role};
pub(crate) use self::parts::TrunkPart;
pub(crate) use self::read::section as read_section;
pub(crate) use self::tokens::TokenView;
pub(crate) use self::trunks::targets;
pub(crate) use self::webhooks::WebhookSection;

/// The service behind the API: everything that may be changed, and by what rules.
pub(crate) struct Manager {
    store: Store,
    operations: mpsc::Sender<Operation>,
    /// Held for a change, from the first look to the application. What it guards says whether the
    /// store has what the memory has.
    changing: Mutex<Trust>,
    current: RwLock<Arc<Current>>,
    uses: Uses,
    webhooks: watch::Sender<Arc<Vec<WebhookSection>>>,
    /// Who is told of changes that signalling does not mind.
    hub: OnceLock<Arc<Hub>>,
}

/// What is in effect.
struct Current {
    config: Config,
    kept: Kept,
}

impl Manager {
    /// Joins what the store had to the file's configuration; returns what to start with.
    ///
    /// `entries` is `None` if the store has not answered: it is asked again in the background, and
    /// until then nothing can be changed.
    pub(crate) fn new(
        config: Config,
        entries: Option<Vec<Entry>>,
        store: Store,
        operations: mpsc::Sender<Operation>,
    ) -> (Arc<Manager>, Config) {
        let trust = match entries {
            Some(_) => Trust::Same,
            None => Trust::NeverRead,
        };
        let mut kept = Kept::of(entries.unwrap_or_default());
        let config = match resolve::resolve(&config, &mut kept, LeaveOut::Any, Changed::Nothing) {
            Ok(config) => config,
            Err(error) => {
                tracing::error!("what the store has cannot be used: {error}");
                config
            }
        };
        kept.log_problems();
        let (webhooks, _) = watch::channel(Arc::new(kept.all_webhooks()));
        let current = Current {
            config: config.clone(),
            kept,
        };
        let manager = Manager {
            store,
            operations,
            changing: Mutex::new(trust),
            current: RwLock::new(Arc::new(current)),
            uses: Uses::default(),
            webhooks,
            hub: OnceLock::new(),
        };
        (Arc::new(manager), config)
    }

    /// From now on, tells of changes of tokens and webhooks as signalling does of the others.
    pub(crate) fn tell(&self, hub: Arc<Hub>) {
        // There is one.
        let _ = self.hub.set(hub);
    }

    /// What is in effect now.
    fn current(&self) -> Arc<Current> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    fn install(&self, current: Current) {
        let webhooks = current.kept.all_webhooks();
        let mut place = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *place = Arc::new(current);
        drop(place);
        self.webhooks.send_if_modified(|known| {
            let is_new = **known != webhooks;
            *known = Arc::new(webhooks);
            is_new
        });
    }

    /// All of a kind: those of the file first, then those of the store, in order.
    fn list<T: Section>(&self) -> Vec<Managed<T>> {
        let current = self.current();
        let of_file = T::in_file(&current.config);
        let kept = T::of(&current.kept).iter().enumerate();
        let of_store = kept.map(|(place, item)| item.shown(of_file.len() + place));
        let of_file = of_file.iter().enumerate();
        let of_file = of_file.map(|(place, section)| current.in_file(section, place));
        of_file.chain(of_store).collect()
    }

    fn find<T: Section>(&self, name: &str) -> Result<Managed<T>, ManageError> {
        let current = self.current();
        if let Some((place, section)) = find_in_file::<T>(&current.config, name) {
            return Ok(current.in_file(section, place));
        }
        let (before, key) = (T::in_file(&current.config).len(), T::key(name));
        let mut items = T::of(&current.kept).iter().enumerate();
        let found = items.find(|(_, item)| item.name.eq_ignore_ascii_case(&key));
        let found = found.map(|(place, item)| item.shown(before + place));
        found.ok_or(ManageError::Store(StoreError::Missing))
    }
}

impl Current {
    /// One of the file, as it is shown.
    fn in_file<T: Section>(&self, section: &T, place: usize) -> Managed<T> {
        Managed {
            name: section.file_name(place),
            version: self.config.file_version(),
            body: section.shown(),
            origin: Origin::File,
            position: place,
            updated_ms: None,
            problem: None,
        }
    }
}

fn find_in_file<'a, T: Section>(config: &'a Config, name: &str) -> Option<(usize, &'a T)> {
    let key = T::key(name);
    let mut sections = T::in_file(config).iter().enumerate();
    sections.find(|(place, section)| section.file_name(*place).eq_ignore_ascii_case(&key))
}

#[cfg(test)]
mod tests;
