//! The app's home, however much there is to see and whatever Slack does; and what a press is answered.

use std::time::Duration;

use entryguard_tests::{Database, World, text_of};
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
