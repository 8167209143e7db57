//! What the store has of the configuration, in memory: never read from the disk again.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::change::Scope;
use super::model::{ManageError, Managed, Origin};
use super::read;
use super::tokens::TokenBody;
use super::webhooks::WebhookSection;
use crate::config::sections::{AccountSection, HoldsSecrets, RouteSection, TrunkSection};
use crate::config::{Config, SectionKind, aor_of};
use crate::store::{Entry, Kind};

/// One object of the store.
#[derive(Clone, Debug)]
pub(super) struct KeptItem<T> {
    pub(super) name: String,
    pub(super) body: T,
    /// 0 until it is stored.
    pub(super) version: i64,
    pub(super) updated_ms: i64,
    /// Why it is left out of what is in effect.
    pub(super) problem: Option<String>,
}

/// Everything of the store that is configuration, each kind in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    pub(super) trunks: Vec<KeptItem<TrunkSection>>,
    pub(super) accounts: Vec<KeptItem<AccountSection>>,
    pub(super) routes: Vec<KeptItem<RouteSection>>,
    pub(super) tokens: Vec<KeptItem<TokenBody>>,
    pub(super) webhooks: Vec<KeptItem<WebhookSection>>,
}

/// A kind of object that is kept.
pub(super) trait Item:
    HoldsSecrets + DeserializeOwned + PartialEq + Serialize + Send + Sync + 'static
{
    const KIND: Kind;
    /// In words, as the audit and refusals have it.
    const WORD: &'static str;

    fn of(kept: &Kept) -> &Vec<KeptItem<Self>>;
    fn of_mut(kept: &mut Kept) -> &mut Vec<KeptItem<Self>>;

    /// The name that an object of that one is kept under, upper and lower case being the same.
    fn key(name: &str) -> String {
        name.to_owned()
    }

    /// What a change of it concerns.
    fn scope(_: &str) -> Scope {
        Scope::Aside
    }
}

/// A kind that is a section of the configuration, and may stand in the file, too.
pub(super) trait Section: Item {
    const SECTION: SectionKind;

    fn in_file(config: &Config) -> &[Self];

    /// What the one at that place of the file is found by.
    fn file_name(&self, place: usize) -> String;
}

impl Item for TrunkSection {
    const KIND: Kind = Kind::Trunk;
    const WORD: &'static str = "trunk";

    fn of(kept: &Kept) -> &Vec<KeptItem<Self>> {
        &kept.trunks
    }

    fn of_mut(kept: &mut Kept) -> &mut Vec<KeptItem<Self>> {
        &mut kept.trunks
    }

    fn scope(name: &str) -> Scope {
        Scope::One(SectionKind::Trunk, name.to_owned())
    }
}

impl Section for TrunkSection {
    const SECTION: SectionKind = SectionKind::Trunk;

    fn in_file(config: &Config) -> &[Self] {
        config.trunks_of_file()
    }

    fn file_name(&self, _: usize) -> String {
        self.name.clone()
    }
}

impl Item for AccountSection {
    const KIND: Kind = Kind::Account;
    const WORD: &'static str = "account";

    fn of(kept: &Kept) -> &Vec<KeptItem<Self>> {
        &kept.accounts
    }

    fn of_mut(kept: &mut Kept) -> &mut Vec<KeptItem<Self>> {
        &mut kept.accounts
    }

    /// With the scheme or without. The case of a user matters to SIP, but not to the store.
    fn key(name: &str) -> String {
        let canonical = aor_of(name).or_else(|| aor_of(&format!("sip:{name}")));
        canonical.unwrap_or_else(|| name.to_owned())
    }

    fn scope(name: &str) -> Scope {
        Scope::One(SectionKind::Account, name.to_owned())
    }
}

impl Section for AccountSection {
    const SECTION: SectionKind = SectionKind::Account;

    fn in_file(config: &Config) -> &[Self] {
        config.accounts_of_file()
    }

    fn file_name(&self, _: usize) -> String {
        AccountSection::key(&self.aor)
    }
}

impl Item for RouteSection {
    const KIND: Kind = Kind::Route;
    const WORD: &'static str = "route";

    fn of(kept: &Kept) -> &Vec<KeptItem<Self>> {
        &kept.routes
    }

    fn of_mut(kept: &mut Kept) -> &mut Vec<KeptItem<Self>> {
        &mut kept.routes
    }

    fn scope(name: &str) -> Scope {
        Scope::One(SectionKind::Route, name.to_owned())
    }
}

impl Section for RouteSection {
    const SECTION: SectionKind = SectionKind::Route;

    fn in_file(config: &Config) -> &[Self] {
        config.routes_of_file()
    }

