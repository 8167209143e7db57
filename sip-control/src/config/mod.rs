//! `trunkline.toml`: read, checked as a whole, and turned into what each part of the daemon is
//! started with. What comes out needs no further checks.
//!
//! Fixed at start: listeners, realms, media, limits, records, control socket, DNS. Trunks, routes and
//! certificates are read again on SIGHUP ([`Config::reload`]). Further trunks, accounts and routes may
//! be in the store (`stored`).

mod accounts;
mod api;
mod certificates;
mod credentials;
mod dialogs;
mod error;
mod file;
mod header;
mod host;
mod listener;
mod origination;
mod realm;
mod reload;
mod route;
pub(crate) mod secret;
pub(crate) mod sections;
mod settings;
mod store;
mod stored;
mod trunk;
mod trunk_listener;
mod trunk_tls;
mod value;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sip_core::stack::StackConfig;
use sip_core::transport::Listener;
use sip_core::trunk::{Route, Trunk};

pub(crate) use self::accounts::canonical as aor_of;
pub use self::api::ApiConfig;
pub use self::error::ConfigError;
use self::error::Fault;
pub(crate) use self::error::told_without_secrets;
use self::file::File;
pub use self::realm::Realm;
use self::settings::TlsSettings;
pub use self::settings::{Limits, RecordSink};
pub use self::store::StoreSettings;
pub(crate) use self::stored::{Place, SectionFault, SectionKind, digest, sections_of_toml};
use crate::media::MediaConfig;
use crate::transport::tls::{CertificateFacts, PeerTls};

/// Where the configuration is looked for unless told otherwise.
pub const DEFAULT_PATH: &str = "/etc/trunkline/trunkline.toml";

/// A whole configuration that makes sense.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it was read from.
    pub path: PathBuf,
    /// Indexed by [`media_core::ports::RealmId`].
    pub realms: Vec<Realm>,
    /// Indexed by [`sip_core::transport::ListenerId`].
    pub listeners: Vec<ListenerConfig>,
    pub media: MediaConfig,
    /// How long a pair of media ports rests before it is used again.
    pub port_cooldown: Duration,
    pub limits: Limits,
    /// Where call records go; `None`: nowhere.
    pub records: Option<RecordSink>,
    /// A Unix socket with the HTTP API.
    pub control_socket: Option<PathBuf>,
    /// The HTTP API, there and at a port.
    pub api: ApiConfig,
    /// Who resolves names; none: the system's name servers.
    pub name_servers: Vec<SocketAddr>,
    /// What outlives a restart.
    pub store: StoreSettings,
    /// Indexed by [`sip_core::trunk::TrunkId`].
    pub trunks: Vec<TrunkConfig>,
    /// In order of the file.
    pub routes: Vec<Route>,
    /// What works, but deserves a look: one line each, with the key.
    pub warnings: Vec<String>,
    /// So many of them, the first ones, are not about trunks.
    general_warnings: usize,
    tls: Arc<TlsSettings>,
    file_version: i64,
    file: File,
}

/// A listener and, for TLS, what it proves itself with.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    pub name: String,
    pub listener: Listener,
    /// For TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// What it proves itself with; the default first.
    pub certificates: Vec<CertificateFacts>,
    /// Clients are asked for certificates, and those shown are verified.
    pub asks_for_certificates: bool,
}

/// A trunk and how its TLS peers are checked.
#[derive(Clone, Debug)]
pub struct TrunkConfig {
    pub trunk: Trunk,
    /// For trunks that are signalled over TLS; `None`: never connected to by TLS.
    pub tls: Option<PeerTls>,
    /// It is gone from the configuration: only calls that are up are still its own.
    pub is_retired: bool,
}

