//! The description of the API, OpenAPI 3.1: made from the handlers and the types that they read and
//! write, so that it says what they do.

mod fields;
pub(super) mod views;

use serde_json::json;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, Response, ResponseBuilder};
use utoipa::{IntoParams, OpenApi};

use super::auth::COOKIE;
use super::problem::{self, ProblemDocument};
use super::request::Condition;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Trunkline",
        description = "What the console and the command line do, for programs: trunks, routes, accounts, calls, events. \
            Show a token of `trunkline token create` as `Authorization: Bearer`; through the daemon's own socket root needs none. \
            Errors are problem documents (RFC 9457) that name the field.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    servers((url = "/api/v1")),
    security(("token" = []), ("session" = [])),
    tags(
        (name = "trunks", description = "Where calls come from and go to."),
        (name = "routes", description = "Which call goes where."),
        (name = "accounts", description = "Telephones that register with us."),
        (name = "calls", description = "Calls that are up, and those that were."),
        (name = "events", description = "What happens, in order."),
        (name = "webhooks", description = "Who is told of events by HTTP."),
        (name = "configuration", description = "Trunks, routes and accounts as TOML."),
        (name = "daemon", description = "How the daemon is."),
        (name = "tokens", description = "What one shows who one is with."),
        (name = "session", description = "A cookie instead of a token, for browsers."),
    ),
    components(schemas(ProblemDocument<'_>)),
)]
struct Top;

/// What is said of the whole.
pub(super) fn top() -> utoipa::openapi::OpenApi {
    Top::openapi()
}

/// Adds what all operations have in common.
pub(super) fn finish(mut description: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    if let Some(components) = &mut description.components {
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("tk_ID_SECRET")
            .build();
        components.add_security_scheme("token", SecurityScheme::Http(token));
        let cookie = ApiKey::Cookie(ApiKeyValue::new(COOKIE));
        components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    }
    for item in description.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.patch,
        ];
        operations.into_iter().flatten().for_each(add_problems);
    }
    description
}

/// Whatever else is answered is a problem document.
fn add_problems(operation: &mut Operation) {
    let mut add = |status: &str, text: &str| {
        let responses = &mut operation.responses.responses;
        responses
            .entry(status.to_owned())
            .or_insert_with(|| RefOr::T(problem_response(text)));
    };
    if operation.security.is_none() {
        add("401", "No token, or one that is not known.");
        add("403", "The token's role does not allow that.");
    }
    if operation
        .parameters
        .iter()
        .flatten()
        .any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.name == "If-Match"))
    {
        add("412", "It has changed since it was read.");
        add("428", "If-Match is missing.");
    }
    if operation.request_body.is_some() {
        add("400", "A field is unknown, missing, or makes no sense.");
        add(
            "409",
            "It is there already, stands in trunkline.toml, or something needs it.",
        );
    }
    add("default", "What is wrong.");
}

fn problem_response(text: &str) -> Response {
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new()
        .description(text)
        .content(problem::CONTENT_TYPE, content)
        .build()
}

impl IntoParams for Condition {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^(\\*|\"v-?[0-9]{1,18}\")$"))
            .examples([json!("\"v42\"")]);
        let parameter = ParameterBuilder::new()
            .name("If-Match")
            .parameter_in(ParameterIn::Header)
            .required(Required::True)
            .description(Some(
                "The ETag of what was read, so that nobody's change is lost; `*`: whatever it is.",
            ))
            .schema(Some(schema));
        vec![parameter.build()]
    }
}
