//! The audit log on SQLite; `tests/it/audit.rs` has it on both databases.

use std::sync::Arc;

use sqlx::migrate::Migrator;

use super::*;
use crate::domain::{Actor, AuditAction, ChainBreak, SoundChain};
use crate::random::SystemRandom;
use crate::store::{StoreUrl, tables};

fn clock() -> Arc<dyn crate::clock::Clock> {
    Arc::new(crate::clock::SystemClock)
}

fn url_in(folder: &tempfile::TempDir) -> StoreUrl {
    StoreUrl::parse(&format!("sqlite://{}", folder.path().join("test.db").display())).unwrap()
}

fn event(at: i64) -> AuditEvent {
    let (at, details) = (Timestamp::from_millis(at), serde_json::json!({ "at": at }));
    AuditEvent { at, actor: Actor::System, action: AuditAction::OrphanFound, session: None, details }
}

async fn record(store: &Store, at: i64) {
    let mut tx = store.begin().await.unwrap();
    tx.record(&event(at), &SystemRandom).await.unwrap();
    tx.commit().await.unwrap();
}

async fn verify(store: &Store) -> Result<SoundChain, ChainBreak> {
    store.check_log(None).await.unwrap()
}

#[tokio::test]
async fn what_has_come_since_a_log_was_sound_is_checked_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&url_in(&folder), clock()).await.unwrap();
    let nothing = verify(&store).await.unwrap();
    for at in 0..3 {
        record(&store, at).await;
    }
    let sound = store.check_log_since(&nothing).await.unwrap().unwrap();
    assert_eq!(sound, verify(&store).await.unwrap());
    record(&store, 3).await;
    assert_eq!(store.check_log_since(&sound).await.unwrap(), Ok(verify(&store).await.unwrap()));
    assert_eq!(store.check_log_since(&sound).await.unwrap().unwrap().entries, 4);
    sqlx::query("DROP TRIGGER audit_events_no_update").execute(&mut *store.pool.lend().await.unwrap()).await.unwrap();
    sqlx::query("UPDATE audit_events SET actor = 'nobody' WHERE seq = 4")
        .execute(&mut *store.pool.lend().await.unwrap())
        .await
        .unwrap();
    assert!(store.check_log_since(&sound).await.unwrap().is_err_and(|broken| broken.seq == 4));
}

#[tokio::test]
async fn beside_a_server_one_reads_and_writes_and_the_log_stays_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    let server = Store::open(&url_in(&folder), clock()).await.unwrap();
    let beside = Store::open_beside(&url_in(&folder), clock()).await.unwrap();
    let writes = |store| async move {
        for at in 0..20 {
            record(store, at).await;
        }
    };
    // At the same time: the one waits for the other, and neither is told that the database is busy.
    tokio::join!(writes(&server), writes(&beside));
    assert_eq!(verify(&server).await.unwrap(), verify(&beside).await.unwrap());
    assert_eq!(verify(&server).await.unwrap().entries, 40);
    assert!(matches!(Store::open(&url_in(&folder), clock()).await, Err(StoreError::InUse(_))), "the lock is still the server's");
}

#[tokio::test]
async fn a_transaction_that_is_not_committed_leaves_no_gap_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&url_in(&folder), clock()).await.unwrap();
    record(&store, 1).await;
    let mut dropped = store.begin().await.unwrap();
    dropped.record(&event(2), &SystemRandom).await.unwrap();
    drop(dropped);
    record(&store, 3).await;
    assert_eq!(verify(&store).await.unwrap().entries, 2);
}

#[tokio::test]
async fn the_log_only_grows() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&url_in(&folder), clock()).await.unwrap();
    record(&store, 1).await;
    for sql in [
        "UPDATE audit_events SET actor = 'mallory'",
        "DELETE FROM audit_events",
        "INSERT OR REPLACE INTO audit_events SELECT id, seq, at, 'mallory', surface, action, session, details, prev_hash, hash FROM audit_events",
        "DELETE FROM audit_head",
    ] {
        let refused = sqlx::query(sql).execute(&mut *store.pool.lend().await.unwrap()).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{sql}: {refused}");
    }
    assert_eq!(verify(&store).await.unwrap().entries, 1);
}

#[tokio::test]
async fn the_chain_begins_after_what_was_written_before_there_were_hashes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let options = sqlx::any::AnyPoolOptions::new().max_connections(1);
    sqlx::any::install_default_drivers();
    let old = options.connect(&format!("sqlite://{}?mode=rwc", path.display())).await.unwrap();
    let first = tables::migrations(crate::store::Dialect::Sqlite).into_iter().filter(|migration| migration.version == 1);
    Migrator::with_migrations(first.collect()).run(&old).await.unwrap();
    for statement in [
        "INSERT INTO audit_events (id, seq, at, actor, action, details) VALUES ('a', 1, 5, 'ana', 'session.started', '{}')",
        "INSERT INTO audit_events (id, seq, at, actor, action, details) VALUES ('b', 2, 6, 'ana', 'session.stopped', '{}')",
        "UPDATE audit_head SET seq = 2",
    ] {
        sqlx::query(statement).execute(&old).await.unwrap();
    }
    old.close().await;
    let store = Store::open(&url_in(&folder), clock()).await.unwrap();
    assert_eq!(verify(&store).await.unwrap().unchained, 2);
    record(&store, 7).await;
    let sound = verify(&store).await.unwrap();
    assert_eq!((sound.entries, sound.unchained, sound.head.unwrap().seq), (3, 2, 3));
}

#[tokio::test]
async fn a_range_of_times_has_no_gaps_though_the_times_are_not_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&url_in(&folder), clock()).await.unwrap();
    for at in [10, 20, 15, 30, 25, 40] {
        record(&store, at).await;
    }
    let range = async |since: Option<i64>, until: Option<i64>| {
        let time = |millis: Option<i64>| millis.map(Timestamp::from_millis);
        let AuditRange { first, last } = store.audit_range(time(since), time(until)).await.unwrap();
        (first, last)
    };
    assert_eq!(range(None, None).await, (1, 6));
    assert_eq!(range(Some(20), Some(30)).await, (2, 5), "from 20 up to before 30, and all between");
    assert_eq!(range(Some(41), None).await, (1, 0), "nothing is so late");
    assert_eq!(range(None, Some(10)).await, (1, 0), "nothing is so early");
}
