//! The database is away: what is overdue by its tag is closed all the same, and nothing else is.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use entryguard_core::clock::Clock;
use entryguard_core::domain::{
    DeploymentId, HostAddress, LaterReads, MemberName, OpeningId, ResourceName, RulePart, SessionId, SessionStatus, Span,
    Timestamp,
};
use entryguard_core::engine::{AuditFilter, EngineError, OpeningsRefused, Which};
use entryguard_core::provider::{
    Addition, Allowlist, Allowlists, Fault, Health, ProviderError, Remark, Removal, SeenRule, SimulatedAllowlist,
};
use entryguard_core::reconcile::{Nudges, Reconciler, ReconcilerParts, SweepPace};
use entryguard_core::store::{Store, StoreUrl};

use crate::database::{Kind, postgres_socket};
use crate::process::PARTS;
use crate::tcp_proxy::TcpProxy;
use crate::world::World;

/// May reach the bastion alone.
const CY: usize = 2;
const BASTION: &str = "bastion";
const SHORT: &str = "93.184.216.40";
const LONG: &str = "93.184.216.41";
/// What the server waits after a tag's end.
const MARGIN: Span = Span::from_seconds(30);
/// A busy machine may take its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A world in which one session has an hour on the bastion, from `SHORT`, and another one half an hour more, from `LONG`.
async fn two_sessions(kind: Kind) -> (World, SessionId, SessionId) {
    let mut world = World::new(kind, 7).await;
    let short = world.try_to_start_at(CY, SHORT).await.unwrap();
    world.clock.advance(Span::from_minutes(30));
    let long = world.try_to_start_at(CY, LONG).await.unwrap();
    world.settle().await;
    assert_eq!(world.open_to(), [SHORT, LONG]);
    (world, short, long)
}

impl World {
    fn open_to(&self) -> Vec<String> {
        let mut open: Vec<_> = self.rules(BASTION).iter().map(|rule| rule.source.addr().to_string()).collect();
        open.sort();
        open
    }

    /// Lets time pass until so long after the short session's end.
    fn go_to_the_end_and(&self, later: Span) {
        self.clock.advance(Span::from_millis(Span::from_minutes(30).as_millis() + later.as_millis()));
    }

    fn lists_read(&self) -> usize {
        self.cloud.calls().iter().filter(|call| call.name == "observe").count()
    }

    fn removals(&self) -> usize {
        self.cloud.calls().iter().filter(|call| call.name == "remove").count()
    }

    async fn told_of_rules(&self) -> Vec<serde_json::Value> {
        let filter = AuditFilter { action: Some("rule.closed_offline".to_owned()), at_most: 10, ..AuditFilter::default() };
        let entries = self.process().store.audit_search(&filter).await.unwrap_or_default();
        entries.into_iter().map(|entry| serde_json::from_str(&entry.details).unwrap()).collect()
    }

    fn list(&self) -> SimulatedAllowlist {
        self.cloud.allowlist(bastion(), self.process().deployment.clone(), PARTS[0].1)
    }

    fn as_another(&self, owner: &str) -> SimulatedAllowlist {
        self.cloud.allowlist(bastion(), DeploymentId::from_stored(owner), PARTS[0].1)
    }
}

fn bastion() -> ResourceName {
    ResourceName::new(BASTION).unwrap()
}

async fn eventually<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What happens while a reconciler watches over a database that fails. It dies when the story is over.
async fn watched_by<T>(reconciler: &Reconciler, story: impl Future<Output = T>) -> T {
    tokio::select! {
        () = reconciler.close_without_database_after(Span::from_millis(0), MARGIN) => unreachable!("it watches for ever"),
        told = story => told,
    }
}

async fn watched<T>(world: &World, story: impl Future<Output = T>) -> T {
    watched_by(&world.process().reconciler, story).await
}

