//! What the store has, beside what the file says, becomes the configuration in effect.
//!
//! An object of the store that no longer fits the file, because somebody has edited that, is left out
//! and told of: at a start everything else works, and no change of something else is held up by it.
//! A change that would make it so is refused.

use super::kept::{Item, Kept, KeptItem, Section};
use super::model::ManageError;
use crate::config::sections::{AccountSection, RouteSection, Sections, TrunkSection};
use crate::config::{Config, Place, SectionFault, SectionKind};

/// What may be left out, where it does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeaveOut {
    /// Anything: the process starts.
    Any,
    /// What was left out before.
    KnownProblems,
}

/// What somebody wants to change: what is wrong with it is told by its field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Changed<'a> {
    /// Nothing of the store itself.
    Nothing,
    One(SectionKind, &'a str),
    Several(&'a [(SectionKind, String)]),
}

/// The configuration with everything of `kept` that fits; the rest gets its problem told there.
pub(super) fn resolve(
    config: &Config,
    kept: &mut Kept,
    leave_out: LeaveOut,
    changed: Changed<'_>,
) -> Result<Config, ManageError> {
    let known = Included::with_problems(kept);
    clear_problems(kept);
    loop {
        let (sections, included) = Included::sections(kept);
        let fault = match config.with_stored(&sections) {
            Ok(config) => return Ok(config),
            Err(fault) => fault,
        };
        let culprit = included.at(&fault);
        if let Some(field) = culprit.and_then(|culprit| culprit.field(kept, &fault, changed)) {
            return Err(ManageError::field(field, fault.problem));
        }
        if culprit.is_some_and(|culprit| leave_out == LeaveOut::Any || known.has(culprit)) {
            included.leave_out(kept, culprit, &fault);
            continue;
        }
        // A fault that cannot be laid at anything of the store, but which the file has not alone.
        let candidates = match (culprit, leave_out) {
            (Some(culprit), _) => return Err(conflict(&culprit.describe(kept), &fault)),
            (None, LeaveOut::KnownProblems) => known.still_in(&included),
            (None, LeaveOut::Any) => included.suspects(kept, &fault, config),
        };
        if candidates.is_empty() {
            return Err(conflict(&in_file(config, &fault), &fault));
        }
        for culprit in candidates {
            culprit.leave_out(kept, &fault);
        }
    }
}

fn conflict(object: &str, fault: &SectionFault) -> ManageError {
    let field = match fault.field.as_str() {
        "" => String::new(),
        field => format!("{field}: "),
    };
    ManageError::Conflict(format!("{object}: {field}{}", fault.problem))
}

/// The one of the file that a fault is at, in words.
fn in_file(config: &Config, fault: &SectionFault) -> String {
    let (trunks, accounts) = (config.trunks_of_file(), config.accounts_of_file());
    let name = match fault.place {
        Some(Place::InFile(SectionKind::Trunk, at)) => trunks.get(at).map(|trunk| &trunk.name),
        Some(Place::InFile(SectionKind::Account, at)) => accounts.get(at).map(|it| &it.aor),
        _ => None,
    };
    match (fault.place, name) {
        (Some(Place::InFile(kind, _)), Some(name)) => format!("{} {name}", word(kind)),
        (Some(Place::InFile(kind, at)), None) => format!("{} file-{at}", word(kind)),
        _ => "the configuration".to_owned(),
    }
}

fn word(kind: SectionKind) -> &'static str {
    match kind {
        SectionKind::Trunk => TrunkSection::WORD,
        SectionKind::Account => AccountSection::WORD,
        SectionKind::Route => RouteSection::WORD,
    }
}

/// An object of the store that a fault is at, by its place in [`Kept`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Culprit {
    kind: SectionKind,
    place: usize,
}

impl Culprit {
    /// The field by which whoever changes something knows it.
    fn field(self, kept: &Kept, fault: &SectionFault, changed: Changed<'_>) -> Option<String> {
        let name = self.name(kept);
        match changed {
            Changed::One(kind, changed) => {
                let is_it = self.kind == kind && name.eq_ignore_ascii_case(changed);
                is_it.then(|| fault.field.clone())
            }
            Changed::Several(changed) => {
                let is_it = |(kind, other): &(SectionKind, String)| {
                    *kind == self.kind && name.eq_ignore_ascii_case(other)
                };
                let field = || format!("{}s[{name}].{}", word(self.kind), fault.field);
                changed.iter().any(is_it).then(field)
            }
            Changed::Nothing => None,
        }
    }

    fn name(self, kept: &Kept) -> &str {
        fn name<T: Item>(kept: &Kept, place: usize) -> &str {
            T::of(kept).get(place).map_or("", |item| item.name.as_str())
        }
        match self.kind {
            SectionKind::Trunk => name::<TrunkSection>(kept, self.place),
            SectionKind::Account => name::<AccountSection>(kept, self.place),
            SectionKind::Route => name::<RouteSection>(kept, self.place),
        }
    }

    fn describe(self, kept: &Kept) -> String {
        format!("{} {}", word(self.kind), self.name(kept))
    }

