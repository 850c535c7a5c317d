//! The database is gone for good under the running server: what is overdue by its tag is closed, and what is wanted stays.

use std::path::{Path, PathBuf};
use std::time::Duration;

use entryguard_tests::{Database, World, eventually};
use serde_json::Value;

const HOME: &str = "93.184.216.34";
const CAFE: &str = "93.184.216.35";
const HOME_CIDR: &str = "93.184.216.34/32";
const CAFE_CIDR: &str = "93.184.216.35/32";
/// What the server would wait half a minute for.
const SOONER: [(&str, &str); 2] = [("ENTRYGUARD_OFFLINE_AFTER", "1s"), ("ENTRYGUARD_OFFLINE_MARGIN", "3s")];
const LONG_AGO: &str = "2020-01-01T00:00:00Z";

/// A world in which two sessions are open, of a server that has little patience with its database.
async fn two_sessions(database: Database) -> World {
    let mut world =
        World::on(database).with_groups(1).sweeping("*/2 * * * * *").member("ana", "U111").member("bo", "U222").start().await;
    world.patience = Duration::from_secs(60);
    world.server.restart_with(&SOONER).await;
    world.start_session("U111", "1h", HOME).await;
    world.start_session("U222", "1h", CAFE).await;
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR, CAFE_CIDR]).await;
    world.wait_until_thread_says("ACTIVE").await;
    world
}

async fn readiness(world: &World) -> Result<Value, String> {
    let answer = reqwest::get(format!("{}/readyz", world.server.address())).await.map_err(|error| error.to_string())?;
    let text = answer.text().await.map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
}

/// One session's time is over, as its rule says; the other one's is not.
async fn what_is_overdue_is_closed_and_what_is_wanted_stays(world: &World) {
    eventually("it closes without the database", world.patience, async || {
        let ready = readiness(world).await?;
        if ready["offline"].is_string() && ready["ready"] == false { Ok(()) } else { Err(ready.to_string()) }
    })
    .await;
    let rules = world.rules_of(&world.groups[0]).await;
    assert_eq!(rules.len(), 2, "nothing is cut early: {rules:#?}");
    time_is_over(world, HOME_CIDR).await;
    world.wait_until_group_allows(&world.groups[0], &[CAFE_CIDR]).await;
    eventually("the log tells of the rule", world.patience, async || {
        let log = world.server.log();
        if log.contains("removed a rule whose time was over, without the database") { Ok(()) } else { Err(log) }
    })
    .await;
    let metrics = reqwest::get(format!("{}/metrics", world.server.address())).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("entryguard_offline 1\n"), "{metrics}");
    assert!(metrics.contains("entryguard_rules_closed_offline_total 1\n"), "{metrics}");
}

/// Lets a rule bear an end that is long past.
async fn time_is_over(world: &World, cidr: &str) {
    let rules = world.rules_of(&world.groups[0]).await;
    let rule = rules.iter().find(|rule| rule.cidr == cidr).unwrap();
    let tag = [("ResourceId.1", rule.id.as_str()), ("Tag.1.Key", "entryguard:expires-at"), ("Tag.1.Value", LONG_AGO)];
    let (status, answer) = world.ec2.try_ask("CreateTags", &tag).await;
    assert_eq!(status, 200, "{answer}");
}

/// Without its database the server does not start, and says what closes the rest: a command that needs none.
async fn a_command_closes_the_rest(world: &mut World) {
    world.server.kill_9();
    let refused = world.entryguard(&["serve"]).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("`entryguard sweep --expired`"), "{refused:?}");
    time_is_over(world, CAFE_CIDR).await;
    let swept = world.entryguard(&["sweep", "--expired"]).await;
    assert_eq!(swept.code, Some(0), "{swept:?}");
    world.wait_until_group_allows(&world.groups[0], &[]).await;
}

/// SQLite's file, and what lies beside it.
fn files(world: &World) -> Vec<PathBuf> {
    let path = world.database_url().strip_prefix("sqlite://").unwrap();
    ["", "-wal", "-shm"].map(|end| PathBuf::from(format!("{path}{end}"))).to_vec()
}

fn overwrite(file: &Path) {
    let length = std::fs::metadata(file).unwrap().len();
    let garbage = vec![0xa5; usize::try_from(length).unwrap()];
    let mut opened = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    std::io::Write::write_all(&mut opened, &garbage).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_closing_goes_on_after_the_database_file_was_deleted() {
    let world = two_sessions(Database::Sqlite).await;
    for file in files(&world) {
        std::fs::remove_file(file).unwrap();
    }
    what_is_overdue_is_closed_and_what_is_wanted_stays(&world).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_a_new_database_in_the_place_of_a_deleted_one_removes_the_rules_that_it_does_not_know() {
    let mut world = two_sessions(Database::Sqlite).await;
    world.server.kill_9();
    for file in files(&world) {
        let _ = std::fs::remove_file(file);
    }
    world.server.restart().await;
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lockdown_that_the_database_cannot_store_is_carried_out_by_a_command_that_needs_none() {
    let world = two_sessions(Database::Sqlite).await;
    for file in files(&world) {
        std::fs::remove_file(file).unwrap();
    }
    let closed = world.entryguard(&["panic", "close", "--all", "--reason", "test"]).await;
    assert!(closed.code == Some(1) && closed.stderr.contains("`entryguard sweep --all`"), "{closed:?}");
    let tried = world.entryguard(&["sweep", "--all", "--dry-run"]).await;
    assert!(tried.code == Some(0) && tried.stdout.contains("would remove"), "{tried:?}");
    let unknown = world.entryguard(&["sweep", "--all", "--resource", "nowhere"]).await;
    assert!(unknown.code == Some(1) && unknown.stderr.contains("no resource nowhere"), "{unknown:?}");
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR, CAFE_CIDR]).await;
    let swept = world.entryguard(&["sweep", "--all"]).await;
    assert_eq!(swept.code, Some(0), "{swept:?}");
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_closing_goes_on_after_the_database_file_was_overwritten() {
    let mut world = two_sessions(Database::Sqlite).await;
    files(&world).iter().for_each(|file| overwrite(file));
    what_is_overdue_is_closed_and_what_is_wanted_stays(&world).await;
    a_command_closes_the_rest(&mut world).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_closing_goes_on_after_postgres_has_gone_for_good() {
    let mut world = two_sessions(Database::Postgres).await;
    world.database().drop_it().await;
    what_is_overdue_is_closed_and_what_is_wanted_stays(&world).await;
    a_command_closes_the_rest(&mut world).await;
    world.finish().await;
}
