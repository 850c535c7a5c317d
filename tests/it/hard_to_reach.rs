//! Pages where something that they have usually is not there.

use std::time::Duration;

use entryguard_tests::{Database, Look, World};

use crate::pages::{open, shows, signed_in, signed_in_by_http};

const HOME: &str = "93.184.216.34";
const CAFE: &str = "93.184.217.77";

async fn team() -> World {
    World::on(Database::Sqlite).member("ana", "U111").with_groups(1).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_hears_no_events_asks_by_itself() {
    let world = team().await;
    let browser = signed_in(&world, "U111", HOME, Look::DESKTOP).await;
    browser.never_gets("*/sessions/events*").await;
    browser.open(&world.server.address()).await;
    browser.evaluate("window.samePage = true").await;
    world.start_session("U111", "1h", HOME).await;
    shows(&browser, "ACTIVE").await;
    world.slack.command("U111", "stop").await;
    browser.wait_until_it_says("CANCELLED").await;
    assert_eq!(browser.evaluate("return window.samePage === true").await, true);
    browser.close().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_moves_for_whoever_wants_no_motion() {
    let world = team().await;
    // Long enough to look twice on a busy machine.
    world.proxy.slow_down(Duration::from_secs(8));
    let browser = signed_in(&world, "U111", HOME, Look::DESKTOP).await;
    let animation = "return getComputedStyle(document.querySelector('.badge.moving'), '::before').animationName";
    browser.press(".starting button.primary").await;
    shows(&browser, "PENDING").await;
    assert_ne!(browser.evaluate(animation).await, "none", "there is something to keep still");
    browser.wants_no_motion().await;
    assert_eq!(browser.evaluate(animation).await, "none");
    world.proxy.slow_down(Duration::ZERO);
    browser.close().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_from_elsewhere_than_last_time_is_told_so() {
    const WARNING: &str = "Your last session was from 93.184.216.34";
    let world = team().await;
    let browser = signed_in_by_http(&world, "U111", HOME).await;
    world.start_session("U111", "1h", HOME).await;
    world.wait_until_thread_says("ACTIVE").await;
    world.slack.command("U111", "stop").await;
    world.wait_until_over(&["CANCELLED"]).await;
    assert!(!open(&world, &browser, "/").await.says(WARNING), "they are where they were");
    let elsewhere = signed_in_by_http(&world, "U111", CAFE).await;
    let page = open(&world, &elsewhere, "/").await;
    assert!(page.says(WARNING), "{}", page.body);
    world.finish().await;
}
