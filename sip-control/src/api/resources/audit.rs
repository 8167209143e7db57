//! `/audit`: who did what.

use std::time::{Duration, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::api::auth::Administrator;
use crate::api::model::{Audited, Page, Paging};
use crate::api::problem::Problem;
use crate::api::request::{Cursor, QueryOf, limit};
use crate::clock::rfc3339;
use crate::store::AuditEntry;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Who did what, or tried to; the latest first
#[utoipa::path(
    get, path = "/audit", tag = "daemon", operation_id = "list_audit", params(Paging),
    responses((status = 200, description = "A page of it.", body = Page<Audited>)),
)]
async fn list(
    _: Administrator,
    State(api): State<Api>,
    QueryOf(paging): QueryOf<Paging>,
) -> Result<Json<Page<Audited>>, Problem> {
    let limit = limit(paging.limit)?;
    let before: Option<i64> = paging.after.as_deref().map(Cursor::read).transpose()?;
    let rows = api
        .store
        .read(move |reader| reader.audit(before, limit))
        .await?;
    let is_full = rows.len() == limit;
    let next = rows
        .last()
        .filter(|_| is_full)
        .map(|(id, _)| Cursor::write(id));
    let items = rows
        .into_iter()
        .map(|(id, entry)| audited(id, entry))
        .collect();
    Ok(Json(Page { items, next }))
}

fn audited(id: i64, entry: AuditEntry) -> Audited {
    Audited {
        id,
        time: time(entry.time_ms),
        who: entry.who,
        role: entry.role,
        from: entry.from,
        action: entry.action,
        object: entry.object,
        detail: entry.detail,
        outcome: entry.outcome,
    }
}

/// Milliseconds since 1970, for people.
pub(super) fn time(ms: i64) -> String {
    let since = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    UNIX_EPOCH
        .checked_add(since)
        .map(rfc3339)
        .unwrap_or_default()
}
