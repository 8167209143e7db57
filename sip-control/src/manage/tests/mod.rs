//! The service layer with a real store, and signalling that is told to follow.

mod effect;
mod exchange;
mod sections;
mod store;
mod tokens;
mod trunks;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Actor, IfMatch, ManageError, Managed, Manager, Role, read_section};
use crate::config::Config;
use crate::config::sections::{AccountSection, RouteSection, TrunkSection};
use crate::operation::Operation;
use crate::store::{AuditEntry, Store, StoreError};

/// What stands in `trunkline.toml` unless a test says otherwise.
const FILE: &str = r#"
[[realms]]
name = "lo"
media_addresses = ["127.0.0.1"]
ports = "20000-20999"
[[listeners]]
name = "udp"
transport = "udp"
address = "127.0.0.1:5060"
realm = "lo"
[[trunks]]
name = "pbx"
acl = ["127.0.0.2"]
domains = ["pbx.example.com"]
destination = "sip:127.0.0.2:5070"
probe = "off"
[[routes]]
from = "pbx"
prefix = "+49900"
reject = 603
"#;

/// A manager, its store in a directory of its own, and what it tells signalling.
struct Desk {
    manager: Arc<Manager>,
    /// What signalling was started with.
    started: Config,
    operations: mpsc::Receiver<Operation>,
    directory: Arc<Directory>,
    store: Store,
}

/// Removed when dropped.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Arc<Directory> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("trunkline-manage-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Arc::new(Directory(path))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Desk {
    async fn new() -> Desk {
        Desk::with(FILE).await
    }

    async fn with(file: &str) -> Desk {
        Desk::start(file, Directory::new()).await
    }

    /// As the daemon starts: with what the store of that directory has.
    async fn start(file: &str, directory: Arc<Directory>) -> Desk {
        std::fs::write(directory.path("trunkline.toml"), file).unwrap();
        let file = format!(
            "{file}\n[store]\npath = \"{}\"\n",
            directory.path("store.db").display()
        );
        let path = directory.path("trunkline.toml");
        std::fs::write(&path, &file).unwrap();
        let config = Config::parse(&path, &file).unwrap();
        let (store, loading) = Store::open(config.store.clone(), vec!["udp".to_owned()]);
        let loaded = loading.within(Duration::from_secs(10)).await.unwrap();
        assert!(loaded.complete);
        Desk::of(config, loaded.entries, store, directory)
    }

    fn of(
        config: Config,
        entries: Vec<crate::store::Entry>,
        store: Store,
        directory: Arc<Directory>,
    ) -> Desk {
        let (sender, operations) = mpsc::channel(8);
        let (manager, started) = Manager::new(config, Some(entries), store.clone(), sender);
        Desk {
            manager,
            started,
            operations,
            directory,
            store,
        }
    }

    /// The process ends; what the store has is there for the next one.
    async fn restart(self, file: &str) -> Desk {
        let Desk {
            manager,
            store,
            directory,
            ..
        } = self;
        drop(manager);
        tokio::task::spawn_blocking(move || store.close())
            .await
            .unwrap();
        Desk::start(file, directory).await
    }

    /// Does something, while signalling takes what it is told; what it was told last.
    async fn applied<T>(&mut self, change: impl Future<Output = T>) -> (T, Option<Config>) {
        let mut told = None;
        tokio::pin!(change);
        loop {
            tokio::select! {
                biased;
                Some(operation) = self.operations.recv() => {
                    let Operation::Configure(config, done) = operation else {
                        panic!("asked for something else");
                    };
                    told = Some(*config);
                    let _ = done.send(());
                }
                outcome = &mut change => return (outcome, told),
            }
        }
    }

    async fn put_trunk(
        &mut self,
        body: Value,
        condition: IfMatch,
    ) -> Result<Managed<TrunkSection>, ManageError> {
        let manager = Arc::clone(&self.manager);
        let body: TrunkSection = read_section(body)?;
        let name = body.name.clone();
        let put = async move { manager.put_trunk(&admin(), &name, body, condition).await };
        self.applied(put).await.0
    }

    async fn put_account(
        &mut self,
        body: Value,
        condition: IfMatch,
    ) -> Result<Managed<AccountSection>, ManageError> {
        let manager = Arc::clone(&self.manager);
        let body: AccountSection = read_section(body)?;
        let aor = body.aor.clone();
        let put = async move { manager.put_account(&admin(), &aor, body, condition).await };
        self.applied(put).await.0
    }

    async fn create_route(
        &mut self,
        body: Value,
        position: Option<usize>,
    ) -> Result<Managed<RouteSection>, ManageError> {
        let manager = Arc::clone(&self.manager);
        let body: RouteSection = read_section(body)?;
        let put = async move { manager.create_route(&admin(), body, position).await };
        self.applied(put).await.0
    }

    /// A trunk and a route to it.
    async fn with_carrier(mut self) -> Desk {
        self.put_trunk(carrier(), IfMatch::New).await.unwrap();
        let route = json!({"from": "pbx", "to": "carrier"});
        self.create_route(route, None).await.unwrap();
        self
    }

    async fn audit(&self) -> Vec<AuditEntry> {
        let rows = self
            .store
            .read(|reader| reader.audit(None, 100))
            .await
            .unwrap();
        rows.into_iter().map(|(_, entry)| entry).collect()
    }
}

fn admin() -> Actor {
    Actor {
        name: "alice".to_owned(),
        role: Role::Admin,
        from: "192.0.2.7".to_owned(),
    }
}

fn carrier() -> Value {
    json!({
        "name": "carrier", "acl": ["127.0.0.3"], "destination": "sip:127.0.0.3:5070", "probe": "off",
    })
}

/// The field and the problem of a refusal.
fn field_of<T: std::fmt::Debug>(outcome: Result<T, ManageError>) -> (String, String) {
    match outcome {
        Err(ManageError::Field { field, problem }) => (field, problem),
        other => panic!("{other:?}"),
    }
}

fn is_stale<T>(outcome: &Result<T, ManageError>) -> bool {
    matches!(outcome, Err(ManageError::Store(StoreError::Stale { .. })))
}

fn is_missing<T>(outcome: &Result<T, ManageError>) -> bool {
    matches!(outcome, Err(ManageError::Store(StoreError::Missing)))
}
