//! The app's home, however much there is to see and whatever Slack does; and what a press is answered.

use std::time::Duration;

use entryguard_tests::{Database, SOON, World, eventually, text_of};
use serde_json::json;

use crate::read_in_slack::follow_up;
use crate::slack::{until_home_says, until_modal_says};

const HOME: &str = "93.184.216.34";

#[tokio::test]
async fn a_home_of_many_resources_fits_and_its_buttons_work() {
    let files: Vec<_> = (1..=300).map(|number| format!("host-{number:03}")).collect();
    let world = files.iter().fold(World::on(Database::Sqlite), |world, file| world.with_file(file));
    let world = world.member("ana", "U111").start().await;
    world.start_session("U111", "1h", HOME).await;
    world.wait_until_thread_says_all(&["ACTIVE", "300 of 300 open"]).await;
    world.slack.to_server().open_home("U111").await;
    let mut home = until_home_says(&world, "U111", "ACTIVE").await;
    let text = text_of(&home);
    assert!(text.contains("host-001") && text.contains("more"), "{text}");
    // Slack repeats the view with the press: of the largest that it takes.
    home["padding"] = json!("<".repeat(200_000));
    let pressed = world.slack.to_server().press_in_view("U111", &home, "entryguard_stop").await;
    assert_eq!(pressed.status, 200, "{pressed:?}");
    world.wait_until_over(&["CANCELLED"]).await;
    world.finish().await;
}

#[tokio::test]
async fn a_home_that_slack_did_not_take_is_drawn_again() {
    let world = World::on(Database::Sqlite).with_file("intranet").member("ana", "U111").start().await;
    world.slack.to_server().open_home("U111").await;
    until_home_says(&world, "U111", "Nothing is open for you").await;
    world.slack.refuse_what_says("views.publish", "ACTIVE", "internal_error", 2);
    world.start_session("U111", "1h", HOME).await;
    until_home_says(&world, "U111", "ACTIVE").await;
    world.finish().await;
}

#[tokio::test]
async fn what_a_press_is_answered_comes_once_slack_takes_it() {
    let world = World::on(Database::Sqlite).with_file("intranet").member("ana", "U111").start().await;
    world.start_session("U111", "1h", HOME).await;
    let thread = world.wait_until_thread_says_all(&["ACTIVE", "1 of 1 open"]).await;
    world.slack.go_down();
    let pressed = world.slack.press("U111", &thread.parent, "entryguard_details").await;
    assert_eq!(pressed.status, 200);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(world.slack.follow_ups_of(&pressed).is_empty());
    world.slack.come_back();
    assert!(text_of(&follow_up(&world, &pressed).await).contains("intranet"));

    world.slack.to_server().open_home("U111").await;
    let home = until_home_says(&world, "U111", "ACTIVE").await;
    world.slack.refuse_next("views.open", "internal_error");
    world.slack.to_server().press_in_view("U111", &home, "entryguard_details").await;
    until_modal_says(&world, "U111", "intranet").await;
    world.finish().await;
}

#[tokio::test]
async fn a_home_says_what_is_being_extended_and_when_the_cloud_has_it() {
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").start().await;
    world.start_session("U111", "1h", HOME).await;
    world.wait_until_thread_says_all(&["ACTIVE", "1 of 1 open"]).await;
    world.slack.to_server().open_home("U111").await;
    let home = until_home_says(&world, "U111", "ACTIVE").await;
    world.proxy.keep_refusing("CreateTags", "RequestLimitExceeded");
    world.slack.to_server().press_in_view("U111", &home, "entryguard_extend").await;
    until_home_says(&world, "U111", "being extended until").await;
    world.proxy.behave();
    eventually("the home has the new end", SOON, async || {
        let text = text_of(&world.slack.home_of("U111").unwrap());
        if text.contains("being extended") { Err(text) } else { Ok(()) }
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn what_is_pressed_in_a_modal_is_answered_there() {
    let world = World::on(Database::Sqlite).with_file("intranet").member("ana", "U111").start().await;
    world.start_session("U111", "1h", HOME).await;
    world.wait_until_thread_says_all(&["ACTIVE", "1 of 1 open"]).await;
    let from = world.slack.to_server();
    from.open_home("U111").await;
    let home = until_home_says(&world, "U111", "ACTIVE").await;
    from.press_in_view("U111", &home, "entryguard_details").await;
    let details = until_modal_says(&world, "U111", "intranet").await;
    from.press_in_view("U111", &details, "entryguard_extend").await;
    let extending = until_modal_says(&world, "U111", "Extending session").await;
    assert_eq!(extending["id"], details["id"], "the same modal, with something else in it");
    // One that was closed meanwhile shows nothing any more.
    world.slack.refuse_next("views.update", "not_found");
    from.press_in_view("U111", &details, "entryguard_stop").await;
    let direct = eventually("the answer is sent directly", SOON, async || {
        let messages = world.slack.direct_messages_to("U111");
        messages.into_iter().find(|message| message.text().contains("Closing")).ok_or_else(|| "nothing yet".to_owned())
    });
    direct.await;
    world.wait_until_over(&["CANCELLED"]).await;
    world.finish().await;
}
