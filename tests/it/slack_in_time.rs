//! Slack waits three seconds: whatever takes longer is acknowledged with words, and follows.

use std::time::Duration;

use entryguard_tests::{Database, SOON, SlackAnswer, World, eventually, text_of};

use crate::slack::{filled, until_modal_says};
use crate::socket_mode::without_http;

/// Longer than Slack waits.
const TOO_LONG: Duration = Duration::from_secs(8);
/// Said of what takes longer.
const FOLLOWS: &str = "EntryGuard's database is too slow to answer";
/// Acknowledged after two seconds, and not by the database: well before it goes on, however busy the machine is.
const IN_TIME: Duration = Duration::from_secs(6);

/// A world with a database that holds up what takes a lock, and somebody who may start.
async fn team() -> World {
    World::on(Database::Postgres).with_groups(1).member("ana", "U111").start().await
}

/// Holds the database up for too long, in what makes a link or in what accepts a request.
async fn held_up(world: &World, accepting: bool) -> tokio::task::JoinHandle<()> {
    let records = world.records().await;
    if accepting { records.hold_up_accepting(TOO_LONG).await } else { records.hold_up(TOO_LONG).await }
}

fn is_in_time(answer: &SlackAnswer) -> bool {
    answer.status == 200 && answer.took < IN_TIME
}

async fn until_followed(world: &World, answer: &SlackAnswer, words: &str) {
    eventually("the answer follows", SOON, async || {
        let followed: String = world.slack.follow_ups_of(answer).iter().map(text_of).collect();
        if followed.contains(words) { Ok(()) } else { Err(followed) }
    })
    .await;
}

async fn until_told_directly(world: &World, words: &str) {
    eventually("a direct message says it", SOON, async || {
        let messages = world.slack.direct_messages_to("U111");
        if messages.iter().any(|message| message.says(words)) { Ok(()) } else { Err(format!("{messages:?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_command_that_takes_longer_is_answered_afterwards_or_directly_once_its_address_has_lapsed() {
    let world = team().await;
    for lapsed in [false, true] {
        if lapsed {
            world.slack.lapse_response_urls();
        }
        let held = held_up(&world, false).await;
        let answer = world.slack.command("U111", "start 1h").await;
        assert!(is_in_time(&answer) && answer.says(FOLLOWS), "{answer:?}");
        held.await.unwrap();
        match lapsed {
            true => until_told_directly(&world, "Confirm your address").await,
            false => until_followed(&world, &answer, "Confirm your address").await,
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn what_is_accepted_late_is_acknowledged_in_time_and_done_once() {
    let world = team().await;
    let help = world.slack.command("U111", "help").await;
    world.slack.to_server().shortcut("U111", "entryguard_start").await;
    let modal = until_modal_says(&world, "U111", "For how long?").await;
    let held = held_up(&world, true).await;
    let (from, message) = (world.slack.to_server(), help.message());
    let (command, form, sent) = tokio::join!(
        from.command("U111", "start 1h"),
        from.press("U111", &message, "entryguard_form"),
        from.submit("U111", &modal, filled("1h", "link", ""))
    );
    for answer in [&command, &form, &sent] {
        assert!(is_in_time(answer), "{answer:?}");
    }
    assert!(
        command.says("nothing has been changed yet") && sent.body["view"].to_string().contains(FOLLOWS),
        "{command:?} {sent:?}"
    );
    until_followed(&world, &form, FOLLOWS).await;
    held.await.unwrap();
    until_followed(&world, &command, "Confirm your address").await;
    until_followed(&world, &form, "Press the button again").await;
    until_told_directly(&world, "Confirm your address").await;
    let links = world.entryguard(&["audit", "export"]).await.stdout.matches("link.issued").count();
    assert_eq!(links, 2, "the command's and the form's");
    world.finish().await;
}

#[tokio::test]
async fn what_was_acknowledged_is_done_and_answered_also_by_a_server_that_is_told_to_stop() {
    let mut world = team().await;
    let held = held_up(&world, false).await;
    let answer = world.slack.command("U111", "start 1h").await;
    assert!(is_in_time(&answer) && answer.says(FOLLOWS), "{answer:?}");
    let status = world.server.terminate().await;
    assert!(status.success(), "{status}");
    until_followed(&world, &answer, "Confirm your address").await;
    held.await.unwrap();
    world.finish().await;
}

#[tokio::test]
async fn over_the_socket_it_is_the_same() {
    let world = without_http(Database::Postgres).await;
    let held = held_up(&world, true).await;
    let answer = world.slack.to_server().over_socket().command("U111", "start 1h").await;
    assert!(is_in_time(&answer) && answer.says(FOLLOWS), "{answer:?}");
    held.await.unwrap();
    until_followed(&world, &answer, "Confirm your address").await;
    world.finish().await;
}

#[tokio::test]
async fn what_the_socket_has_brought_is_answered_there_also_by_a_server_that_is_told_to_stop() {
    let mut world = without_http(Database::Postgres).await;
    let (release, held) = world.records().await.hold_up_until_told().await;
    let mut records = world.records().await;
    let (slack, server) = (&world.slack, &mut world.server);
    let stopping =
        async {
            eventually("the command waits", SOON, async || {
                if records.held_up().await > 0 { Ok(()) } else { Err("nobody waits".to_owned()) }
            })
            .await;
            let released = async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                release.send(()).unwrap();
            };
            tokio::join!(server.terminate(), released).0
        };
    let (answer, status) = tokio::join!(async { slack.to_server().over_socket().command("U111", "start 1h").await }, stopping);
    assert!(is_in_time(&answer) && answer.says("Confirm your address"), "{answer:?}");
    assert!(status.success(), "{status}");
    held.await.unwrap();
    world.finish().await;
}
