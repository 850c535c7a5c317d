//! Who has a delivery for how long, and when it is given up. On SQLite; `tests/it/webhooks.rs` has the rest on both databases.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::domain::{Actor, AuditAction, AuditEvent, Timestamp, testing};
use crate::random::SystemRandom;
use crate::store::{Store, StoreUrl};

const HOLD: Span = Span::from_seconds(30);

struct World {
    engine: Engine,
    clock: Arc<ManualClock>,
    siem: WebhookName,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
        let shared = Arc::clone(&clock) as Arc<dyn Clock>;
        let store = Arc::new(Store::open(&url_in(folder.path()), Arc::clone(&shared)).await.unwrap());
        let directory = Arc::new(testing::directory(Vec::new()));
        let engine = Engine::new(store, directory, shared, Arc::new(SystemRandom), Arc::default(), Arc::default());
        let siem = WebhookName::new("siem").unwrap();
        let world = Self { engine, clock, siem, _folder: folder };
        world.happens(AuditAction::SessionClosed).await;
        world.engine.know_webhooks(&[(world.siem.clone(), "https://one.example".to_owned())]).await.unwrap();
        world
    }

    async fn happens(&self, action: AuditAction) {
        let mut tx = self.engine.store.begin().await.unwrap();
        let (at, session) = (tx.now(), Some(SessionId::from_stored("s")));
        let event = AuditEvent { at, actor: Actor::System, action, session, details: serde_json::json!({}) };
        tx.record(&event, &SystemRandom).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn take(&self) -> Option<Delivery> {
        self.engine.take_delivery(&self.siem, |event| event != "session.closed", HOLD).await.unwrap().map(|due| due.delivery)
    }

    async fn fails(&self, delivery: &Delivery, wait: Option<Span>) {
        let why = NotTaken::Later { why: "it answered 500".to_owned(), wait };
        self.engine.not_delivered(delivery, "the body", why).await.unwrap();
    }
}

fn url_in(folder: &Path) -> StoreUrl {
    StoreUrl::parse(&format!("sqlite://{}", folder.join("test.db").display())).unwrap()
}

#[tokio::test]
async fn a_receiver_is_told_of_what_it_wants_from_its_first_day_on_in_order() {
    let world = World::new().await;
    assert_eq!(world.take().await, None, "what was before is not its own");
    for action in [AuditAction::SessionStarted, AuditAction::SessionClosed, AuditAction::SessionStopped] {
        world.happens(action).await;
    }
    let mut told = Vec::new();
    while let Some(delivery) = world.take().await {
        told.push(delivery.entry.action.clone());
        world.engine.delivered(&delivery).await.unwrap();
    }
    assert_eq!(told, ["session.started", "session.stopped"]);
}

#[tokio::test]
async fn one_has_a_delivery_at_a_time_and_whoever_lost_it_says_nothing_of_it() {
    let world = World::new().await;
    world.happens(AuditAction::SessionStarted).await;
    let slow = world.take().await.unwrap();
    assert_eq!(world.take().await, None, "it is somebody's");
    world.clock.advance(HOLD);
    let other = world.take().await.unwrap();
    assert_eq!(slow.entry, other.entry);
    world.engine.delivered(&slow).await.unwrap();
    world.fails(&other, None).await;
    world.clock.advance(Span::from_seconds(2));
    let again = world.take().await.unwrap();
    assert_eq!((again.entry, again.body.as_deref(), again.attempts), (other.entry, Some("the body"), 1));
}

#[tokio::test]
async fn waits_grow_and_a_receiver_may_ask_for_one_but_not_for_ever() {
    let world = World::new().await;
    world.happens(AuditAction::SessionStarted).await;
    world.fails(&world.take().await.unwrap(), Some(Span::from_hours(1_000))).await;
    world.clock.advance(Span::from_hours(23));
    assert_eq!(world.take().await, None);
    world.clock.advance(Span::from_hours(1));
    for _ in 0..20 {
        world.fails(&world.take().await.unwrap(), None).await;
        assert_eq!(world.take().await, None, "no two tries in one moment");
        world.clock.advance(Span::from_hours(1));
    }
}

#[tokio::test]
async fn a_receiver_that_asks_for_no_wait_is_waited_for_all_the_same() {
    let world = World::new().await;
    world.happens(AuditAction::SessionStarted).await;
    for doubled in [1, 2, 4, 8] {
        world.fails(&world.take().await.unwrap(), Some(Span::from_seconds(0))).await;
        assert_eq!(world.take().await, None, "not in the same moment");
        world.clock.advance(Span::from_millis(doubled * 500 - 1));
        assert_eq!(world.take().await, None, "nor sooner than we would ourselves");
        world.clock.advance(Span::from_millis(doubled * 500 + 1));
    }
}

#[tokio::test]
async fn what_was_not_taken_for_days_is_given_up_and_told_once_and_the_rest_goes_on() {
    let world = World::new().await;
    world.happens(AuditAction::SessionStarted).await;
    world.fails(&world.take().await.unwrap(), None).await;
    world.clock.advance(GIVE_UP_AFTER);
    world.happens(AuditAction::SessionStopped).await;
    world.fails(&world.take().await.unwrap(), None).await;
    let next = world.take().await.unwrap();
    assert_eq!((next.entry.action.as_str(), next.body, next.attempts), ("session.stopped", None, 0));
    let untold = world.engine.take_untold(HOLD).await.unwrap().unwrap();
    assert_eq!(untold.drifts.len(), 1);
    assert!(untold.drifts[0].kind == DriftKind::Undelivered && untold.drifts[0].what.contains("siem: session.started"));
}

#[tokio::test]
async fn one_that_is_gone_is_left_alone_until_its_address_is_another() {
    let world = World::new().await;
    world.happens(AuditAction::SessionStarted).await;
    world.engine.not_delivered(&world.take().await.unwrap(), "the body", NotTaken::Gone).await.unwrap();
    world.clock.advance(Span::from_hours(1));
    world.engine.know_webhooks(&[(world.siem.clone(), "https://one.example".to_owned())]).await.unwrap();
    assert_eq!(world.take().await, None, "a restart is no other address");
    world.engine.know_webhooks(&[(world.siem.clone(), "https://two.example".to_owned())]).await.unwrap();
    assert_eq!(world.take().await.unwrap().entry.action, "session.started");
}
