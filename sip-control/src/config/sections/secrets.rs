//! Secrets within sections: written, kept, never told unless asked for by name.

use serde::Serialize;
use serde_json::Value;

use super::{AccountSection, CredentialSection, RouteSection, TrunkSection};
use crate::config::secret::Secret;

/// A secret of a section: its JSON pointer (RFC 6901), and its place.
type Place<'a> = (String, &'a mut Option<Secret>);

/// A section that may have secrets in it.
pub(crate) trait HoldsSecrets: Clone + Serialize {
    /// Every place for one.
    fn secrets(&mut self) -> Vec<Place<'_>>;

    /// Says of each item whether it has any; with `None`, nothing is said.
    fn tell_secrets(&mut self, told: fn(bool) -> Option<bool>);

    /// Takes from `old` the secrets of every item that comes without.
    fn keep_secrets(&mut self, old: &Self);

    /// As it is shown: without secrets, but with `has_password` for them.
    fn shown(&self) -> Self {
        let mut shown = self.clone();
        shown.tell_secrets(Some);
        for (_, secret) in shown.secrets() {
            *secret = None;
        }
        shown
    }

    /// As it is kept: what only the shown form has is dropped.
    fn kept(mut self) -> Self {
        self.tell_secrets(|_| None);
        self
    }

    /// As JSON, with every secret in the clear: for the store, and for an export that asks for it.
    fn dangerous_revealed(&self) -> Value {
        let mut section = self.clone().kept();
        let mut value = serde_json::to_value(&section).unwrap_or_default();
        for (pointer, secret) in section.secrets() {
            let (item, field) = pointer.rsplit_once('/').unwrap_or(("", &pointer));
            let item = value.pointer_mut(item).and_then(Value::as_object_mut);
            if let (Some(item), Some(secret)) = (item, secret) {
                item.insert(field.to_owned(), secret.expose().into());
            }
        }
        value
    }
}

impl HoldsSecrets for TrunkSection {
    fn secrets(&mut self) -> Vec<Place<'_>> {
        let mut places = Vec::new();
        for (index, credential) in self.credentials.iter_mut().enumerate() {
            places.extend(credential.places(&format!("/credentials/{index}")));
        }
        if let Some(auth) = &mut self.auth {
            places.push(("/auth/password".to_owned(), &mut auth.password));
        }
        places
    }

    fn tell_secrets(&mut self, told: fn(bool) -> Option<bool>) {
        for credential in &mut self.credentials {
            credential.has_password = told(credential.has_secret());
        }
        if let Some(auth) = &mut self.auth {
            auth.has_password = told(auth.password.is_some());
        }
    }

    /// The same user's.
    fn keep_secrets(&mut self, old: &TrunkSection) {
        for credential in &mut self.credentials {
            let mut others = old.credentials.iter();
            if let Some(other) = others.find(|other| other.user == credential.user)
                && !credential.has_secret()
            {
                *credential = other.clone();
            }
        }
        if let (Some(auth), Some(other)) = (&mut self.auth, &old.auth)
            && auth.password.is_none()
            && auth.user == other.user
        {
            auth.password.clone_from(&other.password);
        }
    }
}

impl HoldsSecrets for AccountSection {
    fn secrets(&mut self) -> Vec<Place<'_>> {
        vec![
            ("/password".to_owned(), &mut self.password),
            ("/ha1_md5".to_owned(), &mut self.ha1_md5),
            ("/ha1_sha256".to_owned(), &mut self.ha1_sha256),
        ]
    }

    fn tell_secrets(&mut self, told: fn(bool) -> Option<bool>) {
        self.has_password = told(self.has_secret());
    }

    /// The HA1 is of a user: another user needs another.
    fn keep_secrets(&mut self, old: &AccountSection) {
        if self.has_secret() {
            return;
        }
        self.password.clone_from(&old.password);
        if self.user == old.user {
            self.ha1_md5.clone_from(&old.ha1_md5);
            self.ha1_sha256.clone_from(&old.ha1_sha256);
        }
    }
}

impl HoldsSecrets for RouteSection {
    fn secrets(&mut self) -> Vec<Place<'_>> {
        Vec::new()
    }

    fn tell_secrets(&mut self, _: fn(bool) -> Option<bool>) {}

    fn keep_secrets(&mut self, _: &RouteSection) {}
}

impl AccountSection {
    fn has_secret(&self) -> bool {
        let secrets = [&self.password, &self.ha1_md5, &self.ha1_sha256];
        secrets.into_iter().any(Option::is_some)
    }
}

impl CredentialSection {
    fn has_secret(&self) -> bool {
        let secrets = [&self.password, &self.ha1_md5, &self.ha1_sha256];
        secrets.into_iter().any(Option::is_some)
    }

    fn places(&mut self, pointer: &str) -> [Place<'_>; 3] {
        [
            (format!("{pointer}/password"), &mut self.password),
            (format!("{pointer}/ha1_md5"), &mut self.ha1_md5),
            (format!("{pointer}/ha1_sha256"), &mut self.ha1_sha256),
        ]
    }
}