async fn closes_without_the_database(kind: Kind) {
    let (mut world, short, long) = two_sessions(kind).await;
    world.go_to_the_end_and(Span::from_seconds(1));
    world.database.take_away().await;
    watched(&world, async {
        let before = world.lists_read();
        eventually("the list is read", || async { world.lists_read() > before }).await;
        assert_eq!((world.open_to(), world.removals()), (vec![SHORT.to_owned(), LONG.to_owned()], 0), "nothing is cut early");
        world.clock.advance(Span::from_seconds(31));
        eventually("the rule whose time is over is gone", || async { world.open_to() == [LONG] }).await;
        let refused = world.try_to_start_at(CY, SHORT).await.unwrap_err();
        let is_refused = matches!(refused, EngineError::Refused(OpeningsRefused::Store(_)));
        assert!(is_refused || refused.outage().is_some(), "{refused}");
        world.database.give_back().await;
        eventually("the database is told", || async { !world.told_of_rules().await.is_empty() }).await;
    })
    .await;
    let told = world.told_of_rules().await.remove(0);
    assert_eq!((&told["resource"], &told["seenGone"]), (&serde_json::json!(BASTION), &serde_json::json!(true)));
    assert_eq!(told["rules"][0]["source"], format!("{SHORT}/32"));
    assert!(told["reason"].as_str().unwrap().contains("the database failed"), "{told}");
    world.settle().await;
    assert_eq!(world.view(&short).await.status(), SessionStatus::Expired);
    assert_eq!(world.view(&long).await.status(), SessionStatus::Active);
    assert_eq!(world.open_to(), [LONG]);
    world.database.drop_it().await;
}

#[tokio::test]
async fn i1_what_is_overdue_is_closed_without_the_database_and_what_is_wanted_stays_on_sqlite() {
    closes_without_the_database(Kind::Sqlite).await;
}

#[tokio::test]
async fn i1_what_is_overdue_is_closed_without_the_database_and_what_is_wanted_stays_on_postgres() {
    closes_without_the_database(Kind::Postgres).await;
}

#[tokio::test]
async fn i3_without_the_database_too_nothing_goes_that_is_not_ours_or_bears_no_end() {
    let (world, ..) = two_sessions(Kind::Sqlite).await;
    let stripped = world.rules(BASTION).remove(0);
    world.cloud.strip_by_hand(&bastion(), &stripped.id);
    world.cloud.add_by_hand(&bastion(), "198.41.0.4/32".parse().unwrap(), "tcp 22");
    let overdue = |address: &str| addition("o", address, world.now());
    world.as_another("another").add(&[overdue("198.41.0.5")]).await.unwrap();
    world.list().add(&[overdue("198.41.0.6")]).await.unwrap();
    world.go_to_the_end_and(Span::from_hours(2));
    world.database.take_away().await;
    watched(&world, async {
        let gone = || async { !world.open_to().contains(&"198.41.0.6".to_owned()) };
        eventually("our rule is gone, though no session knows of it", gone).await;
        eventually("and so are those of sessions", || async { world.open_to().len() == 3 }).await;
    })
    .await;
    let mut left = vec!["198.41.0.4".to_owned(), "198.41.0.5".to_owned(), stripped.source.addr().to_string()];
    left.sort();
    assert_eq!(world.open_to(), left);
}

#[tokio::test]
async fn i1_a_removal_that_is_refused_pretended_or_not_answered_is_tried_again() {
    for fault in [Fault::Throttled, Fault::Pretended, Fault::RequestLost, Fault::AnswerLost] {
        let (world, ..) = two_sessions(Kind::Sqlite).await;
        world.go_to_the_end_and(Span::from_minutes(1));
        world.database.take_away().await;
        world.cloud.fault_next_read(Fault::Throttled);
        world.cloud.fault_next_change(fault);
        watched(&world, async {
            // The tries wait for the world's clock.
            let closed = || async {
                world.clock.advance(Span::from_millis(50));
                world.open_to() == [LONG]
            };
            eventually("the rule is gone", closed).await;
            world.database.give_back().await;
            eventually("the database is told", || async { world.told_of_rules().await.len() == 1 }).await;
        })
        .await;
    }
}

#[tokio::test]
async fn i6_a_replica_that_dies_before_it_could_tell_leaves_what_the_next_one_brings_to_the_same_end() {
    let (mut world, short, long) = two_sessions(Kind::Sqlite).await;
    world.go_to_the_end_and(Span::from_minutes(1));
    world.database.take_away().await;
    watched(&world, eventually("the rule is gone", || async { world.open_to() == [LONG] })).await;
    world.database.give_back().await;
    world.restart().await;
    world.settle().await;
    assert_eq!(world.view(&short).await.status(), SessionStatus::Expired);
    assert_eq!((world.view(&long).await.status(), world.open_to()), (SessionStatus::Active, vec![LONG.to_owned()]));
}