    fn leave_out(self, kept: &mut Kept, fault: &SectionFault) {
        fn tell<T: Section>(kept: &mut Kept, place: usize, problem: String) {
            if let Some(item) = T::of_mut(kept).get_mut(place) {
                item.problem = Some(problem);
            }
        }
        let problem = match fault.field.as_str() {
            "" => fault.problem.clone(),
            field => format!("{field}: {}", fault.problem),
        };
        match self.kind {
            SectionKind::Trunk => tell::<TrunkSection>(kept, self.place, problem),
            SectionKind::Account => tell::<AccountSection>(kept, self.place, problem),
            SectionKind::Route => tell::<RouteSection>(kept, self.place, problem),
        }
    }
}

/// Perhaps everything fits now.
fn clear_problems(kept: &mut Kept) {
    for item in &mut kept.trunks {
        item.problem = None;
    }
    for item in &mut kept.accounts {
        item.problem = None;
    }
    for item in &mut kept.routes {
        item.problem = None;
    }
}

/// Places in [`Kept`], by kind.
#[derive(Default)]
struct Included {
    trunks: Vec<usize>,
    accounts: Vec<usize>,
    routes: Vec<usize>,
}

impl Included {
    /// Those that had a problem.
    fn with_problems(kept: &Kept) -> Included {
        fn places<T>(items: &[KeptItem<T>]) -> Vec<usize> {
            let items = items.iter().enumerate();
            let items = items.filter(|(_, item)| item.problem.is_some());
            items.map(|(place, _)| place).collect()
        }
        Included {
            trunks: places(&kept.trunks),
            accounts: places(&kept.accounts),
            routes: places(&kept.routes),
        }
    }

    /// What has no problem so far, and where each of it stands in `kept`.
    fn sections(kept: &Kept) -> (Sections, Included) {
        fn fine<T: Clone>(items: &[KeptItem<T>]) -> (Vec<T>, Vec<usize>) {
            let items = items.iter().enumerate();
            let items = items.filter(|(_, item)| item.problem.is_none());
            items
                .map(|(place, item)| (item.body.clone(), place))
                .unzip()
        }
        let (trunks, trunk_places) = fine(&kept.trunks);
        let (accounts, account_places) = fine(&kept.accounts);
        let (routes, route_places) = fine(&kept.routes);
        let sections = Sections {
            trunks,
            accounts,
            routes,
        };
        let included = Included {
            trunks: trunk_places,
            accounts: account_places,
            routes: route_places,
        };
        (sections, included)
    }

    fn places(&self, kind: SectionKind) -> &[usize] {
        match kind {
            SectionKind::Trunk => &self.trunks,
            SectionKind::Account => &self.accounts,
            SectionKind::Route => &self.routes,
        }
    }

    /// The object of the store that the fault is at.
    fn at(&self, fault: &SectionFault) -> Option<Culprit> {
        let Some(Place::Stored(kind, place)) = fault.place else {
            return None;
        };
        let place = *self.places(kind).get(place)?;
        Some(Culprit { kind, place })
    }

    /// Leaves it out, and with it every account that its fault is at just as well.
    fn leave_out(&self, kept: &mut Kept, culprit: Option<Culprit>, fault: &SectionFault) {
        let Some(culprit) = culprit else { return };
        culprit.leave_out(kept, fault);
        if culprit.kind != SectionKind::Account || fault.field != "trunk" {
            return;
        }
        let Some(trunk) = kept.accounts.get(culprit.place) else {
            return;
        };
        let trunk = trunk.body.trunk.clone();
        for other in self.accounts_of(kept, &trunk) {
            other.leave_out(kept, fault);
        }
    }

    fn accounts_of(&self, kept: &Kept, trunk: &str) -> Vec<Culprit> {
        let is_its = |place: &usize| {
            let account = kept.accounts.get(*place);
            account.is_some_and(|account| account.body.trunk.eq_ignore_ascii_case(trunk))
        };
        let places = self.accounts.iter().copied().filter(is_its);
        places
            .map(|place| Culprit {
                kind: SectionKind::Account,
                place,
            })
            .collect()
    }

    /// Whom a fault in the file may be laid at: the accounts that the store gives to that trunk, else
    /// everything.
    fn suspects(&self, kept: &Kept, fault: &SectionFault, config: &Config) -> Vec<Culprit> {
        if let Some(Place::InFile(SectionKind::Trunk, at)) = fault.place
            && let Some(trunk) = config.trunks_of_file().get(at)
        {
            let accounts = self.accounts_of(kept, &trunk.name);
            if !accounts.is_empty() {
                return accounts;
            }
        }
        self.all()
    }

    fn all(&self) -> Vec<Culprit> {
        let kinds = [SectionKind::Trunk, SectionKind::Account, SectionKind::Route];
        let of_kind = |kind| {
            let places = self.places(kind).iter().copied();
            places.map(move |place| Culprit { kind, place })
        };
        kinds.into_iter().flat_map(of_kind).collect()
    }

    fn has(&self, culprit: Culprit) -> bool {
        self.places(culprit.kind).contains(&culprit.place)
    }

    /// Of these, what has not been left out yet.
    fn still_in(&self, included: &Included) -> Vec<Culprit> {
        let mut all = self.all();
        all.retain(|culprit| included.has(*culprit));
        all
    }
}
