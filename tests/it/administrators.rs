//! What administrators do without leaving their chat: see what everybody has open, close it at once, and lift that.

use entryguard_tests::{Database, World, on_both_databases};

const HOME: &str = "93.184.216.34";
const CAFE: &str = "93.184.216.35";
const HOME_CIDR: &str = "93.184.216.34/32";
const CAFE_CIDR: &str = "93.184.216.35/32";
/// The administrator's id in Discord.
const BO: u64 = 222;

/// Ana and cy may open two groups each; bo is an administrator.
pub async fn team(database: Database) -> World {
    let world = World::on(database).with_groups(2).member("ana", "U111").admin("bo", "U222").member("cy", "U333");
    let groups = ["group-1", "group-2"];
    world.role("developers", &["ana", "cy"], &groups, "").start().await
}

on_both_databases! {
    async fn an_administrator_sees_everybodys_sessions_and_a_member_does_not(database: Database) {
        let world = team(database).await;
        world.start_session("U111", "1h", HOME).await;
        world.start_session("U333", "1h", CAFE).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR, CAFE_CIDR]).await;
        let all = world.slack.command("U222", "list all").await;
        assert!(["*ana*", "*cy*", "93.184.216.34", "93.184.216.35"].iter().all(|words| all.says(words)), "{}", all.text());
        let refused = world.slack.command("U111", "list all").await;
        assert!(refused.says("Only administrators") && !refused.says("cy"), "{}", refused.text());
        // By the id that the list shows.
        let line = all.text().lines().find(|line| line.contains("*cy*")).unwrap().to_owned();
        let id = line.split('`').nth(1).unwrap();
        world.slack.command("U222", &format!("stop {id}")).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        world.finish().await;
    }

    async fn i2_a_panic_from_slack_closes_everything_at_once_and_keeps_it_closed_until_it_is_lifted(database: Database) {
        let world = team(database).await;
        world.start_session("U111", "1h", HOME).await;
        world.start_session("U333", "1h", CAFE).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR, CAFE_CIDR]).await;
        let question = world.slack.command("U222", "panic").await;
        assert!(question.says("Close everything at once?") && question.says("2 sessions"), "{}", question.text());
        // A question closes nothing, and its button nothing for whoever is no administrator.
        let pressed = world.slack.press("U111", &question.message(), "entryguard_panic").await;
        world.wait_until_told(&pressed, "Only administrators").await;
        assert_eq!(world.rules_of(&world.groups[0]).await.len(), 2);
        let pressed = world.slack.press("U222", &question.message(), "entryguard_panic").await;
        world.wait_until_told(&pressed, "Closing everything").await;
        for group in &world.groups {
            world.wait_until_group_allows(group, &[]).await;
        }
        let refused = world.slack.command("U111", "start 1h").await;
        assert!(refused.says("Closed by bo") && refused.says("everything stays closed"), "{}", refused.text());
        let refused = world.slack.command("U111", "panic lift").await;
        assert!(refused.says("Only administrators"), "{}", refused.text());
        assert!(world.slack.command("U222", "panic lift").await.says("Lifted"));
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        let audit = world.records().await.audit().await;
        let actions: Vec<_> = audit.iter().map(|entry| entry.action.as_str()).filter(|action| action.starts_with("panic.")).collect();
        assert_eq!(actions, ["panic.closed", "panic.lifted"]);
        world.finish().await;
    }
}

#[tokio::test]
async fn one_resource_or_one_member_is_closed_by_name_and_a_slip_closes_nothing() {
    let world = team(Database::Sqlite).await;
    world.start_session("U111", "1h", HOME).await;
    world.start_session("U333", "1h", CAFE).await;
    let slip = world.slack.command("U222", "panic member anna").await;
    assert!(slip.says("There is no member anna"), "{}", slip.text());
    for (what, group, left) in [("resource group-1", 0, &[][..]), ("member ana", 1, &[CAFE_CIDR])] {
        let question = world.slack.command("U222", &format!("panic {what}")).await;
        assert!(question.says(&format!("Close {what} at once?")), "{}", question.text());
        world.slack.press("U222", &question.message(), "entryguard_panic").await;
        world.wait_until_group_allows(&world.groups[group], left).await;
    }
    assert!(world.slack.command("U222", "panic lift resource group-2").await.says("Nothing of that is closed"));
    assert!(world.slack.command("U222", "panic lift member ana").await.says("Lifted"));
    assert!(world.slack.command("U222", "panic").await.says("Closed already: resource group-1, by bo"));
    world.finish().await;
}

#[tokio::test]
async fn in_discord_it_is_the_same() {
    let world = World::on(Database::Sqlite).with_groups(1).with_discord().discord_member("ana", 111).discord_member("bo", BO);
    let world = world.administered_by("bo").start().await;
    let answer = world.discord.to_server().command(111, "start", &[("duration", "1h")]).await;
    world.confirm(&answer.link(), HOME).await;
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
    let all = world.discord.to_server().command(BO, "list", &[("whose", "all")]).await;
    assert!(all.says("ana") && all.says("93.184.216.34"), "{all:?}");
    let question = world.discord.to_server().command(BO, "panic", &[("what", "member ana")]).await;
    assert!(question.says("Close member ana at once?"), "{question:?}");
    world.discord.to_server().press(BO, &question.message(), "Close it now").await;
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    let lifted = world.discord.to_server().command(BO, "panic", &[("what", "lift")]).await;
    assert!(lifted.says("Lifted"), "{lifted:?}");
    world.finish().await;
}
