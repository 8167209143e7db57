//! The API as a client sees it: requests to the whole router, with a real manager and store behind it,
//! and somebody who answers for signalling.

mod authentication;
mod calls;
mod configuration;
mod description;
mod events;
mod refusals;
mod requests;
mod schema;
mod signalling;
mod webhooks;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use rustls::RootCertStore;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::ServiceExt;

use self::signalling::{CALL, live_call};
use super::server::{Connection, Peer};
use super::{Parts, Registrations, router};
use crate::calls::{Live, LiveSettings};
use crate::config::Config;
use crate::events::{Hub, StoredPast, StoredPlaces, Webhooks};
use crate::health::{self, Monitor};
use crate::manage::{Actor, Manager, Role};
use crate::media::MediaPlane;
use crate::operation::OPERATIONS;
use crate::store::{JournalItem, Store};

/// Everything that the API has at hand, and the API.
struct Edge {
    router: Router,
    store: Store,
    hub: Arc<Hub>,
    live: Arc<Live>,
    /// By role.
    tokens: [String; 3],
    directory: PathBuf,
}

/// An answer.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The last word of the type of a problem.
    #[track_caller]
    fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{}",
            self.text
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        let kind = problem["type"].as_str().unwrap();
        kind.rsplit('/').next().unwrap().to_owned()
    }
}

/// A request, as far as it differs from the usual one.
struct Ask {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
    peer: Peer,
}

fn ask(method: &str, path: &str) -> Ask {
    Ask {
        method: method.parse().unwrap(),
        path: path.to_owned(),
        headers: Vec::new(),
        body: None,
        peer: Peer::Tcp(([192, 0, 2, 1], 4000).into()),
    }
}

impl Ask {
    fn header(mut self, name: &'static str, value: &str) -> Ask {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn body(mut self, body: &Value) -> Ask {
        self.body = Some(body.to_string());
        self.header("content-type", "application/json")
    }

    fn from(mut self, peer: Peer) -> Ask {
        self.peer = peer;
        self
    }

    fn by(self, token: &str) -> Ask {
        let value = format!("Bearer {token}");
        self.header("authorization", &value)
    }
}

impl Edge {
    /// With a store.
    async fn new() -> Edge {
        Edge::with("[store]\npath = \"DIR/store.db\"\nbackup_dir = \"DIR\"\n").await
    }

    async fn with(more: &str) -> Edge {
        let directory = directory();
        let config = config(&directory, more);
        let listeners: Vec<String> = vec!["udp".to_owned()];
        let (store, loading) = Store::open(config.store.clone(), listeners.clone());
        let loaded = loading
            .within(std::time::Duration::from_secs(10))
            .await
            .unwrap();
        let (operations, asked) = mpsc::channel(OPERATIONS);
        let backup_dir = config.store.backup_dir.clone();
        let limits = config.limits;
        let (media_events, _) = mpsc::channel(16);
        let media = MediaPlane::start(config.media.clone(), media_events).unwrap();
        let media = Arc::new(media);
        let (manager, _) = Manager::new(
            config,
            Some(loaded.entries),
            store.clone(),
            operations.clone(),
        );
        let past = Arc::new(StoredPast(store.clone()));
        let hub = Hub::new(store.reserve_events(), past);
        tokio::spawn(Arc::clone(&hub).pump());
        let settings = LiveSettings {
            ladder_bytes: 1 << 20,
            quality_below: 0.0,
            show_digits: false,
        };
        let journal = store.clone();
        let journal = Box::new(move |row| journal.journal(JournalItem::Call(row)));
        let (live, _) =
            Live::start(settings, Arc::clone(&hub), media.clone(), Some(journal)).unwrap();
        let webhooks = Webhooks::new(
            Arc::clone(&hub),
            Arc::new(StoredPlaces(store.clone())),
            RootCertStore::empty(),
        );
        let health = Monitor::new(health::Parts {
            hub: Arc::clone(&hub),
            live: Arc::clone(&live),
            webhooks,
            store: store.clone(),
            media: Arc::clone(&media),
            limits,
        });
        tokio::spawn(signalling::answer(asked, Arc::clone(&health)));
        let tokens = tokens(&manager, &store).await;
        // That they were made is told before anything that a test looks for.
        hub.hand_on_for_tests();
        // Of those nobody is told.
        manager.tell(Arc::clone(&hub));
        let router = router(Parts {
            manager,
            store: store.clone(),
            hub: Arc::clone(&hub),
            live: Arc::clone(&live),
            health,
            registrations: Arc::new(Registrations::new(listeners)),
            media,
            operations,
            event_clients: 2,
            backup_dir,
        });
        Edge {
            router,
            store,
            hub,
            live,
            tokens,
            directory,
        }
    }

    fn token(&self, role: Role) -> &str {
        match role {
            Role::Read => &self.tokens[0],
            Role::Operate => &self.tokens[1],
            Role::Admin => &self.tokens[2],
        }
    }

    /// As it is.
    async fn send(&self, ask: Ask) -> Answer {
        let mut request = Request::builder()
            .header("host", "edge")
            .method(ask.method)
            .uri(format!("/api/v1{}", ask.path));
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let mut request = request
            .body(Body::from(ask.body.unwrap_or_default()))
            .unwrap();
        let connection = Arc::new(Connection::new(ask.peer, false));
        request.extensions_mut().insert(connection);
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// By an administrator.
    async fn admin(&self, ask: Ask) -> Answer {
        let ask = ask.by(self.token(Role::Admin));
        self.send(ask).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.admin(ask("GET", path)).await
    }

    #[track_caller]
    fn created(answer: Answer) -> Answer {
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        answer
    }

    async fn make_trunk(&self, name: &str) -> Answer {
        let body = json!({"name": name, "acl": ["192.0.2.0/24"], "destination": "sip:192.0.2.9"});
        Edge::created(self.admin(ask("POST", "/trunks").body(&body)).await)
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn directory() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("trunkline-api-{}-{count}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// A trunk in the file, too.
fn config(directory: &Path, more: &str) -> Config {
    let text = format!(
        "[[realms]]\nname = \"lo\"\nmedia_addresses = [\"127.0.0.1\"]\nports = \"22000-22099\"\n\
         [[listeners]]\nname = \"udp\"\ntransport = \"udp\"\naddress = \"127.0.0.1:5070\"\nrealm = \"lo\"\n\
         [media]\nbackend = \"socket\"\n{more}\n\
         [[trunks]]\nname = \"fixed\"\nacl = [\"198.51.100.0/24\"]\ndestination = \"sip:198.51.100.9\"\n\
         [[routes]]\nto = \"fixed\"\nprefix = \"00\"\n"
    );
    let text = text.replace("DIR", directory.to_str().unwrap());
    Config::parse(&directory.join("trunkline.toml"), &text).unwrap()
}

/// One for each role; none without a store.
async fn tokens(manager: &Arc<Manager>, store: &Store) -> [String; 3] {
    let who = Actor {
        name: "test".to_owned(),
        role: Role::Admin,
        from: "here".to_owned(),
    };
    let mut tokens = [const { String::new() }; 3];
    if store.health().path.is_none() {
        return tokens;
    }
    let roles = [
        (Role::Read, "reader"),
        (Role::Operate, "operator"),
        (Role::Admin, "admin"),
    ];
    for (token, (role, name)) in tokens.iter_mut().zip(roles) {
        let made = manager.create_token(&who, name, role).await.unwrap();
        *token = made.token.expose().to_owned();
    }
    tokens
}
