use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use super::super::past::Answer;
use super::super::subscription::Item;
use super::*;
use crate::events::NoPast;

/// A store in memory.
#[derive(Default)]
struct Kept {
    events: Mutex<BTreeMap<u64, Arc<Published>>>,
    is_gone: AtomicBool,
}

impl Past for Kept {
    fn keep(&self, event: &Arc<Published>) {
        if !self.is_gone.load(Ordering::Relaxed) {
            self.events
                .lock()
                .unwrap()
                .insert(event.seq, Arc::clone(event));
        }
    }

    fn after(&self, seq: u64, limit: usize) -> Answer<Vec<Arc<Published>>> {
        let events = self.events.lock().unwrap();
        let found = events
            .range(seq + 1..)
            .take(limit)
            .map(|(_, event)| Arc::clone(event));
        let found = (!self.is_gone.load(Ordering::Relaxed)).then(|| found.collect());
        Box::pin(std::future::ready(found))
    }
}

fn event(kind: &'static str) -> Event {
    Event::new(kind, "something")
}

/// What a subscriber gets now: numbers, or a gap as a pair.
async fn numbers(subscription: &mut Subscription) -> Vec<Result<u64, (u64, u64)>> {
    let mut got = Vec::new();
    while let Some(item) = subscription.next_ready().await {
        got.push(match item {
            Item::Event(event) => Ok(event.seq),
            Item::Gap { from, to } => Err((from, to)),
            Item::Stalled => panic!("stalled"),
        });
    }
    got
}

#[tokio::test]
async fn ops_3_a_client_that_returns_with_its_last_number_misses_nothing() {
    let hub = Hub::new(1, Arc::new(Kept::default()));
    for _ in 0..25_000 {
        hub.publish(event("call_started"));
        if hub.lock().waiting.len() > 100 {
            hub.hand_on();
        }
    }
    hub.hand_on();
    // Far older than what is in memory.
    let mut returning = hub.subscribe(Some(17), Filter::default());
    let got = numbers(&mut returning).await;
    assert!(
        got.iter().copied().eq((18..=25_000).map(Ok)),
        "{} items",
        got.len()
    );
}

#[tokio::test]
async fn ops_3_numbers_that_are_gone_are_told_not_skipped() {
    let store = Arc::new(Kept::default());
    let hub = Hub::new(1001, Arc::clone(&store) as Arc<dyn Past>);
    // Of the process before, of which retention and a crash have left 500 to 600.
    for seq in 500..=600 {
        let old = Published::new(seq, SystemTime::now(), event("drain"));
        store.keep(&Arc::new(old));
    }
    hub.publish(event("drain"));
    hub.hand_on();
    let mut returning = hub.subscribe(Some(17), Filter::default());
    let got = numbers(&mut returning).await;
    let told = std::iter::once(Err((18, 499)))
        .chain((500..=600).map(Ok))
        .chain([Err((601, 1000)), Ok(1001)]);
    assert!(got.iter().copied().eq(told), "{got:?}");
}

#[tokio::test]
async fn ops_3_a_number_of_another_daemons_life_is_told() {
    let hub = Hub::new(1, Arc::new(NoPast));
    hub.publish(event("drain"));
    hub.hand_on();
    let mut stranger = hub.subscribe(Some(7000), Filter::default());
    assert_eq!(numbers(&mut stranger).await, [Err((2, 7000))]);
    hub.publish(event("drain"));
    hub.hand_on();
    assert_eq!(numbers(&mut stranger).await, [Ok(2)]);
}

#[tokio::test]
async fn ops_3_a_store_that_is_gone_makes_a_gap_and_events_go_on() {
    let store = Arc::new(Kept::default());
    let hub = Hub::new(1, Arc::clone(&store) as Arc<dyn Past>);
    store.is_gone.store(true, Ordering::Relaxed);
    for _ in 0..10_005 {
        hub.publish(event("call_started"));
    }
    hub.hand_on();
    let mut returning = hub.subscribe(Some(0), Filter::default());
    let got = numbers(&mut returning).await;
    assert_eq!((got[0], got.len()), (Err((1, 5)), 10_001));
}

#[tokio::test]
async fn ops_3_a_subscriber_gets_what_it_asked_for() {
    let hub = Hub::new(1, Arc::new(NoPast));
    let filter = Filter {
        kinds: vec!["call_ended".to_owned()],
        call: Some(7),
        trunk: None,
    };
    let mut subscription = hub.subscribe(None, filter);
    for (kind, call) in [("call_started", 7), ("call_ended", 6), ("call_ended", 7)] {
        hub.publish(event(kind).of_call(call));
    }
    hub.hand_on();
    assert_eq!(numbers(&mut subscription).await, [Ok(3)]);
    assert_eq!(subscription.at(), 3);
}