/// A list whose tags are moved by another replica, right after they were read for the first time.
struct MovedMeanwhile {
    list: SimulatedAllowlist,
    reads: AtomicU32,
    until: Timestamp,
}

#[async_trait]
impl Allowlist for MovedMeanwhile {
    fn parts(&self) -> &[RulePart] {
        self.list.parts()
    }

    async fn observe(&self) -> Result<Vec<SeenRule>, ProviderError> {
        let seen = self.list.observe().await?;
        if self.reads.fetch_add(1, Ordering::Relaxed) == 0 {
            let remark = |rule: &SeenRule| Remark {
                opening: OpeningId::from_stored("o"),
                rules: vec![rule.id.clone()],
                until: self.until,
            };
            self.list.mark_until(&seen.iter().map(remark).collect::<Vec<_>>()).await?;
        }
        Ok(seen)
    }

    async fn add(&self, additions: &[Addition]) -> Result<(), ProviderError> {
        self.list.add(additions).await
    }

    async fn mark_until(&self, remarks: &[Remark]) -> Result<(), ProviderError> {
        self.list.mark_until(remarks).await
    }

    async fn remove(&self, removals: &[Removal]) -> Result<(), ProviderError> {
        self.list.remove(removals).await
    }

    async fn verify(&self) -> Result<Health, ProviderError> {
        self.list.verify().await
    }
}

#[tokio::test]
async fn i2_a_rule_whose_tag_was_moved_since_it_was_read_stays() {
    let (world, ..) = two_sessions(Kind::Sqlite).await;
    world.go_to_the_end_and(Span::from_minutes(5));
    let until = world.now().plus(Span::from_hours(1));
    let moved = Arc::new(MovedMeanwhile { list: world.list(), reads: AtomicU32::new(0), until });
    let process = world.process();
    let cut_off = Reconciler::new(ReconcilerParts {
        store: Arc::clone(&process.store),
        allowlists: Arc::new(Allowlists::from([(bastion(), Arc::clone(&moved) as Arc<dyn Allowlist>)])),
        deployment: process.deployment.clone(),
        random: world.random(),
        nudges: Arc::new(Nudges::default()),
        pulse: Arc::default(),
        later_reads: LaterReads::default(),
        sweep_pace: SweepPace::STEP_BY_STEP,
    });
    world.database.take_away().await;
    let reads = || async {
        world.clock.advance(Span::from_millis(500));
        moved.reads.load(Ordering::Relaxed) > 2
    };
    watched_by(&cut_off, eventually("it is read again and again", reads)).await;
    assert_eq!((world.open_to(), world.removals()), (vec![SHORT.to_owned(), LONG.to_owned()], 0));
}

