//! The database fails in the middle of the work, in each way that it can: afterwards the work goes on within 10 s, nothing is open past
//! its end, and the audit log's chain is sound.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use entryguard_core::domain::Span;
use entryguard_core::engine::Outage;
use entryguard_core::store::{Store, StoreError};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::database::{Kind, postgres_socket};
use crate::process::PARTS;
use crate::step::{From, Step, Work};
use crate::tcp_proxy::TcpProxy;
use crate::world::World;

const RECOVERED_WITHIN: Duration = Duration::from_secs(10);
/// People are told within 2 s; the rest is for a busy machine.
const TOLD_WITHIN: Duration = Duration::from_secs(5);
const ANA: usize = 0;

/// A world whose Postgres is behind a proxy, and a connection past it.
struct Behind {
    world: World,
    proxy: TcpProxy,
    direct: PgConnection,
}

impl Behind {
    async fn proxy() -> Self {
        let mut database = Kind::Postgres.make().await;
        let direct = PgConnection::connect(&database.url).await.unwrap();
        let proxy = TcpProxy::before(postgres_socket()).await;
        database.url = proxy.by_way(&database.url);
        Self { world: World::reached(database, 11).await, proxy, direct }
    }

    fn store(&self) -> &Store {
        &self.world.process().store
    }

    async fn run(&mut self, sql: &str) {
        self.direct.execute(AssertSqlSafe(sql.to_owned())).await.expect(sql);
    }

    /// Every statement that writes to the audit log fails so, at once or with the commit.
    async fn fail_with(&mut self, state: &str, with_the_commit: bool) {
        let raise = format!("RAISE EXCEPTION 'on purpose' USING ERRCODE = '{state}'");
        self.run(&format!("CREATE OR REPLACE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {raise}; END $$"))
            .await;
        for table in ["audit_events", "accepted_requests"] {
            let when = match with_the_commit {
                true => {
                    format!("CREATE CONSTRAINT TRIGGER fails AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW")
                }
                false => format!("CREATE TRIGGER fails BEFORE INSERT ON {table} FOR EACH ROW"),
            };
            self.run(&format!("{when} EXECUTE FUNCTION fails()")).await;
        }
    }

    async fn fail_no_more(&mut self) {
        self.run("DROP FUNCTION fails() CASCADE").await;
    }

