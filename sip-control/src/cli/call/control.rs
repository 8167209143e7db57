//! What can be done with a call. Each request has a key, so that one that is sent again is done once.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::path;
use crate::cli::client::{Path, Request};
use crate::cli::complete;
use crate::cli::context::Context;
use crate::cli::failure::Failure;

/// A call to act on.
#[derive(Args)]
pub(super) struct ActVerb {
    #[arg(add = complete::calls())]
    call: u64,
    #[command(flatten)]
    key: Key,
}

/// A request that is sent twice under one key is done once.
#[derive(Args)]
struct Key {
    /// A request that is sent twice under one key is done once [default: a new one].
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

#[derive(Args)]
pub(super) struct TransferArguments {
    #[arg(add = complete::calls())]
    call: u64,
    /// A number, or a SIP URI.
    target: String,
    /// The side that goes there.
    #[arg(long, value_enum)]
    who: Who,
    /// Who places the new call.
    #[arg(long, value_enum, default_value_t = How::Local)]
    how: How,
    #[command(flatten)]
    key: Key,
}

#[derive(Clone, Copy, ValueEnum)]
enum Who {
    Caller,
    Callee,
}

#[derive(Clone, Copy, ValueEnum)]
enum How {
    /// The peer, which is sent a REFER.
    Refer,
    /// We, by the routes.
    Local,
}

#[derive(Args)]
pub(super) struct PlaceArguments {
    /// A number, or the address of an account, that rings first.
    first: String,
    /// The number that it is connected with.
    to: String,
    /// The number that the second one sees [default: the first's].
    #[arg(long)]
    from: Option<String>,
    /// The trunk by whose routes a number is found [default: the account's].
    #[arg(long, add = complete::trunks())]
    trunk: Option<String>,
    #[command(flatten)]
    key: Key,
}

pub(super) async fn hang_up(context: &Context, act: ActVerb) -> Result<(), Failure> {
    let answer = ask(context, path(act.call, Some("hang-up")), json!({}), act.key).await?;
    context
        .output
        .done(&answer, &format!("call {} is being ended", act.call))
}

pub(super) async fn hold(context: &Context, act: ActVerb, on: bool) -> Result<(), Failure> {
    let path = path(act.call, Some("hold"));
    let answer = ask(context, path, json!({ "on": on }), act.key).await?;
    let said = match on {
        true => format!("call {} is being put on hold", act.call),
        false => format!("call {} is being resumed", act.call),
    };
    context.output.done(&answer, &said)
}

pub(super) async fn transfer(
    context: &Context,
    transfer: TransferArguments,
) -> Result<(), Failure> {
    let who = match transfer.who {
        Who::Caller => "caller",
        Who::Callee => "callee",
    };
    let how = match transfer.how {
        How::Refer => "refer",
        How::Local => "local",
    };
    let body = json!({ "who": who, "target": transfer.target, "how": how });
    let path = path(transfer.call, Some("transfer"));
    let answer = ask(context, path, body, transfer.key).await?;
    let said = format!(
        "call {}: the {who} is being transferred to {}",
        transfer.call, transfer.target
    );
    context.output.done(&answer, &said)
}

pub(super) async fn place(context: &Context, place: PlaceArguments) -> Result<(), Failure> {
    let mut body = json!({ "first": place.first, "to": place.to });
    for (name, value) in [("from", place.from), ("trunk", place.trunk)] {
        if let Some(value) = value {
            body[name] = value.into();
        }
    }
    let answer = ask(context, Path::of(&["calls"]), body, place.key).await?;
    let said = format!(
        "call {} is being placed: {} rings first",
        answer["call"], place.first
    );
    context.output.done(&answer, &said)
}

async fn ask(context: &Context, path: Path, body: Value, key: Key) -> Result<Value, Failure> {
    let key = match key.idempotency_key {
        Some(key) => key,
        None => new_key()?,
    };
    let request = Request::post(path, body).idempotency_key(key);
    context.client.ask(request).await?.json()
}

/// 128 random bits.
fn new_key() -> Result<String, Failure> {
    use rand_core::TryRngCore;
    let mut bytes = [0; 16];
    rand_core::OsRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
