//! The audit log: what happened is in it, in order, and whoever changes it afterwards is found out.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use entryguard_tests::{Database, Ran, SOON, World, eventually, on_both_databases, program};
use serde_json::Value;
use sqlx::{AnyConnection, AssertSqlSafe, Connection};

const HOME: &str = "93.184.216.34";
const LIFE: [&str; 7] =
    ["link.issued", "session.started", "rule.applied", "session.active", "session.stopped", "rule.removed", "session.closed"];

/// A world in which a session of one file has been from its beginning to its end.
async fn after_a_session(database: Database) -> World {
    let world = World::on(database).with_file("intranet").member("ana", "U111").start().await;
    world.start_session("U111", "1h", HOME).await;
    world.wait_until_thread_says("ACTIVE").await;
    world.slack.command("U111", "stop").await;
    world.wait_until_thread_says("CANCELLED").await;
    eventually("the log tells the session's whole life", SOON, async || {
        let seen = exported(&world, &[]).await.len();
        if seen >= LIFE.len() { Ok(()) } else { Err(format!("{seen} entries")) }
    })
    .await;
    world
}

async fn exported(world: &World, more: &[&str]) -> Vec<Value> {
    let Ran { code, stdout, stderr } = world.entryguard(&[&["audit", "export"], more].concat()).await;
    assert_eq!(code, Some(0), "{stderr}");
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn verify(world: &World, more: &[&str]) -> Ran {
    world.entryguard(&[&["audit", "verify"], more].concat()).await
}

/// Verifies, and expects a refusal in one line that names the entry and what is wrong with it.
async fn verify_fails(world: &World, more: &[&str], words: &str) {
    let ran = verify(world, more).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains(words) && ran.stderr.lines().count() == 1 && ran.stdout.is_empty(), "{words}: {ran:?}");
}

/// As somebody does who has got at the database itself.
async fn run_sql(world: &World, statement: &str) -> Result<(), sqlx::Error> {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(world.database_url()).await?;
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await?;
    connection.close().await
}

/// Does away with a trigger, and then with what it guarded.
async fn tamper(world: &World, database: Database, trigger: &str, statement: &str) {
    let guarded = run_sql(world, statement).await.unwrap_err();
    assert!(guarded.to_string().contains("append-only"), "{guarded}");
    let of_table = if database == Database::Postgres { " ON audit_events" } else { "" };
    run_sql(world, &format!("DROP TRIGGER {trigger}{of_table}")).await.unwrap();
    run_sql(world, statement).await.unwrap();
}

/// A file with these lines, beside nothing that the server uses.
fn file_of(folder: &tempfile::TempDir, lines: &str) -> PathBuf {
    let path = folder.path().join("audit.jsonl");
    std::fs::write(&path, lines).unwrap();
    path
}

