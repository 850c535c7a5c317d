//! The one time on SQLite, by clocks of the test's.

use std::sync::Arc;

use sqlx::Row;

use super::*;
use crate::clock::ManualClock;
use crate::store::StoreUrl;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const SECOND: Span = Span::from_seconds(1);
const HOUR: Span = Span::from_hours(1);

/// A database that outlives its servers, and the clocks of its machine.
struct World {
    url: StoreUrl,
    clock: Arc<ManualClock>,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = StoreUrl::parse(&format!("sqlite://{}", folder.path().join("test.db").display())).unwrap();
        Self { url, clock: Arc::new(ManualClock::at(START)), folder }
    }

    /// A server that has just begun.
    async fn open(&self) -> Store {
        Self::begun(Store::open(&self.url, Arc::clone(&self.clock) as Arc<dyn Clock>).await.unwrap()).await
    }

    async fn begun(store: Store) -> Store {
        store.keep_time().await.unwrap();
        store
    }

    /// A server of a machine that knows which boot its monotonic clock counts from.
    async fn open_in_boot(&self, boot: &'static str) -> Store {
        Self::begun(Store::open(&self.url, Arc::new(Booted(Arc::clone(&self.clock), boot))).await.unwrap()).await
    }
}

struct Booted(Arc<ManualClock>, &'static str);

impl Clock for Booted {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Monotonic {
        self.0.monotonic()
    }

    fn boot(&self) -> Option<String> {
        Some(self.1.to_owned())
    }
}

async fn told(store: &Store) -> Timestamp {
    store.begin().await.unwrap().now()
}

async fn persisted(store: &Store) -> Timestamp {
    let row = sqlx::query("SELECT latest FROM clock").fetch_one(&mut *store.pool.lend().await.unwrap()).await.unwrap();
    Timestamp::from_millis(row.try_get("latest").unwrap())
}

#[tokio::test]
async fn a_clock_that_went_back_is_doubted_until_it_has_caught_up_and_never_slows_the_time() {
    let world = World::new();
    let store = world.open().await;
    assert_eq!((told(&store).await, store.clock_doubt()), (START, None));
    world.clock.go_back(TOLERANCE);
    assert_eq!((told(&store).await, store.clock_doubt()), (START, None), "NTP steps a little");
    world.clock.go_back(SECOND);
    assert_eq!(told(&store).await, START);
    assert_eq!(store.clock_doubt(), Some(ClockDoubt::WentBack(Span::from_seconds(6))));
    world.clock.advance(HOUR);
    assert_eq!(told(&store).await, START.plus(HOUR), "as fast as ever");
    assert_eq!(store.now_without_database(), START.plus(HOUR));
    world.clock.jump_ahead(Span::from_seconds(7));
    assert_eq!(told(&store).await, START.plus(HOUR).plus(SECOND));
    assert_eq!(store.clock_doubt(), None);
}

#[tokio::test]
async fn without_the_database_the_time_goes_on_as_it_does_with_it() {
    let world = World::new();
    let store = world.open().await;
    store.close().await;
    assert!(store.begin().await.is_err());
    world.clock.go_back(HOUR);
    world.clock.advance(SECOND);
    assert_eq!(store.now_without_database(), START.plus(SECOND));
    world.clock.jump_ahead(Span::from_hours(2));
    assert_eq!(store.now_without_database(), START.plus(SECOND).plus(HOUR), "the machine was suspended");
    world.clock.go_back(HOUR);
    assert_eq!(store.now_without_database(), START.plus(SECOND).plus(HOUR));
}

#[tokio::test]
async fn the_time_is_persisted_once_a_minute_and_more_often_while_the_clock_is_behind() {
    let world = World::new();
    let store = world.open().await;
    let mut writes = 0;
    let mut last = persisted(&store).await;
    assert_eq!(last, START, "at the start");
    for second in 1..=600 {
        world.clock.advance(SECOND);
        if second == 301 {
            world.clock.go_back(HOUR);
        }
        // What the loop that ends sessions does.
        store.keep_time().await.unwrap();
        let now = told(&store).await;
        let kept = persisted(&store).await;
        writes += usize::from(kept != last);
        last = kept;
        let bound = if second < 301 { KEPT_EVERY } else { KEPT_EVERY_WHILE_BEHIND };
        assert!(now.since(kept) <= bound, "in second {second} it is {} old", now.since(kept));
    }
    assert!((60..=70).contains(&writes), "{writes} writes in 10 minutes");
}

#[tokio::test]
async fn a_restart_goes_on_from_the_last_persisted_time() {
    let world = World::new();
    let store = world.open().await;
    world.clock.advance(HOUR);
    store.keep_time().await.unwrap();
    world.clock.advance(Span::from_seconds(59));
    store.keep_time().await.unwrap();
    drop(store);
    world.clock.go_back(HOUR);
    let store = world.open().await;
    assert_eq!(store.now_without_database(), START.plus(HOUR));
    assert_eq!(store.clock_doubt(), Some(ClockDoubt::WentBack(Span::from_millis(HOUR.as_millis() - 59_000))));
    world.clock.advance(SECOND);
    assert_eq!(told(&store).await, START.plus(HOUR).plus(SECOND));
}

#[tokio::test]
async fn a_restart_in_the_same_boot_counts_what_passed_meanwhile() {
    let world = World::new();
    drop(world.open_in_boot("one").await);
    world.clock.go_back(HOUR);
    world.clock.advance(Span::from_minutes(10));
    let store = world.open_in_boot("one").await;
    assert_eq!(told(&store).await, START.plus(Span::from_minutes(10)));
    drop(store);
    let store = world.open_in_boot("two").await;
    assert_eq!(told(&store).await, START.plus(Span::from_minutes(10)), "what was persisted at the last start");
}

#[tokio::test]
async fn an_entry_of_the_audit_log_counts_as_persisted_only_where_the_persisted_time_allows_for_it() {
    let world = World::new();
    let store = world.open().await;
    let write = async |store: &Store, after: Span| {
        let sql = "INSERT INTO audit_events (id, seq, at, actor, action, details) SELECT $1, COALESCE(MAX(seq), 0) + 1, $2, 'a', 'b', '{}' FROM audit_events";
        let at = START.plus(after);
        sqlx::query(sql).bind(at.to_string()).bind(at.as_millis()).execute(&mut *store.pool.lend().await.unwrap()).await.unwrap();
    };
    write(&store, Span::from_seconds(40)).await;
    drop(store);
    let store = world.open().await;
    assert_eq!(told(&store).await, START.plus(Span::from_seconds(40)));
    assert!(store.clock_doubt().is_some());
    let kept = persisted(&store).await;
    write(&store, Span::from_hours(9)).await;
    drop(store);
    let store = world.open().await;
    assert!(told(&store).await <= kept.plus(KEPT_EVERY), "it was written before an operator accepted the clock");
}

#[tokio::test]
async fn whatever_writes_an_entry_persists_the_time_where_no_server_did() {
    let world = World::new();
    let server = world.open().await;
    let beside = Store::open_beside(&world.url, Arc::clone(&world.clock) as Arc<dyn Clock>).await.unwrap();
    world.clock.advance(HOUR);
    let mut tx = beside.begin().await.unwrap();
    let (actor, action) = (crate::domain::Actor::System, crate::domain::AuditAction::PanicLifted);
    let event = crate::domain::AuditEvent { at: tx.now(), actor, action, session: None, details: serde_json::json!({}) };
    tx.record(&event, &crate::random::SystemRandom).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(persisted(&server).await, START.plus(HOUR));
    assert!(world.folder.path().exists());
}
