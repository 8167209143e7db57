//! Which telephones are registered, as signalling has told it: asked without asking the loop of
//! signalling.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};
use std::time::Instant;

use serde::Serialize;
use sip_core::registrar::{BindingRecord, Snapshot};
use utoipa::ToSchema;

/// The bindings of each account.
#[derive(Default)]
pub(crate) struct Registrations {
    listeners: Vec<String>,
    /// By address-of-record, without the scheme.
    accounts: RwLock<BTreeMap<String, Vec<BindingRecord>>>,
}

/// An account that is registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Registered {
    #[schema(example = "sip:alice@example.com")]
    pub(crate) aor: String,
    pub(crate) bindings: Vec<Binding>,
}

/// A place where an account can be called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Binding {
    #[schema(example = "<sip:alice@192.0.2.9:5060>")]
    pub(crate) contact: String,
    /// Where its REGISTER came from.
    pub(crate) source: Option<String>,
    /// How long it still counts.
    pub(crate) expires_s: u64,
    /// Name of the listener that it came to.
    pub(crate) listener: Option<String>,
}

impl Registrations {
    /// `listeners` are their names, by number.
    pub(crate) fn new(listeners: Vec<String>) -> Registrations {
        Registrations {
            listeners,
            accounts: RwLock::default(),
        }
    }

    /// How an account stands from now on.
    pub(crate) fn keep(&self, snapshot: &Snapshot) {
        let aor = snapshot.aor.as_str().to_owned();
        let mut accounts = self
            .accounts
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        match snapshot.bindings.is_empty() {
            true => drop(accounts.remove(&aor)),
            false => drop(accounts.insert(aor, snapshot.bindings.clone())),
        }
    }

    /// Everybody who is registered now.
    pub(crate) fn list(&self) -> Vec<Registered> {
        let now = Instant::now();
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        let registered = accounts.iter().map(|(aor, bindings)| Registered {
            aor: format!("sip:{aor}"),
            bindings: self.of_bindings(bindings, now),
        });
        registered
            .filter(|account| !account.bindings.is_empty())
            .collect()
    }

    /// Where one account can be called.
    pub(crate) fn of(&self, aor: &str) -> Vec<Binding> {
        let aor = aor.split_once(':').map_or(aor, |(_, aor)| aor);
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        let bindings = accounts.get(aor).or_else(|| {
            // The domain is written in any case.
            let same = |other: &&String| other.eq_ignore_ascii_case(aor);
            accounts.get(accounts.keys().find(same)?)
        });
        bindings.map_or_else(Vec::new, |bindings| {
            self.of_bindings(bindings, Instant::now())
        })
    }

    fn of_bindings(&self, bindings: &[BindingRecord], now: Instant) -> Vec<Binding> {
        let current = bindings.iter().filter(|binding| binding.expires > now);
        let told = current.map(|binding| Binding {
            contact: String::from_utf8_lossy(&binding.contact).into_owned(),
            source: binding.source.map(|(_, address)| address.to_string()),
            expires_s: binding.expires.saturating_duration_since(now).as_secs(),
            listener: binding
                .source
                .and_then(|(listener, _)| self.listeners.get(usize::from(listener.0)).cloned()),
        });
        told.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sip_core::registrar::Aor;
    use sip_core::transport::ListenerId;

    use super::*;

    fn binding(expires: Instant) -> BindingRecord {
        BindingRecord {
            contact: b"<sip:alice@192.0.2.9>".to_vec(),
            path: Vec::new(),
            call_id: "a".to_owned(),
            sequence: 1,
            expires,
            instance: None,
            source: Some((ListenerId(1), ([192, 0, 2, 9], 5060).into())),
        }
    }

    #[test]
    fn who_is_registered_is_told_until_it_is_over() {
        let registrations = Registrations::new(vec!["udp".to_owned(), "tls".to_owned()]);
        let soon = Instant::now() + Duration::from_secs(60);
        let snapshot = |bindings| Snapshot {
            aor: Aor::new("alice", "example.com"),
            bindings,
        };
        registrations.keep(&snapshot(vec![binding(soon), binding(Instant::now())]));
        let told = registrations.list();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].aor, "sip:alice@example.com");
        assert_eq!(told[0].bindings.len(), 1);
        assert_eq!(told[0].bindings[0].listener.as_deref(), Some("tls"));
        assert_eq!(registrations.of("sip:alice@Example.com").len(), 1);
        registrations.keep(&snapshot(Vec::new()));
        assert!(registrations.list().is_empty());
    }
}
