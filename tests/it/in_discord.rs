//! What the tests of Discord have in common: a small team, and waiting for what people read.

use entryguard_tests::{Database, DiscordDouble, DiscordMessage, SOON, World, WorldBuilder, eventually};

/// Where people are.
pub const HOME: &str = "93.184.216.34";
/// That, as a cloud writes it.
pub const HOME_CIDR: &str = "93.184.216.34/32";
/// Ana's id in Discord.
pub const ANA: u64 = 111;
/// Bo's.
pub const BO: u64 = 222;

/// Two members who may open one group.
pub fn team(database: Database) -> WorldBuilder {
    World::on(database).with_groups(1).with_discord().discord_member("ana", ANA).discord_member("bo", BO)
}

/// Waits until the messages of a channel, or of a thread, say all of these.
pub async fn until_says(world: &World, channel: u64, words: &[&str]) -> Vec<DiscordMessage> {
    eventually(&format!("{channel} says {words:?}"), SOON, async || {
        let messages = world.discord.messages_in(channel);
        let text: Vec<_> = messages.iter().map(DiscordMessage::text).collect();
        let text = text.join("\n---\n");
        if words.iter().all(|words| text.contains(words)) { Ok(messages) } else { Err(text) }
    })
    .await
}

/// Waits until somebody is sent a direct message that says this; the last such.
pub async fn until_told(world: &World, user: u64, words: &str) -> DiscordMessage {
    eventually(&format!("{user} is sent {words:?}"), SOON, async || {
        let messages = world.discord.direct_messages_to(user);
        let found = messages.iter().rfind(|message| message.says(words)).cloned();
        found.ok_or_else(|| messages.iter().map(DiscordMessage::text).collect::<Vec<_>>().join("\n---\n"))
    })
    .await
}

/// Starts a session of an hour, and waits until the channel says that it is active.
pub async fn start(world: &World, user: u64) -> DiscordMessage {
    let answer = world.discord.to_server().command(user, "start", &[("duration", "1h"), ("reason", "the deploy")]).await;
    assert!(answer.says("Confirm your address to open 1 resource for 1h"), "{answer:?}");
    world.confirm(&answer.link(), HOME).await;
    until_says(world, DiscordDouble::CHANNEL, &["ACTIVE", "the deploy"]).await.pop().unwrap()
}
