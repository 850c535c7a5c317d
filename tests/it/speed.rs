//! How fast a session opens, measured against the slowest chain of calls that it has to wait for.

use std::time::{Duration, Instant};

use entryguard_tests::{Database, World};

const GROUPS: usize = 20;
const LATENCY: Duration = Duration::from_millis(100);
const HOME: &str = "93.184.216.34";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_on_20_groups_is_active_within_twice_its_slowest_chain_and_commands_are_answered_meanwhile() {
    let world = World::on(Database::Sqlite).with_groups(GROUPS).member("ana", "U111").start().await;
    world.proxy.slow_down(LATENCY);
    world.proxy.forget_calls();
    let (_, link) = world.ask_for_session("U111", "1h").await;
    let asked = Instant::now();
    world.confirm(&link, HOME).await;
    let confirmed = Instant::now();
    let mut acknowledged = Vec::new();
    let active = loop {
        let answer = world.slack.command("U111", "status").await;
        acknowledged.push(answer.took);
        if answer.says("ACTIVE") {
            break Instant::now();
        }
        assert!(asked.elapsed() < Duration::from_secs(60), "{}", answer.text());
    };
    while acknowledged.len() < 200 {
        acknowledged.push(world.slack.command("U111", "list").await.took);
    }
    let of_sessions = |action: &str| ["AuthorizeSecurityGroupIngress", "DescribeSecurityGroupRules"].contains(&action);
    let chain = slowest_chain(&world, confirmed, active, of_sessions);
    let took = active - confirmed;
    acknowledged.sort();
    let p99 = acknowledged[acknowledged.len() * 99 / 100];
    println!(
        "ACTIVE on {GROUPS} groups after {took:?}; the slowest chain of calls took {chain:?}; ratio {:.2}",
        took.as_secs_f64() / chain.as_secs_f64()
    );
    println!("/slack/commands: p99 {p99:?} of {} answers meanwhile", acknowledged.len());
    assert!(took <= chain * 2, "{took:?} is more than twice {chain:?}");
    assert!(p99 < Duration::from_millis(100), "{p99:?}");
    world.finish().await;
}

/// For each group the time from its first call to its last one's end; the longest of these.
fn slowest_chain(world: &World, since: Instant, until: Instant, counts: impl Fn(&str) -> bool) -> Duration {
    let calls = world.proxy.calls();
    let of_group = |group: &str| {
        let mine = calls.iter().filter(|call| counts(&call.action) && call.mentions(group));
        let mine: Vec<_> = mine.filter(|call| call.started >= since && call.started <= until).collect();
        let ends = mine.iter().filter_map(|call| call.ended).max()?;
        Some(ends - mine.iter().map(|call| call.started).min()?)
    };
    world.groups.iter().filter_map(|group| of_group(group)).max().expect("every group was called")
}
