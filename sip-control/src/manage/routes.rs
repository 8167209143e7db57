//! Routes: in order, the first that matches decides. Those of the file come first.

use std::sync::Arc;

use serde_json::{Value, json};

use super::change::{Plan, Record, Scope};
use super::kept::Kept;
use super::model::{Actor, IfMatch, ManageError, Managed};
use super::parts::patched;
use super::{Manager, tokens};
use crate::config::Config;
use crate::config::sections::{HoldsSecrets, RouteSection};
use crate::store::{Change, Kind, StoreError};

impl Manager {
    pub(crate) fn routes(&self) -> Vec<Managed<RouteSection>> {
        self.list()
    }

    /// By its id; `file-0` is the first one of the file.
    pub(crate) fn route(&self, id: &str) -> Result<Managed<RouteSection>, ManageError> {
        self.find(id)
    }

    /// Another number for each order, and each state, of the routes.
    pub(crate) fn routes_version(&self) -> i64 {
        let current = self.current();
        routes_version(&current.kept, &current.config)
    }

    /// `position` is its place among all routes; without it, it comes last.
    pub(crate) async fn create_route(
        self: &Arc<Self>,
        who: &Actor,
        body: RouteSection,
        position: Option<usize>,
    ) -> Result<Managed<RouteSection>, ManageError> {
        let id = format!("r{}", tokens::random_id());
        self.put_route(who, &id, body, position, IfMatch::New).await
    }

    /// Creates or replaces a route, and moves it if a place is given.
    pub(crate) async fn put_route(
        self: &Arc<Self>,
        who: &Actor,
        id: &str,
        body: RouteSection,
        position: Option<usize>,
        condition: IfMatch,
    ) -> Result<Managed<RouteSection>, ManageError> {
        check_id(id)?;
        let place = self.place(position)?;
        let change = move |_: Option<&RouteSection>| Ok(body.kept());
        self.put(who, id, condition, change, place).await?;
        self.find(id)
    }

    /// Merges a patch (RFC 7396) into a route, and moves it if a place is given.
    pub(crate) async fn patch_route(
        self: &Arc<Self>,
        who: &Actor,
        id: &str,
        patch: Value,
        position: Option<usize>,
        condition: IfMatch,
    ) -> Result<Managed<RouteSection>, ManageError> {
        let place = self.place(position)?;
        let change = move |old: Option<&RouteSection>| {
            patched(&old.ok_or(StoreError::Missing)?.shown(), patch)
        };
        self.put(who, id, condition, change, place).await?;
        self.find(id)
    }

    pub(crate) async fn delete_route(
        self: &Arc<Self>,
        who: &Actor,
        id: &str,
        condition: IfMatch,
    ) -> Result<(), ManageError> {
        self.delete::<RouteSection>(who, id, condition, |_, _| Vec::new())
            .await
    }

    /// Puts the routes of the store in that order. Those of the file may be named, too, where they are.
    pub(crate) async fn reorder_routes(
        self: &Arc<Self>,
        who: &Actor,
        ids: Vec<String>,
        condition: IfMatch,
    ) -> Result<Vec<Managed<RouteSection>>, ManageError> {
        self.change(who, move |kept, config| {
            if let IfMatch::Version(version) = condition {
                let found = routes_version(kept, config);
                if found != version {
                    return Err(StoreError::Stale { found }.into());
                }
            }
            plan_order(kept, config, ids).map(|plan| (plan, ()))
        })
        .await?;
        Ok(self.routes())
    }

    /// The place among those of the store.
    fn place(&self, position: Option<usize>) -> Result<Option<usize>, ManageError> {
        let of_file = self.current().config.routes_of_file().len();
        let place = |position: usize| {
            position.checked_sub(of_file).ok_or_else(|| {
                let problem =
                    format!("the routes of trunkline.toml come first; expected {of_file} or more");
                ManageError::field("position", problem)
            })
        };
        position.map(place).transpose()
    }
}

fn plan_order(kept: &Kept, config: &Config, ids: Vec<String>) -> Result<Plan, ManageError> {
    let of_file = config.routes_of_file().len();
    let mut places = ids.iter().enumerate();
    let from_file = places.position(|(place, id)| *id != format!("file-{place}"));
    let from_file = from_file.unwrap_or(ids.len()).min(of_file);
    let names = ids.get(from_file..).unwrap_or_default().to_vec();
    let is_known = |name: &String| kept.find::<RouteSection>(name).is_some();
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        let problem = match unknown.starts_with("file-") {
            true => format!("{unknown:?} keeps its place: it is defined in trunkline.toml"),
            false => format!("there is no route {unknown:?}"),
        };
        return Err(ManageError::field("ids", problem));
    }
    let mut sorted = names.clone();
    sorted.sort();
    sorted.dedup();
    if sorted.len() != names.len() || names.len() != kept.routes.len() {
        let problem = format!(
            "expected each of the {} routes of the store once",
            kept.routes.len()
        );
        return Err(ManageError::field("ids", problem));
    }
    let before = kept.names::<RouteSection>();
    let mut wanted = kept.clone();
    for (place, name) in names.iter().enumerate() {
        wanted.move_to::<RouteSection>(name, place);
    }
    let is_same = names == before;
    let reorder = Change::Reorder {
        kind: Kind::Route,
        names: names.clone(),
    };
    Ok(Plan {
        kept: wanted,
        changes: if is_same { Vec::new() } else { vec![reorder] },
        record: Record {
            action: "route.order".to_owned(),
            object: String::new(),
            detail: json!({ "order": { "old": before, "new": names } }),
        },
        changed: Scope::Order,
        only_looks: false,
    })
}

fn routes_version(kept: &Kept, config: &Config) -> i64 {
    let routes = kept.routes.iter();
    let states: Vec<(&str, i64)> = routes
        .map(|route| (route.name.as_str(), route.version))
        .collect();
    crate::config::digest(&(states, config.file_version()))
}

/// Those of the file look like that.
fn check_id(id: &str) -> Result<(), ManageError> {
    match id.starts_with("file-") {
        true => Err(ManageError::DefinedInFile(format!("route {id}"))),
        false => Ok(()),
    }
}
