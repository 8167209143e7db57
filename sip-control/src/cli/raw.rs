//! `trunkline api`: any request to the API, for what has no verb yet.

use std::path::PathBuf;

use clap::Args;
use hyper::Method;

use super::client::{Path, Request};
use super::context::Common;
use super::document;
use super::failure::Failure;

#[derive(Args)]
pub(super) struct ApiArguments {
    #[command(flatten)]
    pub(super) common: Common,
    /// GET, POST, PUT, PATCH or DELETE.
    #[arg(value_parser = method)]
    method: Method,
    /// Such as /trunks/pbx?x=y, with or without /api/v1.
    path: String,
    /// The body, TOML or JSON; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The entity tag of what is changed.
    #[arg(long, value_name = "TAG")]
    if_match: Option<String>,
}

fn method(text: &str) -> Result<Method, String> {
    let known = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    known
        .into_iter()
        .find(|method| method.as_str().eq_ignore_ascii_case(text))
        .ok_or_else(|| format!("{text:?} is no method; expected GET, POST, PUT, PATCH or DELETE"))
}

impl ApiArguments {
    pub(super) async fn execute(self) -> Result<(), Failure> {
        let context = self.common.context()?;
        let path = Path::written(&self.path);
        let request = match (&self.file, self.method) {
            (None, method) => Request::new(method, path),
            (file, Method::PATCH) => Request::patch(path, document::read(file)?),
            (file, method) => Request::new(method, path).with_body(document::read(file)?),
        };
        let request = request.accept("*/*").if_match(self.if_match).takes_long();
        let answer = context.client.ask(request).await?;
        context.output.write(&answer.bytes)?;
        match answer.bytes.last() {
            None | Some(b'\n') => Ok(()),
            Some(_) => context.output.write(b"\n"),
        }
    }
}
