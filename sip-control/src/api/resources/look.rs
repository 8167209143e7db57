//! What every look at one object begins with.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::api::Api;
use crate::api::auth::Reader;
use crate::api::problem::Problem;
use crate::api::request::PathOf;

/// A look, by somebody who may read.
pub(super) struct Look<Of = String> {
    pub(super) api: Api,
    /// What the path names.
    pub(super) of: Of,
}

impl<Of: DeserializeOwned + Send> FromRequestParts<Api> for Look<Of> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Look<Of>, Problem> {
        Reader::from_request_parts(parts, api).await?;
        let PathOf(of) = PathOf::from_request_parts(parts, api).await?;
        Ok(Look {
            api: api.clone(),
            of,
        })
    }
}
