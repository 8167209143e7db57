//! Trunks, accounts and routes as TOML: out of a running daemon, and into its store.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::change::{Plan, Record, Scope};
use super::diff::{self, ChangeWord, Diff, ObjectDiff};
use super::kept::{Item, Kept, Section};
use super::model::{Actor, ManageError};
use super::{Manager, find_in_file, tokens};
use crate::config::sections::{AccountSection, RouteSection, TrunkSection};
use crate::config::{Config, SectionKind, sections_of_toml};
use crate::store::{Change, Expected};

/// What becomes of objects of the store that the text does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They stay.
    Merge,
    /// They are removed.
    Replace,
}

impl Manager {
    /// Everything that is in effect, in the order of the file: what stands in `trunkline.toml` first.
    /// Without secrets it can be imported where those are known already.
    pub(crate) fn export(&self, with_secrets: bool) -> String {
        let current = self.current();
        let mut text = String::new();
        write::<TrunkSection>(&current.config, &current.kept, with_secrets, &mut text);
        write::<AccountSection>(&current.config, &current.kept, with_secrets, &mut text);
        write::<RouteSection>(&current.config, &current.kept, with_secrets, &mut text);
        text
    }

    /// What importing the text would change; and with `apply` it is changed, all of it or nothing.
    ///
    /// What stands in the file may stand in the text, too, if it is the same.
    pub(crate) async fn import(
        self: &Arc<Self>,
        who: &Actor,
        toml: &str,
        mode: Mode,
        apply: bool,
    ) -> Result<Diff, ManageError> {
        let sections = sections_of_toml(toml)
            .map_err(|error| ManageError::field(error.key().to_owned(), error.told()))?;
        self.change(who, move |kept, config| {
            let mut import = Import {
                kept: kept.clone(),
                changes: Vec::new(),
                diffs: Vec::new(),
                changed: Vec::new(),
                config,
                mode,
            };
            import.named(sections.trunks, |trunk| trunk.name.clone())?;
            import.named(sections.accounts, |account| {
                AccountSection::key(&account.aor)
            })?;
            import.routes(sections.routes);
            Ok(import.plan(apply))
        })
        .await
    }
}

/// `[[trunks]]` and the like, one after the other.
fn write<T: Section>(config: &Config, kept: &Kept, with_secrets: bool, text: &mut String) {
    let of_store = T::of(kept).iter().map(|item| &item.body);
    for section in T::in_file(config).iter().chain(of_store) {
        let value = match with_secrets {
            true => section.dangerous_revealed(),
            false => serde_json::to_value(section.clone().kept()).unwrap_or_default(),
        };
        let one = Map::from_iter([(format!("{}s", T::WORD), Value::Array(vec![value]))]);
        // Sections have nothing that TOML has not.
        let one = toml::to_string(&one).unwrap_or_default();
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&one);
    }
}

/// An import as it grows.
struct Import<'a> {
    kept: Kept,
    changes: Vec<Change>,
    diffs: Vec<ObjectDiff>,
    changed: Vec<(SectionKind, String)>,
    config: &'a Config,
    mode: Mode,
}

