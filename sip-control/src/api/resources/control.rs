//! What is done to calls (OPS-3): hang up, transfer, hold, place one; and the drain.
//!
//! Each is asked of the loop of signalling, which answers in less than a moment: that it was begun.
//! What comes of it is told by events. A request with an `Idempotency-Key` is done once.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use media_core::session::{CallId, Side};
use serde_json::{Map, Value, json};
use sip_core::stack::{ControlError, Place, TransferHow};
use tokio::sync::oneshot;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::api::auth::Operator;
use crate::api::idempotency::{Answer, once};
use crate::api::model::{CallNumber, Drain, Hold, How, NewCall, Transfer, Who};
use crate::api::problem::{Problem, Slug};
use crate::api::refusals;
use crate::api::request::{Body, PathOf};
use crate::clock::unix_ms;
use crate::manage::Actor;
use crate::operation::Operation;
use crate::store::{AuditEntry, JournalItem};

use super::stopping;

type Done<T> = oneshot::Sender<Result<T, ControlError>>;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(hang_up))
        .routes(routes!(transfer))
        .routes(routes!(hold))
        .routes(routes!(drain))
}

/// Ends a call
#[utoipa::path(
    post, path = "/calls/{call}/hang-up", tag = "calls", operation_id = "hang_up",
    params(("call" = u64, Path, description = "Its number."), IdempotencyKey),
    responses((status = 202, description = "It is being ended.", body = CallNumber)),
)]
async fn hang_up(act: Act) -> Result<Response, Problem> {
    act.run("call.hang_up", Value::Null, Operation::HangUp)
        .await
}

/// Moves a side of a call to somebody else
#[utoipa::path(
    post, path = "/calls/{call}/transfer", tag = "calls", operation_id = "transfer",
    params(("call" = u64, Path, description = "Its number."), IdempotencyKey), request_body = Transfer,
    responses((status = 202, description = "It is being moved; events tell what comes of it.", body = CallNumber)),
)]
async fn transfer(act: Act, body: Body) -> Result<Response, Problem> {
    let transfer: Transfer = body.read()?;
    let detail = json!(transfer);
    let side = match transfer.who {
        Who::Caller => Side::Caller,
        Who::Callee => Side::Callee,
    };
    let how = match transfer.how {
        How::Refer => TransferHow::Refer,
        How::Local => TransferHow::Local,
    };
    let operation = move |call, answer| Operation::Transfer {
        call,
        side,
        target: transfer.target,
        how,
        answer,
    };
    act.run("call.transfer", detail, operation).await
}

/// Puts both sides of a call on hold, or takes them off it
#[utoipa::path(
    post, path = "/calls/{call}/hold", tag = "calls", operation_id = "hold",
    params(("call" = u64, Path, description = "Its number."), IdempotencyKey), request_body = Hold,
    responses((status = 202, description = "Both sides are being told.", body = CallNumber)),
)]
async fn hold(act: Act, body: Body) -> Result<Response, Problem> {
    let hold: Hold = body.read()?;
    let detail = json!(hold);
    let on = hold.on;
    let operation = move |call, answer| Operation::Hold { call, on, answer };
    act.run("call.hold", detail, operation).await
}

/// Places a call between two parties
#[utoipa::path(
    post, path = "/calls", tag = "calls", operation_id = "place_call", params(IdempotencyKey),
    request_body = NewCall,
    responses((status = 202, description = "The first party is being called.", body = CallNumber)),
)]
pub(super) async fn place(
    Operator(actor): Operator,
    State(api): State<Api>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let new: NewCall = body.read()?;
    let asked = json!(new);
    let place = Place {
        first: new.first,
        to: new.to,
        from: new.from.unwrap_or_default(),
        trunk: new.trunk,
    };
    let (inner, who, detail) = (api.clone(), actor.clone(), asked.clone());
    let act = async move {
        let mut placed = ask(&inner, |done| Operation::Place(Box::new(place), done)).await;
        let object = placed
            .as_ref()
            .map_or_else(|_| String::new(), |call| call.0.to_string());
        record(
            &inner,
            &who,
            "call.place",
            object,
            detail,
            placed.as_mut().err(),
        );
        Ok(accepted(placed?.0))
    };
    let answer = once(&api, &headers, &actor, ("call.place", &asked), act).await?;
    Ok((answer.status, Json(answer.body)).into_response())
}

