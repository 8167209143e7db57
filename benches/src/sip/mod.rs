//! Signalling beside its peers, in three namespaces: `cargo xtask bench sip`.
//!
//! The same calls go through our daemon and through Kamailio with rtpengine, in turn, on the same
//! CPUs. [`run`] measures and prints; docs/performance.md says how and why. [`run_api`] measures what
//! operating costs, with the same lab and generator: `cargo xtask bench api`.

pub mod api;
pub mod call;
pub mod caller_link;
pub mod contender;
pub mod cost;
pub mod datagrams;
pub mod generator;
pub mod handshakes;
pub mod histogram;
pub mod invite;
pub mod kamailio;
pub mod load;
pub mod memory;
pub mod message_cost;
pub mod messages;
pub mod pace;
pub mod process;
pub mod proof;
pub mod rate_search;
pub mod rates;
pub mod scenario;
pub mod sys;
pub mod template;
pub mod tls_link;
pub mod trunkline;
pub mod wire;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use trunkline_tests::sys::attach_xdp_pass;

use self::contender::Bench;
use crate::media::lab::{IN, Lab, OUT};
use crate::media::report::{Report, Section};
use crate::media::{self, versions};

/// How to measure.
pub struct Options {
    /// The daemon, built for release.
    pub daemon: PathBuf,
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
const LONGEST: Duration = Duration::from_secs(60 * 60);

type Measure = fn(&Bench<'_>) -> Result<Section>;
const SECTIONS: &[(&str, Measure)] = &[
    ("message", message_cost::measure),
    ("generator", rates::generator),
    ("rates", rates::measure),
    ("cost", cost::measure),
    ("memory", memory::measure),
    ("handshakes", handshakes::measure),
];

/// Of [`run_api`].
const API_SECTIONS: &[(&str, Measure)] = &[
    ("reads", api::reads),
    ("bundle", api::bundle),
    ("first_paint", api::first_paint),
];

/// Measures signalling and prints.
///
/// # Errors
/// If something cannot be measured: no number is printed that was not.
pub fn run(options: &Options) -> Result<()> {
    run_sections(options, SECTIONS)
}

/// Measures the HTTP API and the console, and prints.
///
/// # Errors
/// See [`run`].
pub fn run_api(options: &Options) -> Result<()> {
    run_sections(options, API_SECTIONS)
}

fn run_sections(options: &Options, sections: &[(&'static str, Measure)]) -> Result<()> {
    ensure!(
        trunkline_tests::sys::is_root(),
        "the SIP bench makes network namespaces and loads the XDP program: it needs root"
    );
    ensure!(
        !options.contender_cpus.is_empty(),
        "the SIP bench needs two CPUs: one for the generator, one for what is measured"
    );
    for wanted in &options.only {
        let names: Vec<&str> = sections.iter().map(|(name, _)| *name).collect();
        ensure!(
            names.contains(&wanted.as_str()),
            "there is no section {wanted}; there are: {}",
            names.join(", ")
        );
    }
    media::sys::stop_on_signals();
    media::end_after(LONGEST);
    let versions = versions::of_signalling()?;
    let lab = Lab::new().context("making the namespaces")?;
    let _links = far_ends(&lab)?;
    keep_ports_apart(&lab)?;
    let bench = Bench::new(&lab, options)?;
    let mut report = Report::default();
    let mut failed = Vec::new();
    for (name, measure) in sections {
        if !options.only.is_empty() && !options.only.iter().any(|only| only == name) {
            continue;
        }
        let begun = Instant::now();
        eprintln!("[bench] {name} ...");
        match measure(&bench) {
            Ok(section) => {
                eprintln!("[bench] {name}: {:.0} s", begun.elapsed().as_secs_f64());
                report.sections.push(section);
            }
            Err(error) if media::sys::is_stopped() => return Err(error.context(*name)),
            // What was measured before and after stands all the same.
            Err(error) => {
                eprintln!("[bench] {name}: {error:#}");
                failed.push(*name);
            }
        }
    }
    if options.is_json {
        println!("{}", report.flat_json(versions));
    } else {
        print!("{}", report.text(&versions));
    }
    ensure!(
        failed.is_empty(),
        "not measured: {}; see above",
        failed.join(", ")
    );
    Ok(())
}

/// What the edge's kernel gives away for itself is no media port.
fn keep_ports_apart(lab: &Lab) -> Result<()> {
    let path = "/proc/sys/net/ipv4/ip_local_port_range";
    lab.edge
        .enter(|| std::fs::write(path, "60000 65535"))?
        .with_context(|| format!("writing {path}"))
}

/// Frames that XDP sends by a veth arrive only if its other end has a program as well.
fn far_ends(lab: &Lab) -> Result<[OwnedFd; 2]> {
    let attach = |interface| attach_xdp_pass(interface);
    let links = [
        lab.source.enter(|| attach(OUT))?,
        lab.sink.enter(|| attach(IN))?,
    ];
    let [source, sink] = links;
    Ok([
        source.context("attaching a program to the caller's interface")?,
        sink.context("attaching a program to the callee's interface")?,
    ])
}