    fn file_name(&self, place: usize) -> String {
        format!("file-{place}")
    }
}

impl Kept {
    /// What the store had. What cannot be read is left out and told of.
    pub(super) fn of(mut entries: Vec<Entry>) -> Kept {
        let mut kept = Kept::default();
        entries.sort_by_key(|entry| entry.position);
        for entry in entries {
            let (kind, name) = (entry.kind, entry.name.clone());
            let taken = match kind {
                Kind::Trunk => kept.take::<TrunkSection>(entry),
                Kind::Account => kept.take::<AccountSection>(entry),
                Kind::Route => kept.take::<RouteSection>(entry),
                Kind::Token => kept.take::<TokenBody>(entry),
                Kind::Webhook => kept.take::<WebhookSection>(entry),
            };
            if let Err(error) = taken {
                tracing::error!(
                    ?kind,
                    name,
                    "the store has one that cannot be read: {error}"
                );
            }
        }
        kept
    }

    fn take<T: Item>(&mut self, entry: Entry) -> Result<(), ManageError> {
        let body = read::section(entry.body)?;
        T::of_mut(self).push(KeptItem {
            name: entry.name,
            body,
            version: entry.version,
            updated_ms: entry.updated_ms,
            problem: None,
        });
        Ok(())
    }

    /// What the store has said of the entries that were changed.
    pub(super) fn settle(&mut self, entries: &[Entry]) {
        fn one<T: Item>(kept: &mut Kept, entry: &Entry) {
            let mut items = T::of_mut(kept).iter_mut();
            if let Some(item) = items.find(|item| item.name == entry.name) {
                item.version = entry.version;
                item.updated_ms = entry.updated_ms;
            }
        }
        for entry in entries {
            match entry.kind {
                Kind::Trunk => one::<TrunkSection>(self, entry),
                Kind::Account => one::<AccountSection>(self, entry),
                Kind::Route => one::<RouteSection>(self, entry),
                Kind::Token => one::<TokenBody>(self, entry),
                Kind::Webhook => one::<WebhookSection>(self, entry),
            }
        }
    }

    pub(super) fn find<T: Item>(&self, name: &str) -> Option<&KeptItem<T>> {
        let key = T::key(name);
        let mut items = T::of(self).iter();
        items.find(|item| item.name.eq_ignore_ascii_case(&key))
    }

    /// Puts it in the place of the one of that name, or at the end.
    pub(super) fn put<T: Item>(&mut self, name: &str, body: T) {
        let items = T::of_mut(self);
        let mut known = items.iter_mut();
        match known.find(|item| item.name.eq_ignore_ascii_case(name)) {
            Some(item) => item.body = body,
            None => items.push(KeptItem {
                name: name.to_owned(),
                body,
                version: 0,
                updated_ms: 0,
                problem: None,
            }),
        }
    }

    pub(super) fn remove<T: Item>(&mut self, name: &str) {
        T::of_mut(self).retain(|item| !item.name.eq_ignore_ascii_case(name));
    }

    /// Moves it to that place among its kind, or to the end; whether that changes anything.
    pub(super) fn move_to<T: Item>(&mut self, name: &str, place: usize) -> bool {
        let items = T::of_mut(self);
        let mut known = items.iter();
        let Some(from) = known.position(|item| item.name.eq_ignore_ascii_case(name)) else {
            return false;
        };
        let to = place.min(items.len().saturating_sub(1));
        let item = items.remove(from);
        items.insert(to, item);
        from != to
    }

    /// The names of a kind, in order.
    pub(super) fn names<T: Item>(&self) -> Vec<String> {
        T::of(self).iter().map(|item| item.name.clone()).collect()
    }

    /// Tells the log what is not in effect, and why.
    pub(super) fn log_problems(&self) {
        fn log<T: Item>(items: &[KeptItem<T>]) {
            let problems = items
                .iter()
                .filter_map(|item| Some((item, item.problem.as_ref()?)));
            for (item, problem) in problems {
                tracing::error!(
                    "{} {} of the store does not fit trunkline.toml and is left out: {problem}",
                    T::WORD,
                    item.name
                );
            }
        }
        log(&self.trunks);
        log(&self.accounts);
        log(&self.routes);
    }
}

impl<T: Item> KeptItem<T> {
    pub(super) fn shown(&self, position: usize) -> Managed<T> {
        Managed {
            name: self.name.clone(),
            body: self.body.shown(),
            origin: Origin::Store,
            version: self.version,
            position,
            updated_ms: Some(self.updated_ms),
            problem: self.problem.clone(),
        }
    }
}