impl Config {
    /// Reads and checks the file, every certificate that it names, and what it asks of this host.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(path, &error))?;
        let mut config = Config::parse(path, &text)?;
        let mut warnings = Vec::new();
        host::check(
            &config.file,
            config.media.backend,
            (config.records.as_ref(), config.store.path.as_deref()),
            &mut warnings,
        )
        .map_err(|fault| ConfigError::fault(path, &text, fault))?;
        config.general_warnings += warnings.len();
        config.warnings.splice(0..0, warnings);
        Ok(config)
    }

    /// Like [`Config::load`] with the text at hand, and without a look at the host; `path` is for
    /// messages.
    pub fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
        let file: File =
            toml::from_str(text).map_err(|error| ConfigError::syntax(path, text, &error))?;
        resolve(path, file).map_err(|fault| ConfigError::fault(path, text, fault))
    }

    /// Reads the file again. What is fixed at start must not have changed; trunks keep their
    /// ids, those that are gone keep their place without a way in or out.
    pub fn reload(&self) -> Result<Config, ConfigError> {
        let mut new = self.read_again()?;
        reload::keep_ids(&self.trunks, &mut new.trunks, &mut new.routes)
            .map_err(|fault| ConfigError::fault(&self.path, "", fault))?;
        Ok(new)
    }

    /// The same before trunks have the ids that they have here, and without those of the store.
    pub(crate) fn read_again(&self) -> Result<Config, ConfigError> {
        let path = &self.path;
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(path, &error))?;
        let new = Config::parse(path, &text)?;
        if let Some(section) = reload::fixed_difference(&self.file, &new.file) {
            let fault = Fault::new(
                section,
                "has changed, which needs a restart; nothing was reloaded",
            );
            return Err(ConfigError::fault(path, &text, fault));
        }
        Ok(new)
    }

    /// Every certificate that we show to peers.
    pub fn certificates(&self) -> Vec<CertificateFacts> {
        let of_listeners = self
            .listeners
            .iter()
            .flat_map(|listener| listener.certificates.iter().cloned());
        let trunks = self.trunks.iter().filter(|trunk| !trunk.is_retired);
        let of_trunks = trunks.filter_map(|trunk| {
            let certificate = trunk.tls.as_ref()?.certificate()?;
            let used_by = format!("trunk {}", trunk.trunk.name);
            Some(CertificateFacts::of(used_by, certificate))
        });
        let of_api = self.api.certificates.iter().cloned();
        of_listeners.chain(of_trunks).chain(of_api).collect()
    }

    /// What servers of webhooks are verified by.
    pub(crate) fn webhook_roots(&self) -> rustls::RootCertStore {
        settings::webhook_roots(&self.file)
    }

    /// Digits may be shown: in events, and in the messages of calls.
    pub(crate) fn shows_digits(&self) -> bool {
        self.file.media.log_digits
    }

    /// What signalling is started with.
    pub fn stack(&self) -> StackConfig {
        StackConfig {
            trunks: self
                .trunks
                .iter()
                .map(|trunk| trunk.trunk.clone())
                .collect(),
            routes: self.routes.clone(),
            listeners: self
                .listeners
                .iter()
                .map(|listener| listener.listener.clone())
                .collect(),
            ring_timeout: self.limits.ring_timeout,
            max_calls: self.limits.max_calls,
            calls_per_second: self.limits.calls_per_second,
            max_queue_delay: self.limits.max_queue_delay,
            max_transactions: self.limits.max_transactions,
            message_limits: self.limits.message,
            show_digits: self.file.media.log_digits,
            ..StackConfig::default()
        }
    }
}

fn resolve(path: &Path, file: File) -> Result<Config, Fault> {
    let mut warnings = Vec::new();
    let realms = realm::resolve(&file)?;
    let tls = Arc::new(settings::tls(&file, &mut warnings)?);
    let listeners = listener::resolve(&file, &realms, &tls, &mut warnings)?;
    let general_warnings = warnings.len();
    let trunks = trunk::resolve(&file, &realms, &listeners, &tls, &mut warnings)?;
    let routes = route::resolve(&file, &trunks)?;
    Ok(Config {
        path: path.to_owned(),
        media: settings::media(&file, &realms)?,
        port_cooldown: settings::port_cooldown(&file)?,
        limits: settings::limits(&file)?,
        records: settings::records(&file),
        control_socket: settings::control_socket(&file),
        api: api::resolve(&file, &tls, &mut warnings)?,
        name_servers: settings::name_servers(&file)?,
        store: store::resolve(&file)?,
        realms,
        listeners,
        trunks,
        routes,
        warnings,
        general_warnings,
        tls,
        file_version: file.version(),
        file,
    })
}

/// Refuses a name that is empty or was used before; `section` is for the message.
fn check_names<'a>(section: &str, names: impl Iterator<Item = &'a str>) -> Result<(), Fault> {
    let mut seen: Vec<&str> = Vec::new();
    for (index, name) in names.enumerate() {
        let key = format!("{section}[{index}].name");
        if name.is_empty() {
            return Err(Fault::new(key, "is empty; expected a name"));
        }
        if seen.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            return Err(Fault::new(
                key,
                format!("{name:?} is used twice; expected a name of its own"),
            ));
        }
        seen.push(name);
    }
    Ok(())
}

/// The place of `name` among `names`, or a message that lists them.
fn find_name<'a>(
    key: String,
    kind: &str,
    name: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Result<usize, Fault> {
    names
        .clone()
        .position(|other| other.eq_ignore_ascii_case(name))
        .ok_or_else(|| {
            let known: Vec<&str> = names.collect();
            Fault::new(
                key,
                format!(
                    "unknown {kind} {name:?}; expected one of: {}",
                    known.join(", ")
                ),
            )
        })
}

/// More entries than an id can name are a mistake long before.
fn id(section: &str, index: usize) -> Result<u16, Fault> {
    u16::try_from(index).map_err(|_| Fault::new(section, "has more than 65536 entries"))
}
