//! Clocks that go back, and clocks that were ahead: everything closes on time, on both databases. The last tests take Postgres's own clock,
//! and set it.

use std::sync::Arc;

use entryguard_core::clock::{Clock, SystemClock};
use entryguard_core::domain::{Actor, Span, Timestamp};
use entryguard_core::engine::{ClockNotAccepted, EngineError, OpeningsRefused, Which, accept_clock};
use entryguard_core::store::{ClockDoubt, Store, StoreUrl};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::database::{Database, Kind};
use crate::world::World;

const ANA: usize = 0;
const BO: usize = 1;
const CY: usize = 2;
const BASTION: &str = "bastion";
const HOUR: Span = Span::from_hours(1);
const BOTH: [Kind; 2] = [Kind::Sqlite, Kind::Postgres];

impl World {
    /// One round of the loop that ends sessions.
    async fn clock_loop(&self) {
        self.process().store.keep_time().await.unwrap();
        self.process().reconciler.expire_overdue().await.unwrap();
    }

    /// Lets time pass as the server sees it, a minute at a time.
    async fn live(&self, time: Span) {
        for _ in 0..time.as_millis() / 60_000 {
            self.clock.advance(Span::from_minutes(1));
            self.clock_loop().await;
        }
    }

    async fn is_over(&self, id: &entryguard_core::domain::SessionId) -> bool {
        self.view(id).await.session.ending.is_some()
    }

    async fn accept_clock(&self, end_sessions: bool) -> Result<usize, ClockNotAccepted> {
        let actor = Actor::Operator("root".to_owned());
        let store = &self.process().store;
        accept_clock(store, end_sessions, &actor, self.random().as_ref()).await.map(|accepted| accepted.sessions_ended)
    }
}

fn is_for_the_clock(outcome: Result<impl std::fmt::Debug, EngineError>) {
    let error = outcome.expect_err("nothing is opened while the clock is behind");
    assert!(matches!(error, EngineError::Refused(OpeningsRefused::Clock(ClockDoubt::WentBack(_)))), "{error:?}");
}

#[tokio::test]
async fn i1_a_clock_that_goes_back_delays_no_closing_and_opens_nothing() {
    for kind in BOTH {
        let mut world = World::new(kind, 1).await;
        let (ends, stopped) = (world.try_to_start(CY).await.unwrap(), world.try_to_start_at(ANA, "198.41.0.4").await.unwrap());
        world.passes().await;
        assert_eq!(world.rules(BASTION).len(), 2);
        world.clock.go_back(Span::from_hours(3));
        is_for_the_clock(world.try_to_start(BO).await);
        let which = Which::Named(ends.to_string());
        is_for_the_clock(world.process().engine.extend(&world.caller(CY), &which, Some(HOUR)).await);
        world.live(Span::from_minutes(30)).await;
        world.stop(ANA, &stopped).await;
        world.live(Span::from_minutes(29)).await;
        assert!(!world.is_over(&ends).await, "{kind:?}: it is not cut, either");
        world.live(Span::from_minutes(1)).await;
        assert!(world.is_over(&ends).await, "{kind:?}: an hour has passed");
        world.passes().await;
        assert_eq!(world.rules(BASTION), vec![]);
        world.clock.jump_ahead(Span::from_hours(3));
        world.try_to_start(BO).await.expect("the clock has caught up");
        world.database.drop_it().await;
    }
}

#[tokio::test]
async fn i1_a_server_that_starts_with_the_clock_behind_goes_on_from_the_last_persisted_time() {
    for kind in BOTH {
        let mut world = World::new(kind, 2).await;
        let id = world.try_to_start(CY).await.unwrap();
        world.passes().await;
        world.live(Span::from_minutes(40)).await;
        world.clock.go_back(Span::from_hours(3));
        world.restart().await;
        world.clock_loop().await;
        is_for_the_clock(world.try_to_start(BO).await);
        world.live(Span::from_minutes(10)).await;
        world.restart().await;
        world.live(Span::from_minutes(11)).await;
        assert!(world.is_over(&id).await, "{kind:?}: each restart costs what was not persisted, a minute at the most");
        world.passes().await;
        assert_eq!(world.rules(BASTION), vec![]);
        world.database.drop_it().await;
    }
}

