//! Who is measured, and what a measurement needs.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use trunkline_tests::agent::Authority;

use super::generator::Generator;
use super::kamailio::Kamailio;
use super::load::{Load, Outcome};
use super::messages::Run;
use super::pace::{Pace, Slowdown};
use super::process::Process;
use super::proof;
use super::scenario::Scenario;
use super::trunkline::Trunkline;
use crate::media::lab::{Lab, MEDIA};
use crate::media::sys::{self, Policy};

/// Of the generator's thread: before what it measures, which it leaves the other CPUs.
const GENERATOR_PRIORITY: u8 = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Ours,
    /// With rtpengine.
    Kamailio,
}

impl Who {
    pub const ALL: [Who; 2] = [Who::Ours, Who::Kamailio];

    /// In keys of the JSON.
    pub fn key(self) -> &'static str {
        match self {
            Who::Ours => "ours",
            Who::Kamailio => "kamailio",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Who::Ours => "trunkline",
            Who::Kamailio => "kamailio + rtpengine",
        }
    }
}

/// A contender that runs; ended when dropped.
pub trait Edge {
    fn processes(&self) -> Vec<&Process>;
}

/// What every measurement needs.
pub struct Bench<'a> {
    pub lab: &'a Lab,
    pub daemon: PathBuf,
    pub is_quick: bool,
    pub generator_cpu: usize,
    pub contender_cpus: Vec<usize>,
    /// Trusts the edge's certificate.
    pub tls: Arc<ClientConfig>,
    /// Of the contenders' CPUs.
    pace: Pace,
    directory: Directory,
    run: Cell<u16>,
}

impl<'a> Bench<'a> {
    pub fn new(lab: &'a Lab, options: &super::Options) -> Result<Bench<'a>> {
        let authority = Authority::new()?;
        let directory = Directory::new()?;
        authority
            .issue(&["edge.example.com"], &[MEDIA[0].into()])?
            .write(directory.path(), "edge")?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(
            authority.certificate().as_bytes(),
        )?)?;
        let tls = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        std::fs::write(directory.path().join("ca.crt"), authority.certificate())?;
        Ok(Bench {
            lab,
            daemon: options.daemon.clone(),
            is_quick: options.is_quick,
            generator_cpu: options.generator_cpu,
            contender_cpus: options.contender_cpus.clone(),
            tls: Arc::new(tls),
            pace: Pace::watch(&options.contender_cpus)?,
            directory,
            run: Cell::new(0),
        })
    }

    /// Certificates, configurations and logs: `edge.crt`, `edge.key`, `ca.crt` are there.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn start(&self, who: Who, scenario: Scenario) -> Result<Box<dyn Edge>> {
        let edge: Box<dyn Edge> = match who {
            Who::Ours => Box::new(Trunkline::start(self, scenario)?),
            Who::Kamailio => Box::new(Kamailio::start(self, scenario)?),
        };
        proof::media_passes(self, scenario).context(who.name())?;
        Ok(edge)
    }

    /// A generator with the edge between its two sides.
    pub fn generator(&self, scenario: Scenario) -> Result<Generator> {
        Generator::to_edge(self.lab, scenario, &self.tls, self.next_run())
    }

    /// A generator whose sides face each other.
    pub fn back_to_back(&self) -> Result<Generator> {
        Generator::back_to_back(self.lab, self.next_run())
    }

    fn next_run(&self) -> Run {
        self.run.set(self.run.get().wrapping_add(1));
        Run(self.run.get())
    }

    /// Makes calls, and says what the host disturbed meanwhile.
    pub fn run(&self, generator: &mut Generator, load: &Load) -> Result<Outcome> {
        let (mut outcome, slowdown) = self.watched(|| self.alone(|| generator.run(load)))?;
        outcome.slowdown = slowdown;
        Ok(outcome)
    }

    /// Does `work`, and says what the host disturbed meanwhile.
    pub fn watched<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<(T, Slowdown)> {
        let mark = self.pace.mark();
        let done = work()?;
        Ok((done, self.pace.since(&mark)))
    }

    /// Runs `work` on a thread that has the generator's CPU to itself whenever it wants it.
    pub fn alone<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let cpu = self.generator_cpu;
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                sys::pin(&[cpu]).context("pinning the generator to a CPU")?;
                sys::schedule(Policy::RealTime(GENERATOR_PRIORITY))
                    .context("giving the generator a real-time priority")?;
                work()
            });
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// CPU time of all processes of a contender, by name.
pub fn cpu_times(edge: &dyn Edge) -> Result<Vec<(&'static str, Duration)>> {
    let processes = edge.processes();
    let times = processes
        .iter()
        .map(|process| Ok((process.name(), process.cpu_time()?)));
    times.collect()
}

/// A directory of this run; removed when dropped.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Directory> {
        let path = std::env::temp_dir().join(format!("trunkline-sip-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Directory(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