#[tokio::test]
async fn ops_3_a_thousand_subscribers_of_which_half_stall_cost_the_others_nothing() {
    let hub = Hub::new(1, Arc::new(NoPast));
    let pump = tokio::spawn(Arc::clone(&hub).pump());
    let stalled: Vec<_> = (0..500)
        .map(|_| hub.subscribe(None, Filter::default()))
        .collect();
    let mut reading = Vec::new();
    for _ in 0..500 {
        let mut subscription = hub.subscribe(None, Filter::default());
        reading.push(tokio::spawn(async move {
            for expected in 1..=12_000 {
                match subscription.next().await {
                    Item::Event(event) => assert_eq!(event.seq, expected),
                    other => panic!("{other:?}"),
                }
            }
        }));
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..120 {
        for _ in 0..100 {
            let begun = Instant::now();
            hub.publish(event("call_started"));
            slowest = slowest.max(begun.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for reader in reading {
        tokio::time::timeout(Duration::from_secs(60), reader)
            .await
            .unwrap()
            .unwrap();
    }
    let health = hub.health();
    assert_eq!((health.clients, health.stalled, health.lost), (500, 500, 0));
    assert!(
        slowest < Duration::from_millis(100),
        "a publisher waited {slowest:?}"
    );
    // Memory has passed them: they are told so, once, and then what is gone.
    let mut late = stalled.into_iter().next().unwrap();
    late.next_ready().await;
    hub.close();
    pump.await.unwrap();
}

#[tokio::test]
async fn ops_3_a_subscriber_that_memory_has_passed_is_told_so() {
    let hub = Hub::new(1, Arc::new(NoPast));
    let mut slow = hub.subscribe(None, Filter::default());
    assert_eq!(slow.next_ready().await, None);
    for _ in 0..10_010 {
        hub.publish(event("call_started"));
    }
    hub.hand_on();
    assert_eq!(slow.next_ready().await, Some(Item::Stalled));
    assert_eq!(slow.next_ready().await, Some(Item::Gap { from: 1, to: 10 }));
}

#[tokio::test]
async fn ops_3_more_events_than_can_wait_are_a_gap_that_is_counted() {
    let hub = Hub::new(1, Arc::new(NoPast));
    let mut subscription = hub.subscribe(None, Filter::default());
    let most = u64::try_from(WAITING).unwrap();
    for _ in 0..most + 5 {
        hub.publish(event("call_started"));
    }
    hub.hand_on();
    hub.publish(event("call_started"));
    hub.hand_on();
    // Memory is smaller than what may wait: what it has of the end.
    let got = numbers(&mut subscription).await;
    assert_eq!(
        got[got.len() - 2..],
        [Err((most + 1, most + 5)), Ok(most + 6)]
    );
    assert_eq!(hub.health().lost, 5);
}

#[test]
fn ops_3_a_flood_fills_nothing_and_is_told_as_a_count() {
    let hub = Hub::new(1, Arc::new(NoPast));
    let numbered = (0..5000)
        .filter(|_| hub.publish(event("malformed")) > 0)
        .count();
    assert_eq!(numbered, 20);
    hub.lock().waiting.clear();
    std::thread::sleep(Duration::from_millis(1010));
    hub.hand_on();
    let told = hub.recent(10, &Filter::default());
    let body: serde_json::Value = serde_json::from_str(&told[0].body).unwrap();
    assert_eq!(body["kind"], "events_left_out");
    assert_eq!(
        body["data"],
        serde_json::json!({"kind": "malformed", "count": 4980})
    );
    assert_eq!(hub.health().left_out, 4980);
}

/// Less than 2 µs is asked for in a release build; the debug build of tests is slower.
#[test]
fn publishing_is_cheap_without_subscribers() {
    let hub = Hub::new(1, Arc::new(NoPast));
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let events: Vec<_> = (0..1000).map(|_| event("call_started")).collect();
        let begun = Instant::now();
        for event in events {
            hub.publish(event);
        }
        best = best.min(begun.elapsed());
        hub.hand_on();
    }
    println!("publish: {} ns each", best.as_nanos() / 1000);
    assert!(best < Duration::from_millis(5), "{best:?} for 1000");
}
