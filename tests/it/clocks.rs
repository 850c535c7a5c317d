//! A wall clock that goes back under the running program, or while it is down, and one that was ahead. `core/tests/engine/clocks.rs` tries
//! the same on Postgres, whose clock is the database's.

use std::path::PathBuf;
use std::time::Duration;

use entryguard_tests::{Database, SOON, World, eventually};
use serde_json::Value;

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";
/// A session of 15 s, and what a busy machine takes to close it: far less than an hour.
const CLOSED: Duration = Duration::from_secs(60);

/// The wall clock that the program sees, apart from which it runs as ever.
struct WallClock {
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl WallClock {
    /// Starts the server again by a clock that is right so far.
    async fn of(world: &mut World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Self { file: folder.path().join("clock"), _folder: folder };
        clock.is_wrong_by("0s");
        world.server.restart_with(&[clock.environment()]).await;
        clock
    }

    fn environment(&self) -> (&'static str, &str) {
        ("ENTRYGUARD_CLOCK_FILE", self.file.to_str().unwrap())
    }

    fn is_wrong_by(&self, how_much: &str) {
        // Whole at once: the program may be reading it.
        let written = self.file.with_extension("new");
        std::fs::write(&written, how_much).unwrap();
        std::fs::rename(&written, &self.file).unwrap();
    }
}

async fn one_session() -> (World, WallClock) {
    let mut world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").start().await;
    let clock = WallClock::of(&mut world).await;
    world.patience = CLOSED;
    world.start_session("U111", "15s", HOME).await;
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
    (world, clock)
}

async fn wait_until_not_ready(world: &World, words: &str) {
    eventually("the server says that it is not ready to open", SOON, async || {
        let answer = reqwest::get(format!("{}/readyz", world.server.address())).await.map_err(|error| error.to_string())?;
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        if status == 503 && text.contains(words) { Ok(()) } else { Err(format!("{status} {text}")) }
    })
    .await;
}

#[tokio::test]
async fn i1_when_the_clock_goes_back_an_hour_sessions_end_on_time_and_none_begins() {
    let (world, clock) = one_session().await;
    clock.is_wrong_by("-1h");
    wait_until_not_ready(&world, "the clock has gone back by").await;
    let refused = world.slack.command("U111", "start 1h").await;
    assert!(refused.says("opens nothing for now") && refused.says("entryguard clock accept"), "{}", refused.text());
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    clock.is_wrong_by("0s");
    world.start_session("U111", "1h", HOME).await;
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
    world.finish().await;
}

#[tokio::test]
async fn i1_when_the_clock_is_behind_at_the_start_sessions_end_on_time() {
    let (mut world, clock) = one_session().await;
    world.server.kill_9();
    clock.is_wrong_by("-1h");
    world.server.start_over(&[clock.environment()]);
    wait_until_not_ready(&world, "the clock has gone back by").await;
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    world.finish().await;
}

#[tokio::test]
async fn after_the_clock_was_ahead_an_operator_accepts_it_beside_the_running_server() {
    let mut world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").start().await;
    world.patience = CLOSED;
    let clock = WallClock::of(&mut world).await;
    world.start_session("U111", "1h", HOME).await;
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
    // A year.
    clock.is_wrong_by("8760h");
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    clock.is_wrong_by("0s");
    wait_until_not_ready(&world, "entryguard clock accept").await;
    let refused = world.slack.command("U111", "start 1h").await;
    assert!(refused.says("entryguard clock accept"), "{}", refused.text());

    let shown: Value = serde_json::from_str(&world.entryguard(&["clock", "show", "--json"]).await.stdout).unwrap();
    assert_eq!((&shown["opens"], &shown["liveSessions"]), (&Value::from(false), &Value::from(0)), "{shown}");
    let accepted = world.entryguard(&["clock", "accept"]).await;
    assert!(accepted.code == Some(0) && accepted.stdout.contains("Sessions can start again."), "{accepted:?}");
    let shown = world.entryguard(&["clock", "show"]).await;
    assert!(shown.stdout.contains("The clock agrees."), "{shown:?}");
    let again = world.entryguard(&["clock", "accept"]).await;
    assert!(again.code == Some(1) && again.stderr.contains("nothing to accept"), "{again:?}");

    world.start_session("U111", "15s", HOME).await;
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    let log = world.entryguard(&["audit", "export"]).await.stdout;
    assert!(log.contains("clock.accepted"), "{log}");
    assert_eq!(world.entryguard(&["audit", "verify"]).await.code, Some(0));
    world.finish().await;
}
