//! What is taken back opens nothing by any other way: accounts, keys, names, wherever they were used.

use entryguard_tests::{Database, Look, SOON, SlackDouble, World, eventually, on_both_databases};
use serde_json::{Value, json};

use crate::approval::{asking, message_to};
use crate::in_discord::{ANA, BO};
use crate::link::join_from_slack;
use crate::pages::signed_in;

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";
const CAFE: &str = "93.184.217.77";
const CAFE_CIDR: &str = "93.184.217.77/32";
const BOTH: &str = "sessions:read,sessions:write";

on_both_databases! {
    async fn i8_whoever_slack_says_to_be_gone_opens_nothing_by_any_other_way(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        let program = world.program(HOME, &world.api_key("ana", BOTH, &[]).await);
        assert_eq!(program.post("sessions", json!({})).await.status, 201);
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        let change = |deleted: bool| json!({ "type": "user_change", "user": { "id": "U111", "team_id": SlackDouble::TEAM, "deleted": deleted } });
        world.slack.to_server().event("Ev0GONE", change(true)).await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        let refused = program.post("sessions", json!({})).await;
        assert_eq!(refused.refusal(), (403, "unknown_member"), "{refused:?}");
        assert!(refused.body["detail"].as_str().unwrap().contains("no active account any more"), "{refused:?}");
        world.slack.to_server().event("Ev0BACK", change(false)).await;
        assert_eq!(program.post("sessions", json!({})).await.status, 201);
        let audit = world.entryguard(&["audit", "export"]).await.stdout;
        assert!(audit.contains("member.returned"), "{audit}");
        world.finish().await;
    }

    async fn i8_an_older_event_that_slack_sends_again_takes_no_departure_back(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        let program = world.program(HOME, &world.api_key("ana", BOTH, &[]).await);
        let change = |deleted: bool| json!({ "type": "user_change", "user": { "id": "U111", "team_id": SlackDouble::TEAM, "deleted": deleted } });
        world.slack.deactivate("U111");
        world.slack.to_server().event("Ev0GONE", change(true)).await;
        world.slack.to_server().event("Ev0OLDER", change(false)).await;
        let refused = program.post("sessions", json!({})).await;
        assert_eq!(refused.refusal(), (403, "unknown_member"), "{refused:?}");
        world.finish().await;
    }

    async fn i8_an_approver_or_administrator_who_is_gone_opens_and_sees_nothing_of_others_but_closes(database: Database) {
        let world = World::on(database).with_groups(1).with_discord().member("ana", "U111").admin("bo", "U222");
        let world = world.role("production", &["ana"], &["group-1"], "approval = { by = [\"bo\"], within = \"30m\" }").start().await;
        let key = world.api_key("bo", "sessions:read,audit:read", &[]).await;
        join_from_slack(&world, "U222", BO).await;
        let (_, link) = world.ask_for_session("U111", "1h").await;
        world.confirm(&link, HOME).await;
        let request = eventually("bo is asked in Discord, too", SOON, async || {
            let messages = world.discord.direct_messages_to(BO);
            messages.into_iter().find(|message| message.says("asks to open")).ok_or_else(|| "nothing was sent".to_owned())
        })
        .await;
        let gone = json!({ "type": "user_change", "user": { "id": "U222", "team_id": SlackDouble::TEAM, "deleted": true } });
        world.slack.deactivate("U222");
        world.slack.to_server().event("Ev0GONE", gone).await;
        let refused = world.discord.to_server().press(BO, &request, "Approve").await;
        assert!(refused.says("no active account any more"), "{}", refused.text());
        assert_eq!(world.rules_of(&world.groups[0]).await, []);
        for (command, options) in [("list", &[("whose", "all")]), ("panic", &[("what", "lift")])] {
            let refused = world.discord.to_server().command(BO, command, options).await;
            assert!(refused.says("no active account any more"), "{}", refused.text());
        }
        let refused = world.program(HOME, &key).get("audit-logs").await;
        assert_eq!(refused.refusal(), (403, "unknown_member"), "{refused:?}");
        let denied = world.discord.to_server().press(BO, &request, "Deny").await;
        assert!(!denied.says("no active account"), "refusing is closing: {}", denied.text());
        world.finish().await;
    }

    async fn i8_whoever_is_gone_does_not_come_back_by_parting_from_the_account_that_is(database: Database) {
        let world = World::on(database).with_groups(1).with_discord().discord_member("ana", ANA).start().await;
        let code = crate::link::code_in_discord(&world, ANA).await;
        let question = world.slack.command("U111", &format!("link {code}")).await;
        world.slack.press("U111", &question.message(), "entryguard_join").await;
        eventually("both are ana", SOON, async || {
            let whoami = world.slack.command("U111", "whoami").await.text();
            if whoami.contains("ana") { Ok(()) } else { Err(whoami) }
        })
        .await;
        let gone = json!({ "type": "user_change", "user": { "id": "U111", "team_id": SlackDouble::TEAM, "deleted": true } });
        world.slack.deactivate("U111");
        world.slack.to_server().event("Ev0GONE", gone).await;
        let refused = world.discord.to_server().command(ANA, "unlink", &[("identity", &format!("slack:{}/U111", SlackDouble::TEAM))]).await;
        assert!(refused.says("no active account any more"), "{}", refused.text());
        let refused = world.discord.to_server().command(ANA, "start", &[]).await;
        assert!(refused.says("no active account any more"), "{}", refused.text());
        world.finish().await;
    }

    async fn i8_what_was_asked_for_with_a_key_is_not_opened_once_the_key_is_taken_back(database: Database) {
        let world = asking(database, "by = [\"bo\"], within = \"30m\"").await;
        let program = world.program(HOME, &world.api_key("ana", BOTH, &["--name", "lost"]).await);
        assert_eq!(program.post("sessions", json!({})).await.body["status"], "REQUESTED");
        let request = message_to(&world, "U222", "asks to open").await;
        assert_eq!(world.entryguard(&["api-key", "revoke", "lost"]).await.code, Some(0));
        let answer = world.slack.press("U222", &request, "entryguard_approve").await;
        world.wait_until_told(&answer, "was made with an API key, and nothing was opened").await;
        assert_eq!(world.rules_of(&world.groups[0]).await, []);
        world.slack.press("U222", &request, "entryguard_deny").await;
        message_to(&world, "U222", "Denied by bo").await;
        world.finish().await;
    }

    async fn i8_a_link_is_worth_nothing_once_whoever_asked_for_it_is_somebody_else(database: Database) {
        let mut world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        let (_, link) = world.ask_for_session("U111", "1h").await;
        world.rewrite_config("/U111", "/U999");
        world.reload().await;
        let page = world.browser(HOME).open(&link).await;
        assert!(page.says("no longer a member"), "{} {}", page.status, page.body);
        assert_eq!(world.rules_of(&world.groups[0]).await, []);
        world.finish().await;
    }

    async fn i8_an_address_is_remembered_for_whoever_confirmed_it_and_not_for_their_name(database: Database) {
        let mut world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        world.slack.command("U111", "stop").await;
        assert!(world.slack.command("U111", "start 1h").await.says("Same as last time"));
        world.rewrite_config("/U111", "/U999");
        world.reload().await;
        let other = world.slack.command("U999", "start 1h").await;
        assert!(other.says("Confirm my address") && !other.says("Same as last time"), "{}", other.text());
        world.finish().await;
    }
}

