//! Starts everything in order, runs the driver, and stops everything in order.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use media_core::report::MediaEvent;
use rand_core::{OsRng, TryRngCore};
use rustix::process::{Resource, getrlimit, setrlimit};
use sip_core::stack::{Stack, StackConfig};
use sip_core::trunk::SecureMode;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::api::{self, ApiServer, Told};
use crate::cdr::Records;
use crate::clock::rfc3339;
use crate::config::Config;
use crate::driver::{Driver, Inputs, log_warnings};
use crate::events::EventLog;
use crate::manage::Manager;
use crate::media::MediaPlane;
use crate::media::sys::share_arenas;
use crate::observe::Observers;
use crate::operation::OPERATIONS;
use crate::outbox::Outbox;
use crate::ports::{self, SharedPorts};
use crate::signals::Signals;
use crate::store::{Loaded, Loading, Store};
use crate::transport::Transports;
use crate::transport::tls::{PeerTls, Verify};

/// Messages that wait for signalling; beyond it peers wait.
const ARRIVALS: usize = 4096;
const MEDIA_EVENTS: usize = 4096;
/// How long a disk may take to read registrations, while nothing is taken yet: twice over the time
/// that another process may hold the file, and some.
const STORE_PATIENCE: Duration = Duration::from_secs(6);
/// How long a disk may take to write what waits at the end.
const LAST_RECORDS: Duration = Duration::from_secs(5);

/// Keeps what the process holds small. To be called before any thread is started.
pub fn bound_memory() {
    share_arenas();
}

/// Runs the daemon until it is asked to stop. Must be called within a multi-threaded runtime.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let signals = Signals::catch().context("signals cannot be caught")?;
    raise_file_limit();
    log_warnings(&config);
    let pool = ports::pool(&config.realms, config.port_cooldown)?;
    let shared_ports = SharedPorts::new(pool);
    let records = Records::open(config.records.as_ref())?;
    let (store, loading) = open_store(&config);
    let (media_sender, media_events) = mpsc::channel::<MediaEvent>(MEDIA_EVENTS);
    let media_config = config.media.clone();
    // Loading the program and waiting for links takes a while.
    let media =
        tokio::task::spawn_blocking(|| MediaPlane::start(media_config, media_sender)).await??;
    let media = Arc::new(media);
    let (operation_sender, operations) = mpsc::channel(OPERATIONS);
    let mut loaded = read_store(loading).await;
    let entries = std::mem::take(&mut loaded.entries);
    let entries = loaded.complete.then_some(entries);
    let (manager, config) = Manager::new(config, entries, store.clone(), operation_sender.clone());
    let mut observers = Observers::start(&config, &store, &media)?;
    observers.follow_webhooks(manager.watch_webhooks());
    manager.tell(Arc::clone(&observers.hub));
    let watcher = observers.watcher(&config);
    let (arrival_sender, arrivals) = mpsc::channel(ARRIVALS);
    let transports = Transports::start(&config, arrival_sender)?;
    let told = Told::new(&config);
    let router = api::router(api::Parts {
        manager: Arc::clone(&manager),
        store: store.clone(),
        hub: Arc::clone(&observers.hub),
        live: Arc::clone(&observers.live),
        health: Arc::clone(&observers.monitor),
        registrations: Arc::clone(&told.registrations),
        media: Arc::clone(&media),
        operations: operation_sender,
        event_clients: config.api.event_clients,
        backup_dir: config.store.backup_dir.clone(),
    });
    let socket = config.control_socket.as_deref();
    let api = ApiServer::open(socket, &config.api, &told, router).await?;
    let rng = Box::new(OsRng.unwrap_err());
    let stack_config = StackConfig {
        first_call: store.first_call(),
        ..config.stack()
    };
    let mut stack = Stack::new(
        stack_config,
        rng,
        Box::new(shared_ports.clone()),
        Instant::now(),
    );
    restore(&config, &store, &loaded, &mut stack);
    for snapshot in &loaded.bindings {
        told.registered(snapshot);
    }
    let tending = config
        .store
        .path
        .is_some()
        .then(|| tokio::spawn(Arc::clone(&manager).tend()));
    log_start(&config, &media);
    let inputs = Inputs {
        signals,
        arrivals,
        media_events,
        media_is_gone: false,
        operations,
    };
    let outbox = Outbox::new(media.ready());
    let mut driver = Driver {
        config,
        stack,
        ports: shared_ports,
        transports,
        media,
        records,
        store,
        events: EventLog::default(),
        watcher,
        told,
        manager,
        inputs,
        outbox,
    };
    // As a task beside those that read the sockets: what arrives needs no switch of threads.
    let signalling = tokio::spawn(async move {
        let ended = driver.run().await;
        (driver, ended)
    });
    let (driver, ended) = signalling.await.context("signalling has panicked")?;
    if let Some(tending) = tending {
        tending.abort();
    }
    stop(driver, api, observers).await;
    ended
}