#[tokio::test]
async fn i1_a_clock_that_was_ahead_ends_sessions_and_is_accepted_by_an_operator() {
    for kind in BOTH {
        let mut world = World::new(kind, 3).await;
        let before = world.try_to_start(CY).await.unwrap();
        world.passes().await;
        let far = Span::from_hours(24 * 3652);
        world.clock.jump_ahead(far);
        world.clock_loop().await;
        assert!(world.is_over(&before).await, "{kind:?}: its time was over by the clock");
        let meanwhile = world.try_to_start_at(ANA, "198.41.0.4").await.unwrap();
        world.passes().await;
        world.clock.go_back(far);
        world.clock_loop().await;
        is_for_the_clock(world.try_to_start(BO).await);
        assert!(matches!(world.accept_clock(false).await, Err(ClockNotAccepted::Live(1))));
        assert_eq!(world.accept_clock(true).await.unwrap(), 1);
        assert!(world.is_over(&meanwhile).await);
        // Removals that were to be looked at again in ten years are looked at now.
        world.settle().await;
        assert_eq!(world.rules(BASTION), vec![], "{kind:?}");
        let after = world.try_to_start(BO).await.unwrap();
        let expires_at = world.view(&after).await.session.expires_at;
        assert_eq!(expires_at, world.now().plus(HOUR), "{kind:?}");
        world.passes().await;
        world.live(HOUR).await;
        world.settle().await;
        assert!(world.is_over(&after).await && world.rules(BASTION).is_empty(), "{kind:?}");
        world.restart().await;
        assert_eq!(world.process().store.clock_doubt(), None, "{kind:?}: nothing of the wrong time is believed after a restart");
        world.database.drop_it().await;
    }
}

/// Postgres, whose clock a test sets: it finds this function before its own.
struct SetClock {
    database: Database,
    connection: PgConnection,
}

impl SetClock {
    async fn new() -> Self {
        let database = Kind::Postgres.make().await;
        let mut connection = PgConnection::connect(&database.url).await.unwrap();
        let name = database.url.rsplit_once('/').unwrap().1;
        for sql in [
            "CREATE SCHEMA wrong".to_owned(),
            "CREATE TABLE wrong.by (seconds BIGINT NOT NULL)".to_owned(),
            "INSERT INTO wrong.by VALUES (0)".to_owned(),
            "CREATE FUNCTION wrong.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql AS
             'SELECT pg_catalog.clock_timestamp() + seconds * interval ''1 second'' FROM wrong.by'"
                .to_owned(),
            format!("ALTER DATABASE {name} SET search_path = public, wrong, pg_catalog"),
        ] {
            sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        }
        Self { database, connection }
    }

    async fn is_wrong_by(&mut self, seconds: i64) {
        sqlx::query("UPDATE wrong.by SET seconds = $1").bind(seconds).execute(&mut self.connection).await.unwrap();
    }

    async fn replica(&self) -> Store {
        let url = StoreUrl::parse(&self.database.url).unwrap();
        Store::open(&url, Arc::new(SystemClock) as Arc<dyn Clock>).await.unwrap()
    }
}

async fn told(store: &Store) -> Timestamp {
    store.begin().await.unwrap().now()
}

#[tokio::test]
async fn i1_when_postgres_clock_goes_back_no_replicas_time_does() {
    let mut postgres = SetClock::new().await;
    let (one, other) = (postgres.replica().await, postgres.replica().await);
    let mut last = told(&one).await;
    postgres.is_wrong_by(-3600).await;
    for _ in 0..5 {
        for replica in [&one, &other] {
            let now = told(replica).await;
            assert!(now.plus(Span::from_millis(50)) >= last, "{now} after {last}");
            last = last.max(now);
            assert!(matches!(replica.clock_doubt(), Some(ClockDoubt::WentBack(_))), "{:?}", replica.clock_doubt());
        }
    }
    one.keep_time().await.unwrap();
    let late = postgres.replica().await;
    assert!(told(&late).await >= last.minus(Span::from_seconds(5)), "a replica that starts now goes on from what was persisted");
    assert!(matches!(late.clock_doubt(), Some(ClockDoubt::WentBack(_))), "{:?}", late.clock_doubt());
    postgres.is_wrong_by(0).await;
    told(&one).await;
    assert_eq!(one.clock_doubt(), None);
    drop((one, other, late));
    postgres.database.drop_it().await;
}

#[tokio::test]
async fn when_postgres_clock_was_ahead_every_replica_follows_it_and_comes_back_when_an_operator_accepts_it() {
    let mut postgres = SetClock::new().await;
    let (one, other) = (postgres.replica().await, postgres.replica().await);
    let began = told(&other).await;
    postgres.is_wrong_by(3600).await;
    one.keep_time().await.unwrap();
    postgres.is_wrong_by(0).await;
    assert!(told(&other).await >= began.plus(HOUR), "it saw nothing of it but what the other persisted");
    assert!(matches!(other.clock_doubt(), Some(ClockDoubt::WentBack(_))));
    let beside = postgres.replica().await;
    let under_way = other.begin().await.unwrap();
    let random = entryguard_core::random::SystemRandom;
    let actor = Actor::Operator("root".to_owned());
    let accepting = accept_clock(&beside, true, &actor, &random);
    let ending = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert!(under_way.now() >= began.plus(HOUR));
        under_way.commit().await.unwrap();
    };
    let (accepted, ()) = tokio::join!(accepting, ending);
    let accepted = accepted.unwrap();
    assert!(accepted.from.since(accepted.to) > Span::from_minutes(59), "{accepted:?}");
    for replica in [&one, &other, &beside] {
        let now = told(replica).await;
        assert!(now.since(began) < Span::from_minutes(5), "{now}");
        assert_eq!(replica.clock_doubt(), None);
    }
    drop((one, other, beside));
    postgres.database.drop_it().await;
}
