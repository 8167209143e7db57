//! The store may lose what it had, or not say whether a change was written. What is in memory is what
//! is in effect: the store is made to have the same again.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::change::{self, Record};
use super::kept::{Item, Kept};
use super::model::{Actor, ManageError, Role};
use super::resolve::{self, Changed, LeaveOut};
use super::tokens::TokenBody;
use super::{Manager, WebhookSection};
use crate::config::sections::{AccountSection, RouteSection, TrunkSection};
use crate::store::{Change, Entry, Expected, Kind, Reader, StoreError};

/// While the store has not been read at all.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// How often it is compared with the memory.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Whether the store has what the memory has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    Same,
    /// It did not answer when the process started: the memory is empty.
    NeverRead,
    Doubtful,
}

impl Manager {
    /// Looks after the store for ever: reads it if it could not be read, and gives back to it what it
    /// has lost.
    pub(crate) async fn tend(self: Arc<Self>) {
        loop {
            let never_read = *self.changing.lock().await == Trust::NeverRead;
            tokio::time::sleep(if never_read { ASK_AGAIN } else { LOOK_AGAIN }).await;
            let mut trust = self.changing.lock().await;
            if *trust == Trust::Same {
                *trust = Trust::Doubtful;
            }
            // What fails is counted by the store, and tried again.
            let _ = self.restore(&mut trust).await;
        }
    }

    /// Makes memory and store the same.
    pub(super) async fn restore(&self, trust: &mut Trust) -> Result<(), ManageError> {
        match *trust {
            Trust::Same => return Ok(()),
            Trust::NeverRead => self.adopt(self.store.read(all).await?).await?,
            Trust::Doubtful => self.write_back(self.store.read(all).await?).await?,
        }
        *trust = Trust::Same;
        Ok(())
    }

    /// Puts into effect what the store has, for the first time.
    async fn adopt(&self, entries: Vec<Entry>) -> Result<(), ManageError> {
        let current = self.current();
        let resolved = tokio::task::spawn_blocking(move || {
            let mut kept = Kept::of(entries);
            let config =
                resolve::resolve(&current.config, &mut kept, LeaveOut::Any, Changed::Nothing)?;
            Ok::<_, ManageError>((config, kept))
        });
        let resolved = resolved.await;
        let (config, kept) = resolved.map_err(|error| {
            let problem = format!("it could not be checked: {error}");
            StoreError::Unavailable(problem)
        })??;
        kept.log_problems();
        tracing::info!("the store is read: its trunks, accounts and routes are in effect");
        self.put_into_effect(config, kept).await;
        Ok(())
    }

    async fn write_back(&self, entries: Vec<Entry>) -> Result<(), ManageError> {
        let current = self.current();
        let mut kept = current.kept.clone();
        let changes = missing(&kept, &entries);
        kept.settle(&entries);
        if !changes.is_empty() {
            let objects = changes.len();
            tracing::warn!(
                objects,
                "the store has lost configuration: it is written again"
            );
            let who = Actor {
                name: "trunkline".to_owned(),
                role: Role::Admin,
                from: "itself".to_owned(),
            };
            let record = Record {
                action: "store.restore".to_owned(),
                object: String::new(),
                detail: json!({ "objects": objects }),
            };
            let audit = change::audit(&who, record);
            let entries = self.store.change(changes, audit).await?;
            kept.settle(&entries);
        }
        self.install(super::Current {
            config: current.config.clone(),
            kept,
        });
        Ok(())
    }
}

fn all(reader: &dyn Reader) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    for kind in Kind::ALL {
        entries.extend(reader.entries(kind)?);
    }
    Ok(entries)
}

/// What makes `entries` what `kept` is.
fn missing(kept: &Kept, entries: &[Entry]) -> Vec<Change> {
    let mut changes = Vec::new();
    of_kind::<TrunkSection>(kept, entries, &mut changes);
    of_kind::<AccountSection>(kept, entries, &mut changes);
    of_kind::<RouteSection>(kept, entries, &mut changes);
    of_kind::<TokenBody>(kept, entries, &mut changes);
    of_kind::<WebhookSection>(kept, entries, &mut changes);
    changes
}

fn of_kind<T: Item>(kept: &Kept, entries: &[Entry], changes: &mut Vec<Change>) {
    let (kind, before) = (T::KIND, changes.len());
    let stored: Vec<&Entry> = entries.iter().filter(|entry| entry.kind == kind).collect();
    for entry in &stored {
        // One that could not be read is not known here, and stays.
        let is_readable = super::read::section::<T>(entry.body.clone()).is_ok();
        if is_readable && kept.find::<T>(&entry.name).is_none() {
            changes.push(Change::Delete {
                kind,
                name: entry.name.clone(),
                expected: Expected::Any,
            });
        }
    }
    for item in T::of(kept) {
        let body = item.body.dangerous_revealed();
        let mut others = stored.iter();
        if !others.any(|entry| entry.name == item.name && entry.body == body) {
            changes.push(Change::Put {
                kind,
                name: item.name.clone(),
                position: None,
                body,
                expected: Expected::Any,
            });
        }
    }
    let names = kept.names::<T>();
    let known = stored.iter().filter(|entry| names.contains(&entry.name));
    let same_order = known.map(|entry| &entry.name).eq(&names);
    if changes.len() > before || !same_order {
        changes.push(Change::Reorder { kind, names });
    }
}