impl Import<'_> {
    /// Objects that have names.
    fn named<T: Section>(
        &mut self,
        sections: Vec<T>,
        name_of: impl Fn(&T) -> String,
    ) -> Result<(), ManageError> {
        let mut named = Vec::new();
        for (place, section) in sections.into_iter().enumerate() {
            let (name, mut section) = (name_of(&section), section.kept());
            if named
                .iter()
                .any(|other: &String| other.eq_ignore_ascii_case(&name))
            {
                let field = format!("{}s[{place}]", T::WORD);
                return Err(ManageError::field(
                    field,
                    format!("{name:?} is there twice"),
                ));
            }
            if let Some((place, other)) = find_in_file::<T>(self.config, &name) {
                section.keep_secrets(other);
                if section != *other {
                    let name = other.file_name(place);
                    return Err(ManageError::DefinedInFile(format!("{} {name}", T::WORD)));
                }
                continue;
            }
            self.put(&name, section);
            named.push(name);
        }
        if self.mode == Mode::Replace {
            let known = self.kept.names::<T>().into_iter();
            let gone = known.filter(|name| !named.iter().any(|it| it.eq_ignore_ascii_case(name)));
            for name in gone.collect::<Vec<_>>() {
                self.remove::<T>(&name);
            }
        }
        Ok(())
    }

    /// Routes have no names: one that says the same is the same.
    fn routes(&mut self, sections: Vec<RouteSection>) {
        let mut of_file: Vec<&RouteSection> = self.config.routes_of_file().iter().collect();
        let mut known = self.kept.routes.clone();
        let mut order = Vec::new();
        for section in sections {
            if let Some(place) = of_file.iter().position(|other| **other == section) {
                of_file.remove(place);
            } else if let Some(place) = known.iter().position(|item| item.body == section) {
                order.push(known.remove(place).name);
            } else {
                let id = format!("r{}", tokens::random_id());
                self.put(&id, section);
                order.push(id);
            }
        }
        if self.mode == Mode::Merge {
            return;
        }
        for item in known {
            self.remove::<RouteSection>(&item.name);
        }
        self.order(&order);
    }

    fn order(&mut self, names: &[String]) {
        let mut moved = false;
        for (place, name) in names.iter().enumerate() {
            let is_new = self.diffs.iter().any(|diff| diff.name == *name);
            if self.kept.move_to::<RouteSection>(name, place) {
                moved = true;
                if !is_new {
                    self.diffs.push(ObjectDiff {
                        kind: RouteSection::WORD,
                        name: name.clone(),
                        change: ChangeWord::Move,
                        fields: Vec::new(),
                    });
                }
            }
        }
        if moved {
            self.changes.push(Change::Reorder {
                kind: RouteSection::KIND,
                names: names.to_vec(),
            });
        }
    }

    fn put<T: Section>(&mut self, name: &str, mut section: T) {
        let old = self.kept.find::<T>(name);
        let name = old.map_or(name, |old| old.name.as_str()).to_owned();
        if let Some(old) = old {
            section.keep_secrets(&old.body);
        }
        if old.is_some_and(|old| old.body == section) {
            return;
        }
        self.diffs.push(ObjectDiff {
            kind: T::WORD,
            name: name.clone(),
            change: match old {
                Some(_) => ChangeWord::Update,
                None => ChangeWord::Add,
            },
            fields: diff::fields(old.map(|old| &old.body), Some(&section)),
        });
        self.changes.push(Change::Put {
            kind: T::KIND,
            name: name.clone(),
            position: None,
            body: section.dangerous_revealed(),
            expected: match old {
                Some(old) => Expected::Version(old.version),
                None => Expected::Absent,
            },
        });
        self.kept.put(&name, section);
        self.changed.push((T::SECTION, name));
    }

    fn remove<T: Section>(&mut self, name: &str) {
        let Some(old) = self.kept.find::<T>(name) else {
            return;
        };
        self.diffs.push(ObjectDiff {
            kind: T::WORD,
            name: name.to_owned(),
            change: ChangeWord::Remove,
            fields: diff::fields(Some(&old.body), None),
        });
        self.changes.push(Change::Delete {
            kind: T::KIND,
            name: name.to_owned(),
            expected: Expected::Version(old.version),
        });
        self.kept.remove::<T>(name);
    }

    fn plan(self, apply: bool) -> (Plan, Diff) {
        let changes = self.diffs.iter().map(|diff| {
            json!({
                "kind": diff.kind,
                "name": diff.name,
                "change": diff.change,
                "fields": diff::detail(&diff.fields),
            })
        });
        let plan = Plan {
            record: Record {
                action: "configuration.import".to_owned(),
                object: String::new(),
                detail: json!({ "changes": changes.collect::<Vec<Value>>() }),
            },
            kept: self.kept,
            changes: self.changes,
            changed: Scope::Several(self.changed),
            only_looks: !apply,
        };
        let diff = Diff {
            changes: self.diffs,
            applied: apply,
        };
        (plan, diff)
    }
}
