//! The audit log: what it tells, and that nobody can change it unseen.

use std::io::Write;

use entryguard_tests::{World, on_both_databases};
use serde_json::Value;

use crate::tamper::{allow_changes_of_the_audit_log, tamper};

const HOME: &str = "93.184.216.34";

async fn world_with_a_past(database: entryguard_tests::Database) -> World {
    let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
    world.start_session("U111", "1h for the deploy", HOME).await;
    world.wait_until_thread_says("ACTIVE").await;
    world.slack.command("U111", "stop").await;
    world.wait_until_thread_says("CANCELLED").await;
    world
}

async fn export(world: &World) -> Vec<Value> {
    let ran = world.entryguard(&["audit", "export"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

on_both_databases! {
    async fn i5_the_log_tells_a_sessions_life_in_order_and_is_sound_while_the_server_runs(database: Database) {
        let world = world_with_a_past(database).await;
        let told: Vec<_> = export(&world).await.into_iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect();
        let expected = ["link.issued", "session.started", "rule.applied", "session.stopped", "rule.removed", "session.closed"];
        assert_eq!(told, expected);
        let ran = world.entryguard(&["audit", "verify"]).await;
        assert!(ran.code == Some(0) && ran.stdout.contains("is sound: 6 entries"), "{ran:?}");
        let anchor = ran.stdout.trim().rsplit(' ').next().unwrap().to_owned();
        let ran = world.entryguard(&["audit", "verify", "--expect", &anchor]).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let ran = world.entryguard(&["audit", "verify", "--expect", "3:00"]).await;
        assert!(ran.code == Some(1) && ran.stderr.contains("entry 3 is not the one that was noted down"), "{ran:?}");
        world.finish().await;
    }

    async fn an_entry_that_somebody_changed_is_found(database: Database) {
        let world = world_with_a_past(database).await;
        let refused = tamper(&world, "UPDATE audit_events SET actor = 'bo' WHERE seq = 2").await.unwrap_err();
        assert!(refused.contains("append-only"), "{refused}");
        allow_changes_of_the_audit_log(&world).await;
        tamper(&world, "UPDATE audit_events SET actor = 'bo' WHERE seq = 2").await.unwrap();
        let ran = world.entryguard(&["audit", "verify"]).await;
        assert!(ran.code == Some(1) && ran.stderr.contains("entry 2 is not as it was written"), "{ran:?}");
        world.finish().await;
    }

    async fn an_end_that_somebody_cut_off_is_found(database: Database) {
        let world = world_with_a_past(database).await;
        allow_changes_of_the_audit_log(&world).await;
        tamper(&world, "DELETE FROM audit_events WHERE seq = 6").await.unwrap();
        let ran = world.entryguard(&["audit", "verify", "--json"]).await;
        assert!(ran.code == Some(1) && ran.stdout.contains("the log ends at entry 5"), "{ran:?}");
        world.finish().await;
    }

    async fn an_export_is_checked_without_the_database(database: Database) {
        let world = world_with_a_past(database).await;
        let text = world.entryguard(&["audit", "export"]).await.stdout;
        for (text, code) in [(text.clone(), 0), (text.replace("the deploy", "the weather"), 1)] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let ran = world.entryguard(&["audit", "verify", file.path().to_str().unwrap()]).await;
            assert_eq!(ran.code, Some(code), "{ran:?}");
        }
        world.finish().await;
    }
}
