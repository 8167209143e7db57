//! Objects as they are answered and patched. There are no values of these types: they stand for
//! their descriptions.

use std::borrow::Cow;

use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::fields::{Fields, managed, read};
use crate::api::flows::Flow;
use crate::api::resources::TrunkState;
use crate::config::sections::{AccountSection, OriginationSection, RouteSection, TrunkSection};
use crate::manage::{TrunkPart, WebhookSection};

type Schemas = Vec<(String, RefOr<Schema>)>;

/// A type that stands for a description, and those that it refers to.
macro_rules! view {
    ($(#[$doc:meta])* $name:ident, $schema:expr $(, $of:ty)*) => {
        $(#[$doc])*
        pub(crate) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $schema
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }

            fn schemas(schemas: &mut Schemas) {
                $(
                    schemas.push((<$of>::name().into_owned(), <$of>::schema()));
                    <$of>::schemas(schemas);
                )*
                let _ = schemas;
            }
        }
    };
}

const MANAGED: [&str; 5] = ["origin", "version", "position", "updated", "problem"];

fn required(of_it: &[&'static str]) -> Vec<&'static str> {
    [of_it, &MANAGED].concat()
}

view! {
    /// A trunk, where it stands, and how it is.
    TrunkView,
    Fields::of::<TrunkSection>()
        .with(managed())
        .with(json!({"state": {"$ref": "#/components/schemas/TrunkState"}}))
        .shown(&required(&["name", "state"])),
    TrunkSection, TrunkState
}

view! { TrunkPatch, Fields::of::<TrunkSection>().only(|name| name != "name").patch(), TrunkSection }

view! {
    /// How the calls of a trunk are.
    GeneralView,
    Fields::of::<TrunkSection>()
        .only(|name| TrunkPart::General.has(name))
        .with(managed())
        .shown(&MANAGED),
    TrunkSection
}

view! {
    GeneralPatch,
    Fields::of::<TrunkSection>().only(|name| TrunkPart::General.has(name)).patch(),
    TrunkSection
}

view! {
    /// Who may send calls.
    TerminationView,
    Fields::of::<TrunkSection>()
        .only(|name| TrunkPart::Termination.has(name))
        .with(managed())
        .shown(&MANAGED),
    TrunkSection
}

view! {
    TerminationPatch,
    Fields::of::<TrunkSection>().only(|name| TrunkPart::Termination.has(name)).patch(),
    TrunkSection
}

view! { OriginationPatch, Fields::of::<OriginationSection>().patch() }

view! {
    /// A route, where it stands.
    RouteView,
    Fields::of::<RouteSection>()
        .with(managed())
        .with(json!({"id": {"type": "string", "description": "`file-0` is the first of trunkline.toml."}}))
        .shown(&required(&["id"])),
    RouteSection
}

view! {
    /// A route, and where it is to be.
    NewRoute,
    Fields::of::<RouteSection>().with(position()).patch()
}

view! { RoutePatch, Fields::of::<RouteSection>().with(position()).patch() }

fn position() -> serde_json::Value {
    json!({"position": {"type": ["integer", "null"], "minimum": 0,
                        "description": "Its place among all routes; those of trunkline.toml come first."}})
}

view! {
    /// An account, where it stands, and at how many places it is registered.
    AccountView,
    Fields::of::<AccountSection>()
        .with(managed())
        .with(json!({"bindings": {"type": "integer", "minimum": 0}}))
        .shown(&required(&["aor", "trunk", "bindings"])),
    AccountSection
}

view! { AccountPatch, Fields::of::<AccountSection>().only(|name| name != "aor").patch() }

view! {
    /// A webhook, and its version.
    WebhookView,
    Fields::of::<WebhookSection>().with(managed()).shown(&required(&["name", "url", "enabled"])),
    WebhookSection
}

view! { WebhookPatch, Fields::of::<WebhookSection>().only(|name| name != "name").patch() }

fn leg() -> serde_json::Value {
    json!({"type": ["object", "null"], "properties": {
        "call_id": {"type": "string"},
        "user": {"type": ["string", "null"], "description": "Whom its INVITE authenticated as."},
        "trunk": {"type": ["string", "null"]},
        "transport": {"type": "string", "enum": ["udp", "tcp", "tls"]},
        "remote": {"type": ["string", "null"], "description": "The peer's signalling address."},
        "profile": {"type": ["string", "null"], "description": "`RTP/AVP` or `RTP/SAVP`."},
        "suite": {"type": ["string", "null"], "description": "Of SRTP."},
    }})
}

/// What a call that is up has.
fn live() -> serde_json::Value {
    json!({
        "call": {"type": "integer", "minimum": 0},
        "from": {"type": "string"},
        "to": {"type": "string"},
        "state": {"type": "string", "enum": ["locating", "ringing", "answered", "held", "ending", "ended"]},
        "held": {"type": "array", "items": {"type": "boolean"}, "description": "Whether the caller is on hold, and the callee."},
        "start": {"type": "string", "description": "RFC 3339, UTC."},
        "answer": {"type": ["string", "null"]},
        "age_ms": {"type": "integer"},
        "caller": leg(),
        "callee": leg(),
        "codec": {"type": ["string", "null"]},
        "targets": {"type": "array", "items": {"type": "object"}, "description": "That were tried, in order."},
        "media": {"type": ["object", "null"], "description": "`directions`: who sends, which way it goes, and how good it is."},
        "mos": {"type": "array", "items": {"type": "object"}, "description": "The latest samples of each direction."},
    })
}

view! {
    /// One side of a call.
    LegView,
    read(leg())
}

fn count() -> serde_json::Value {
    json!({"type": "integer", "minimum": 0})
}

fn counts() -> serde_json::Value {
    json!({"type": "object", "additionalProperties": count()})
}

view! {
    /// Every packet by its fate: sent on, passed to the host, dropped by reason (those that occurred).
    Verdicts,
    read(json!({"type": "object", "required": ["pass", "drop"],
                "properties": {"pass": count(), "drop": counts()},
                "additionalProperties": count()}))
}

view! {
    /// What was counted since the start, and what is held.
    Counters,
    read(json!({"type": "object",
        "required": ["calls", "connections", "bindings", "records_lost", "store_errors", "signalling", "transport"],
        "properties": {
            "calls": count(),
            "connections": count(),
            "bindings": count(),
            "records_lost": count(),
            "store_errors": count(),
            "signalling": counts(),
            "transport": counts(),
        }}))
}

view! {
    /// A call that is up.
    LiveCallView,
    read(json!({"type": "object", "properties": live(),
                "required": ["call", "from", "to", "state", "start", "caller", "callee", "media", "mos"]}))
}

/// What the record of a call has.
fn record() -> serde_json::Value {
    json!({
        "call": {"type": "integer", "minimum": 0},
        "start": {"type": "string", "description": "RFC 3339, UTC."},
        "answer": {"type": ["string", "null"]},
        "end": {"type": "string"},
        "setup_ms": {"type": ["number", "null"]},
        "duration_s": {"type": "number"},
        "from": {"type": "string"},
        "to": {"type": "string"},
        "ended_by": {"type": "string"},
        "status": {"type": "integer", "description": "The SIP status that it ended with."},
        "code": {"type": ["integer", "null"], "description": "The code of a refusal."},
        "reason": {"type": "string"},
        "codec": {"type": ["string", "null"]},
        "caller": leg(),
        "callee": leg(),
        "targets": {"type": "array", "items": {"type": "object"}},
        "first_party_targets": {"type": "array", "items": {"type": "object"},
            "description": "Of a call that was placed: where its first party was tried before it answered. Absent without any."},
        "media": {"type": ["object", "null"]},
        "outcome": {"type": "string", "enum": ["answered", "refused", "failed"]},
        "mos_min": {"type": ["number", "null"], "description": "Of the worst direction."},
        "has_ladder": {"type": "boolean", "description": "Its messages are kept."},
    })
}

view! {
    /// The record of a call.
    CallRecordView,
    read(json!({"type": "object", "properties": record(), "required": ["call", "from", "to", "status", "outcome", "has_ladder"]}))
}

/// The fields of both, and what is told of one call alone.
fn call_details() -> RefOr<Schema> {
    let mut fields = record();
    let alone = json!({
        "ladder": {"anyOf": [{"$ref": "#/components/schemas/Ladder"}, {"type": "null"}]},
        "quality": {"anyOf": [{"$ref": "#/components/schemas/Quality"}, {"type": "null"}]},
        "flows": {"type": "array", "items": {"$ref": "#/components/schemas/Flow"}},
        "timeline": {"type": "array", "items": {"$ref": "#/components/schemas/EventItem"}},
    });
    for more in [live(), alone] {
        if let (serde_json::Value::Object(fields), serde_json::Value::Object(more)) =
            (&mut fields, more)
        {
            fields.extend(more);
        }
    }
    read(json!({"type": "object", "properties": fields,
                "required": ["call", "from", "to", "state", "timeline"]}))
}

view! {
    /// A call that is up, or the record of one that was, with everything that is known of it.
    CallDetails,
    call_details(),
    Ladder, Quality, Flow, EventItem
}

view! {
    /// The messages of a call.
    Ladder,
    read(json!({"type": "object", "required": ["messages", "truncated"], "properties": {
        "messages": {"type": "array", "items": {"type": "object", "properties": {
            "time": {"type": "string"},
            "offset_ms": {"type": "integer"},
            "from": {"type": "string"},
            "to": {"type": "string"},
            "leg": {"type": "string"},
            "transport": {"type": "string"},
            "direction": {"type": "string", "enum": ["in", "out"]},
            "summary": {"type": "string"},
            "method": {"type": "string"},
            "status": {"type": ["integer", "null"]},
            "text": {"type": "string", "description": "Redacted."},
        }}},
        "truncated": {"type": "boolean"},
    }}))
}

view! {
    /// How good a call was.
    Quality,
    read(json!({"type": "object", "required": ["interval_s", "directions"], "properties": {
        "interval_s": {"type": "integer"},
        "directions": {"type": "array", "items": {"type": "object", "properties": {
            "from": {"type": "string", "enum": ["caller", "callee"]},
            "stream": {"type": "integer"},
            "samples": {"type": "array", "items": {"type": "object", "properties": {
                "at_ms": {"type": "integer"},
                "mos": {"type": ["number", "null"]},
                "loss_percent": {"type": "number"},
                "jitter_ms": {"type": "number"},
                "packets": {"type": "integer"},
            }}},
        }}},
    }}))
}

view! {
    /// An event, or the numbers of events that are gone.
    EventItem,
    read(json!({"type": "object", "properties": {
        "seq": {"type": "integer", "minimum": 1},
        "time": {"type": "string", "description": "RFC 3339, UTC."},
        "kind": {"type": "string", "example": "call_started"},
        "call": {"type": ["integer", "null"]},
        "trunk": {"type": ["string", "null"]},
        "peer": {"type": ["string", "null"]},
        "code": {"type": ["integer", "null"]},
        "text": {"type": "string"},
        "data": {"type": "object"},
        "gap": {"type": "object", "properties": {"from": {"type": "integer"}, "to": {"type": "integer"}},
                "description": "Instead of all else: these numbers are gone."},
    }}))
}
