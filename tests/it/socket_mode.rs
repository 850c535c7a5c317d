//! Slack over Socket Mode: the same handlers, over a connection that the server opens.

use entryguard_tests::{Database, SOON, SlackDouble, World, eventually, link_in, on_both_databases, text_of};
use serde_json::{Value, json};

use crate::read_in_slack::keep;
use crate::said::NO_SESSION;
use crate::slack::{filled, until_home_says, until_modal_says};

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";

/// A world whose server has no signing secret, and so no way in by HTTP.
pub async fn without_http(database: Database) -> World {
    let mut world = World::on(database).with_groups(1).member("ana", "U111").member("bo", "U222").start().await;
    world.server.kill_9();
    let secrets = "signing_secret = [{ env = \"SLACK_SIGNING_SECRET\" }, { env = \"SLACK_OLD_SECRET\" }]";
    world.rewrite_config(secrets, "app_token = { env = \"SLACK_APP_TOKEN\" }");
    world.server.restart().await;
    until_sockets(&world, |open, _| open == 1).await;
    world
}

async fn until_sockets(world: &World, wanted: impl Fn(u32, u32) -> bool) {
    eventually("the sockets are as they should be", SOON, async || {
        let (open, opened) = world.slack.sockets();
        if wanted(open, opened) { Ok(()) } else { Err(format!("{open} open, {opened} opened")) }
    })
    .await;
}

on_both_databases! {
    async fn a_session_runs_from_command_to_stop_over_the_socket(database: Database) {
        let world = without_http(database).await;
        assert_eq!(world.slack.command("U111", "list").await.status, 404, "no way in by HTTP");
        let slack = || world.slack.to_server().over_socket();
        let answer = slack().command("U111", "start 1h").await;
        let link = world.link_after(&answer).await;
        world.confirm(&link, HOME).await;
        let thread = world.wait_until_thread_says("ACTIVE").await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        let bo = slack().press("U222", &thread.parent, "entryguard_stop").await;
        world.wait_until_told(&bo, NO_SESSION).await;
        let stranger = slack().from_team("T0STRANGER").press("U111", &thread.parent, "entryguard_stop").await;
        world.wait_until_told(&stranger, "another Slack workspace").await;
        slack().press("U111", &thread.parent, "entryguard_stop").await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.finish().await;
    }

    async fn a_form_a_home_and_an_event_come_over_the_socket_too(database: Database) {
        let world = without_http(database).await;
        let slack = || world.slack.to_server().over_socket();
        slack().shortcut("U111", "entryguard_start").await;
        let modal = until_modal_says(&world, "U111", "For how long?").await;
        let wrong = slack().submit("U111", &modal, filled("99h", "link", "")).await;
        assert_eq!(wrong.body["response_action"], "errors", "{}", wrong.body);
        let good = slack().submit("U111", &modal, filled("1h", "link", "")).await;
        assert_eq!(good.body["response_action"], "update", "{}", good.body);
        let link = link_in(&good.body["view"]).expect("a link");
        world.confirm(&link, HOME).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        let event = |id: &str, event: Value| json!({ "type": "event_callback", "team_id": SlackDouble::TEAM, "event_id": id, "event": event });
        let opened = event("Ev1", json!({ "type": "app_home_opened", "user": "U111", "tab": "home" }));
        assert!(slack().envelope("E7", "events_api", opened).await.is_some(), "it is acknowledged");
        until_home_says(&world, "U111", "ACTIVE").await;
        world.slack.deactivate("U111");
        let gone = json!({ "type": "user_change", "user": { "id": "U111", "team_id": SlackDouble::TEAM, "deleted": true } });
        assert!(slack().envelope("E8", "events_api", event("Ev2", gone)).await.is_some(), "it is acknowledged");
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.finish().await;
    }
}

#[tokio::test]
async fn a_connection_is_left_only_once_the_next_one_is_there_and_a_broken_one_is_replaced() {
    let world = without_http(Database::Sqlite).await;
    world.slack.refresh_sockets();
    until_sockets(&world, |open, opened| open == 2 && opened == 2).await;
    assert!(world.slack.to_server().over_socket().command("U111", "whoami").await.says("You are *ana*"));
    until_sockets(&world, |open, _| open == 1).await;
    world.slack.drop_sockets();
    until_sockets(&world, |open, opened| open == 1 && opened == 3).await;
    assert!(world.slack.to_server().over_socket().command("U111", "whoami").await.says("You are *ana*"));
    world.finish().await;
}

