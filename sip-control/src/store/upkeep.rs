//! What the writer does when nothing waits: looks after the file, deletes what is too old, has the
//! whole of it checked.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::backend::Reserved;
use super::retention::retention;
use super::shared::Check;
use super::writer::Writer;

impl Writer {
    /// Looks whether the file is there, and deletes what is too old, some at a time.
    pub(super) fn keep_house(&mut self) {
        let now = Instant::now();
        if self.house_at() > now {
            return;
        }
        if self.tend_at <= now {
            self.tend_at = now + self.pace.tend;
            match self.backend() {
                Ok(backend) => {
                    let bytes = backend.bytes();
                    self.shared.condition.bytes.store(bytes, Ordering::Relaxed);
                    // After a failure only a write shows that it works again.
                    if self.failures > 0 || self.reserved == Reserved::default() {
                        self.retry_at = None;
                        self.try_reservation();
                    }
                }
                Err(failure) => return self.recover(&failure),
            }
        }
        if self.sweep_at <= now {
            self.sweep(now);
        }
    }

    /// Writes the reservation again, as a trial.
    fn try_reservation(&mut self) {
        self.reserved = Reserved::default();
        self.write(Vec::new(), Vec::new());
    }

    fn sweep(&mut self, now: Instant) {
        self.sweep_at = now + self.pace.sweep;
        let retention = retention(&self.settings, self.clock.now_ms());
        match self.backend().and_then(|backend| backend.sweep(&retention)) {
            Ok(swept) if swept.more => self.sweep_at = Instant::now() + self.pace.between_sweeps,
            Ok(_) => {}
            Err(failure) => self.recover(&failure),
        }
    }

    pub(super) fn look_at_check(&mut self, check: Check) {
        match check {
            Check::Idle | Check::Running => {}
            Check::Wanted => self.begin_check(),
            Check::Damaged => {
                self.shared.lock().check = Check::Idle;
                self.begin_anew();
            }
        }
    }

    /// Has the whole file read, beside everything else: that may take minutes.
    pub(super) fn begin_check(&mut self) {
        if self.backend.is_none() {
            self.shared.lock().check = Check::Idle;
            return;
        }
        self.shared.lock().check = Check::Running;
        let (shared, place) = (Arc::clone(&self.shared), Arc::clone(&self.place));
        let generation = shared.generation.load(Ordering::SeqCst);
        let check = move || {
            let is_damaged = matches!(place.is_sound(), Ok(false));
            let is_same = shared.generation.load(Ordering::SeqCst) == generation;
            shared.lock().check = match is_damaged && is_same {
                true => Check::Damaged,
                false => Check::Idle,
            };
            shared.changed.notify_one();
        };
        let thread = std::thread::Builder::new().name("store-check".to_owned());
        if let Err(error) = thread.spawn(check) {
            self.shared.lock().check = Check::Idle;
            tracing::warn!("the store is not checked: {error}");
        }
    }
}
