//! A server that is killed again and again while people work, and what stays open or closes early because of it.
//!
//! `./x soak [KILLS]` runs it; the tests of every day leave it out.

use std::time::{Duration, Instant};

use entryguard_tests::{Chance, Crowd, Database, Fate, Findings, Proxy, Server, World};

/// Kills in all, unless `ENTRYGUARD_SOAK_KILLS` says otherwise: half of them on each database.
const KILLS: usize = 200;
/// A rule that is there for so long after its session's end has leaked. A dead server's lease holds up the next one for 15 s, and a
/// throttled removal waits longer each time.
const PATIENCE: Duration = Duration::from_secs(90);
/// What goes wrong in the cloud now and then.
const FAULTS: [(&str, &str); 5] = [
    ("RevokeSecurityGroupIngress", "RequestLimitExceeded"),
    ("AuthorizeSecurityGroupIngress", "RequestLimitExceeded"),
    ("DescribeSecurityGroupRules", "RequestLimitExceeded"),
    ("CreateTags", "RequestLimitExceeded"),
    ("RevokeSecurityGroupIngress", "InternalError"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes minutes: ./x soak runs it"]
async fn i6_killed_at_random_on_sqlite_nothing_leaks_and_nothing_is_cut() {
    soak(Database::Sqlite, Chance::seeded(1), Duration::from_secs(4)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes minutes: ./x soak runs it"]
async fn i6_killed_at_random_on_postgres_nothing_leaks_and_nothing_is_cut() {
    // Longer lives: a dead server's leases keep the next one waiting.
    soak(Database::Postgres, Chance::seeded(2), Duration::from_secs(9)).await;
}

async fn soak(database: Database, mut chance: Chance, longest_life: Duration) {
    let began = Instant::now();
    let kills = std::env::var("ENTRYGUARD_SOAK_KILLS").ok().map_or(KILLS, |text| text.parse().expect("a number of kills")) / 2;
    let mut world = Crowd::members(World::on(database).with_groups(3)).start().await;
    let watch = world.watch(PATIENCE).await;
    let address = world.server.address();
    let mut crowd = Crowd::of(&world.slack, chance.split());
    tokio::select! {
        () = kill_and_start_again(&mut world.server, &world.proxy, kills, longest_life, &mut chance) => {}
        () = crowd.work(|_| address.clone()) => {}
    }
    let (commands, killed_for) = (crowd.commands, began.elapsed());
    world.proxy.behave();
    let settled = world.wait_until_settled(2 * PATIENCE).await;
    let findings = watch.end().await;
    let sessions = world.records().await.sessions().await;
    let Findings { looks, leaked, cut, longest_outlived, .. } = &findings;
    println!(
        "{database:?}: {kills} kills in {killed_for:.0?}, {commands} commands, {sessions} sessions, {} rules made, {} leaked, {} cut early; \
         the longest that a rule outlived its session: {longest_outlived:.1?}; settled {settled:.0?} after the last kill; {looks} looks",
        rules_made(&world.proxy),
        leaked.len(),
        cut.len(),
    );
    assert!(leaked.is_empty() && cut.is_empty(), "leaked: {leaked:#?}\ncut: {cut:#?}");
    assert!(sessions > kills / 4, "so few sessions show nothing");
    assert_eq!(world.records().await.what_the_audit_log_gets_wrong().await, [""; 0]);
    world.finish().await;
}

/// Lets the server live for a while, in a cloud that is now far away and now throttles, and kills it; sometimes while it starts.
async fn kill_and_start_again(server: &mut Server, proxy: &Proxy, kills: usize, longest_life: Duration, chance: &mut Chance) {
    for kill in 1..=kills {
        proxy.slow_down(chance.between(Duration::from_millis(20), Duration::from_millis(300)));
        if chance.one_in(3) {
            let (action, code) = chance.pick(&FAULTS);
            proxy.refuse(action, code, if chance.one_in(2) { 2 } else { 5 });
        }
        tokio::time::sleep(chance.between(Duration::from_millis(200), longest_life)).await;
        if chance.one_in(6) {
            server.start_over(&[]);
            tokio::time::sleep(chance.between(Duration::ZERO, Duration::from_millis(300))).await;
        }
        server.restart().await;
        if kill % 25 == 0 {
            println!("{kill} kills so far");
        }
    }
}

fn rules_made(proxy: &Proxy) -> usize {
    let made = proxy.calls_of("AuthorizeSecurityGroupIngress").into_iter().filter(|call| call.fate == Some(Fate::Answered(200)));
    made.map(|call| call.form.iter().filter(|(name, _)| name.ends_with(".CidrIp")).count()).sum()
}