on_both_databases! {
    async fn i5_a_sessions_life_is_in_the_log_in_order_and_the_log_is_sound_while_the_server_runs(database: Database) {
        let world = after_a_session(database).await;
        let entries = exported(&world, &[]).await;
        let actions: Vec<_> = entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
        assert_eq!(actions, LIFE);
        let started = &entries[1];
        assert_eq!((started["actor"].as_str(), started["surface"].as_str()), (Some("ana"), Some("slack")), "{started}");
        assert!(entries[1..].iter().all(|entry| entry["session"] == started["session"]), "{entries:#?}");
        for (index, entry) in entries.iter().enumerate() {
            assert_eq!(entry["seq"].as_u64(), Some(index as u64 + 1));
            assert!(entry["at"].as_str().unwrap().ends_with('Z') && entry["details"].is_object(), "{entry}");
        }
        assert!(entries.windows(2).all(|pair| pair[0]["hash"] == pair[1]["prevHash"]), "{entries:#?}");

        let sound = verify(&world, &[]).await;
        assert_eq!(sound.code, Some(0), "{sound:?}");
        let anchor = format!("7:{}", entries[6]["hash"].as_str().unwrap());
        assert!(sound.stdout.starts_with("Sound: 7 entries from 20") && sound.stdout.contains(&anchor), "{sound:?}");
        let json: Value = serde_json::from_str(&verify(&world, &["--json"]).await.stdout).unwrap();
        assert_eq!((&json["sound"], &json["head"]["hash"]), (&Value::Bool(true), &entries[6]["hash"]));
        world.finish().await;
    }

    async fn an_entry_that_was_changed_in_the_database_is_named(database: Database) {
        let world = after_a_session(database).await;
        tamper(&world, database, "audit_events_no_update", "UPDATE audit_events SET actor = 'mallory' WHERE seq = 3").await;
        verify_fails(&world, &[], "entry 3 was changed").await;
        let json: Value = serde_json::from_str(&verify(&world, &["--json"]).await.stdout).unwrap();
        assert_eq!((&json["sound"], json["seq"].as_u64()), (&Value::Bool(false), Some(3)));
        assert_eq!(exported(&world, &[]).await.len(), 7, "what is left of it can still be exported");
        world.finish().await;
    }

    async fn a_last_entry_that_was_deleted_is_missed(database: Database) {
        let world = after_a_session(database).await;
        tamper(&world, database, "audit_events_no_delete", "DELETE FROM audit_events WHERE seq = 7").await;
        verify_fails(&world, &[], "entry 7 is missing").await;
        world.finish().await;
    }

    async fn a_log_that_somebody_has_changed_shows_in_the_numbers(database: Database) {
        let mut world = after_a_session(database).await;
        tamper(&world, database, "audit_events_no_update", "UPDATE audit_events SET actor = 'nobody' WHERE seq = 2").await;
        world.server.restart().await;
        eventually("the chain is not in order", SOON, async || {
            let shown = world.browser(HOME).open(&format!("{}/metrics", world.server.address())).await;
            if shown.says("entryguard_audit_chain_ok 0\n") { Ok(()) } else { Err(shown.body) }
        })
        .await;
        world.finish().await;
    }

    async fn the_database_itself_refuses_to_forget(database: Database) {
        let world = World::on(database).with_file("intranet").member("ana", "U111").start().await;
        world.ask_for_session("U111", "1h").await;
        let mut statements = vec!["DELETE FROM audit_events", "UPDATE audit_events SET at = 0", "DELETE FROM audit_head"];
        statements.push(match database {
            Database::Postgres => "TRUNCATE audit_events",
            Database::Sqlite => "INSERT OR REPLACE INTO audit_events SELECT * FROM audit_events",
        });
        for statement in statements {
            let refused = run_sql(&world, statement).await.unwrap_err();
            assert!(refused.to_string().contains("append-only"), "{statement}: {refused}");
        }
        assert_eq!(exported(&world, &[]).await.len(), 1);
        world.finish().await;
    }

    async fn an_export_is_checked_without_the_database_and_against_what_was_noted(database: Database) {
        let mut world = after_a_session(database).await;
        let export = world.entryguard(&["audit", "export"]).await.stdout;
        let head = serde_json::from_str::<Value>(export.lines().last().unwrap()).unwrap();
        let noted = format!("7:{}", head["hash"].as_str().unwrap());
        assert_eq!(verify(&world, &["--expect", &noted]).await.code, Some(0));
        world.server.kill_9();
        assert_eq!(verify(&world, &[]).await.code, Some(0), "no server is needed either");
        let folder = tempfile::tempdir().unwrap();
        let file = file_of(&folder, &export);
        let file = file.to_str().unwrap();
        let nowhere = ["--config", "missing.toml", file];
        assert_eq!(verify(&world, &nowhere).await.code, Some(0));
        assert_eq!(verify(&world, &["--expect", &noted, file]).await.code, Some(0));

        file_of(&folder, &export.replacen("\"ana\"", "\"anb\"", 1));
        verify_fails(&world, &[file], "entry 1 was changed").await;
        file_of(&folder, &export[..export.len() - 2]);
        verify_fails(&world, &[file], "line 7 of").await;
        let cut_off: String = export.lines().take(6).map(|line| format!("{line}\n")).collect();
        file_of(&folder, &cut_off);
        assert_eq!(verify(&world, &[file]).await.code, Some(0), "by itself it fits");
        verify_fails(&world, &["--expect", &noted, file], "entry 7 was noted, and is not there").await;
        let from_stdin = Command::new(program()).args(["audit", "verify", "-"]).stdin(std::fs::File::open(file).unwrap()).output();
        assert!(from_stdin.unwrap().stdout.starts_with(b"Sound: 6 entries"));
        verify_fails(&world, &["-"], "- has no entries").await;
        world.finish().await;
    }

    async fn a_log_that_was_computed_anew_does_not_have_what_was_noted(database: Database) {
        let world = after_a_session(database).await;
        let another = format!("7:{}", "ab".repeat(32));
        verify_fails(&world, &["--expect", &another], "entry 7 has another hash than the one that was noted").await;
        assert_eq!(verify(&world, &["--expect", "7:ab"]).await.code, Some(2), "wrong usage");
        world.finish().await;
    }

    async fn a_part_of_the_log_can_be_exported_by_time_and_checked(database: Database) {
        let world = after_a_session(database).await;
        let entries = exported(&world, &[]).await;
        let at = |index: usize| entries[index]["at"].as_str().unwrap().to_owned();
        // The first of the time of the session's start, however many share its millisecond.
        let first = entries.iter().position(|entry| entry["at"] == entries[1]["at"]).unwrap();
        let part = world.entryguard(&["audit", "export", "--json", "--since", &at(1)]).await.stdout;
        assert_eq!(part.lines().count(), entries.len() - first, "{part}");
        assert_eq!(exported(&world, &["--until", &at(0)]).await, [Value::Null; 0]);
        let folder = tempfile::tempdir().unwrap();
        let sound = verify(&world, &[file_of(&folder, &part).to_str().unwrap()]).await;
        assert!(sound.code == Some(0) && sound.stdout.contains(&format!("{} entries", entries.len() - first)), "{sound:?}");
        assert_eq!(world.entryguard(&["audit", "export", "--since", "yesterday"]).await.code, Some(2));
        world.finish().await;
    }

    async fn a_reader_that_has_seen_enough_is_no_error(database: Database) {
        let world = after_a_session(database).await;
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("entryguard.toml");
        std::fs::write(&config, world.config()).unwrap();
        let mut command = Command::new(program());
        let command = command.args(["audit", "export", "--config"]).arg(&config).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
        world.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_replicas_write_one_chain() {
    let world = World::on(Database::Postgres)
        .with_groups(2)
        .with_file("intranet")
        .member("ana", "U111")
        .sessions_at_once(6)
        .start()
        .await;
    let _replica = world.another_server().await;
    for last in 34..40 {
        world.start_session("U111", "1h", &format!("93.184.216.{last}")).await;
    }
    world.slack.command("U111", "stop all").await;
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    world.wait_until_group_allows(&world.groups[1], &[]).await;
    let closed = |entry: &&Value| entry["action"] == "session.closed";
    let entries = eventually("every session is closed", SOON, async || {
        let entries = exported(&world, &[]).await;
        if entries.iter().filter(closed).count() == 6 { Ok(entries) } else { Err(format!("{} entries", entries.len())) }
    })
    .await;
    let sound = verify(&world, &[]).await;
    assert!(sound.code == Some(0) && sound.stdout.contains(&format!("Sound: {} entries", entries.len())), "{sound:?}");
    world.finish().await;
}

#[tokio::test]
async fn where_no_server_ever_ran_the_error_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("entryguard.toml");
    let database = folder.path().join("none.db");
    let text = format!(
        "[database]\nurl = \"sqlite://{}\"\n[organization]\nname = \"Acme\"\ntier = \"team\"\n[[tier]]\nname = \"team\"\n\
         durations = [\"1h\"]\ndefault_duration = \"1h\"\nmax_duration = \"1h\"\nmax_sessions_per_member = 1\n",
        database.display()
    );
    std::fs::write(&config, text).unwrap();
    for verb in ["export", "verify"] {
        let ended = Command::new(program()).args(["audit", verb, "--config"]).arg(&config).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains("there is no database at") && said.lines().count() == 1, "{said}");
    }
    assert!(!database.exists(), "nothing was made by looking");
}
