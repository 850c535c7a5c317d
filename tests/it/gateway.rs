//! Discord over the Gateway: the same handlers, over a connection that the server opens.

use std::time::Duration;

use entryguard_tests::{Database, DiscordDouble, SOON, World, eventually, on_both_databases};

use crate::said::UNKNOWN;

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";
const ANA: u64 = 111;

/// A world whose server has no public key, and so no way in by HTTP.
pub async fn without_http(database: Database) -> World {
    let mut world = World::on(database).with_groups(1).with_discord().discord_member("ana", ANA).start().await;
    world.server.kill_9();
    let key = format!("public_key = \"{}\"", DiscordDouble::public_key());
    world.rewrite_config(&key, "gateway = true");
    world.server.restart().await;
    until_connected(&world, |(open, identified, _)| (open, identified) == (1, 1)).await;
    world
}

async fn until_connected(world: &World, wanted: impl Fn((u32, u32, u32)) -> bool) {
    eventually("the Gateway is as it should be", SOON, async || {
        let (open, identified, resumed) = world.discord.gateway();
        let seen = (open, identified, resumed);
        if wanted(seen) { Ok(()) } else { Err(format!("{open} open, {identified} identified, {resumed} resumed")) }
    })
    .await;
}

on_both_databases! {
    async fn a_session_runs_from_command_to_stop_over_the_gateway(database: Database) {
        let world = without_http(database).await;
        assert_eq!(world.discord.to_server().ping().await.status, 404, "no way in by HTTP");
        let discord = world.discord.to_server().over_gateway();
        let answer = discord.command(ANA, "start", &[("duration", "1h")]).await;
        world.confirm(&answer.link(), HOME).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        let parent = eventually("the thread's message", SOON, async || {
            world.discord.messages_in(DiscordDouble::CHANNEL).pop().ok_or_else(|| "none".to_owned())
        }).await;
        let stranger = discord.press(999, &parent, "Stop").await;
        assert!(stranger.says(UNKNOWN), "{}", stranger.text());
        assert!(discord.clone().in_guild(801).press(ANA, &parent, "Stop").await.says("another Discord server"));
        discord.press(ANA, &parent, "Stop").await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.finish().await;
    }
}

#[tokio::test]
async fn the_heart_beats_and_a_broken_connection_is_resumed_with_what_was_missed() {
    let world = without_http(Database::Sqlite).await;
    let whoami = async || world.discord.to_server().over_gateway().command(ANA, "whoami", &[]).await;
    let beats = world.discord.heartbeats();
    eventually("three more beats", SOON, async || {
        let more = world.discord.heartbeats() - beats;
        if more >= 3 { Ok(()) } else { Err(more.to_string()) }
    })
    .await;
    assert!(whoami().await.says("You are **ana**"));
    world.discord.drop_gateway();
    // The double breaks the connection before it sends this, so it is answered once the session goes on.
    assert!(whoami().await.says("You are **ana**"));
    until_connected(&world, |seen| seen == (1, 1, 1)).await;
    world.discord.reconnect_gateway();
    until_connected(&world, |(open, identified, resumed)| open == 1 && identified == 1 && resumed == 2).await;
    assert!(whoami().await.says("You are **ana**"));
    world.finish().await;
}

#[tokio::test]
async fn an_interaction_that_comes_again_does_nothing_twice() {
    let world = without_http(Database::Sqlite).await;
    let discord = world.discord.to_server().over_gateway();
    discord.command(ANA, "start", &[("duration", "1h")]).await;
    discord.send_last_again();
    // What is sent after it is answered after it.
    discord.command(ANA, "whoami", &[]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let links = world.entryguard(&["audit", "export"]).await.stdout.matches("link.issued").count();
    assert_eq!(links, 1);
    world.finish().await;
}
