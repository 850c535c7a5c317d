//! A server that breaks in every way at once while people work, and what stays open or closes early because of it.
//!
//! `./x soak [FAULTS]` runs it for as many faults as you like; the tests of every day run the first minute of it.

mod faults;

use std::time::{Duration, Instant};

use entryguard_tests::{Chance, Crowd, Database, Fate, Findings, Proxy, World};
use faults::{Counts, Replica, break_everything};

/// Faults on each database, unless `ENTRYGUARD_SOAK_FAULTS` says otherwise.
const FAULTS: usize = 1000;
/// The same in the tests of every day.
const FAULTS_OF_A_MINUTE: usize = 40;
/// The bound on how long a rule may outlive its session, whatever breaks: 60 s without the database, and a throttled removal's longest
/// wait (`reconcile/backoff.rs`) on top.
const BOUND: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_a_minute_of_faults_on_sqlite_leaks_nothing_and_cuts_nothing() {
    soak(Database::Sqlite, Chance::seeded(3), FAULTS_OF_A_MINUTE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_a_minute_of_faults_on_postgres_leaks_nothing_and_cuts_nothing() {
    soak(Database::Postgres, Chance::seeded(4), FAULTS_OF_A_MINUTE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes a quarter of an hour: ./x soak runs it"]
async fn i6_a_thousand_faults_on_sqlite_leak_nothing_and_cut_nothing() {
    soak(Database::Sqlite, Chance::seeded(1), faults()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes a quarter of an hour: ./x soak runs it"]
async fn i6_a_thousand_faults_on_three_replicas_leak_nothing_and_cut_nothing() {
    soak(Database::Postgres, Chance::seeded(2), faults()).await;
}

fn faults() -> usize {
    let asked = std::env::var("ENTRYGUARD_SOAK_FAULTS").ok();
    asked.map_or(FAULTS, |text| text.parse().expect("a number of faults"))
}

async fn soak(database: Database, mut chance: Chance, faults: usize) {
    let began = Instant::now();
    // A file of a few megabytes leaves SQLite room for all of a run's sessions, until the test fills the disk.
    let world = World::on(database).with_groups(3).with_the_cloud_behind_a_proxy().on_a_small_disk(64);
    let world = Crowd::members(world).sweeping("*/10 * * * * *").start().await;
    let replicas = Replica::all_of(world, database).await;
    let (mut world, mut replicas) = replicas;
    let watch = world.watch(BOUND).await;
    let addresses: Vec<_> = replicas.iter().map(Replica::address).collect();
    let mut crowd = Crowd::of(&world.slack, chance.split());
    let counts = Counts::of(faults);
    tokio::select! {
        () = break_everything(&world, &mut replicas, &counts, &mut chance) => {}
        () = crowd.work(|chance| chance.pick(&addresses).clone()) => {}
    }
    let (commands, broken_for) = (crowd.commands, began.elapsed());
    world.proxy.behave();
    world.until_over = world.until_over.max(2 * BOUND);
    let settled = world.wait_until_settled(2 * BOUND).await;
    let findings = watch.end().await;
    let sessions = world.records().await.sessions().await;
    let Findings { looks, blind_looks, leaked, cut, longest_outlived, .. } = &findings;
    println!(
        "{database:?}: {counts} in {broken_for:.0?}, {commands} commands, {sessions} sessions, {} rules made, {} leaked, {} cut early; \
         the longest that a rule outlived its session: {longest_outlived:.1?} of {BOUND:?}; settled {settled:.0?} after the last fault; \
         {looks} looks, {blind_looks} without the database",
        rules_made(&world.proxy),
        leaked.len(),
        cut.len(),
    );
    assert!(leaked.is_empty() && cut.is_empty(), "leaked: {leaked:#?}\ncut: {cut:#?}");
    assert!(sessions > faults / 8, "{sessions} sessions are too few to show anything");
    assert_eq!(world.records().await.what_the_audit_log_gets_wrong().await, [""; 0]);
    let verified = world.entryguard(&["audit", "verify"]).await;
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    drop(replicas);
    world.finish().await;
}

fn rules_made(proxy: &Proxy) -> usize {
    let made = proxy.calls_of("AuthorizeSecurityGroupIngress").into_iter().filter(|call| call.fate == Some(Fate::Answered(200)));
    made.map(|call| call.form.iter().filter(|(name, _)| name.ends_with(".CidrIp")).count()).sum()
}