#[tokio::test]
async fn whoever_left_discord_keeps_nothing_that_they_opened_elsewhere() {
    let world = World::on(Database::Sqlite).with_groups(1).with_discord().discord_member("ana", ANA);
    let mut world = world.start().await;
    let program = world.program(HOME, &world.api_key("ana", BOTH, &[]).await);
    assert_eq!(program.post("sessions", json!({})).await.status, 201);
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
    world.discord.leave(ANA);
    // It is asked every five minutes, and at a start.
    world.server.kill_9();
    world.server.restart().await;
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    let refused = program.post("sessions", json!({})).await;
    assert_eq!(refused.refusal(), (403, "unknown_member"), "{refused:?}");
    world.discord.come_back(ANA);
    world.discord.to_server().command(ANA, "list", &[]).await;
    assert_eq!(program.post("sessions", json!({})).await.status, 201, "whoever gives a command there is there");
    world.finish().await;
}

#[tokio::test]
async fn whoever_left_unnoticed_with_nothing_open_opens_nothing_by_another_way() {
    let world = World::on(Database::Sqlite).with_groups(1).with_discord().discord_member("ana", ANA).member("bo", "U222");
    let mut world = world.start().await;
    let keys = [world.api_key("ana", BOTH, &[]).await, world.api_key("bo", BOTH, &[]).await];
    world.server.kill_9();
    world.discord.leave(ANA);
    world.slack.deactivate("U222");
    world.server.restart().await;
    eventually("both are known to be gone", SOON, async || {
        let audit = world.entryguard(&["audit", "export"]).await.stdout;
        if audit.matches("member.left").count() == 2 { Ok(()) } else { Err(audit) }
    })
    .await;
    for key in keys {
        let refused = world.program(HOME, &key).post("sessions", json!({})).await;
        assert_eq!(refused.refusal(), (403, "unknown_member"), "{refused:?}");
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_has_moved_is_closed_with_the_key_that_began_it() {
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").start().await;
    let program = world.program(HOME, &world.api_key("ana", BOTH, &["--name", "laptop"]).await);
    let sessions_key = format!("egs_{}", "5".repeat(32));
    let old = program.post("sessions", json!({ "key": sessions_key })).await;
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
    let browser = signed_in(&world, "U111", CAFE, Look::DESKTOP).await;
    browser.press(".banner button").await;
    world.wait_until_group_allows(&world.groups[0], &[CAFE_CIDR]).await;
    let current = world.program(HOME, &sessions_key).get("sessions/current").await;
    assert!(current.status == 200 && current.id() != old.id() && current.body["ipv4Address"] == CAFE, "{current:?}");
    let revoked = world.entryguard(&["api-key", "revoke", "laptop", "--close"]).await;
    assert_eq!(revoked.code, Some(0), "{revoked:?}");
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    let over = program.post(&format!("sessions/{}/stop", old.id()), Value::Null).await;
    assert_eq!(over.status, 401, "the key is taken back: {over:?}");
    browser.close().await;
    world.finish().await;
}
