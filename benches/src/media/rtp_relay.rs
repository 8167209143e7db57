//! CPU time per packet of relaying plain RTP through sockets, beside rtpengine.

use anyhow::Result;
use serde_json::json;

use super::contender::{Crypto, Way};
use super::lab::Lab;
use super::report::{Aim, Section, rounded};
use super::srtp_relay::Plan;
use super::{Objects, Options};

const RATES: [u32; 3] = [20_000, 100_000, 200_000];
const USUAL: u32 = 100_000;

pub fn measure(lab: &Lab, objects: &Objects, options: &Options) -> Result<Section> {
    let plan = Plan {
        ways: &[Way::OursSocket, Way::Rtpengine],
        directions: &[Crypto::None],
        rates: &RATES,
        ..Plan::by(options)
    };
    let results = plan.run(lab, objects, options)?;
    let ratio = results.ratio(Way::OursSocket, Crypto::None, USUAL);
    Ok(Section {
        key: "rtp_relay_socket",
        values: json!({
            "ours_us": rounded(results.us(Way::OursSocket, Crypto::None, USUAL)),
            "rtpengine_us": rounded(results.us(Way::Rtpengine, Crypto::None, USUAL)),
            "ratio": rounded(ratio),
            "by_rate": results.by_rate(),
        }),
        lines: results.lines(plan.ways, plan.directions, &RATES),
        aims: vec![Aim::at_most("rtp_relay_socket.ratio", 0.8, ratio)],
    })
}
