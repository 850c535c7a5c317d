//! A panic holds whatever comes at the same moment, breaks off in the midst of it, or calls itself something else.

use std::time::Duration;

use entryguard_tests::{Database, DiscordDouble, Message, SOON, World, eventually, on_both_databases};

use crate::administrators::team;
use crate::link::join_from_slack;

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";
const CAFE: &str = "93.184.216.35";
const CAFE_CIDR: &str = "93.184.216.35/32";
const ANA: u64 = 111;
const ON_CALL: u64 = 55;

on_both_databases! {
    async fn i6_a_panic_that_dies_in_the_midst_is_come_to_the_end_of_by_the_server(database: Database) {
        let world = team(database).await;
        world.start_session("U111", "1h", HOME).await;
        world.start_session("U333", "1h", CAFE).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR, CAFE_CIDR]).await;
        let died = world.entryguard_with(&["panic", "close", "--all"], &[("ENTRYGUARD_CRASH", "wish_committed:1")], "").await;
        assert_ne!(died.code, Some(0), "{died:?}");
        for group in &world.groups {
            world.wait_until_group_allows(group, &[]).await;
        }
        let panics = world.entryguard(&["panic", "list"]).await.stdout;
        assert!(panics.contains("everything"), "{panics}");
        world.finish().await;
    }

    async fn i2_whoever_is_closed_at_once_does_not_go_on_as_somebody_else(database: Database) {
        let role = format!("identities = [\"discord-role:{}/{ON_CALL}\"]", DiscordDouble::GUILD);
        let world = World::on(database).with_groups(1).with_discord().member("ana", "U111").admin("bo", "U222");
        let world = world.role("on-call", &[], &["group-1"], &role).start().await;
        join_from_slack(&world, "U111", ANA).await;
        world.discord.give_role(ANA, ON_CALL);
        assert!(world.discord.to_server().command(ANA, "whoami", &[]).await.says("ana"));
        let question = world.slack.command("U222", "panic member ana").await;
        let pressed = world.slack.press("U222", &question.message(), "entryguard_panic").await;
        world.wait_until_told(&pressed, "Closing member ana").await;
        let refused = world.discord.to_server().command(ANA, "unlink", &[]).await;
        assert!(refused.says("Closed by bo"), "{}", refused.text());
        let refused = world.discord.to_server().command(ANA, "start", &[]).await;
        assert!(refused.says("Closed by bo"), "{}", refused.text());
        world.finish().await;
    }
}

#[tokio::test]
async fn i2_a_start_that_is_under_way_while_everything_is_closed_opens_nothing() {
    let world = team(Database::Postgres).await;
    let question = world.slack.command("U222", "panic").await.message();
    let (_, link) = world.ask_for_session("U111", "1h").await;
    let browser = world.browser(HOME);
    let page = browser.open(&link).await;
    let held = world.records().await.hold_up_resources(Duration::from_secs(10)).await;
    let start = tokio::spawn(async move { browser.submit(&page, &[]).await });
    let mut records = world.records().await;
    eventually("the start has looked for panics, and waits", SOON, async || {
        if records.held_up().await > 0 { Ok(()) } else { Err("nobody waits".to_owned()) }
    })
    .await;
    let pressed = world.slack.press("U222", &question, "entryguard_panic").await;
    world.wait_until_told(&pressed, "0 sessions end").await;
    held.await.unwrap();
    let refused = start.await.unwrap();
    assert!(refused.status >= 400 && refused.says("everything stays closed"), "{} {}", refused.status, refused.body);
    assert_eq!(world.rules_of(&world.groups[0]).await, []);
    let list = world.slack.command("U222", "list all").await;
    assert!(list.says("Nothing is open for anybody"), "{}", list.text());
    world.finish().await;
}

#[tokio::test]
async fn a_question_of_long_ago_closes_nothing_and_a_second_press_is_no_second_panic() {
    let world = team(Database::Sqlite).await;
    world.start_session("U111", "1h", HOME).await;
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
    let question = world.slack.command("U222", "panic").await.message();
    let ten_minutes_ago = asked_earlier(&question, 601);
    let pressed = world.slack.press("U222", &ten_minutes_ago, "entryguard_panic").await;
    world.wait_until_told(&pressed, "more than 10 minutes ago").await;
    assert_eq!(world.rules_of(&world.groups[0]).await.len(), 1);
    for _ in 0..2 {
        let pressed = world.slack.press("U222", &question, "entryguard_panic").await;
        world.wait_until_told(&pressed, "Closing everything").await;
    }
    let audit = world.records().await.audit().await;
    assert_eq!(audit.iter().filter(|entry| entry.action == "panic.closed").count(), 1);
    let lifted = world.slack.command("U222", "panic lift member ana").await;
    assert!(lifted.says("Nothing of that is closed") && lifted.says("Closed already: everything, by bo"), "{}", lifted.text());
    world.finish().await;
}

/// The question as it was shown so many seconds earlier.
fn asked_earlier(question: &Message, seconds: i64) -> Message {
    let content = question.content.to_string();
    let (before, after) = content.split_once(" ALL \"").expect("the button says what it closes");
    let (before, asked_at) = before.rsplit_once('"').expect("and when that was asked");
    let earlier = i64::from_str_radix(asked_at, 16).expect("in hexadecimal digits") - seconds;
    let content = serde_json::from_str(&format!("{before}\"{earlier:x} ALL \"{after}")).expect("nothing else is changed");
    Message { content, ..question.clone() }
}
