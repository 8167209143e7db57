//! What the loop of signalling tells the API, because nobody may ask it for as much.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use sip_core::registrar::Snapshot;

use super::Registrations;
use crate::config::Config;

/// The way from the loop of signalling to the API; nothing here waits.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) registrations: Arc<Registrations>,
    /// What the port proves itself with.
    pub(super) tls: Arc<RwLock<Option<Arc<ServerConfig>>>>,
}

impl Told {
    pub(crate) fn new(config: &Config) -> Told {
        let listeners = config.listeners.iter();
        let names = listeners.map(|listener| listener.name.clone());
        Told {
            registrations: Arc::new(Registrations::new(names.collect())),
            tls: Arc::new(RwLock::new(config.api.tls.clone())),
        }
    }

    /// An account stands like that from now on.
    pub(crate) fn registered(&self, snapshot: &Snapshot) {
        self.registrations.keep(snapshot);
    }

    /// New connections are met with the certificates that were just read.
    pub(crate) fn configured(&self, config: &Config) {
        let mut tls = self.tls.write().unwrap_or_else(PoisonError::into_inner);
        tls.clone_from(&config.api.tls);
    }
}
