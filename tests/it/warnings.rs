//! What the pages warn of before an address is opened: ways out that many share, and having moved.

use std::time::Duration;

use entryguard_tests::{Chromium, Database, Look, SOON, World, eventually};

use crate::approval::asking;
use crate::pages::{open, signed_in, signed_in_by_http, under_a_name_of_ipv6};

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";
const HOME_V6_CIDR: &str = "2606:2800:220:1::1/128";
const CAFE: &str = "93.184.217.77";
const CAFE_V6: &str = "2606:2800:220:2::7";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_address_is_warned_of_before_it_is_opened() {
    let exits = "[web]\nshared_exits = [{ name = \"Office VPN\", networks = [\"2606:2800:220:1::/64\"] }]";
    let mut world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").configured(exits).start().await;
    let other = under_a_name_of_ipv6(world.server.address()).await;
    let public = format!("public_url = \"{}\"", world.server.address());
    world.rewrite_config(&public, &format!("{public}\nipv6_url = \"{}\"", other.address));
    world.server.restart().await;
    world.start_session("U111", "2h", CAFE_V6).await;
    world.wait_until_thread_says("ACTIVE").await;
    // The page is reached over IPv4, of which there is nothing to say.
    let browser = signed_in(&world, "U111", HOME, Look::DESKTOP).await;
    browser.wait_until_it_says("Many people share 2606:2800:220:1::1").await;
    browser.wait_until_it_says("Your address changed").await;
    let text = browser.text().await;
    assert!(text.contains("lets in 2606:2800:220:2::7") && text.contains("Office VPN"), "{text}");
    // Without having loaded anything again.
    browser.write("#reason", "the deploy").await;
    browser.press(".banner button").await;
    world.wait_until_group_allows(&world.groups[0], &[HOME_V6_CIDR, HOME_CIDR]).await;
    browser.close().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_banner_comes_and_goes_with_the_session_that_it_is_about() {
    let world = World::on(Database::Sqlite).with_file("intranet").member("ana", "U111").start().await;
    let browser = signed_in(&world, "U111", HOME, Look::DESKTOP).await;
    browser.evaluate("window.samePage = true").await;
    assert_eq!(browser.count(".banner").await, 0);
    world.start_session("U111", "1h", CAFE).await;
    browser.wait_for_count("#moved .banner", 1).await;
    browser.wait_until_it_says("lets in 93.184.217.77").await;
    world.wait_until_thread_says("ACTIVE").await;
    browser.evaluate("document.querySelector('.banner button').focus()").await;
    world.slack.command("U111", "stop").await;
    browser.wait_for_count("#moved .banner", 0).await;
    browser.wait_until_it_says("Your last session was from 93.184.217.77").await;
    assert_eq!(browser.evaluate("return document.activeElement.id").await, "main", "the keyboard goes on from there");
    assert_eq!(browser.evaluate("return window.samePage === true").await, true);
    browser.close().await;
    world.finish().await;
}

#[tokio::test]
async fn a_session_that_is_over_is_not_said_to_go_on() {
    let world = World::on(Database::Sqlite).with_file("intranet").member("ana", "U111").start().await;
    world.start_session("U111", "1h", CAFE).await;
    world.wait_until_thread_says("ACTIVE").await;
    let ana = signed_in_by_http(&world, "U111", HOME).await;
    let page = open(&world, &ana, "/").await;
    assert!(page.form().action.is_some_and(|action| action.ends_with("/move")), "the banner's is the first: {}", page.body);
    world.slack.command("U111", "stop").await;
    world.wait_until_over(&["CANCELLED"]).await;
    let refused = ana.submit(&page, &[]).await;
    assert!(
        refused.status == 400 && refused.says("The session was not moved.") && refused.says("is over already"),
        "{}",
        refused.body
    );
    assert!(!refused.says("goes on as it was"), "{}", refused.body);
    world.finish().await;
}

/// What the form of the page sends along of the other family.
async fn sealed_other(browser: &Chromium) -> String {
    let value = browser.evaluate("return document.querySelector('.starting input[name=other]').value").await;
    value.as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_refused_start_the_other_address_is_seen_anew() {
    let mut world = World::on(Database::Sqlite).with_file("intranet").member("ana", "U111").start().await;
    let other = under_a_name_of_ipv6(world.server.address()).await;
    let public = format!("public_url = \"{}\"", world.server.address());
    world.rewrite_config(&public, &format!("{public}\nipv6_url = \"{}\"", other.address));
    world.server.restart().await;
    let browser = signed_in(&world, "U111", HOME, Look::DESKTOP).await;
    browser.wait_until_it_says("2606:2800:220:1::1").await;
    browser.evaluate("document.querySelector('#duration').selectedOptions[0].value = '9 bananas'").await;
    let sent = sealed_other(&browser).await;
    // What is sealed in another second reads otherwise.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    browser.press(".starting button.primary").await;
    browser.wait_until_it_says("bananas").await;
    eventually("it is sealed anew", SOON, async || {
        let now = sealed_other(&browser).await;
        if now != sent && !now.is_empty() { Ok(()) } else { Err(now) }
    })
    .await;
    assert_eq!(browser.count("#other[data-address='2606:2800:220:1::1']:not([hidden])").await, 1);
    browser.close().await;
    world.finish().await;
}

#[tokio::test]
async fn the_page_behind_a_link_warns_of_the_same() {
    let exits = "[web]\nshared_exits = [{ name = \"Office VPN\", networks = [\"93.184.216.0/24\"] }]";
    let world = World::on(Database::Sqlite).with_file("intranet").member("ana", "U111").configured(exits).start().await;
    let (_, link) = world.ask_for_session("U111", "1h").await;
    let page = world.browser(HOME).open(&link).await;
    assert!(page.says("Many people share 93.184.216.34.") && page.says("Office VPN"), "{}", page.body);
    assert!(!page.says("Your address changed") && !page.says("Your last session"), "{}", page.body);
    assert!(!world.browser(CAFE).open(&link).await.says("Many people share"));
    world.browser(HOME).submit(&page, &[]).await;
    world.wait_until_thread_says("ACTIVE").await;

    let (_, link) = world.ask_for_session("U111", "1h").await;
    let moved = world.browser(CAFE).open(&link).await;
    assert!(moved.says("Your address changed") && moved.says("lets in <strong>93.184.216.34</strong>"), "{}", moved.body);
    assert!(!world.browser(HOME).open(&link).await.says("Your address changed"));
    world.slack.command("U111", "stop").await;
    world.wait_until_over(&["CANCELLED"]).await;
    let moved = world.browser(CAFE).open(&link).await;
    assert!(moved.says("Your last session was from 93.184.216.34"), "{}", moved.body);
    world.finish().await;
}

#[tokio::test]
async fn an_address_by_hand_says_nothing_of_where_somebody_is() {
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111");
    let world = world.role("trusting", &["ana"], &["group-1"], "explicit_ip = true").start().await;
    assert!(world.slack.command("U111", &format!("start 1h ip {CAFE}")).await.says("Opening"));
    world.wait_until_thread_says("ACTIVE").await;
    let (_, link) = world.ask_for_session("U111", "1h").await;
    let page = world.browser(HOME).open(&link).await;
    assert!(page.says(HOME) && !page.says("Your address changed"), "{}", page.body);
    world.slack.command("U111", "stop").await;
    world.finish().await;
}

#[tokio::test]
async fn whoever_has_moved_since_they_asked_is_told_that_the_old_address_would_be_opened() {
    let world = asking(Database::Sqlite, "by = [\"leads\"], within = \"30m\"").await;
    world.start_session("U111", "1h", CAFE).await;
    world.wait_until_thread_says("REQUESTED").await;
    let ana = signed_in_by_http(&world, "U111", HOME).await;
    let page = open(&world, &ana, "/").await;
    assert!(page.says("You have asked for 93.184.217.77.") && !page.says("Your address changed"), "{}", page.body);
    world.slack.command("U111", "stop").await;
    world.finish().await;
}
