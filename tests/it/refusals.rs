//! What is refused: forged, stale, replayed and foreign requests, links that are only looked at, and wishes beyond the limits.

use entryguard_tests::{Database, SlackDouble, World, on_both_databases, unix_seconds};
use reqwest::Method;

use crate::said::NO_SESSION;

const HOME: &str = "93.184.216.34";

async fn nothing_changed(world: &World) {
    assert!(world.slack.messages_in(SlackDouble::CHANNEL).is_empty());
    for group in &world.groups {
        assert_eq!(world.rules_of(group).await, []);
    }
}

on_both_databases! {
    async fn i8_a_bad_signature_a_stale_timestamp_and_a_replay_get_401_and_change_nothing(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        let slack = || world.slack.to_server();
        assert_eq!(slack().with_secret("not-the-secret").command("U111", "start 1h").await.status, 401);
        assert_eq!(slack().signed("v0=0000").command("U111", "start 1h").await.status, 401);
        assert_eq!(slack().at(unix_seconds() - 301).command("U111", "start 1h").await.status, 401);
        assert_eq!(slack().at(unix_seconds() + 360).command("U111", "start 1h").await.status, 401);
        let replayed = slack().at(unix_seconds());
        let body = "team_id=T0123456&channel_id=C0DEPLOYS&user_id=U111&text=list";
        assert_eq!(replayed.raw("/slack/commands", "application/x-www-form-urlencoded", body).await.0, 200);
        assert_eq!(replayed.raw("/slack/commands", "application/x-www-form-urlencoded", body).await.0, 401);
        let signature = replayed.signature_of(body).to_uppercase().replace("V0=", "v0=");
        let spelled = replayed.signed(&signature);
        assert_eq!(spelled.raw("/slack/commands", "application/x-www-form-urlencoded", body).await.0, 401, "in upper case");
        nothing_changed(&world).await;
        world.finish().await;
    }

    async fn a_link_previews_get_opens_nothing_and_the_link_works_once(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        let (_, link) = world.ask_for_session("U111", "1h").await;
        for _preview in 0..3 {
            let page = world.browser("52.10.20.30").open(&link).await;
            assert_eq!(page.status, 200);
            let header = |name: &str| page.headers[name].to_str().unwrap().to_owned();
            assert_eq!((header("referrer-policy"), header("cache-control")), ("same-origin".into(), "no-store".into()));
            assert!(header("content-security-policy").starts_with("default-src 'none'"));
        }
        nothing_changed(&world).await;
        world.confirm(&link, HOME).await;
        world.wait_until_group_allows(&world.groups[0], &["93.184.216.34/32"]).await;
        let again = world.browser(HOME).open(&link).await;
        assert_eq!(again.status, 410);
        assert!(again.says("works once"), "{}", again.body);
        world.finish().await;
    }

    async fn the_limits_are_told_with_what_set_them(database: Database) {
        let world = World::on(database)
            .with_file("intranet")
            .member("ana", "U111")
            .admin("cy", "U333")
            .role("developers", &["ana"], &["intranet"], "max_duration = \"4h\"")
            .sessions_at_once(1)
            .start()
            .await;
        let said = async |user, text| world.slack.command(user, text).await.text();
        let long = said("U111", "start 8h").await;
        assert!(long.contains("Duration exceeds maximum allowed") && long.contains("4h, set by role developers"), "{long}");
        let nothing = said("U333", "start 1h").await;
        assert!(nothing.contains("User has no accessible cloud resources") && nothing.contains("Ask cy"), "{nothing}");
        let stranger = said("U999", "start 1h").await;
        assert!(stranger.contains("identities = [\"slack:T0123456/U999\"]"), "{stranger}");
        world.start_session("U111", "1h", HOME).await;
        let many = said("U111", "start 1h").await;
        assert!(many.contains("Too many sessions at once"), "{many}");
        let slip = said("U111", "strat 1h").await;
        assert!(slip.contains("did you mean `/entryguard start 1h`?"), "{slip}");
        world.finish().await;
    }
}

#[tokio::test]
async fn a_forged_forwarded_address_is_not_believed() {
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").start().await;
    let (_, link) = world.ask_for_session("U111", "1h").await;
    // The trusted proxy appends whom it saw; what stands left of that is the caller's own claim.
    let browser = world.browser(&format!("8.8.8.8, {HOME}"));
    let page = browser.open(&link).await;
    assert!(page.says(HOME) && !page.says("8.8.8.8"), "{}", page.body);
    browser.submit(&page, &[]).await;
    world.wait_until_group_allows(&world.groups[0], &["93.184.216.34/32"]).await;
    world.finish().await;
}

#[tokio::test]
async fn an_address_in_doubt_is_refused_with_the_reason() {
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").start().await;
    let (_, link) = world.ask_for_session("U111", "1h").await;
    for (forwarded, why) in [
        ("unknown", "cannot be read"),
        ("127.0.0.1", "trusted proxy"),
        ("10.0.0.9", ""),
        ("93.184.216.34:80:90", "cannot be read"),
    ] {
        let browser = world.browser(forwarded);
        let page = browser.send(browser.request(Method::POST, &link)).await;
        assert!(page.status >= 400 && page.says(why), "{forwarded}: {} {}", page.status, page.body);
    }
    nothing_changed(&world).await;
    let private = world.browser("10.0.0.9");
    let page = private.send(private.request(Method::POST, &link)).await;
    assert!(page.says("a private address"), "{}", page.body);
    nothing_changed(&world).await;
    world.finish().await;
}

#[tokio::test]
async fn a_form_of_another_site_and_a_changed_address_open_nothing() {
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").start().await;
    let (_, link) = world.ask_for_session("U111", "1h").await;
    let browser = world.browser(HOME);
    let elsewhere = browser.request(Method::POST, &link).form(&[("address", HOME)]).header("Sec-Fetch-Site", "cross-site");
    assert_eq!(browser.send(elsewhere).await.status, 403);
    let shown_at_home = browser.open(&link).await;
    let at_the_cafe = world.browser("93.184.216.99").submit(&shown_at_home, &[]).await;
    assert_eq!(at_the_cafe.status, 409);
    assert!(at_the_cafe.says("Your address has changed"), "{}", at_the_cafe.body);
    nothing_changed(&world).await;
    world.finish().await;
}

#[tokio::test]
async fn i8_a_button_acts_with_the_rights_of_whoever_presses_it() {
    let world =
        World::on(Database::Sqlite).with_groups(1).member("ana", "U111").member("bo", "U222").admin("cy", "U333").start().await;
    world.start_session("U111", "1h", HOME).await;
    let thread = world.wait_until_thread_says("ACTIVE").await;
    let pressed = world.slack.press("U222", &thread.parent, "entryguard_stop").await;
    world.wait_until_told(&pressed, NO_SESSION).await;
    world.slack.to_server().from_team("T0STRANGER").press("U111", &thread.parent, "entryguard_stop").await;
    world.slack.to_server().from_team("T0STRANGER").command("U111", "stop all").await;
    assert_eq!(world.rules_of(&world.groups[0]).await.len(), 1);
    world.slack.press("U333", &thread.parent, "entryguard_stop").await;
    world.wait_until_thread_says("Stopped by cy").await;
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    world.finish().await;
}
