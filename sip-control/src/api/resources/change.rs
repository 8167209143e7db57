//! What every change of an object that is there begins with.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::api::Api;
use crate::api::auth::Administrator;
use crate::api::problem::Problem;
use crate::api::request::{Condition, PathOf};
use crate::manage::{Actor, IfMatch};

/// A change, before it is looked at what it is to make of the object.
pub(super) struct Change<Of = String> {
    pub(super) api: Api,
    /// Who makes it: an administrator.
    pub(super) actor: Actor,
    /// What the path names.
    pub(super) of: Of,
    /// Which version was seen.
    pub(super) condition: IfMatch,
}

impl<Of: DeserializeOwned + Send> FromRequestParts<Api> for Change<Of> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Change<Of>, Problem> {
        let Administrator(actor) = Administrator::from_request_parts(parts, api).await?;
        let PathOf(of) = PathOf::from_request_parts(parts, api).await?;
        let condition = Condition::from_request_parts(parts, api).await?;
        Ok(Change {
            api: api.clone(),
            actor,
            of,
            condition: condition.for_change()?,
        })
    }
}
