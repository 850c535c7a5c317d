//! How fast a session opens, measured against the slowest chain of calls that it has to wait for.

use std::time::{Duration, Instant};

use entryguard_tests::{Database, World, quiet};

const GROUPS: usize = 20;
/// So many that the 99th percentile is not the slowest one.
const ANSWERS: usize = 300;
const LATENCY: Duration = Duration::from_millis(100);
const HOME: &str = "93.184.216.34";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_on_20_groups_is_active_within_twice_its_slowest_chain_and_commands_are_answered_meanwhile() {
    let _quiet = quiet().await;
    let world = World::on(Database::Sqlite).with_groups(GROUPS).member("ana", "U111").start().await;
    world.proxy.slow_down(LATENCY);
    let (mut acknowledged, mut worst) = (Vec::new(), 0.0_f64);
    // Every answer that counts is given while rules are opening or closing.
    while acknowledged.len() < ANSWERS {
        world.proxy.forget_calls();
        let (_, link) = world.ask_for_session("U111", "1h").await;
        world.confirm(&link, HOME).await;
        let confirmed = Instant::now();
        ask_until(&world, "ACTIVE", &mut acknowledged).await;
        let took = confirmed.elapsed();
        let chain = slowest_chain(&world);
        let ratio = took.as_secs_f64() / chain.as_secs_f64();
        println!("ACTIVE on {GROUPS} groups after {took:?}; the slowest chain of calls took {chain:?}; ratio {ratio:.2}");
        worst = worst.max(ratio);
        world.slack.command("U111", "stop").await;
        ask_until(&world, "no running session", &mut acknowledged).await;
        for group in &world.groups {
            world.wait_until_group_allows(group, &[]).await;
        }
    }
    acknowledged.sort();
    let p99 = acknowledged[acknowledged.len() * 99 / 100];
    println!("worst ratio {worst:.2}; /slack/commands meanwhile: p99 {p99:?} of {} answers", acknowledged.len());
    assert!(worst <= 2.0, "more than twice the slowest chain: {worst:.2}");
    assert!(p99 < Duration::from_millis(100), "{p99:?}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn discord_has_most_answers_within_100_ms_and_every_one_in_time() {
    let _quiet = quiet().await;
    let world = World::on(Database::Sqlite).with_groups(1).with_discord().discord_member("ana", 111).start().await;
    let mut took = Vec::new();
    while took.len() < ANSWERS {
        let asked = Instant::now();
        let answer = world.discord.to_server().command(111, "start", &[("duration", "1h")]).await;
        took.push(asked.elapsed());
        assert!(answer.says("Confirm your address"), "{}", answer.text());
    }
    took.sort();
    let (median, p99, slowest) = (took[took.len() / 2], took[took.len() * 99 / 100], took[took.len() - 1]);
    println!("/discord/interactions: median {median:?}, p99 {p99:?}, slowest {slowest:?} of {} answers", took.len());
    // Discord waits for three seconds. What is in between depends on what else this machine does.
    assert!(median < Duration::from_millis(100) && slowest < Duration::from_secs(3), "median {median:?}, slowest {slowest:?}");
    world.finish().await;
}

/// Asks for the session's status until the answer says this.
async fn ask_until(world: &World, words: &str, acknowledged: &mut Vec<Duration>) {
    let since = Instant::now();
    loop {
        let answer = world.slack.command("U111", "status").await;
        acknowledged.push(answer.took);
        if answer.says(words) {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "{}", answer.text());
    }
}

/// For each group the time from its first call to its last one's end; the longest of these.
fn slowest_chain(world: &World) -> Duration {
    let calls = world.proxy.calls();
    let of_group = |group: &str| {
        let mine: Vec<_> = calls.iter().filter(|call| call.mentions(group)).collect();
        let ends = mine.iter().filter_map(|call| call.ended).max()?;
        Some(ends - mine.iter().map(|call| call.started).min()?)
    };
    world.groups.iter().filter_map(|group| of_group(group)).max().expect("every group was called")
}
