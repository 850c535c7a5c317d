//! The harness keeps its own promises.

use std::time::{Duration, Instant};

use entryguard_tests::{
    Database, Ec2, Fate, Proxy, SOON, SlackDouble, World, eventually, link_in, moto_address, on_both_databases, unique,
    what_slack_refuses,
};
use serde_json::{Value, json};
use sqlx::any::install_default_drivers;
use sqlx::{AnyConnection, Connection};

const REGION: &str = "eu-west-1";

#[tokio::test]
async fn a_rule_made_by_hand_shows_up_and_can_be_taken_away() {
    let ec2 = Ec2::at(&moto_address(), REGION);
    let group = ec2.create_group(&unique("by-hand")).await;
    let id = ec2.authorize_by_hand(&group, 22, "93.184.216.34/32", "the office").await;
    ec2.authorize_by_hand(&group, 443, "2606:2800:220:1::1/128", "").await;

    let rules = ec2.rules(&group).await;
    assert_eq!(rules.len(), 2, "{rules:#?}");
    assert_eq!((rules[0].id.as_str(), rules[0].cidr.as_str(), rules[0].from), (id.as_str(), "93.184.216.34/32", 22));
    assert_eq!((rules[0].description.as_str(), rules[0].tags.len()), ("the office", 0));
    assert_eq!(rules[1].cidr, "2606:2800:220:1::1/128");

    ec2.revoke_by_hand(&group, &id).await;
    assert_eq!(ec2.rules(&group).await.len(), 1);
    ec2.delete_group(&group).await;
}

#[tokio::test]
async fn the_proxy_delays_and_records() {
    let proxy = Proxy::before(&moto_address()).await;
    proxy.slow_down(Duration::from_secs(1));
    let ec2 = Ec2::at(proxy.address(), REGION);
    let started = Instant::now();
    let group = ec2.create_group(&unique("far-away")).await;
    tokio::join!(ec2.rules(&group), ec2.rules(&group));

    assert!(started.elapsed() >= Duration::from_secs(2));
    assert_eq!(proxy.calls_of("DescribeSecurityGroupRules").len(), 2);
    assert_eq!(proxy.calls_of("CreateSecurityGroup")[0].fate, Some(Fate::Answered(200)));
    assert_eq!(proxy.longest_chain().len(), 2, "the two descriptions went at once");
}

#[tokio::test]
async fn the_proxy_refuses_as_often_as_it_was_told() {
    let proxy = Proxy::before(&moto_address()).await;
    proxy.refuse("DescribeSecurityGroups", "RequestLimitExceeded", 1);
    let ec2 = Ec2::at(proxy.address(), REGION);

    let (status, body) = ec2.try_ask("DescribeSecurityGroups", &[]).await;
    assert_eq!(status, 503);
    assert!(body.contains("<Code>RequestLimitExceeded</Code>"), "{body}");
    assert_eq!(ec2.try_ask("DescribeSecurityGroups", &[]).await.0, 200);
}

#[tokio::test]
async fn a_held_answer_leaves_the_cloud_changed() {
    let proxy = Proxy::before(&moto_address()).await;
    let (near, far) = (Ec2::at(&moto_address(), REGION), Ec2::at(proxy.address(), REGION));
    let group = near.create_group(&unique("held")).await;
    proxy.hold_answer_of("AuthorizeSecurityGroupIngress");
    let waiting = tokio::spawn({
        let group = group.clone();
        async move { far.authorize_by_hand(&group, 22, "93.184.216.34/32", "").await }
    });

    let held = proxy.wait_for("AuthorizeSecurityGroupIngress", 1).await;
    assert_eq!(held[0].fate, Some(Fate::AnswerHeld));
    assert!(held[0].mentions(&group) && !waiting.is_finished());
    assert_eq!(near.rules(&group).await.len(), 1);
    waiting.abort();
}

#[tokio::test]
async fn slack_keeps_threads_and_edits() {
    let slack = SlackDouble::open().await;
    let parent = call(&slack, "chat.postMessage", json!({ "channel": SlackDouble::CHANNEL, "text": "PENDING" })).await;
    let ts = parent["ts"].as_str().unwrap();
    let reply = json!({ "channel": SlackDouble::CHANNEL, "text": "group-1", "thread_ts": ts });
    assert_eq!(call(&slack, "chat.postMessage", reply).await["ok"], true);
    let edit = json!({ "channel": SlackDouble::CHANNEL, "text": "ACTIVE", "ts": ts });
    assert_eq!(call(&slack, "chat.update", edit).await["ok"], true);

    let thread = slack.thread_of(SlackDouble::CHANNEL).unwrap();
    assert_eq!(thread.text(), "ACTIVE\n  ↳ group-1");
    assert!(thread.parent.first_said("PENDING") < thread.parent.first_said("ACTIVE"));
    assert_eq!(slack.violations(), [""; 0]);
}

