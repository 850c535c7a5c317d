//! A session's thread in Discord, whatever people do to it, and at the pace that Discord demands.

use std::time::{Duration, Instant};

use entryguard_tests::{Database, DiscordDouble, DiscordMessage, SOON, World, eventually, on_both_databases};

use crate::in_discord::{ANA, HOME, HOME_CIDR, start, team, until_says, until_told};

/// A session of ana's that is open, then this happens to its message and thread, and then she stops it; its message.
async fn stop_after(world: &World, happens: impl FnOnce(&DiscordMessage)) -> DiscordMessage {
    let parent = start(world, ANA).await;
    until_says(world, parent.id, &["1 of 1 open"]).await;
    happens(&parent);
    world.discord.to_server().press(ANA, &parent, "Stop").await;
    parent
}

on_both_databases! {
    async fn a_thread_that_went_into_the_archive_goes_on(database: Database) {
        let world = team(database).start().await;
        let parent = stop_after(&world, |parent| world.discord.archive(parent.id)).await;
        until_says(&world, DiscordDouble::CHANNEL, &["CANCELLED", "closed in"]).await;
        until_says(&world, parent.id, &["1 of 1 closed", "Stopped by ana", "Closed, "]).await;
        assert!(!world.discord.is_archived(parent.id));
        world.finish().await;
    }

    async fn a_thread_that_somebody_deleted_holds_up_nothing_above_it(database: Database) {
        let world = team(database).start().await;
        let parent = stop_after(&world, |parent| world.discord.delete_channel(parent.id)).await;
        until_says(&world, DiscordDouble::CHANNEL, &["CANCELLED", "closed in"]).await;
        let entries = world.discord.messages_in(parent.id).len();
        assert_eq!((entries, world.discord.messages_in(DiscordDouble::CHANNEL).len()), (0, 1), "nothing is posted anew");
        world.finish().await;
    }
}

#[tokio::test]
async fn a_thread_that_somebody_locked_holds_up_nothing_above_it() {
    let world = team(Database::Sqlite).start().await;
    stop_after(&world, |parent| world.discord.lock(parent.id)).await;
    until_says(&world, DiscordDouble::CHANNEL, &["CANCELLED", "closed in"]).await;
    world.finish().await;
}

#[tokio::test]
async fn a_message_that_somebody_deleted_is_not_missed() {
    let world = team(Database::Sqlite).start().await;
    let parent = stop_after(&world, |parent| world.discord.delete_message(parent)).await;
    // The thread is still there, and tells the rest.
    until_says(&world, parent.id, &["1 of 1 closed", "Stopped by ana", "Closed, "]).await;
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    assert_eq!(world.discord.messages_in(DiscordDouble::CHANNEL).len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn a_message_that_was_deleted_before_it_had_a_thread_is_given_up() {
    let world = team(Database::Sqlite).start().await;
    world.discord.delete_at_once(DiscordDouble::CHANNEL);
    let answer = world.discord.to_server().command(ANA, "start", &[("duration", "1h")]).await;
    world.confirm(&answer.link(), HOME).await;
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
    world.discord.to_server().command(ANA, "stop", &[]).await;
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    eventually("a thread is asked for", SOON, async || {
        if world.discord.threads_asked_for() >= 1 { Ok(()) } else { Err("none".to_owned()) }
    })
    .await;
    // The second try would come after a second, and the third after two more.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(world.discord.threads_asked_for(), 1);
    world.finish().await;
}

#[tokio::test]
async fn where_the_bot_may_not_write_the_member_is_told_directly_and_a_limit_is_waited_out() {
    let world = team(Database::Sqlite).start().await;
    world.discord.close(DiscordDouble::CHANNEL);
    let answer = world.discord.to_server().command(ANA, "start", &[("duration", "1h")]).await;
    world.discord.limit_next(1, 3);
    let limited = Instant::now();
    world.confirm(&answer.link(), HOME).await;
    let message = until_told(&world, ANA, "Sent to you directly").await;
    assert!(message.says("<#900>"), "{}", message.text());
    // The double notes whoever comes before the three seconds are over.
    assert!(limited.elapsed() >= Duration::from_secs(3), "{:?}", limited.elapsed());
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
    world.finish().await;
}

#[tokio::test]
async fn no_bucket_is_drawn_on_that_is_empty() {
    let world = team(Database::Sqlite).start().await;
    // One a second is our own pace, and here too fast.
    world.discord.narrow_buckets(1, 2500);
    let parent = start(&world, ANA).await;
    world.discord.to_server().press(ANA, &parent, "Extend +2h").await;
    until_says(&world, parent.id, &["Extended by ana"]).await;
    world.discord.to_server().press(ANA, &parent, "Stop").await;
    until_says(&world, DiscordDouble::CHANNEL, &["CANCELLED", "closed in"]).await;
    until_says(&world, parent.id, &["1 of 1 closed", "Closed, "]).await;
    world.finish().await;
}

#[tokio::test]
async fn an_old_message_that_takes_no_edits_waits_by_itself_and_as_long_as_it_is_told() {
    let world = team(Database::Sqlite).start().await;
    let parent = start(&world, ANA).await;
    until_says(&world, parent.id, &["1 of 1 open"]).await;
    world.discord.limit_edits_of(parent.id, Duration::from_secs(600));
    world.discord.to_server().press(ANA, &parent, "Stop").await;
    until_says(&world, parent.id, &["1 of 1 closed", "Closed, "]).await;
    // The channel goes on: there is a new session in it.
    let answer = world.discord.to_server().command(ANA, "start", &[("duration", "1h")]).await;
    world.confirm(&answer.link(), HOME).await;
    let newer = eventually("the channel shows another session", SOON, async || {
        let all = world.discord.messages_in(DiscordDouble::CHANNEL);
        let newer = all.iter().find(|message| message.id != parent.id && message.says("ACTIVE"));
        newer.cloned().ok_or_else(|| format!("{all:#?}"))
    })
    .await;
    until_says(&world, newer.id, &["1 of 1 open"]).await;
    assert!(world.discord.edits_tried_of(parent.id) <= 1, "the header says a second, and the body ten minutes");
    world.discord.to_server().press(ANA, &newer, "Extend +2h").await;
    until_says(&world, newer.id, &["Extended by ana"]).await;
    world.discord.limit_edits_of(newer.id, Duration::from_secs(4));
    world.discord.to_server().press(ANA, &newer, "Stop").await;
    until_says(&world, DiscordDouble::CHANNEL, &["CANCELLED", "closed in"]).await;
    assert!(world.discord.edits_tried_of(newer.id) <= 3, "{} tries", world.discord.edits_tried_of(newer.id));
    world.finish().await;
}