/// Refuses new calls, or takes them again
#[utoipa::path(
    post, path = "/drain", tag = "daemon", operation_id = "drain", request_body = Drain,
    responses((status = 200, description = "As it is now.", body = Drain)),
)]
async fn drain(
    Operator(actor): Operator,
    State(api): State<Api>,
    body: Body,
) -> Result<Json<Drain>, Problem> {
    let drain: Drain = body.read()?;
    let (done, answer) = oneshot::channel();
    let operation = Operation::Drain(drain.on, done);
    api.operations
        .send(operation)
        .await
        .map_err(|_| stopping())?;
    answer.await.map_err(|_| stopping())?;
    record(&api, &actor, "drain", String::new(), json!(drain), None);
    Ok(Json(drain))
}

/// The header of requests that are done once.
pub(super) struct IdempotencyKey;

impl utoipa::IntoParams for IdempotencyKey {
    fn into_params(
        _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(255))
            .pattern(Some("^[!-~]+$"));
        let parameter = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .description(Some(
                "Asked again with the same key, it is not done again: the first answer is given.",
            ))
            .schema(Some(schema));
        vec![parameter.build()]
    }
}

/// What every act on a call begins with.
struct Act {
    api: Api,
    /// Who asks for it: an operator.
    actor: Actor,
    call: u64,
    headers: HeaderMap,
}

impl FromRequestParts<Api> for Act {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Act, Problem> {
        let Operator(actor) = Operator::from_request_parts(parts, api).await?;
        let PathOf(call) = PathOf::from_request_parts(parts, api).await?;
        Ok(Act {
            api: api.clone(),
            actor,
            call,
            headers: parts.headers.clone(),
        })
    }
}

impl Act {
    /// Once for each `Idempotency-Key`, and into the audit.
    async fn run(
        self,
        action: &'static str,
        detail: Value,
        operation: impl FnOnce(CallId, Done<()>) -> Operation + Send + 'static,
    ) -> Result<Response, Problem> {
        let Act {
            api,
            actor,
            call,
            headers,
        } = self;
        let (inner, who, told) = (api.clone(), actor.clone(), detail.clone());
        let act = async move {
            let mut done = ask(&inner, |done| operation(CallId(call), done)).await;
            let object = call.to_string();
            record(&inner, &who, action, object, told, done.as_mut().err());
            done.map(|()| accepted(call))
        };
        let what = format!("{action} {call}");
        let answer = once(&api, &headers, &actor, (&what, &detail), act).await?;
        Ok((answer.status, Json(answer.body)).into_response())
    }
}

fn accepted(call: u64) -> Answer {
    Answer {
        status: StatusCode::ACCEPTED,
        body: json!(CallNumber { call }),
    }
}

/// Asks the loop of signalling.
async fn ask<T>(api: &Api, operation: impl FnOnce(Done<T>) -> Operation) -> Result<T, Problem> {
    let (done, answer) = oneshot::channel();
    api.operations
        .send(operation(done))
        .await
        .map_err(|_| stopping())?;
    Ok(answer.await.map_err(|_| stopping())??)
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Problem {
        let text = error.to_string();
        match error {
            ControlError::NoSuchCall => Problem::new(Slug::NoSuchCall, text),
            ControlError::WrongState(_) | ControlError::NotAllowed(_) => {
                Problem::new(Slug::WrongState, text)
            }
            ControlError::BadTarget(_) => Problem::new(Slug::BadTarget, text),
            ControlError::Refused(refusal) => {
                let slug = match refusal.status {
                    503 => Slug::Draining,
                    _ => Slug::BadTarget,
                };
                Problem::new(slug, text).with_code(refusal.code)
            }
        }
    }
}

/// Into the audit, whatever came of it; of what was refused not more than [`refusals`] allows.
pub(super) fn record(
    api: &Api,
    actor: &Actor,
    action: &str,
    object: String,
    detail: Value,
    failed: Option<&mut Problem>,
) {
    if let Some(problem) = failed {
        let detail = match detail {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        problem.set_recorded();
        return refusals::record(api, actor, action, object, detail, problem);
    }
    api.store.journal(JournalItem::Audit(AuditEntry {
        time_ms: unix_ms(),
        who: actor.name.clone(),
        role: actor.role.name().to_owned(),
        from: actor.from.clone(),
        action: action.to_owned(),
        object,
        detail,
        outcome: "ok".to_owned(),
    }));
}
