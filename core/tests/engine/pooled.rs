//! Postgres behind a pooler of transactions, PgBouncer's: everything works as it does without.

use entryguard_core::clock::SystemClock;
use entryguard_core::domain::SessionStatus;
use entryguard_core::store::{Store, StoreUrl};
use futures_util::future::join_all;
use std::sync::Arc;

use crate::database::{Kind, has_pooler};
use crate::step::{From, Step, Work};
use crate::world::World;

/// More than the pooler has connections to Postgres, so they change hands.
const AT_ONCE: usize = 12;

#[tokio::test]
async fn behind_a_pooler_of_transactions_sessions_open_and_close() {
    if !has_pooler() {
        eprintln!("NOT TESTED: there is no PgBouncer here; install Debian's package pgbouncer, or run ./x test as root");
        return;
    }
    let mut world = World::new(Kind::Pooled, 7).await;
    world.step(&Step::Do(Work::Start { member: 0, from: From::Home, hours: 2 })).await;
    world.settle().await;
    assert_eq!(world.views().await[0].status(), SessionStatus::Active);
    // Whoever asks at once is served by connections that others had a moment ago.
    for _ in 0..5 {
        let engine = &world.process().engine;
        let callers: Vec<_> = (0..AT_ONCE).map(|number| world.caller(number)).collect();
        let listed = join_all(callers.iter().map(|caller| engine.live_first(caller, 10))).await;
        assert!(listed.iter().all(Result::is_ok), "{listed:?}");
        let store = &world.process().store;
        let heads = join_all((0..AT_ONCE).map(|_| store.audit_head())).await;
        assert!(heads.iter().all(Result::is_ok), "{heads:?}");
        store.tell_others().await.unwrap();
    }
    assert!(world.process().store.listen().await.unwrap().is_none(), "nothing would be heard");
    // Tables that are up to date are left as they are, and what runs beside the server takes them for what they are.
    world.restart().await;
    let url = StoreUrl::parse(&world.database.url).unwrap();
    let beside = Store::open_beside(&url, Arc::new(SystemClock)).await.unwrap();
    assert!(beside.audit_head().await.unwrap().0.seq > 0);
    beside.close().await;
    world.step(&Step::Do(Work::Stop(0))).await;
    world.settle().await;
    assert_eq!(world.views().await[0].status(), SessionStatus::Cancelled);
    // Without the pooler the same tables are good, too.
    world.database.drop_it().await;
}