#[tokio::test]
async fn slack_refuses_51_blocks_blocks_that_hold_too_much_and_a_wrong_token() {
    let slack = SlackDouble::open().await;
    let blocks = vec![json!({ "type": "divider" }); 51];
    let long = json!({ "channel": SlackDouble::CHANNEL, "text": "long", "blocks": blocks });
    assert_eq!(call(&slack, "chat.postMessage", long).await["error"], "invalid_blocks");
    let section = json!({ "type": "section", "text": { "type": "mrkdwn", "text": "x".repeat(2_700) } });
    let full = json!({ "channel": SlackDouble::CHANNEL, "text": "full", "blocks": vec![section; 5] });
    assert_eq!(call(&slack, "chat.postMessage", full).await["error"], "msg_blocks_too_long");
    let hello = json!({ "channel": SlackDouble::CHANNEL, "text": "hello" });
    assert_eq!(call_with(&slack, "chat.postMessage", "xoxb-wrong", hello).await["error"], "invalid_auth");

    assert_eq!(slack.violations().len(), 3, "{:#?}", slack.violations());
    assert!(slack.messages_in(SlackDouble::CHANNEL).is_empty());
}

#[tokio::test]
async fn slack_limits_and_rests_when_told() {
    let slack = SlackDouble::open().await;
    slack.rate_limit_next("auth.test", 7, 1);
    let limited = send(&slack, "auth.test", SlackDouble::BOT_TOKEN, json!({})).await;
    assert_eq!((limited.status().as_u16(), &limited.headers()["retry-after"]), (429, &"7".parse().unwrap()));
    slack.go_down();
    assert_eq!(send(&slack, "auth.test", SlackDouble::BOT_TOKEN, json!({})).await.status().as_u16(), 503);
    slack.come_back();
    assert_eq!(call(&slack, "auth.test", json!({})).await["team_id"], SlackDouble::TEAM);
}

#[test]
fn block_kit_is_checked_to_the_letter() {
    let button = |label: &str| json!({ "type": "button", "action_id": "go", "text": { "type": "plain_text", "text": label } });
    let with = |elements: Value| json!({ "text": "t", "blocks": [{ "type": "actions", "elements": elements }] });
    assert_eq!(what_slack_refuses(&with(json!([button(&"x".repeat(75))]))), [""; 0]);
    assert_eq!(what_slack_refuses(&with(json!([button(&"x".repeat(76))]))).len(), 1);
    assert_eq!(what_slack_refuses(&with(json!([button("a"), button("b")]))).len(), 1, "one action_id twice");
    assert_eq!(what_slack_refuses(&json!({ "blocks": [] })).len(), 1, "no fallback text");
}

#[test]
fn a_link_is_found_in_a_button_and_in_words() {
    let button = json!({ "type": "button", "url": "https://a.example/1" });
    let blocks = json!([{ "type": "actions", "elements": [button] }]);
    assert_eq!(link_in(&json!({ "blocks": blocks })).as_deref(), Some("https://a.example/1"));
    assert_eq!(link_in(&json!({ "text": "open <https://a.example/2|here>" })).as_deref(), Some("https://a.example/2"));
}

on_both_databases! {
    async fn every_test_has_a_database_of_its_own(database: Database) {
        let place = tempfile::tempdir().unwrap();
        let own = database.make(place.path()).await;
        install_default_drivers();
        // SQLite makes the file only where it is asked to.
        let url = if database == Database::Sqlite { format!("{}?mode=rwc", own.url) } else { own.url.clone() };
        let mut connection = AnyConnection::connect(&url).await.unwrap();
        sqlx::query("CREATE TABLE session (id TEXT)").execute(&mut connection).await.unwrap();
        own.drop_it().await;
    }
}

#[tokio::test]
async fn a_watch_sees_what_leaks_and_what_is_cut() {
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").start().await;
    world.start_session("U111", "1h", "93.184.216.34").await;
    world.wait_until_thread_says("ACTIVE").await;
    let rule = world.rules_of(&world.groups[0]).await.remove(0);
    let watch = world.watch(Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.ec2.revoke_by_hand(&world.groups[0], &rule.id).await;
    let tags: Vec<_> = rule.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let leaked = world.ec2.authorize_tagged(&world.groups[0], 22, "93.184.216.99/32", &tags).await;
    tokio::time::sleep(Duration::from_secs(3)).await;

    let findings = watch.end().await;
    assert_eq!(findings.leaked.keys().collect::<Vec<_>>(), [&leaked], "{findings:#?}");
    assert_eq!(findings.cut.len(), 1, "{findings:#?}");
    world.finish().await;
}

#[tokio::test]
#[should_panic(expected = "seen instead: night")]
async fn waiting_says_what_was_seen_instead() {
    eventually::<(), _>("day", SOON / 200, async || Err("night".to_owned())).await;
}

async fn call(slack: &SlackDouble, method: &str, arguments: Value) -> Value {
    call_with(slack, method, SlackDouble::BOT_TOKEN, arguments).await
}

async fn call_with(slack: &SlackDouble, method: &str, token: &str, arguments: Value) -> Value {
    send(slack, method, token, arguments).await.json().await.expect("Slack speaks JSON")
}

async fn send(slack: &SlackDouble, method: &str, token: &str, arguments: Value) -> reqwest::Response {
    let client = reqwest::Client::builder().no_proxy().timeout(SOON).build().unwrap();
    let request = client.post(format!("{}/{method}", slack.api_url())).bearer_auth(token);
    request.json(&arguments).send().await.unwrap()
}
