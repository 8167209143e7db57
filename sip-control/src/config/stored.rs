//! Trunks, accounts and routes of the store beside those of the file, resolved as one.
//!
//! Those of the file come first, in the order of the file: a fault's index says whose it is.

use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::error::{ConfigError, Fault};
use super::file::File;
use super::reload;
use super::sections::{AccountSection, RouteSection, Sections, TrunkSection};
use super::{Config, route, trunk};

/// What kind of section it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SectionKind {
    Trunk,
    Account,
    Route,
}

impl SectionKind {
    fn of(section: &str) -> Option<SectionKind> {
        match section {
            "trunks" => Some(SectionKind::Trunk),
            "accounts" => Some(SectionKind::Account),
            "routes" => Some(SectionKind::Route),
            _ => None,
        }
    }
}

/// A section, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    InFile(SectionKind, usize),
    /// Its place among those of the store that were given.
    Stored(SectionKind, usize),
}

/// A value that does not make sense, or not beside the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SectionFault {
    /// `None`: it is about all of them together.
    pub(crate) place: Option<Place>,
    /// The section's own field: `acl[0]`; empty for the section as a whole.
    pub(crate) field: String,
    pub(crate) problem: String,
}

impl SectionFault {
    fn of(fault: Fault, file: &File) -> SectionFault {
        let found = (|| {
            let (section, rest) = fault.key.split_once('[')?;
            let (index, rest) = rest.split_once(']')?;
            let (kind, index) = (SectionKind::of(section)?, index.parse::<usize>().ok()?);
            let of_file = match kind {
                SectionKind::Trunk => file.trunks.len(),
                SectionKind::Account => file.accounts.len(),
                SectionKind::Route => file.routes.len(),
            };
            let place = match index.checked_sub(of_file) {
                Some(index) => Place::Stored(kind, index),
                None => Place::InFile(kind, index),
            };
            Some((place, rest.trim_start_matches('.').to_owned()))
        })();
        let (place, field) = found.map_or((None, fault.key), |(place, field)| (Some(place), field));
        SectionFault {
            place,
            field,
            problem: fault.problem,
        }
    }
}

/// A text of `[[trunks]]`, `[[accounts]]` and `[[routes]]` alone.
pub(crate) fn sections_of_toml(text: &str) -> Result<Sections, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError::syntax(Path::new(""), text, &error))
}

/// A number for what something says, where nobody has counted its changes. Never negative.
pub(crate) fn digest(said: &impl Serialize) -> i64 {
    let digest = Sha256::digest(serde_json::to_vec(said).unwrap_or_default());
    let first: [u8; 8] = std::array::from_fn(|place| digest.get(place).copied().unwrap_or(0));
    (u64::from_be_bytes(first) >> 1).cast_signed()
}

impl File {
    /// See [`Config::file_version`].
    pub(super) fn version(&self) -> i64 {
        digest(&(&self.trunks, &self.accounts, &self.routes))
    }

    /// Its own sections, then those.
    fn and(&self, stored: &Sections) -> File {
        let mut both = self.clone();
        both.trunks.extend(stored.trunks.iter().cloned());
        both.accounts.extend(stored.accounts.iter().cloned());
        both.routes.extend(stored.routes.iter().cloned());
        both
    }
}

impl Config {
    /// The trunks that stand in the file, without those of the store.
    pub(crate) fn trunks_of_file(&self) -> &[TrunkSection] {
        &self.file.trunks
    }

    pub(crate) fn accounts_of_file(&self) -> &[AccountSection] {
        &self.file.accounts
    }

    pub(crate) fn routes_of_file(&self) -> &[RouteSection] {
        &self.file.routes
    }

    /// Another number for each thing that the file has ever said of trunks, accounts and routes.
    pub(crate) fn file_version(&self) -> i64 {
        self.file_version
    }

    /// Logs what deserves a look, and did not before.
    pub(crate) fn log_new_warnings(&self, before: &Config) {
        let new = self.warnings.iter();
        for warning in new.filter(|warning| !before.warnings.contains(warning)) {
            tracing::warn!("{warning}");
        }
    }

    /// The same with these sections of the store in place of those that it has. Trunks keep their
    /// ids, those that are gone keep their place without a way in or out.
    pub(crate) fn with_stored(&self, stored: &Sections) -> Result<Config, SectionFault> {
        self.resolved_with(stored)
            .map_err(|fault| SectionFault::of(fault, &self.file))
    }

    fn resolved_with(&self, stored: &Sections) -> Result<Config, Fault> {
        let file = self.file.and(stored);
        let general = self.warnings.iter().take(self.general_warnings);
        let mut warnings: Vec<String> = general.cloned().collect();
        let mut trunks = trunk::resolve(
            &file,
            &self.realms,
            &self.listeners,
            &self.tls,
            &mut warnings,
        )?;
        let mut routes = route::resolve(&file, &trunks)?;
        reload::keep_ids(&self.trunks, &mut trunks, &mut routes)?;
        Ok(Config {
            trunks,
            routes,
            warnings,
            ..self.clone()
        })
    }

    /// A configuration of `self`'s file in which the trunks have the ids that they have in `running`.
    pub(crate) fn keep_ids_of(mut self, running: &Config) -> Result<Config, SectionFault> {
        reload::keep_ids(&running.trunks, &mut self.trunks, &mut self.routes)
            .map_err(|fault| SectionFault::of(fault, &self.file))?;
        Ok(self)
    }
}
