//! Those who read, beside the one who writes: a few connections, each used by one at a time.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::backend::Place;
use super::entry::StoreError;
use super::reader::Reader;
use super::shared::Shared;

/// At once; more wait.
const READERS: usize = 4;
/// How long somebody waits: for a connection, and then for the disk.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Readers {
    place: Arc<dyn Place>,
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
    /// With the generation of the file that each is of.
    idle: Mutex<Vec<(u64, Box<dyn Reader + Send>)>>,
}

impl Readers {
    pub(super) fn new(place: Arc<dyn Place>, shared: Arc<Shared>) -> Readers {
        Readers {
            place,
            shared,
            permits: Arc::new(Semaphore::new(READERS)),
            idle: Mutex::default(),
        }
    }

    pub(super) async fn read<T, F>(self: &Arc<Self>, ask: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
    {
        let busy = || StoreError::Unavailable("too much is read at once".to_owned());
        let permit = timeout(PATIENCE, Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(|_| busy())?
            .map_err(|_| busy())?;
        let readers = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            readers.ask(ask)
        });
        match timeout(PATIENCE, read).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(panicked)) => Err(StoreError::Unavailable(panicked.to_string())),
            Err(_) => Err(StoreError::Unavailable(
                "the disk does not answer".to_owned(),
            )),
        }
    }

    fn ask<T>(
        &self,
        ask: impl FnOnce(&dyn Reader) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let generation = self.shared.generation.load(Ordering::SeqCst);
        let reader = match self.take(generation) {
            Some(reader) => reader,
            None => self.place.reader()?,
        };
        let answer = ask(&*reader);
        match &answer {
            // What is wrong with it may be wrong with its connection, or with the whole file.
            Err(StoreError::Unavailable(problem)) => {
                self.shared.condition.noted(problem);
                self.shared.want_check();
            }
            _ => self.lock().push((generation, reader)),
        }
        answer
    }

    fn take(&self, generation: u64) -> Option<Box<dyn Reader + Send>> {
        let mut idle = self.lock();
        idle.retain(|(of, _)| *of == generation);
        idle.pop().map(|(_, reader)| reader)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Box<dyn Reader + Send>)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes those that nobody uses.
    pub(super) fn close(&self) {
        self.lock().clear();
    }
}
