//! `/registrations` and `/certificates`: who is registered with us, with whom we are, and what we
//! prove ourselves with.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::api::auth::Reader;
use crate::api::model::Page;
use crate::api::problem::Problem;
use crate::api::registrations::Registered;
use crate::api::status::{Certificate, OurRegistration};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(registrations))
        .routes(routes!(certificates))
}

#[derive(Serialize, ToSchema)]
struct RegistrationList {
    /// Accounts that are registered with us.
    accounts: Vec<Registered>,
    /// How we stand with those whom we register with.
    providers: Vec<OurRegistration>,
}

/// Who is registered, either way
#[utoipa::path(
    get, path = "/registrations", tag = "accounts", operation_id = "list_registrations",
    responses((status = 200, description = "All of them.", body = RegistrationList)),
)]
async fn registrations(
    _: Reader,
    State(api): State<Api>,
) -> Result<Json<RegistrationList>, Problem> {
    Ok(Json(RegistrationList {
        accounts: api.registrations.list(),
        providers: api.snapshot().await?.registrations.clone(),
    }))
}

/// What we prove ourselves with: names and expiry, never keys
#[utoipa::path(
    get, path = "/certificates", tag = "daemon", operation_id = "list_certificates",
    responses((status = 200, description = "All of them.", body = Page<Certificate>)),
)]
async fn certificates(
    _: Reader,
    State(api): State<Api>,
) -> Result<Json<Page<Certificate>>, Problem> {
    let certificates = api.snapshot().await?.certificates.clone();
    Ok(Json(Page::whole(certificates)))
}
