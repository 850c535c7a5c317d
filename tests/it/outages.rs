//! While the database does not work, everybody who asks is told within two seconds what is wrong, that nothing was changed and that
//! closing goes on; afterwards everything works again by itself.

use std::path::PathBuf;
use std::time::Duration;

use entryguard_tests::{Database, DiscordAnswer, SOON, SlackAnswer, World, eventually, on_both_databases, text_of};
use reqwest::Method;

use crate::gateway;
use crate::in_discord::ANA;
use crate::slack::{filled, until_modal_says};
use crate::socket_mode::without_http;

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";
/// Told within two seconds; the rest is for a busy machine. Slack gives up after three, and Discord as well.
const IN_TIME: Duration = Duration::from_secs(6);

/// The database of a world is away until it is brought back.
struct Outage {
    cause: &'static str,
    moved: Option<(PathBuf, PathBuf)>,
}

impl Outage {
    fn begin(world: &World) -> Self {
        match (&world.tcp_proxy, world.database().file()) {
            (Some(proxy), _) => {
                proxy.refuse();
                Self { cause: "cannot reach its database", moved: None }
            }
            (None, file) => {
                let from = file.expect("SQLite's").to_owned();
                let to = from.with_extension("away");
                std::fs::rename(&from, &to).unwrap();
                Self { cause: "database is missing", moved: Some((from, to)) }
            }
        }
    }

    fn end(self, world: &World) {
        if let Some((from, to)) = self.moved {
            std::fs::rename(to, from).unwrap();
        }
        if let Some(proxy) = &world.tcp_proxy {
            proxy.mend();
        }
    }

    fn is_told(&self, words: &str) -> bool {
        [self.cause, "nothing was changed", "Closing goes on"].iter().all(|part| words.contains(part))
    }

    fn is_whispered(&self, answer: &SlackAnswer) {
        assert!(answer.status == 200 && self.is_told(&answer.text()) && answer.took < IN_TIME, "{answer:?}");
    }

    fn is_said(&self, answer: &DiscordAnswer) {
        assert!(answer.status == 200 && self.is_told(&answer.text()), "{answer:?}");
    }
}

async fn until_it_works(world: &World) {
    eventually("commands work again", SOON, async || {
        let answer = world.slack.command("U111", "list").await;
        if answer.says("You have no sessions") { Ok(()) } else { Err(answer.text()) }
    })
    .await;
}

async fn until_followed(world: &World, answer: &SlackAnswer, is_meant: impl Fn(&str) -> bool) {
    eventually("the answer follows", SOON, async || {
        let followed: String = world.slack.follow_ups_of(answer).iter().map(text_of).collect();
        if is_meant(&followed) { Ok(()) } else { Err(followed) }
    })
    .await;
}

async fn team(database: Database) -> World {
    let world = World::on(database).with_groups(1).admin("ana", "U111").with_discord().discord_member("dee", ANA);
    world.with_a_proxy_before_the_database().start().await
}

