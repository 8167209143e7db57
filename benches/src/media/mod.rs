//! The media plane beside its peers, in three namespaces: `cargo xtask bench media`.
//!
//! Every figure comes from a run of everything in turn on this machine; ratios are what to look
//! at. [`run`] measures and prints; docs/performance.md says how and why.

pub mod contender;
pub mod crypto_section;
pub mod flow_churn;
pub mod forwarder;
pub mod frames;
pub mod kernel;
pub mod lab;
pub mod latency;
pub mod measure;
pub mod meter;
pub mod meter_check;
pub mod nat;
pub mod ng;
pub mod ours;
pub mod relaying;
pub mod report;
pub mod rtp_relay;
pub mod rtpengine;
pub mod skb_source;
pub mod srtp_crypto;
pub mod srtp_relay;
pub mod sys;
pub mod versions;
pub mod xdp_forward;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use lab::Lab;
use report::{Report, Section};

/// The compiled kernel programs.
pub struct Objects {
    /// The shipped object.
    pub media: PathBuf,
    /// The benches' own.
    pub bench: PathBuf,
}

/// How to measure.
pub struct Options {
    pub is_quick: bool,
    pub is_json: bool,
    /// Only these sections; empty for all.
    pub only: Vec<String>,
    /// The CPU of the generator.
    pub generator_cpu: usize,
    /// The CPUs of the contenders: all others.
    pub contender_cpus: Vec<usize>,
}

/// The longest that a run may take: what hangs is ended and cleaned up.
const LONGEST: Duration = Duration::from_secs(25 * 60);

type Measure = fn(&Lab, &Objects, &Options) -> Result<Section>;
const SECTIONS: &[(&str, Measure)] = &[
    ("xdp_forward", xdp_forward::measure),
    ("srtp_relay", srtp_relay::measure),
    ("rtp_relay_socket", rtp_relay::measure),
    ("srtp_crypto", crypto_section::measure),
    ("latency", latency::measure),
    ("flow_churn", flow_churn::measure),
    ("meter", meter_check::measure),
];

/// Measures and prints.
///
/// # Errors
/// If something cannot be measured: what was measured is printed first, and no number that was not.
pub fn run(objects: &Objects, options: &Options) -> Result<()> {
    ensure!(
        trunkline_tests::sys::is_root(),
        "the media bench makes network namespaces and loads kernel programs: it needs root"
    );
    ensure!(
        !options.contender_cpus.is_empty(),
        "the media bench needs two CPUs: one for the generator, one for what is measured"
    );
    for wanted in &options.only {
        ensure!(
            SECTIONS.iter().any(|(name, _)| name == wanted),
            "there is no section {wanted}; there are: {}",
            SECTIONS.map_names()
        );
    }
    sys::stop_on_signals();
    end_after(LONGEST);
    let versions = versions::all()?;
    let lab = Lab::new().context("making the namespaces")?;
    let mut report = Report::default();
    let mut failed = Vec::new();
    for (name, measure) in SECTIONS {
        if !options.only.is_empty() && !options.only.iter().any(|only| only == name) {
            continue;
        }
        let begun = Instant::now();
        eprintln!("[bench] {name} ...");
        match measure(&lab, objects, options) {
            Ok(section) => report.sections.push(section),
            Err(error) => {
                eprintln!("[bench] {name}: {error:#}");
                failed.push(*name);
            }
        }
        eprintln!("[bench] {name}: {:.0} s", begun.elapsed().as_secs_f64());
        measure::go_on()?;
    }
    drop(lab);
    if options.is_json {
        println!("{}", report.json(versions));
    } else {
        print!("{}", report.text(&versions));
    }
    ensure!(failed.is_empty(), "not measured: {}", failed.join(", "));
    Ok(())
}

trait Names {
    fn map_names(&self) -> String;
}

impl Names for [(&str, Measure)] {
    fn map_names(&self) -> String {
        let names: Vec<&str> = self.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

/// Ends a run that takes longer.
pub fn end_after(longest: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(longest);
        eprintln!("[bench] this takes too long: ending");
        sys::stop();
    });
}
