//! `trunkline flows` and `trunkline flow`: whose packets, by which way, and how good.

use clap::Args;
use serde_json::Value;

use super::client::Path;
use super::context::{Common, Watch};
use super::failure::Failure;
use crate::flows;

#[derive(Args)]
pub(super) struct FlowsArguments {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    watch: Watch,
}

impl FlowsArguments {
    pub(super) async fn execute(self) -> Result<(), Failure> {
        let context = self.common.context()?;
        let path = || Path::of(&["flows"]).with("limit", Some("1000"));
        let look = || context.client.pages(path(), None);
        let show = |answer: &Value| context.output.show(answer, |flows, _| flows::table(flows));
        context.output.watch(self.watch.watch, look, show).await
    }
}

#[derive(Args)]
pub(super) struct FlowArguments {
    /// Its number in `trunkline flows`: its key in the map FLOWS.
    flow: u32,
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    watch: Watch,
}

impl FlowArguments {
    pub(super) async fn execute(self) -> Result<(), Failure> {
        let context = self.common.context()?;
        let flow = self.flow.to_string();
        let look = || context.client.get(Path::of(&["flows", &flow]));
        let show = |answer: &Value| context.output.show(answer, |flow, _| flows::details(flow));
        context.output.watch(self.watch.watch, look, show).await
    }
}
