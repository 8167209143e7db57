//! `/calls`: those that are up, and each of those that were.

use axum::Json;
use axum::extract::State;
use media_core::session::CallId;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::api::auth::Reader;
use crate::api::flows::Flow;
use crate::api::model::Page;
use crate::api::openapi::views::{CallDetails, Ladder, LiveCallView, Quality};
use crate::api::problem::{Problem, Slug};
use crate::api::request::{Cursor, QueryOf, limit};

use crate::calls::LiveQuery;
use crate::store::CallRow;

use super::control::{self, __path_place};
use super::look::Look;
use super::{blocking, events, written};

pub(super) fn routes() -> OpenApiRouter<Api> {
    use control::place;
    OpenApiRouter::new()
        .routes(routes!(list, place))
        .routes(routes!(get))
        .routes(routes!(ladder))
        .routes(routes!(quality))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Of either side.
    trunk: Option<String>,
    /// Within From, To or a Call-ID.
    search: Option<String>,
    /// How many at most; default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// `next` of the page before.
    after: Option<String>,
}

/// The calls that are up, the latest first
#[utoipa::path(
    get, path = "/calls", tag = "calls", operation_id = "list_calls", params(Asked),
    responses((status = 200, description = "A page of them.", body = Page<LiveCallView>)),
)]
async fn list(
    _: Reader,
    State(api): State<Api>,
    QueryOf(asked): QueryOf<Asked>,
) -> Result<Json<Box<RawValue>>, Problem> {
    let query = LiveQuery {
        trunk: asked.trunk.filter(|text| !text.is_empty()),
        search: asked.search.filter(|text| !text.is_empty()),
        before: asked.after.as_deref().map(Cursor::read).transpose()?,
        limit: limit(asked.limit)?,
    };
    let page = written(move || {
        let page = api.live.list(&query);
        Page {
            items: page.items,
            next: page.next.as_ref().map(Cursor::write),
        }
    });
    page.await
}

/// One call: live, or as its record has it; with messages, quality, flows and events
#[utoipa::path(
    get, path = "/calls/{call}", tag = "calls", operation_id = "get_call",
    params(("call" = u64, Path, description = "Its number.")),
    responses((status = 200, description = "Everything that is known of it.", body = CallDetails)),
)]
async fn get(Look { api, of: call }: Look<u64>) -> Result<Json<Value>, Problem> {
    let mut fields = match now(&api, call).await? {
        Some(fields) => fields,
        None => of_row(&kept(&api, call).await?),
    };
    fields.insert(
        "timeline".to_owned(),
        json!(events::of_call(&api, call).await?),
    );
    Ok(Json(Value::Object(fields)))
}

/// A call that is up.
async fn now(api: &Api, call: u64) -> Result<Option<Map<String, Value>>, Problem> {
    let api = api.clone();
    blocking(move || {
        let Ok(Value::Object(mut fields)) = serde_json::to_value(api.live.get(call)?) else {
            return None;
        };
        fields.insert("ladder".to_owned(), json!(api.live.ladder(call)));
        fields.insert("quality".to_owned(), json!(api.live.quality(call)));
        let flows = api.media.flows_of(vec![CallId(call)]);
        let flows: Vec<Flow> = flows.iter().map(Flow::new).collect();
        fields.insert("flows".to_owned(), json!(flows));
        Some(fields)
    })
    .await
}

/// A call that is over.
async fn kept(api: &Api, call: u64) -> Result<CallRow, Problem> {
    let inner = api.clone();
    if let Some(row) = blocking(move || inner.live.just_ended(call)).await? {
        return Ok(row);
    }
    let row = api
        .store
        .read(move |reader| reader.call(call, None))
        .await?;
    row.ok_or_else(|| Problem::new(Slug::NoSuchCall, format!("there is no call {call}")))
}

fn of_row(row: &CallRow) -> Map<String, Value> {
    let mut fields = match serde_json::from_str(&row.record) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    fields.insert("state".to_owned(), json!("ended"));
    fields.insert("outcome".to_owned(), json!(row.outcome().name()));
    fields.insert("mos_min".to_owned(), json!(row.mos_min));
    fields.insert("ladder".to_owned(), part(row.ladder.as_deref()));
    fields.insert("quality".to_owned(), part(row.quality.as_deref()));
    fields.insert("flows".to_owned(), json!([]));
    fields
}

/// JSON that is kept as text; `null` if it is not.
fn part(text: Option<&str>) -> Value {
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// The messages of a call, in order of time
#[utoipa::path(
    get, path = "/calls/{call}/ladder", tag = "calls", operation_id = "get_ladder",
    params(("call" = u64, Path, description = "Its number.")),
    responses((status = 200, description = "Redacted messages.", body = Ladder)),
)]
async fn ladder(Look { api, of: call }: Look<u64>) -> Result<Json<Value>, Problem> {
    let inner = api.clone();
    let live = blocking(move || inner.live.ladder(call).map(|ladder| json!(ladder))).await?;
    match live {
        Some(ladder) => Ok(Json(ladder)),
        None => {
            let none = json!({"messages": [], "truncated": true});
            Ok(Json(or(
                part(kept(&api, call).await?.ladder.as_deref()),
                none,
            )))
        }
    }
}

/// How good a call was over time, both ways
#[utoipa::path(
    get, path = "/calls/{call}/quality", tag = "calls", operation_id = "get_quality",
    params(("call" = u64, Path, description = "Its number.")),
    responses((status = 200, description = "Samples of each direction.", body = Quality)),
)]
async fn quality(Look { api, of: call }: Look<u64>) -> Result<Json<Value>, Problem> {
    let inner = api.clone();
    let live = blocking(move || inner.live.quality(call).map(|quality| json!(quality))).await?;
    match live {
        Some(quality) => Ok(Json(quality)),
        None => {
            let none = json!({"interval_s": 5, "directions": []});
            Ok(Json(or(
                part(kept(&api, call).await?.quality.as_deref()),
                none,
            )))
        }
    }
}

fn or(value: Value, otherwise: Value) -> Value {
    match value.is_null() {
        true => otherwise,
        false => value,
    }
}
