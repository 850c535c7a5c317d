//! What those who run EntryGuard do with it, and what it tells them.

use std::time::Duration;

use entryguard_tests::{Database, SOON, World, eventually, on_both_databases};
use serde_json::Value;
use sqlx::{AnyConnection, Connection, Row};
use tokio::time::Instant;

use crate::guides::seals_statement;

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";
const CAFE: &str = "93.184.216.35";

/// What the server shows to whoever asks at this path.
async fn shown(world: &World, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("{}{path}", world.server.address())).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Changes the database behind the server's back, as somebody with its password could.
async fn tamper(world: &World, sql: &'static str) {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(world.database_url()).await.unwrap();
    let done = sqlx::query(sql).execute(&mut connection).await.unwrap();
    assert!(done.rows_affected() > 0, "nothing was tampered with");
    connection.close().await.unwrap();
}

/// Makes a rule that bears the mark of a live one, for another address: what a database that was restored knows nothing of.
async fn make_orphan(world: &World, cidr: &str) {
    let group = &world.groups[0];
    let model = world.rules_of(group).await.remove(0);
    let parameters = [
        ("GroupId", group.as_str()),
        ("IpPermissions.1.IpProtocol", "tcp"),
        ("IpPermissions.1.FromPort", "22"),
        ("IpPermissions.1.ToPort", "22"),
        ("IpPermissions.1.IpRanges.1.CidrIp", cidr),
        ("TagSpecification.1.ResourceType", "security-group-rule"),
        ("TagSpecification.1.Tag.1.Key", "entryguard:owner"),
        ("TagSpecification.1.Tag.1.Value", &model.tags["entryguard:owner"]),
        ("TagSpecification.1.Tag.2.Key", "entryguard:opening"),
        ("TagSpecification.1.Tag.2.Value", "forgotten"),
    ];
    let (status, body) = world.ec2.try_ask("AuthorizeSecurityGroupIngress", &parameters).await;
    assert_eq!(status, 200, "{body}");
}

async fn wait_until_told(world: &World, admin: &str, words: &[&str]) {
    eventually(&format!("{admin} is told {words:?}"), SOON, async || {
        let messages = world.slack.direct_messages_to(admin);
        let told = messages.iter().any(|message| words.iter().all(|words| message.says(words)));
        if told { Ok(()) } else { Err(format!("{:?}", messages.iter().map(entryguard_tests::Message::text).collect::<Vec<_>>())) }
    })
    .await;
}