    async fn kill_all(&mut self) {
        // The ending takes a moment.
        let all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let since = Instant::now();
        while sqlx::query(AssertSqlSafe(all)).fetch_optional(&mut self.direct).await.unwrap().is_some() {
            assert!(since.elapsed() < RECOVERED_WITHIN, "they end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn finish(self) {
        drop(self.direct);
        self.world.finish().await;
    }
}

impl World {
    /// Opens something that ends in an hour.
    async fn open(&mut self) {
        self.step(&Step::Do(Work::Start { member: ANA, from: From::Home, hours: 1 })).await;
        self.settle().await;
        assert!(self.is_open());
    }

    fn is_open(&self) -> bool {
        PARTS.iter().any(|(name, _)| !self.rules(name).is_empty())
    }

    /// The cause has ended: what has run out meanwhile is closed, and new sessions can be opened and closed.
    async fn goes_on(&mut self) {
        let store = std::sync::Arc::clone(&self.process().store);
        until_it_writes(&store).await;
        self.clock.advance(Span::from_hours(2));
        self.settle().await;
        assert!(!self.is_open(), "open past its end");
        self.open().await;
        self.clock.advance(Span::from_hours(2));
        self.settle().await;
        assert!(!self.is_open(), "open past its end");
        assert!(store.check_log(None).await.unwrap().is_ok(), "the audit log's chain is broken");
    }

    async fn finish(self) {
        self.process().store.close().await;
        self.database.drop_it().await;
    }
}

async fn write(store: &Store, name: &str) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    tx.accept_once(&BTreeSet::from([name.to_owned()])).await?;
    tx.commit().await
}

/// Writes until nothing of this length fits; why not.
async fn fill(store: &Store, length: usize) -> Outage {
    for number in 0..10_000 {
        if let Err(error) = write(store, &format!("{number} {}", "x".repeat(length))).await {
            return error.outage();
        }
    }
    panic!("everything fits");
}

async fn until_it_writes(store: &Store) {
    let since = Instant::now();
    while let Err(error) = write(store, "afterwards").await {
        assert!(since.elapsed() < RECOVERED_WITHIN, "it does not recover: {error:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// It fails in time, and why.
async fn fails(store: &Store) -> Outage {
    let began = Instant::now();
    let error = write(store, "never").await.expect_err("it fails");
    assert!(began.elapsed() < TOLD_WITHIN, "after {:?}: {error:?}", began.elapsed());
    error.outage()
}

#[tokio::test]
async fn i1_a_full_sqlite_ends_with_its_cause() {
    let mut world = World::new(Kind::Sqlite, 11).await;
    world.open().await;
    world.process().store.set_further(&["PRAGMA max_page_count = 1"]).await;
    for length in [10_000, 1_000, 10] {
        assert_eq!(fill(&world.process().store, length).await, Outage::DiskFull);
    }
    // Each table has some room left on its last page.
    let mut started = world.try_to_start(ANA).await;
    for _ in 0..200 {
        if started.is_err() {
            break;
        }
        started = world.try_to_start(ANA).await;
    }
    assert!(started.is_err_and(|error| error.to_string().contains("is full, so nothing was changed")));
    world.clock.advance(Span::from_hours(2));
    let _ = world.process().reconciler.expire_overdue().await;
    let _ = world.process().reconciler.reconcile_one().await;
    world.process().store.set_further(&[]).await;
    world.goes_on().await;
    world.finish().await;
}

#[tokio::test]
async fn i1_connections_that_are_killed_at_any_statement_are_replaced() {
    let mut behind = Behind::proxy().await;
    behind.world.open().await;
    // While all are idle.
    behind.kill_all().await;
    write(behind.store(), "at once").await.expect("an idle connection that is dead is found out before it is lent");
    // Inside a transaction: before a read, a write, the commit, and the rollback.
    for step in 0..4 {
        let mut tx = behind.world.process().store.begin().await.unwrap();
        behind.kill_all().await;
        match step {
            0 => drop(tx.was_accepted("a").await.unwrap_err()),
            1 => drop(tx.accept_once(&BTreeSet::from(["b".to_owned()])).await.unwrap_err()),
            2 => drop(tx.commit().await.unwrap_err()),
            _ => drop(tx),
        }
        until_it_writes(behind.store()).await;
    }
    behind.world.goes_on().await;
    behind.finish().await;
}

#[tokio::test]
async fn i1_a_connection_that_is_cut_at_any_packet_is_replaced() {
    let mut behind = Behind::proxy().await;
    behind.world.open().await;
    for packets in 0..40 {
        behind.proxy.cut_after(packets);
        let name = format!("cut after {packets}");
        let outcome = write(behind.store(), &name).await;
        let has_cut = behind.proxy.has_cut();
        behind.proxy.mend();
        until_it_writes(behind.store()).await;
        let is_there = behind.store().begin().await.unwrap().was_accepted(&name).await.unwrap();
        match outcome {
            Ok(()) => assert!(is_there),
            Err(error) if error.outage() == Outage::OutcomeUnknown => {}
            Err(error) => assert!(!is_there, "{packets}: it is there after {error:?}"),
        }
        if !has_cut {
            behind.world.goes_on().await;
            return behind.finish().await;
        }
    }
    panic!("a transaction takes fewer packets");
}

#[tokio::test]
async fn i1_a_server_that_is_down_or_silent_is_told_of_in_time_and_over_when_it_is_back() {
    let mut behind = Behind::proxy().await;
    behind.world.open().await;
    behind.proxy.refuse();
    for _ in 0..3 {
        assert_eq!(fails(behind.store()).await, Outage::Unreachable);
    }
    assert!(behind.world.try_to_start(ANA).await.is_err_and(|error| error.to_string().contains("cannot reach its database")));
    behind.proxy.mend();
    until_it_writes(behind.store()).await;

    behind.proxy.silence();
    // Of the first, it is not known that it will fail.
    write(behind.store(), "never").await.unwrap_err();
    let all = futures_util::future::join_all((0..40).map(|_| fails(behind.store()))).await;
    assert!(all.iter().all(|outage| *outage == Outage::Unreachable), "{all:?}");
    assert_eq!(behind.store().outage(), Some(Outage::Unreachable));
    behind.proxy.mend();
    until_it_writes(behind.store()).await;

    // A failover: the same name leads to another port.
    let other = TcpProxy::before(postgres_socket()).await;
    behind.proxy.fail_over_to(other.address());
    until_it_writes(behind.store()).await;
    behind.world.goes_on().await;
    behind.finish().await;
}

#[tokio::test]
async fn i1_what_postgres_refuses_at_a_statement_or_a_commit_changes_nothing_and_is_over_with_its_cause() {
    let mut behind = Behind::proxy().await;
    behind.world.open().await;
    for (state, outage) in [("53100", Outage::DiskFull), ("40001", Outage::Conflict), ("58030", Outage::DiskFailed)] {
        for with_the_commit in [false, true] {
            behind.fail_with(state, with_the_commit).await;
            let failed = fails(behind.store()).await;
            // An error of the disk at a commit leaves open whether it was written.
            let expected = if with_the_commit && outage == Outage::DiskFailed { Outage::OutcomeUnknown } else { outage };
            assert_eq!(failed, expected, "{state} {with_the_commit}");
            assert!(behind.world.try_to_start(ANA).await.is_err());
            behind.fail_no_more().await;
            assert!(!behind.store().begin().await.unwrap().was_accepted("never").await.unwrap(), "nothing was changed");
        }
    }
    behind.world.goes_on().await;
    behind.finish().await;
}

#[tokio::test]
async fn i1_a_transaction_that_stood_still_for_too_long_is_over_and_commits_nothing() {
    let mut behind = Behind::proxy().await;
    behind.world.open().await;
    behind.store().set_further(&["SET idle_in_transaction_session_timeout = '100ms'"]).await;
    let mut tx = behind.store().begin().await.unwrap();
    tx.accept_once(&BTreeSet::from(["never".to_owned()])).await.unwrap();
    let since = Instant::now();
    loop {
        let sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'";
        if sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut behind.direct).await.unwrap() == 0 {
            break;
        }
        assert!(since.elapsed() < RECOVERED_WITHIN, "Postgres ends it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tx.commit().await.unwrap_err();
    behind.store().set_further(&[]).await;
    assert!(!behind.store().begin().await.unwrap().was_accepted("never").await.unwrap());
    behind.world.goes_on().await;
    behind.finish().await;
}

#[tokio::test]
async fn two_transactions_that_postgres_cannot_put_in_an_order_are_told_apart_from_an_outage() {
    let behind = Behind::proxy().await;
    behind.store().set_further(&["SET default_transaction_isolation = 'serializable'"]).await;
    let (one, other) = (behind.store().begin(), behind.store().begin());
    let (mut one, mut other) = (one.await.unwrap(), other.await.unwrap());
    one.was_accepted("of the other").await.unwrap();
    other.was_accepted("of the one").await.unwrap();
    one.accept_once(&BTreeSet::from(["of the one".to_owned()])).await.unwrap();
    let written = other.accept_once(&BTreeSet::from(["of the other".to_owned()])).await;
    one.commit().await.unwrap();
    let second = match written {
        Ok(_) => other.commit().await,
        Err(error) => Err(error),
    };
    assert_eq!(second.unwrap_err().outage(), Outage::Conflict);
    write(behind.store(), "of the other").await.expect("the same again succeeds");
    behind.finish().await;
}