#[tokio::test]
async fn i2_a_replica_that_has_the_database_and_one_that_has_not_do_not_fight() {
    let (mut world, short, long) = two_sessions(Kind::Postgres).await;
    let proxy = TcpProxy::before(postgres_socket()).await;
    let url = StoreUrl::parse(&proxy.by_way(&world.database.url)).unwrap();
    let store = Store::open(&url, Arc::clone(&world.clock) as Arc<dyn Clock>).await.unwrap().on_the_tests_time();
    let process = world.process();
    let cut_off = Reconciler::new(ReconcilerParts {
        store: Arc::new(store),
        allowlists: Arc::new(Allowlists::from([(bastion(), Arc::new(world.list()) as Arc<dyn Allowlist>)])),
        deployment: process.deployment.clone(),
        random: world.random(),
        nudges: Arc::new(Nudges::default()),
        pulse: Arc::default(),
        later_reads: LaterReads::default(),
        sweep_pace: SweepPace::STEP_BY_STEP,
    });
    proxy.refuse();
    world.go_to_the_end_and(Span::from_minutes(1));
    let began = world.now();
    let healthy = async {
        while world.now() < began.plus(Span::from_minutes(2)) {
            process.reconciler.expire_overdue().await.unwrap();
            while process.reconciler.reconcile_one().await.unwrap() {}
            world.clock.advance(Span::from_millis(500));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    watched_by(&cut_off, healthy).await;
    world.settle().await;
    assert_eq!(world.view(&short).await.status(), SessionStatus::Expired);
    assert_eq!((world.view(&long).await.status(), world.open_to()), (SessionStatus::Active, vec![LONG.to_owned()]));
    world.database.drop_it().await;
}

/// A database that takes commits and does none of the work: a table is locked, damaged, or has no room.
async fn closes_without_a_database_that_does_no_work(kind: Kind) {
    let (mut world, short, long) = two_sessions(kind).await;
    world.database.run("ALTER TABLE openings RENAME TO openings_away").await;
    world.go_to_the_end_and(Span::from_seconds(31));
    let reconciler = Arc::clone(&world.process().reconciler);
    watched_by(&reconciler, async {
        let closed = eventually("the rule whose time is over is gone", || async { world.open_to() == [LONG] });
        tokio::select! {
            () = Arc::clone(&reconciler).run() => unreachable!("it runs for ever"),
            () = Arc::clone(&reconciler).run_clock() => unreachable!("it runs for ever"),
            () = closed => {}
        }
    })
    .await;
    world.database.run("ALTER TABLE openings_away RENAME TO openings").await;
    world.settle().await;
    assert_eq!(world.view(&short).await.status(), SessionStatus::Expired);
    assert_eq!((world.view(&long).await.status(), world.open_to()), (SessionStatus::Active, vec![LONG.to_owned()]));
    world.database.drop_it().await;
}

#[tokio::test]
async fn i1_a_database_that_takes_commits_and_does_no_work_keeps_nothing_open_on_sqlite() {
    closes_without_a_database_that_does_no_work(Kind::Sqlite).await;
}

#[tokio::test]
async fn i1_a_database_that_takes_commits_and_does_no_work_keeps_nothing_open_on_postgres() {
    closes_without_a_database_that_does_no_work(Kind::Postgres).await;
}

#[tokio::test]
async fn i1_a_stop_that_was_accepted_before_the_database_went_away_closes_before_the_tags_end() {
    let (world, short, _) = two_sessions(Kind::Sqlite).await;
    world.stop(CY, &short).await;
    world.cloud.fault_next_change(Fault::Throttled);
    world.process().reconciler.reconcile_one().await.unwrap();
    assert_eq!(world.open_to(), [SHORT, LONG], "the removal was refused");
    world.database.take_away().await;
    watched(&world, eventually("the stopped session's rule is gone", || async { world.open_to() == [LONG] })).await;
}

#[tokio::test]
async fn i2_an_extension_that_was_accepted_is_not_cut_by_a_tag_that_could_not_be_moved() {
    let (world, short, _) = two_sessions(Kind::Sqlite).await;
    let (caller, which) = (world.caller(CY), Which::Named(short.to_string()));
    world.process().engine.extend(&caller, &which, Some(Span::from_hours(1))).await.unwrap();
    world.cloud.fault_next_change(Fault::Denied);
    world.process().reconciler.reconcile_one().await.unwrap();
    world.database.take_away().await;
    world.go_to_the_end_and(Span::from_minutes(5));
    watched(&world, async {
        let before = world.lists_read();
        let read = || async {
            world.clock.advance(Span::from_millis(500));
            world.lists_read() > before + 2
        };
        eventually("the list is read again and again", read).await;
        assert_eq!((world.open_to(), world.removals()), (vec![SHORT.to_owned(), LONG.to_owned()], 0));
        world.clock.advance(Span::from_hours(1));
        eventually("all is closed at the accepted end", || async { world.open_to().is_empty() }).await;
    })
    .await;
}

fn addition(opening: &str, address: &str, until: Timestamp) -> Addition {
    Addition {
        opening: OpeningId::from_stored(opening),
        address: HostAddress::parse(address).unwrap(),
        parts: vec![RulePart("tcp 22".into())],
        until,
        member: MemberName::new("ana").unwrap(),
        session: SessionId::from_stored("s"),
    }
}
