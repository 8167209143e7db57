//! `/trunks`: where calls come from and go to.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::api::auth::{Administrator, Reader};
use crate::api::model::Page;
use crate::api::openapi::views::{TrunkPatch, TrunkView};
use crate::api::problem::Problem;
use crate::api::request::{Body, Condition};
use crate::api::status::{OurRegistration, Snapshot};
use crate::calls::TrunkLoad;
use crate::config::sections::TrunkSection;
use crate::manage::{IfMatch, Managed, TrunkPart, targets};

use super::change::Change;
use super::configured::{named, view};
use super::look::Look;
use super::{created, versioned};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, put, patch, delete))
}

/// How a trunk is now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrunkState {
    pub(super) targets: Vec<TargetState>,
    /// How we stand with its provider.
    registration: Option<OurRegistration>,
    /// Live calls, of either side.
    calls: usize,
    /// Of the last ten seconds.
    calls_per_second: f64,
}

/// Where calls to it go, and whether that works (TRK-5).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TargetState {
    uri: String,
    priority: i64,
    weight: i64,
    enabled: bool,
    /// `null` while it is switched off, or signalling does not know it yet.
    pub(super) state: Option<&'static str>,
    failed_probes: u32,
    latest_probe: Option<String>,
    probed_ms: Option<u64>,
}

/// What trunks are like now: of signalling, and of live calls.
pub(super) struct States {
    snapshot: Arc<Snapshot>,
    load: HashMap<String, TrunkLoad>,
}

impl States {
    /// As they are, or were a moment ago.
    pub(super) async fn recent(api: &Api) -> Result<States, Problem> {
        Ok(States {
            snapshot: api.snapshot().await?,
            load: api.live.load(),
        })
    }

    /// As they are after a change.
    pub(super) async fn now(api: &Api) -> Result<States, Problem> {
        Ok(States {
            snapshot: api.snapshot_now().await?,
            load: api.live.load(),
        })
    }

    pub(super) fn of(&self, trunk: &TrunkSection) -> TrunkState {
        let is_it = |name: &str| name.eq_ignore_ascii_case(&trunk.name);
        let load = self.load.get(&trunk.name.to_ascii_lowercase());
        let registrations = &self.snapshot.registrations;
        TrunkState {
            targets: self.targets(trunk),
            registration: registrations.iter().find(|one| is_it(&one.trunk)).cloned(),
            calls: load.map_or(0, |load| load.calls),
            calls_per_second: load.map_or(0.0, |load| load.calls_per_second),
        }
    }

    fn targets(&self, trunk: &TrunkSection) -> Vec<TargetState> {
        let known = self.snapshot.targets.iter();
        let mut known: Vec<_> = known
            .filter(|target| target.trunk.eq_ignore_ascii_case(&trunk.name))
            .collect();
        let targets = targets(trunk).into_iter().map(|target| {
            // Two may have the same URI: each is taken once.
            let place = known.iter().position(|known| known.uri == target.uri);
            let known = place.map(|place| known.remove(place));
            let enabled = target.enabled.unwrap_or(true);
            TargetState {
                priority: target.priority.unwrap_or(0),
                weight: target.weight.unwrap_or(1),
                enabled,
                state: known.map(|known| known.state).filter(|_| enabled),
                failed_probes: known.map_or(0, |known| known.failed_probes),
                latest_probe: known.and_then(|known| known.latest_probe.clone()),
                probed_ms: known.and_then(|known| known.probed_ms),
                uri: target.uri,
            }
        });
        targets.collect()
    }
}

fn shown(trunk: &Managed<TrunkSection>, states: &States) -> Value {
    let mut fields = view(trunk);
    fields.insert("state".to_owned(), json!(states.of(&trunk.body)));
    Value::Object(fields)
}

/// The trunks there are, and how they are
#[utoipa::path(
    get, path = "/trunks", tag = "trunks", operation_id = "list_trunks",
    responses((status = 200, description = "All of them, those of trunkline.toml first.", body = Page<TrunkView>)),
)]
async fn list(_: Reader, State(api): State<Api>) -> Result<Json<Page<Value>>, Problem> {
    let states = States::recent(&api).await?;
    let trunks = api.manager.trunks();
    let items = trunks.iter().map(|trunk| shown(trunk, &states)).collect();
    Ok(Json(Page::whole(items)))
}

/// Makes a trunk
#[utoipa::path(
    post, path = "/trunks", tag = "trunks", operation_id = "create_trunk", request_body = TrunkSection,
    responses((status = 201, description = "It is made, and in effect.", body = TrunkView)),
)]
async fn create(
    Administrator(actor): Administrator,
    State(api): State<Api>,
    body: Body,
) -> Result<Response, Problem> {
    let body: TrunkSection = named(body, None)?;
    let name = body.name.clone();
    let made = api
        .manager
        .put_trunk(&actor, &name, body, IfMatch::New)
        .await?;
    let states = States::now(&api).await?;
    Ok(created(
        made.version,
        &["trunks", &made.name],
        &shown(&made, &states),
    ))
}

/// One trunk, and how it is
#[utoipa::path(
    get, path = "/trunks/{name}", tag = "trunks", operation_id = "get_trunk",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The trunk.", body = TrunkView)),
)]
async fn get(look: Look) -> Result<Response, Problem> {
    answer(&look.api, &look.api.manager.trunk(&look.of)?).await
}

/// Replaces a trunk; credentials without a secret keep the one of their user
#[utoipa::path(
    put, path = "/trunks/{name}", tag = "trunks", operation_id = "replace_trunk",
    params(("name" = String, Path, description = "Its name."), Condition),
    request_body = TrunkSection,
    responses((status = 200, description = "As it is now.", body = TrunkView)),
)]
async fn put(change: Change, body: Body) -> Result<Response, Problem> {
    // A new one is made by POST.
    let known = change.api.manager.trunk(&change.of)?;
    let body: TrunkSection = named(body, Some(("name", &known.name)))?;
    let now = change
        .api
        .manager
        .put_trunk(&change.actor, &change.of, body, change.condition)
        .await?;
    answer(&change.api, &now).await
}

/// Changes a trunk (RFC 7396)
#[utoipa::path(
    patch, path = "/trunks/{name}", tag = "trunks", operation_id = "change_trunk",
    params(("name" = String, Path, description = "Its name."), Condition),
    request_body(content = TrunkPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "As it is now.", body = TrunkView)),
)]
async fn patch(change: Change, body: Body) -> Result<Response, Problem> {
    let part = TrunkPart::Whole;
    let now = change
        .api
        .manager
        .patch_trunk(&change.actor, &change.of, part, body.0, change.condition)
        .await?;
    answer(&change.api, &now).await
}

/// Removes a trunk; calls that are up go on
#[utoipa::path(
    delete, path = "/trunks/{name}", tag = "trunks", operation_id = "delete_trunk",
    params(("name" = String, Path, description = "Its name."), Condition),
    responses((status = 204, description = "It is gone.")),
)]
async fn delete(change: Change) -> Result<StatusCode, Problem> {
    change
        .api
        .manager
        .delete_trunk(&change.actor, &change.of, change.condition)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn answer(api: &Api, trunk: &Managed<TrunkSection>) -> Result<Response, Problem> {
    let states = States::now(api).await?;
    Ok(versioned(
        StatusCode::OK,
        trunk.version,
        &shown(trunk, &states),
    ))
}
