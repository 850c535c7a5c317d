//! A backup put back, step by step as docs/operations.md says, on a database that lived on after it was made.

use entryguard_tests::{World, on_both_databases};

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";
const CAFE: &str = "93.184.216.35";
const CAFE_CIDR: &str = "93.184.216.35/32";

/// Runs a command of the guide, which has to succeed.
async fn done(world: &World, arguments: &[&str]) -> String {
    let ran = world.entryguard(arguments).await;
    assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
    ran.stdout
}

on_both_databases! {
    async fn i1_after_a_restore_nothing_is_open_that_was_stopped_or_began_since_the_backup(database: Database) {
        let mut world = World::on(database).with_groups(1).member("ana", "U111").member("bo", "U222").start().await;
        let group = world.groups[0].clone();
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_group_allows(&group, &[HOME_CIDR]).await;
        let copy = world.file("backup");
        world.database().back_up(&copy).await;
        // The backup says that ana is in, and knows nothing of bo.
        world.slack.command("U111", "stop").await;
        world.wait_until_over(&["CANCELLED"]).await;
        world.start_session("U222", "1h", CAFE).await;
        world.wait_until_group_allows(&group, &[CAFE_CIDR]).await;

        assert!(world.server.terminate().await.success());
        world.database().restore(&copy).await;
        let closed = done(&world, &["panic", "close", "--all", "--reason", "restored from a backup"]).await;
        assert!(closed.contains("Closing 1 sessions"), "{closed}");
        done(&world, &["sweep"]).await;
        done(&world, &["sweep"]).await;
        assert_eq!(world.rules_of(&group).await, []);

        world.server.restart().await;
        let refused = world.slack.command("U111", "start 1h").await;
        assert!(refused.says("restored from a backup"), "{}", refused.text());
        done(&world, &["panic", "lift"]).await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_group_allows(&group, &[HOME_CIDR]).await;
        let verified = done(&world, &["audit", "verify"]).await;
        assert!(!verified.is_empty(), "it says how far the log goes");
        world.finish().await;
    }
}
