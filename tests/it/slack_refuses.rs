//! What Slack refuses or fails at, and what is shown all the same.

use entryguard_tests::{Database, Message, SOON, SlackDouble, World, eventually, on_both_databases};

const HOME: &str = "93.184.216.34";

async fn with_one_file(database: Database) -> World {
    World::on(database).with_file("intranet").member("ana", "U111").start().await
}

on_both_databases! {
    async fn a_final_state_that_slack_did_not_take_is_shown_once_it_does(database: Database) {
        let world = with_one_file(database).await;
        for error in ["internal_error", "fatal_error", "rate_limited", "token_revoked", "an_error_of_tomorrow"] {
            world.start_session("U111", "1h", HOME).await;
            world.wait_until_thread_says_all(&["ACTIVE", "1 of 1 open"]).await;
            world.slack.refuse_what_says("chat.update", "1 of 1 closed", error, 1);
            world.slack.command("U111", "stop").await;
            world.wait_until_over(&["CANCELLED", "closed in", "1 of 1 closed"]).await;
        }
        world.finish().await;
    }
}

#[tokio::test]
async fn a_table_that_slack_fails_at_each_time_holds_up_nothing_above_it() {
    let world = with_one_file(Database::Sqlite).await;
    for (error, times) in [("internal_error", 5), ("msg_blocks_too_long", 3)] {
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says_all(&["ACTIVE", "1 of 1 open"]).await;
        world.slack.refuse_what_says("chat.update", "1 of 1 closed", error, times);
        world.slack.command("U111", "stop").await;
        let thread = world.wait_until_over(&["CANCELLED", "closed in", "Closed, "]).await;
        assert!(!thread.says("1 of 1 closed"), "{error}: {}", thread.text());
        world.wait_until_over(&["1 of 1 closed"]).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn a_channel_without_threads_shows_how_a_session_stands() {
    let world = with_one_file(Database::Sqlite).await;
    let codes = ["restricted_action_non_threadable_channel", "restricted_action_thread_locked", "cannot_reply_to_message"];
    for error in codes {
        world.slack.refuse_replies_in(SlackDouble::CHANNEL, error);
        world.start_session("U111", "1h", HOME).await;
        let thread = world.wait_until_thread_says_all(&["ACTIVE"]).await;
        world.slack.press("U111", &thread.parent, "entryguard_stop").await;
        let thread = world.wait_until_over(&["CANCELLED", "closed in"]).await;
        assert!(thread.replies.is_empty(), "{}", thread.text());
    }
    // What is over is left alone, once the last of its turns was tried.
    eventually("nothing more is tried", SOON, async || {
        let before = world.slack.calls_of("chat.postMessage");
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        let after = world.slack.calls_of("chat.postMessage");
        if before == after { Ok(()) } else { Err(format!("{before} tries, then {after}")) }
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn a_thread_that_is_locked_meanwhile_still_has_its_final_state_above() {
    let world = with_one_file(Database::Sqlite).await;
    world.start_session("U111", "1h", HOME).await;
    world.wait_until_thread_says_all(&["ACTIVE", "1 of 1 open"]).await;
    world.slack.refuse_replies_in(SlackDouble::CHANNEL, "restricted_action_thread_locked");
    world.slack.command("U111", "extend 1h").await;
    world.wait_until_thread_says("Open for 2h").await;
    world.slack.command("U111", "stop").await;
    let thread = world.wait_until_over(&["CANCELLED", "closed in", "1 of 1 closed"]).await;
    assert_eq!(thread.replies.len(), 1, "{}", thread.text());
    world.finish().await;
}

#[tokio::test]
async fn a_message_that_somebody_deleted_is_not_missed() {
    let world = with_one_file(Database::Sqlite).await;
    world.start_session("U111", "1h", HOME).await;
    let thread = world.wait_until_thread_says_all(&["ACTIVE", "1 of 1 open"]).await;
    world.slack.delete(&thread.parent);
    world.slack.command("U111", "stop").await;
    eventually("the table says so", SOON, async || {
        let all = world.slack.messages_in(SlackDouble::CHANNEL);
        if all.len() == 1 && all[0].says("1 of 1 closed") { Ok(()) } else { Err(format!("{all:#?}")) }
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn a_channel_that_is_lost_or_read_only_meanwhile_is_left_for_direct_messages() {
    let world = with_one_file(Database::Sqlite).await;
    for error in ["not_in_channel", "is_archived", "restricted_action_read_only_channel"] {
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says_all(&["ACTIVE", "1 of 1 open"]).await;
        let before = world.slack.direct_messages_to("U111").len();
        world.slack.close_channel(SlackDouble::CHANNEL, error);
        world.slack.command("U111", "stop").await;
        eventually("it ends in direct messages", SOON, async || {
            let all = world.slack.direct_messages_to("U111").split_off(before);
            let say = |words: &str| all.iter().filter(|message| message.says(words)).count();
            let said = ["CANCELLED", "Sent to you directly", "1 of 1 closed", "Closed, "].map(say);
            if said == [1; 4] { Ok(()) } else { Err(format!("{error}: {all:#?}")) }
        })
        .await;
        world.slack.invite_to(SlackDouble::CHANNEL);
    }
    world.finish().await;
}

#[tokio::test]
async fn where_a_channel_takes_no_message_from_the_beginning_the_member_is_told_directly() {
    let world = with_one_file(Database::Sqlite).await;
    let codes = ["restricted_action_thread_only_channel", "ekm_access_denied", "no_permission", "an_error_of_tomorrow"];
    for (before, error) in codes.into_iter().enumerate() {
        world.slack.close_channel(SlackDouble::CHANNEL, error);
        world.start_session("U111", "1h", HOME).await;
        eventually("a direct message says ACTIVE", SOON, async || {
            let all = world.slack.direct_messages_to("U111");
            let told: Vec<&Message> = all.iter().filter(|message| message.says("Sent to you directly")).collect();
            let is_active = told.len() > before && told.iter().any(|message| message.says("ACTIVE"));
            if is_active { Ok(()) } else { Err(format!("{error}: {all:#?}")) }
        })
        .await;
        // There may be so many at once, and no more.
        world.slack.command("U111", "stop").await;
    }
    world.finish().await;
}

#[tokio::test]
async fn a_hundred_resources_that_all_fail_fit_into_one_table() {
    let files: Vec<_> = (1..=100).map(|number| format!("host-{number:03}")).collect();
    let world = files.iter().fold(World::on(Database::Sqlite), |world, file| world.with_file(file));
    let world = world.member("ana", "U111").start().await;
    for file in &files {
        std::fs::create_dir(world.file(file)).unwrap();
    }
    world.start_session("U111", "1h", HOME).await;
    let failed = ["100 of 100 rules failed", "0 of 100 open", "🔴 FAILED", "host-001"];
    let thread = world.wait_until_thread_says_all(&failed).await;
    let table = thread.replies[0].text();
    assert!(!table.contains("PENDING"), "{table}");
    world.finish().await;
}
