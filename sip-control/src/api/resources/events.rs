//! `/events`: what has happened, in order.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::api::auth::Reader;
use crate::api::model::Page;
use crate::api::openapi::views::EventItem;
use crate::api::problem::{Problem, Slug};
use crate::api::request::{LARGEST_LIMIT, QueryOf, limit};
use crate::api::stream::kinds;
use crate::events::{Filter, Item};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Those with higher numbers; default: from the first that is kept.
    after: Option<u64>,
    /// Kinds, separated by commas; default: every kind.
    kinds: Option<String>,
    /// Of this call alone.
    call: Option<u64>,
    /// How many at most; default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
struct Gap {
    gap: Numbers,
}

/// Both ends included.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
struct Numbers {
    from: u64,
    to: u64,
}

/// What has happened, in order
///
/// Numbers that are gone stand as `{"gap":{"from","to"}}` where their events would.
#[utoipa::path(
    get, path = "/events", tag = "events", operation_id = "list_events", params(Asked),
    responses((status = 200, description = "A page; `next` is for `after`.", body = Page<EventItem>)),
)]
async fn list(
    _: Reader,
    State(api): State<Api>,
    QueryOf(asked): QueryOf<Asked>,
) -> Result<Json<Page<Box<RawValue>>>, Problem> {
    let limit = limit(asked.limit)?;
    let filter = Filter {
        kinds: kinds(asked.kinds.as_deref()),
        call: asked.call,
        trunk: None,
    };
    let page = match filter == Filter::default() {
        true => everything(&api, asked.after, limit).await,
        false => some(&api, asked.after.unwrap_or(0), limit, filter).await,
    };
    page.map(Json)
}

/// In order without a hole: as a subscriber would get it.
async fn everything(
    api: &Api,
    after: Option<u64>,
    limit: usize,
) -> Result<Page<Box<RawValue>>, Problem> {
    let after = match after {
        Some(after) => after,
        None => oldest(api).await?,
    };
    let mut subscription = api.hub.subscribe(Some(after), Filter::default());
    let mut items = Vec::new();
    // The subscription itself is ahead of what it has handed out.
    let mut at = after;
    while items.len() < limit {
        match subscription.next_ready().await {
            Some(Item::Event(event)) => {
                at = event.seq;
                items.push(raw(event.body.clone())?);
            }
            Some(Item::Gap { from, to }) => {
                at = to;
                items.push(gap(from, to)?);
            }
            // It is asked on: the store has what memory has not.
            Some(Item::Stalled) => {}
            None => break,
        }
    }
    let next = (items.len() == limit).then(|| at.to_string());
    Ok(Page { items, next })
}

/// The number before the first event that is kept.
async fn oldest(api: &Api) -> Result<u64, Problem> {
    let page = api
        .store
        .read(|reader| reader.events(0, 1, &[], None))
        .await?;
    let oldest = page.oldest.unwrap_or(api.hub.first());
    Ok(oldest.saturating_sub(1))
}

/// Those that a filter lets through: found by the store, then those that it does not have yet.
async fn some(
    api: &Api,
    after: u64,
    limit: usize,
    filter: Filter,
) -> Result<Page<Box<RawValue>>, Problem> {
    let (kinds, call) = (filter.kinds.clone(), filter.call);
    let page = api
        .store
        .read(move |reader| reader.events(after, limit, &kinds, call))
        .await?;
    let mut items = Vec::new();
    let mut at = after;
    if let Some(oldest) = page.oldest
        && after > 0
        && after + 1 < oldest
    {
        items.push(gap(after + 1, oldest - 1)?);
    }
    for event in page.events {
        at = event.seq;
        items.push(raw(event.body)?);
    }
    if items.len() < limit {
        // The store is given events in order, so that it has none above one that it lacks.
        for event in api.hub.recent(usize::MAX, &filter) {
            if event.seq > at && items.len() < limit {
                at = event.seq;
                items.push(raw(event.body.clone())?);
            }
        }
    }
    let next = (items.len() >= limit).then(|| at.to_string());
    Ok(Page { items, next })
}

/// What has happened to a call.
pub(super) async fn of_call(api: &Api, call: u64) -> Result<Vec<Box<RawValue>>, Problem> {
    let filter = Filter {
        call: Some(call),
        ..Filter::default()
    };
    some(api, 0, LARGEST_LIMIT, filter)
        .await
        .map(|page| page.items)
}

fn raw(body: String) -> Result<Box<RawValue>, Problem> {
    RawValue::from_string(body)
        .map_err(|_| Problem::new(Slug::Internal, "an event is kept that is no JSON"))
}

fn gap(from: u64, to: u64) -> Result<Box<RawValue>, Problem> {
    let gap = Gap {
        gap: Numbers { from, to },
    };
    serde_json::value::to_raw_value(&gap)
        .map_err(|error| Problem::new(Slug::Internal, error.to_string()))
}
