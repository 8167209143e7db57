//! `/flows`: whose packets, by which way, and how good.

use axum::Json;
use axum::extract::State;
use media_core::session::CallId;
use serde_json::value::RawValue;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::api::auth::Reader;
use crate::api::flows::Flow;
use crate::api::model::{Page, Paging};
use crate::api::problem::Problem;
use crate::api::request::{Cursor, QueryOf, limit};

use super::look::Look;
use super::{blocking, not_found, written};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one))
}

/// The flows of media, in the order of calls; those of one call are all on one page
#[utoipa::path(
    get, path = "/flows", tag = "calls", operation_id = "list_flows", params(Paging),
    responses((status = 200, description = "A page of them.", body = Page<Flow>)),
)]
async fn list(
    _: Reader,
    State(api): State<Api>,
    QueryOf(paging): QueryOf<Paging>,
) -> Result<Json<Box<RawValue>>, Problem> {
    let after: Option<u64> = paging.after.as_deref().map(Cursor::read).transpose()?;
    let most = limit(paging.limit)?;
    let page = written(move || {
        let page = api.media.flows_after(after.map(CallId), most);
        Page {
            items: page.flows.iter().map(Flow::new).collect(),
            next: page.next.map(|call| Cursor::write(&call.0)),
        }
    });
    page.await
}

/// One flow, with all that the kernel and the relays have counted of it
#[utoipa::path(
    get, path = "/flows/{index}", tag = "calls", operation_id = "get_flow",
    params(("index" = u32, Path, description = "Its number in the list: its key in the map FLOWS.")),
    responses((status = 200, description = "The flow.", body = Flow)),
)]
async fn one(Look { api, of: index }: Look<u32>) -> Result<Json<Flow>, Problem> {
    let found = blocking(move || api.media.flow_at(index)).await?;
    found
        .map(|status| Json(Flow::whole(&status)))
        .ok_or_else(|| not_found("flow", &index.to_string()))
}