on_both_databases! {
    async fn everybody_who_asks_is_told_in_slack(database: Database) {
        let world = team(database).await;
        let help = world.slack.command("U111", "help").await;
        world.slack.to_server().shortcut("U111", "entryguard_start").await;
        let modal = until_modal_says(&world, "U111", "For how long?").await;
        let outage = Outage::begin(&world);
        outage.is_whispered(&world.slack.command("U111", "start 1h").await);
        let panic = world.slack.command("U111", "panic").await;
        outage.is_whispered(&panic);
        assert!(panic.says("entryguard sweep --all"), "{panic:?}");
        let pressed = world.slack.press("U111", &help.message(), "entryguard_start_1h").await;
        assert_eq!(pressed.status, 200, "{pressed:?}");
        until_followed(&world, &pressed, |said| outage.is_told(said)).await;
        let sent = world.slack.to_server().submit("U111", &modal, filled("1h", "link", "")).await;
        assert!(sent.status == 200 && outage.is_told(&sent.body["view"].to_string()), "{sent:?}");
        // Slack tells of this again; meanwhile the home says it.
        let opened = serde_json::json!({ "type": "app_home_opened", "user": "U111", "channel": "D0HOME", "tab": "home" });
        assert_eq!(world.slack.to_server().event("EvHome", opened.clone()).await.0, 503);
        eventually("the home says it", SOON, async || {
            let home = world.slack.home_of("U111").unwrap_or_default().to_string();
            if outage.is_told(&home) { Ok(()) } else { Err(home) }
        })
        .await;
        outage.end(&world);
        until_it_works(&world).await;
        assert!(world.slack.to_server().again(1).event("EvHome", opened).await.0 == 200, "the event is taken when it comes again");
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        world.finish().await;
    }

    async fn everybody_who_asks_is_told_in_discord(database: Database) {
        let world = team(database).await;
        let help = world.discord.to_server().command(ANA, "help", &[]).await;
        let outage = Outage::begin(&world);
        let discord = world.discord.to_server();
        outage.is_said(&discord.command(ANA, "start", &[("duration", "1h")]).await);
        let panic = discord.command(ANA, "panic", &[]).await;
        outage.is_said(&panic);
        assert!(panic.says("entryguard sweep --all"), "{panic:?}");
        outage.is_said(&discord.choose(ANA, &help.message(), "Start 1h").await);
        outage.end(&world);
        until_it_works(&world).await;
        let started = world.discord.to_server().command(ANA, "start", &[("duration", "1h")]).await;
        assert!(started.says("Confirm your address"), "{started:?}");
        world.finish().await;
    }

    async fn pages_and_the_api_say_it_and_when_to_ask_again(database: Database) {
        let world = team(database).await;
        let (_, link) = world.ask_for_session("U111", "1h").await;
        let key = world.entryguard(&["api-key", "create", "--member", "ana", "--name", "k", "--scopes", "sessions:read"]).await.stdout;
        let key = key.split_whitespace().find(|word| word.starts_with("egk_")).expect("a key").to_owned();
        let outage = Outage::begin(&world);
        let browser = world.browser(HOME);
        let page = browser.open(&link).await;
        assert!(page.status == 503 && outage.is_told(&page.body.replace("&#39;", "'")), "{}", page.body);
        let url = format!("{}/api/v1/sessions", world.server.address());
        let answer = browser.request(Method::GET, &url).bearer_auth(key).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (503, &"application/problem+json".parse().unwrap()));
        let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..60).contains(&wait));
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert!(problem["code"] == "unavailable" && outage.is_told(&problem["detail"].to_string()), "{problem:#}");
        outage.end(&world);
        until_it_works(&world).await;
        world.finish().await;
    }

    async fn i1_what_ran_out_while_the_database_was_away_is_closed_when_it_is_back(database: Database) {
        let world = team(database).await;
        world.start_session("U111", "15s", HOME).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        let outage = Outage::begin(&world);
        tokio::time::sleep(Duration::from_secs(16)).await;
        outage.end(&world);
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.wait_until_over(&["EXPIRED"]).await;
        let verified = world.entryguard(&["audit", "verify"]).await;
        assert_eq!(verified.code, Some(0), "{verified:?}");
        world.finish().await;
    }
}

#[tokio::test]
async fn a_database_that_is_silent_is_told_of_in_time() {
    let world = team(Database::Postgres).await;
    let proxy = world.tcp_proxy.as_ref().expect("a proxy");
    world.slack.command("U111", "list").await;
    proxy.silence();
    for command in ["start 1h", "panic"] {
        let answer = world.slack.command("U111", command).await;
        assert!(answer.status == 200 && answer.took < IN_TIME && answer.says("Closing goes on"), "{answer:?}");
        assert_eq!(answer.says("entryguard sweep --all"), command.starts_with("panic"), "{answer:?}");
    }
    let answer = world.discord.to_server().command(ANA, "start", &[("duration", "1h")]).await;
    assert!(answer.status == 200 && answer.says("Closing goes on"), "{answer:?}");
    proxy.mend();
    until_it_works(&world).await;
    world.finish().await;
}

#[tokio::test]
async fn over_slacks_socket_it_is_told_too() {
    let world = without_http(Database::Sqlite).await;
    let outage = Outage::begin(&world);
    outage.is_whispered(&world.slack.to_server().over_socket().command("U111", "start 1h").await);
    outage.end(&world);
    eventually("commands work again", SOON, async || {
        let answer = world.slack.to_server().over_socket().command("U111", "start 1h").await;
        if answer.says("Confirm your address") { Ok(()) } else { Err(answer.text()) }
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn over_discords_gateway_it_is_told_too() {
    let world = gateway::without_http(Database::Sqlite).await;
    let discord = world.discord.to_server().over_gateway();
    let outage = Outage::begin(&world);
    outage.is_said(&discord.command(ANA, "start", &[("duration", "1h")]).await);
    outage.end(&world);
    eventually("commands work again", SOON, async || {
        let answer = discord.command(ANA, "start", &[("duration", "1h")]).await;
        if answer.says("Confirm your address") { Ok(()) } else { Err(answer.text()) }
    })
    .await;
    world.finish().await;
}