#[tokio::test]
async fn an_envelope_that_comes_again_does_nothing_twice() {
    let mut world = without_http(Database::Sqlite).await;
    let command = json!({
        "team_id": SlackDouble::TEAM, "channel_id": SlackDouble::CHANNEL, "user_id": "U111", "command": "/entryguard", "text": "start 1h",
    });
    let slack = world.slack.to_server();
    let first = slack.envelope("E1", "slash_commands", command.clone()).await.unwrap();
    assert!(first["blocks"].is_array(), "{first}");
    let again = slack.envelope("E1", "slash_commands", command.clone()).await.unwrap();
    assert_eq!(again, first, "the answer was lost on the way, and Slack asks again");
    let links = world.entryguard(&["audit", "export"]).await.stdout.matches("link.issued").count();
    assert_eq!(links, 1);
    world.server.restart().await;
    until_sockets(&world, |open, opened| open == 1 && opened == 2).await;
    let lost = world.slack.to_server().envelope("E1", "slash_commands", command).await.unwrap();
    keep("answer_lost", &[&lost]);
    world.finish().await;
}

#[tokio::test]
async fn an_answer_that_is_owed_when_the_connection_is_left_is_given_there_however_long_the_next_one_takes() {
    let world = without_http(Database::Sqlite).await;
    world.slack.slow_next("users.info", std::time::Duration::from_millis(600));
    world.slack.slow_next("apps.connections.open", std::time::Duration::from_secs(4));
    let slack = world.slack.to_server();
    let command = json!({
        "team_id": SlackDouble::TEAM, "channel_id": SlackDouble::CHANNEL, "user_id": "U111", "command": "/entryguard", "text": "whoami",
    });
    let (answer, ()) = tokio::join!(slack.envelope("E2", "slash_commands", command), async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        world.slack.refresh_sockets();
    });
    assert!(text_of(&answer.expect("an answer")).contains("You are *ana*"));
    until_sockets(&world, |open, opened| open == 1 && opened == 2).await;
    // The old connection is open for a while yet; what fails is tried again.
    world.slack.refuse_next("apps.connections.open", "internal_error");
    world.slack.refresh_sockets();
    until_sockets(&world, |open, opened| open == 1 && opened == 3).await;
    assert!(world.slack.to_server().over_socket().command("U111", "whoami").await.says("You are *ana*"));
    world.finish().await;
}

#[tokio::test]
async fn connections_that_end_at_once_are_opened_ever_more_rarely_and_never_many_at_once() {
    let world = without_http(Database::Sqlite).await;
    world.slack.refuse_sockets("");
    world.slack.drop_sockets();
    until_sockets(&world, |_, opened| opened >= 2).await;
    world.slack.refuse_sockets("too_many_websockets");
    until_sockets(&world, |open, opened| opened >= 4 && open == 0).await;
    let (most, at) = world.slack.sockets_opened();
    let waits: Vec<_> = at.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    // Each wait is twice as long as the one before, less a half at the most.
    assert!(waits[0] >= 500 && waits[1] >= 1000 && waits[2] >= 2000, "{waits:?}");
    assert!(most <= 2, "{most} at once");
    world.slack.take_sockets();
    until_sockets(&world, |open, _| open == 1).await;
    assert!(world.slack.to_server().over_socket().command("U111", "whoami").await.says("You are *ana*"));
    world.finish().await;
}

#[tokio::test]
async fn connections_that_are_to_be_replaced_at_once_are_bounded_too() {
    let world = without_http(Database::Sqlite).await;
    world.slack.refuse_sockets("refresh_requested");
    world.slack.refresh_sockets();
    until_sockets(&world, |_, opened| opened >= 4).await;
    let (most, at) = world.slack.sockets_opened();
    let waits: Vec<_> = at.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert!(waits[0] >= 500 && waits[1] >= 1000 && waits[2] >= 2000, "{waits:?}");
    assert!(most <= 3, "{most} at once");
    world.slack.take_sockets();
    world.finish().await;
}
