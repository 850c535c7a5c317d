//! Discord's roles: whoever holds one has what the role of the configuration gives, and nothing of it any more once they do not.

use entryguard_tests::{Database, DiscordDouble, DiscordMessage, SOON, World, WorldBuilder, eventually, on_both_databases};

use crate::said::UNKNOWN;

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";
const ANA: u64 = 111;
const CY: u64 = 333;
const ON_CALL: u64 = 55;

/// `group-1` is the developers', of whom ana is one; `group-2` is for whoever holds the role `@on-call` in Discord.
fn team(database: Database) -> WorldBuilder {
    World::on(database)
        .with_groups(2)
        .with_discord()
        .member("bo", "U222")
        .discord_member("ana", ANA)
        .role("developers", &["ana", "bo"], &["group-1"], "")
        .role("on-call", &[], &["group-2"], &format!("identities = [\"discord-role:{}/{ON_CALL}\"]", DiscordDouble::GUILD))
}

async fn open(world: &World, user: u64, words: &str) {
    let answer = world.discord.to_server().command(user, "start", &[("duration", "1h")]).await;
    assert!(answer.says(words), "{}", answer.text());
    world.confirm(&answer.link(), HOME).await;
}

async fn until_says(world: &World, words: &str) {
    eventually(&format!("the channel says {words:?}"), SOON, async || {
        let messages = world.discord.messages_in(DiscordDouble::CHANNEL);
        let text: Vec<_> = messages.iter().map(DiscordMessage::text).collect();
        if text.iter().any(|text| text.contains(words)) { Ok(()) } else { Err(text.join("\n---\n")) }
    })
    .await;
}

on_both_databases! {
    async fn whoever_holds_the_role_reaches_what_it_gives_and_loses_it_with_the_role(database: Database) {
        let world = team(database).start().await;
        world.discord.give_role(ANA, ON_CALL);
        open(&world, ANA, "to open 2 resources").await;
        for group in &world.groups {
            world.wait_until_group_allows(group, &[HOME_CIDR]).await;
        }
        world.discord.take_role(ANA, ON_CALL);
        // Discord says so with whatever they do next.
        let resources = world.discord.to_server().command(ANA, "resources", &[]).await;
        assert!(resources.says("group-1") && !resources.says("group-2"), "{}", resources.text());
        world.wait_until_group_allows(&world.groups[1], &[]).await;
        assert_eq!(world.rules_of(&world.groups[0]).await.len(), 1, "what another role gives stays");
        world.finish().await;
    }

    async fn the_role_alone_makes_somebody_a_member_by_their_id(database: Database) {
        let mut world = team(database).start().await;
        let stranger = world.discord.to_server().command(CY, "start", &[]).await;
        assert!(stranger.says(UNKNOWN), "{}", stranger.text());
        world.discord.give_role(CY, ON_CALL);
        open(&world, CY, "to open 1 resource").await;
        world.wait_until_group_allows(&world.groups[1], &[HOME_CIDR]).await;
        until_says(&world, "discord-333").await;
        // Without a word of theirs: Discord is asked when the server starts, and every five minutes.
        world.discord.take_role(CY, ON_CALL);
        world.server.restart().await;
        world.wait_until_group_allows(&world.groups[1], &[]).await;
        until_says(&world, "no longer a member").await;
        let audit = world.entryguard(&["audit", "export"]).await.stdout;
        assert_eq!(audit.matches("member.roles_changed").count(), 2, "{audit}");
        world.finish().await;
    }

    async fn a_link_that_is_out_opens_no_more_than_the_roles_give_when_it_is_used(database: Database) {
        let world = team(database).start().await;
        world.discord.give_role(CY, ON_CALL);
        let answer = world.discord.to_server().command(CY, "start", &[]).await;
        let browser = world.browser(HOME);
        let page = browser.open(&answer.link()).await;
        world.discord.take_role(CY, ON_CALL);
        world.discord.to_server().command(CY, "whoami", &[]).await;
        let refused = browser.submit(&page, &[]).await;
        assert!(refused.status >= 400 && refused.says("no longer a member"), "{}: {}", refused.status, refused.body);
        assert_eq!(world.rules_of(&world.groups[1]).await, []);
        world.finish().await;
    }
}

#[tokio::test]
async fn what_discord_said_minutes_ago_gives_no_role_back() {
    let world = team(Database::Sqlite).start().await;
    world.discord.give_role(CY, ON_CALL);
    let directly = world.discord.to_server().directly();
    assert!(directly.command(CY, "whoami", &[]).await.says("discord-333"));
    world.discord.take_role(CY, ON_CALL);
    // In the server, Discord says so at once; in direct messages, it was asked a moment ago.
    assert!(world.discord.to_server().command(CY, "start", &[]).await.says(UNKNOWN));
    let refused = directly.command(CY, "start", &[]).await;
    assert!(refused.says(UNKNOWN), "{}", refused.text());
    world.finish().await;
}

#[tokio::test]
async fn whoever_left_the_guild_holds_none_of_its_roles() {
    let mut world = team(Database::Sqlite).start().await;
    world.discord.give_role(CY, ON_CALL);
    open(&world, CY, "to open 1 resource").await;
    world.wait_until_group_allows(&world.groups[1], &[HOME_CIDR]).await;
    world.discord.leave(CY);
    world.server.restart().await;
    world.wait_until_group_allows(&world.groups[1], &[]).await;
    let refused = world.discord.to_server().directly().command(CY, "start", &[]).await;
    assert!(refused.says("not in the Discord server"), "{}", refused.text());
    world.finish().await;
}

#[tokio::test]
async fn a_role_may_approve() {
    let role = format!("identities = [\"discord-role:{}/{ON_CALL}\"]", DiscordDouble::GUILD);
    let world = World::on(Database::Sqlite)
        .with_groups(1)
        .with_discord()
        .discord_member("ana", ANA)
        .role("production", &["ana"], &["group-1"], "approval = { by = [\"on-call\"], within = \"30m\" }")
        .role("on-call", &[], &[], &role)
        .start()
        .await;
    world.discord.give_role(CY, ON_CALL);
    world.discord.to_server().command(CY, "whoami", &[]).await;
    let answer = world.discord.to_server().command(ANA, "start", &[("duration", "1h"), ("reason", "the deploy")]).await;
    world.confirm(&answer.link(), HOME).await;
    let request =
        eventually("cy is asked", SOON, async || world.discord.direct_messages_to(CY).pop().ok_or_else(|| "nothing".to_owned()))
            .await;
    world.discord.to_server().directly().press(CY, &request, "Approve").await;
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
    world.finish().await;
}