on_both_databases! {
    async fn a_panic_closes_everything_at_once_and_keeps_it_closed_until_it_is_lifted(database: Database) {
        let world = World::on(database).with_groups(2).member("ana", "U111").start().await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        let ran = world.entryguard(&["panic", "close", "--all", "--reason", "a key was stolen"]).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.contains("Closing 1 sessions in everything") && ran.stdout.contains("Every rule is gone"), "{ran:?}");
        for group in &world.groups {
            assert_eq!(world.rules_of(group).await, []);
        }
        world.wait_until_thread_says("(panic)").await;
        let refused = world.slack.command("U111", "start 1h").await;
        assert!(refused.says("a key was stolen") && refused.says("panic lift"), "{}", refused.text());

        let listed: Value = serde_json::from_str(&world.entryguard(&["panic", "list", "--json"]).await.stdout).unwrap();
        assert!(listed[0]["scope"] == "everything" && listed[0]["reason"] == "a key was stolen", "{listed}");
        let ran = world.entryguard(&["panic", "lift"]).await;
        assert!(ran.stdout.contains("Lifted 1") && ran.stdout.contains("Nothing is closed by a panic"), "{ran:?}");
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        let log = world.entryguard(&["audit", "export"]).await.stdout;
        assert!(log.contains("panic.closed") && log.contains("panic.lifted"), "{log}");
        world.finish().await;
    }

    async fn a_panic_removes_the_rules_itself_where_no_server_runs(database: Database) {
        let mut world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        world.server.kill_9();
        let ran = world.entryguard(&["panic", "close", "--member", "ana"]).await;
        assert_eq!((ran.code, world.rules_of(&world.groups[0]).await), (Some(0), vec![]), "{ran:?}");
        let ran = world.entryguard(&["panic", "close", "--member", "anna"]).await;
        assert_eq!(ran.code, Some(1), "a slip must not look as if something had been closed: {ran:?}");
        world.finish().await;
    }

    async fn a_panic_on_one_resource_leaves_the_others_open(database: Database) {
        let world = World::on(database).with_groups(2).member("ana", "U111").start().await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        let ran = world.entryguard(&["panic", "close", "--resource", "group-1", "--json"]).await;
        let closed: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert!(closed["sessions"].as_array().is_some_and(|all| all.len() == 1) && closed["rulesLeft"] == 0, "{closed}");
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.wait_until_thread_says_all(&["PARTIAL", "closed at once"]).await;
        assert_eq!(world.rules_of(&world.groups[1]).await.len(), 1);
        world.slack.command("U111", "stop").await;
        world.wait_until_thread_says("CANCELLED").await;
        world.start_session("U111", "1h", CAFE).await;
        world.wait_until_group_allows(&world.groups[1], &["93.184.216.35/32"]).await;
        world.wait_until_thread_says("ACTIVE").await;
        assert_eq!(world.rules_of(&world.groups[0]).await, []);
        world.finish().await;
    }

    async fn what_a_sweep_finds_is_told_to_the_administrators_in_one_digest(database: Database) {
        let world = World::on(database).with_groups(1).admin("ana", "U111").sweeping("*/2 * * * * *").start().await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        make_orphan(&world, "93.184.216.77/32").await;
        wait_until_told(&world, "U111", &["group-1", "removed what nobody wants", "93.184.216.77/32"]).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        let (status, metrics) = shown(&world, "/metrics").await;
        assert_eq!(status, 200);
        for line in ["entryguard_drift_total{kind=\"orphan\"} 1", "entryguard_sessions{state=\"live\"} 1", "entryguard_open_seconds_count 1"] {
            assert!(metrics.contains(line), "{line}: {metrics}");
        }
        assert!(!metrics.contains("ana") && !metrics.contains(HOME), "{metrics}");
        world.finish().await;
    }

    async fn the_seals_of_pages_are_others_after_what_the_guide_says(database: Database) {
        let mut world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        let url = world.database_url().to_owned();
        let secret = async || {
            sqlx::any::install_default_drivers();
            let mut connection = AnyConnection::connect(&url).await.unwrap();
            let row = sqlx::query("SELECT secret FROM shared_secrets").fetch_one(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            row.get::<String, _>(0)
        };
        let before = secret().await;
        tamper(&world, Box::leak(seals_statement().into_boxed_str())).await;
        world.server.restart().await;
        assert_ne!(secret().await, before);
        world.finish().await;
    }

    async fn what_could_not_be_opened_is_told_to_the_administrators_once(database: Database) {
        let world = World::on(database).with_groups(2).admin("ana", "U111").start().await;
        world.ec2.delete_group(&world.groups[1]).await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says("PARTIAL").await;
        wait_until_told(&world, "U111", &["sessions: not all could be opened", "of ana"]).await;
        // It is tried again and again meanwhile, which is no news.
        tokio::time::sleep(Duration::from_secs(8)).await;
        let messages = world.slack.direct_messages_to("U111");
        let told = messages.iter().filter(|message| message.says("not all could be opened")).count();
        assert_eq!(told, 1, "a digest tells of changes");
        let log = world.entryguard(&["audit", "export"]).await.stdout;
        assert_eq!(log.matches("session.partial").count(), 1, "{log}");
        world.finish().await;
    }

    async fn a_row_that_cannot_be_read_is_set_aside_and_the_rest_goes_on(database: Database) {
        let world = World::on(database).with_groups(1).admin("ana", "U111").member("bo", "U222").start().await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        world.start_session("U222", "15s", CAFE).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR, "93.184.216.35/32"]).await;
        tamper(&world, "UPDATE sessions SET surface = 'pigeon' WHERE member = 'bo'").await;
        // Its end comes, nobody can read it, and what it had open is closed all the same; the other session goes on.
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        wait_until_told(&world, "U111", &["a row cannot be read", "sessions"]).await;
        world.slack.command("U111", "stop").await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.finish().await;
    }

    async fn i1_with_the_database_gone_what_is_overdue_is_closed_by_the_rules_own_word(database: Database) {
        let mut world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.start_session("U111", "15s", HOME).await;
        let overdue = Instant::now() + Duration::from_secs(17);
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        world.server.kill_9();
        world.lose_the_database().await;
        tokio::time::sleep_until(overdue).await;
        let ran = world.entryguard(&["sweep", "--expired"]).await;
        assert_eq!((ran.code, world.rules_of(&world.groups[0]).await), (Some(0), vec![]), "{ran:?}");
        world.finish().await;
    }
}

#[tokio::test]
async fn a_replica_whose_clock_is_off_opens_nothing_and_says_so_and_closes_all_the_same() {
    let mut world = World::on(Database::Postgres).with_groups(1).member("ana", "U111").start().await;
    world.start_session("U111", "15s", HOME).await;
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
    world.server.start_over(&[("ENTRYGUARD_CLOCK_FAST_BY", "6s")]);
    eventually("the server says that it is not ready to open", SOON, async || {
        let answer = reqwest::get(format!("{}/readyz", world.server.address())).await.map_err(|error| error.to_string())?;
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        if status == 503 && text.contains("off the database's") { Ok(()) } else { Err(format!("{status} {text}")) }
    })
    .await;
    let refused = world.slack.command("U111", "start 1h").await;
    assert!(refused.says("opens nothing for now") && refused.says("off the database's"), "{}", refused.text());
    world.patience = Duration::from_secs(60);
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    world.finish().await;
}
