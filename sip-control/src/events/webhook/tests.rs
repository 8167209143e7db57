use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ring::hmac;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::events::{Event, Filter, NoPast};

#[derive(Default)]
struct KeptPlaces(Mutex<HashMap<String, u64>>);

impl Places for KeptPlaces {
    fn load(&self, webhook: &str) -> Answer<Option<u64>> {
        Box::pin(std::future::ready(Some(
            lock(&self.0).get(webhook).copied(),
        )))
    }

    fn keep(&self, webhook: &str, seq: u64) {
        lock(&self.0).insert(webhook.to_owned(), seq);
    }

    fn forget(&self, webhook: &str) {
        lock(&self.0).remove(webhook);
    }
}

/// What a request said.
struct Got {
    seq: u64,
    signature: String,
    body: String,
}

/// A receiver, and how it behaves.
struct Receiver {
    url: String,
    got: mpsc::UnboundedReceiver<Got>,
    hangs: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
}

async fn receiver(answer: &'static str) -> Receiver {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, got) = mpsc::unbounded_channel();
    let hangs = Arc::new(AtomicBool::new(false));
    let connections = Arc::new(AtomicUsize::new(0));
    let (is_hanging, count) = (Arc::clone(&hangs), Arc::clone(&connections));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(serve(
                stream,
                answer,
                sender.clone(),
                Arc::clone(&is_hanging),
            ));
        }
    });
    Receiver {
        url,
        got,
        hangs,
        connections,
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: &'static str,
    got: mpsc::UnboundedSender<Got>,
    hangs: Arc<AtomicBool>,
) {
    let mut bytes = Vec::new();
    loop {
        // What begins TLS is no text.
        if std::str::from_utf8(&bytes).is_err() {
            return;
        }
        let Some(request) = one_request(&mut bytes) else {
            match stream.read_buf(&mut bytes).await {
                Ok(read) if read > 0 => continue,
                _ => return,
            }
        };
        if hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let _ = got.send(request);
        let text = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Takes a whole request out, if one is there.
fn one_request(bytes: &mut Vec<u8>) -> Option<Got> {
    let text = String::from_utf8(bytes.clone()).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    };
    let length: usize = header("content-length").unwrap().parse().unwrap();
    let body = body.get(..length)?.to_owned();
    let got = Got {
        seq: header("trunkline-event-id").unwrap().parse().unwrap(),
        signature: header("trunkline-signature").unwrap(),
        body,
    };
    bytes.drain(..head.len() + 4 + length);
    Some(got)
}

fn settings(url: &str) -> WebhookSettings {
    WebhookSettings {
        name: "crm".to_owned(),
        url: url.to_owned(),
        kinds: Vec::new(),
        secret: Zeroizing::new("geheim".to_owned()),
        enabled: true,
    }
}

struct Setup {
    hub: Arc<Hub>,
    places: Arc<KeptPlaces>,
    webhooks: Arc<Webhooks>,
}

fn setup() -> Setup {
    let hub = Hub::new(1, Arc::new(NoPast));
    tokio::spawn(Arc::clone(&hub).pump());
    let places = Arc::new(KeptPlaces::default());
    // An hour in a second or two.
    let pace = Pace {
        patience: Duration::from_millis(100),
        first_wait: Duration::from_millis(10),
        longest_wait: Duration::from_millis(100),
    };
    let kept = Arc::clone(&places) as Arc<dyn Places>;
    let webhooks = Webhooks::at_pace(Arc::clone(&hub), kept, RootCertStore::empty(), pace);
    Setup {
        hub,
        places,
        webhooks,
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..2000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

fn kinds(hub: &Hub) -> Vec<String> {
    let told = hub.recent(1000, &Filter::default());
    told.iter().map(|event| event.kind.to_string()).collect()
}

#[tokio::test]
async fn ops_3_events_are_posted_in_order_and_signed() {
    let setup = setup();
    let mut receiver = receiver("204 No Content").await;
    setup.webhooks.configure(vec![settings(&receiver.url)]);
    until("started", || setup.hub.health().clients == 1).await;
    for _ in 0..200 {
        setup.hub.publish(Event::new(kind_of_test(), "x"));
    }
    for seq in 1..=200 {
        let got = receiver.got.recv().await.unwrap();
        assert_eq!(got.seq, seq);
        let body: serde_json::Value = serde_json::from_str(&got.body).unwrap();
        assert_eq!(body["seq"], seq);
        let (time, mac) = got.signature.split_once(",v1=").unwrap();
        let time = time.strip_prefix("t=").unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"geheim");
        let signed = hmac::sign(&key, format!("{time}.{}", got.body).as_bytes());
        let hex: String = signed
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(mac, hex);
    }
    assert_eq!(
        receiver.connections.load(Ordering::Relaxed),
        1,
        "it is kept open"
    );
    let delivered = || setup.webhooks.status()[0].delivered;
    until("delivered", || delivered() == 200).await;
    setup.webhooks.close().await;
    assert_eq!(lock(&setup.places.0).get("crm"), Some(&200));
}

fn kind_of_test() -> &'static str {
    crate::events::kind::CONFIG_CHANGED
}

#[tokio::test]
async fn ops_3_a_webhook_that_hangs_is_shown_and_catches_up_where_it_left_off() {
    let setup = setup();
    let mut receiver = receiver("200 OK").await;
    receiver.hangs.store(true, Ordering::Relaxed);
    setup.webhooks.configure(vec![settings(&receiver.url)]);
    until("started", || setup.hub.health().clients == 1).await;
    for _ in 0..5 {
        setup.hub.publish(Event::new(kind_of_test(), "x"));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let status = setup.webhooks.status();
    assert!(status[0].failing_since.is_some(), "{status:?}");
    assert!(
        status[0]
            .last_error
            .as_ref()
            .unwrap()
            .contains("no answer within 100ms")
    );
    assert!(status[0].behind >= 5);
    assert!(kinds(&setup.hub).contains(&"webhook_failing".to_owned()));
    let tries = receiver.connections.load(Ordering::Relaxed);
    assert!((5..25).contains(&tries), "{tries} attempts");
    receiver.hangs.store(false, Ordering::Relaxed);
    for seq in 1..=6 {
        assert_eq!(receiver.got.recv().await.unwrap().seq, seq);
    }
    let is_told = || kinds(&setup.hub).contains(&"webhook_recovered".to_owned());
    until("recovered", is_told).await;
    assert_eq!(setup.webhooks.status()[0].failing_since, None);
}

#[tokio::test]
async fn ops_3_after_a_restart_a_webhook_goes_on_where_it_was() {
    let setup = setup();
    for _ in 0..10 {
        setup.hub.publish(Event::new(kind_of_test(), "x"));
    }
    until("told", || setup.hub.latest() == 10).await;
    setup.places.keep("crm", 7);
    let mut receiver = receiver("200 OK").await;
    setup.webhooks.configure(vec![settings(&receiver.url)]);
    for seq in 8..=10 {
        assert_eq!(receiver.got.recv().await.unwrap().seq, seq);
    }
    // A change does not begin anew, and one that is switched off is told of nothing.
    let mut changed = settings(&receiver.url);
    changed.kinds = vec!["drain".to_owned()];
    setup.webhooks.configure(vec![changed.clone()]);
    setup.hub.publish(Event::new(kind_of_test(), "x"));
    setup.hub.publish(Event::new("drain", "x"));
    assert_eq!(receiver.got.recv().await.unwrap().seq, 12);
    changed.enabled = false;
    setup.webhooks.configure(vec![changed]);
    setup.hub.publish(Event::new("drain", "x"));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(receiver.got.try_recv().is_err());
    setup.webhooks.configure(Vec::new());
    until("forgotten", || lock(&setup.places.0).is_empty()).await;
}

#[tokio::test]
async fn ops_3_a_redirect_is_not_followed() {
    let setup = setup();
    let mut receiver = receiver("302 Found\r\nLocation: http://127.0.0.1:1/").await;
    setup.webhooks.configure(vec![settings(&receiver.url)]);
    until("started", || setup.hub.health().clients == 1).await;
    setup.hub.publish(Event::new(kind_of_test(), "x"));
    receiver.got.recv().await.unwrap();
    let error = || {
        setup.webhooks.status()[0]
            .last_error
            .clone()
            .unwrap_or_default()
    };
    until("failed", || error().contains("redirects are not followed")).await;
}

#[tokio::test]
async fn ops_3_a_server_that_cannot_prove_itself_gets_nothing() {
    let setup = setup();
    let mut receiver = receiver("200 OK").await;
    let url = receiver.url.replace("http://", "https://");
    setup.webhooks.configure(vec![settings(&url)]);
    until("started", || setup.hub.health().clients == 1).await;
    setup.hub.publish(Event::new(kind_of_test(), "x"));
    let error = || {
        setup.webhooks.status()[0]
            .last_error
            .clone()
            .unwrap_or_default()
    };
    until("failed", || error().contains("TLS")).await;
    assert!(receiver.got.try_recv().is_err());
}