/// Has the store opened, while other things start.
fn open_store(config: &Config) -> (Store, Loading) {
    let listeners = config.listeners.iter();
    let listeners: Vec<String> = listeners.map(|listener| listener.name.clone()).collect();
    Store::open(config.store.clone(), listeners)
}

/// What the store has.
async fn read_store(loading: Loading) -> Loaded {
    loading.within(STORE_PATIENCE).await.unwrap_or_else(|| {
        tracing::error!("the store does not answer; phones must register again");
        Loaded::default()
    })
}

/// Gives signalling the bindings that were kept.
fn restore(config: &Config, store: &Store, loaded: &Loaded, stack: &mut Stack) {
    let accounts = config.trunks.iter().flat_map(|trunk| &trunk.trunk.accounts);
    let accounts = accounts.map(|account| account.aor.clone()).collect();
    if loaded.complete {
        store.forget_others(&loaded.bindings, &accounts);
    }
    let restored = stack.restore(Instant::now(), &loaded.bindings);
    if restored > 0 {
        tracing::info!(bindings = restored, "registrations from before the restart");
    }
}

async fn stop(driver: Driver, api: ApiServer, observers: Observers) {
    let manager = Arc::clone(&driver.manager);
    let (media, transports, records, store) = driver.into_parts();
    api.close().await;
    manager.write_uses();
    drop(manager);
    transports.close().await;
    observers.close().await;
    // An answer to status may still hold it; then it stops when that is done.
    let media_stopped =
        tokio::task::spawn_blocking(move || Arc::into_inner(media).map(MediaPlane::stop));
    if let Err(error) = media_stopped.await {
        tracing::error!("stopping media: {error}");
    }
    let written = tokio::task::spawn_blocking(move || {
        records.close();
        store.close();
    });
    if timeout(LAST_RECORDS, written).await.is_err() {
        tracing::warn!(
            "the last call records and registrations are not written: the disk does not answer"
        );
    }
    tracing::info!("stopped");
}

fn log_start(config: &Config, media: &MediaPlane) {
    for configured in &config.listeners {
        let listener = &configured.listener;
        let realm = config
            .realms
            .get(usize::from(listener.realm.0))
            .map(|realm| realm.name.as_str());
        tracing::info!(
            name = configured.name,
            transport = listener.transport.uri_token(),
            address = %listener.address,
            advertised = %format_args!("{}:{}", listener.advertised_host, listener.advertised_port),
            realm,
            "listener"
        );
    }
    for configured in &config.trunks {
        let trunk = &configured.trunk;
        let targets: Vec<String> = trunk
            .origination
            .uris
            .iter()
            .map(|uri| uri.uri.to_string())
            .collect();
        let targets = (!targets.is_empty()).then(|| targets.join(", "));
        let secure = secure_word(trunk.mode);
        // SEC-4: how many roots its bundle holds.
        let roots = configured.tls.as_ref().and_then(PeerTls::roots);
        tracing::info!(name = trunk.name, secure, targets, roots, "trunk");
        if configured
            .tls
            .as_ref()
            .is_some_and(|tls| tls.verify() == Verify::Off)
        {
            tracing::warn!(
                trunk = trunk.name,
                "the certificate of this peer is NOT verified (verify = \"off\"): anybody may answer in its place"
            );
        }
    }
    log_certificates(config);
    let description = media.description();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        backend = description.backend_name(),
        attach_mode = description.attach_mode(),
        trunks = config.trunks.len(),
        routes = config.routes.len(),
        "ready"
    );
}

/// What we prove ourselves with, and until when; what expires soon is among the warnings.
pub(crate) fn log_certificates(config: &Config) {
    for facts in config.certificates() {
        tracing::info!(
            used_by = facts.used_by,
            names = facts.names.join(", "),
            key = facts.key,
            not_after = facts.not_after.map(rfc3339),
            "certificate"
        );
    }
}

/// As the configuration has it.
fn secure_word(mode: SecureMode) -> &'static str {
    match mode {
        SecureMode::Disabled => "disabled",
        SecureMode::Tls => "tls",
        SecureMode::Srtp => "srtp",
    }
}

/// Every connection is a file; the shell's soft limit is for programs with few.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!("the limit of open files stays as it is: {error}");
    }
}

/// Reads and checks a configuration; what deserves a look is printed.
pub fn check(path: &Path) -> Result<Config, crate::config::ConfigError> {
    let config = Config::load(path)?;
    for warning in &config.warnings {
        eprintln!("{}: warning: {warning}", path.display());
    }
    Ok(config)
}
