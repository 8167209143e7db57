//! `/history`: calls that are over.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::api::auth::Reader;
use crate::api::model::Page;
use crate::api::openapi::views::CallRecordView;
use crate::api::problem::Problem;
use crate::api::request::{Cursor, LARGEST_LIMIT, QueryOf, limit};
use crate::store::{CallQuery, KeptCall, Outcome};

use super::csv;
use super::when::moment;

/// Of one file.
const MOST_LINES: usize = 1_000_000;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(as_csv))
}

/// Which calls; all that is set must hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// A number, user or Call-ID; other text is looked for in From, To and Call-ID.
    search: Option<String>,
    /// Of either side.
    trunk: Option<String>,
    /// `answered`; `refused` by us; or `failed` for the far side's reasons or the caller's.
    #[param(pattern = "^(answered|refused|failed)$")]
    outcome: Option<String>,
    /// Started at or after: RFC 3339, or milliseconds since 1970.
    #[param(pattern = "^[0-9]{1,14}$")]
    from: Option<String>,
    /// Started before.
    #[param(pattern = "^[0-9]{1,14}$")]
    to: Option<String>,
    /// How many at most; default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// `next` of the page before.
    after: Option<String>,
}

impl Asked {
    fn query(&self) -> Result<CallQuery, Problem> {
        let outcome = self.outcome.as_deref().map(|word| {
            Outcome::of_name(word).ok_or_else(|| {
                let problem = format!("is {word:?}; expected answered, refused or failed");
                Problem::invalid("outcome", problem)
            })
        });
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Ok(CallQuery {
            search: given(&self.search),
            trunk: given(&self.trunk),
            outcome: outcome.transpose()?,
            from_ms: self
                .from
                .as_deref()
                .map(|text| moment("from", text))
                .transpose()?,
            to_ms: self
                .to
                .as_deref()
                .map(|text| moment("to", text))
                .transpose()?,
            before: self.after.as_deref().map(Cursor::read).transpose()?,
            limit: limit(self.limit)?,
        })
    }
}

/// Calls that are over, the latest first
#[utoipa::path(
    get, path = "/history", tag = "calls", operation_id = "list_history", params(Asked),
    responses((status = 200, description = "A page of call records. While `next` is set there may be more, even if the page is short.", body = Page<CallRecordView>)),
)]
async fn list(
    _: Reader,
    State(api): State<Api>,
    QueryOf(asked): QueryOf<Asked>,
) -> Result<Json<Page<Value>>, Problem> {
    let query = asked.query()?;
    let page = api.store.read(move |reader| reader.calls(&query)).await?;
    Ok(Json(Page {
        items: page.items.iter().map(record).collect(),
        next: page.next.as_ref().map(Cursor::write),
    }))
}

/// As the record has it, and what is kept beside it.
fn record(call: &KeptCall) -> Value {
    let mut record: Value = serde_json::from_str(&call.row.record).unwrap_or_default();
    if let Value::Object(fields) = &mut record {
        fields.insert("outcome".to_owned(), json!(call.row.outcome().name()));
        fields.insert("mos_min".to_owned(), json!(call.row.mos_min));
        fields.insert("has_ladder".to_owned(), json!(call.has_ladder));
    }
    record
}

/// The same as a file of comma-separated values (RFC 4180)
#[utoipa::path(
    get, path = "/history.csv", tag = "calls", operation_id = "export_history", params(Asked),
    responses((status = 200, description = "A line for each call, below one of headings.", content_type = "text/csv", body = String)),
)]
async fn as_csv(
    _: Reader,
    State(api): State<Api>,
    QueryOf(asked): QueryOf<Asked>,
) -> Result<Response, Problem> {
    let mut query = asked.query()?;
    let most = asked.limit.unwrap_or(MOST_LINES);
    query.limit = LARGEST_LIMIT.min(most);
    let heading = Ok(Bytes::from(csv::heading()));
    let lines = stream::unfold(Some((api, query, most)), next_lines);
    let body = Body::from_stream(stream::StreamExt::chain(stream::iter([heading]), lines));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
    headers.insert(CONTENT_TYPE, kind);
    let name = HeaderValue::from_static("attachment; filename=\"trunkline-calls.csv\"");
    headers.insert(CONTENT_DISPOSITION, name);
    Ok(response)
}

type Rest = (Api, CallQuery, usize);

/// A page at a time: no more than that is held, however long the history is.
async fn next_lines(rest: Option<Rest>) -> Option<(std::io::Result<Bytes>, Option<Rest>)> {
    let (api, mut query, left) = rest?;
    let asked = query.clone();
    let page = match api.store.read(move |reader| reader.calls(&asked)).await {
        Ok(page) => page,
        // What was sent is cut short, and the client sees that.
        Err(error) => return Some((Err(std::io::Error::other(error)), None)),
    };
    let lines: String = page.items.iter().take(left).map(csv::line).collect();
    let left = left.saturating_sub(page.items.len());
    query.before = page.next;
    let has_more = query.before.is_some() && left > 0;
    Some((
        Ok(Bytes::from(lines)),
        has_more.then_some((api, query, left)),
    ))
}
