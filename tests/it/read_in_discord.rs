//! What people read in Discord, as the real server sent it: the snapshots are in `docs/discord`.

use entryguard_tests::{DiscordDouble, DiscordMessage, SOON, World, eventually, text_in_discord};
use serde_json::{Value, json};

use crate::reading::{self, FILES, production};

const HOME: &str = "93.184.216.34";
const ANA: u64 = 111;
const BO: u64 = 222;
const EVE: u64 = 333;
const REPORTS: u64 = 901;

const TIME: (&str, &str) = (r"<t:\d+:f>", "<t:1767276000:f>");
const CODE: (&str, &str) = (r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}", "K7QX-2MPD-9R3V");

/// The reminder is asked for at once, so its session has hours left rather than the usual minutes.
const LEFT: (&str, &str) = (r"in about \d+ minutes", "in about 10 minutes");

/// Ana may open three things, one of which is broken; production takes bo's approval, or none in an emergency.
async fn team() -> World {
    let world = reading::team().with_discord().discord_member("ana", ANA).discord_member("bo", BO).discord_member("eve", EVE);
    let world = world.role("developers", &["ana"], &FILES, "");
    let mut world = world.role("production", &["eve"], &["payments-db"], &production("bo")).start().await;
    world.rewrite_config("[discord]\n", &format!("[discord]\nreport_channel = \"{REPORTS}\"\n"));
    world.server.restart().await;
    reading::break_one(&world, async || world.discord.to_server().command(ANA, "resources", &[]).await.text()).await;
    world
}

/// Keeps what somebody reads.
fn keep(name: &str, shown: &[&Value]) {
    let description = "What the server sent to Discord, as people read it: Discord's own markup, then the buttons.";
    let settings = reading::settings("discord", description, &[TIME, CODE, LEFT]);
    let texts: Vec<_> = shown.iter().map(|content| text_in_discord(content)).collect();
    settings.bind(|| insta::assert_snapshot!(name, texts.join("\n---\n")));
}

async fn find(what: &str, words: &[&str], look: impl Fn() -> Vec<DiscordMessage>) -> DiscordMessage {
    eventually(&format!("{what} says {words:?}"), SOON, async || {
        let all = look();
        let found = all.iter().rfind(|message| words.iter().all(|words| message.says(words))).cloned();
        found.ok_or_else(|| all.iter().map(DiscordMessage::text).collect::<Vec<_>>().join("\n---\n"))
    })
    .await
}

async fn in_channel(world: &World, channel: u64, words: &[&str]) -> DiscordMessage {
    find(&format!("channel {channel}"), words, || world.discord.messages_in(channel)).await
}

async fn direct(world: &World, user: u64, words: &[&str]) -> DiscordMessage {
    find(&format!("what {user} gets"), words, || world.discord.direct_messages_to(user)).await
}

#[tokio::test]
async fn what_a_member_reads_from_help_to_the_end_of_a_session() {
    let world = team().await;
    let from = world.discord.to_server();
    let data = async |name: &str, user, subcommand, options: &[(&str, &str)]| {
        let answer = from.command(user, subcommand, options).await;
        keep(name, &[&answer.body["data"]]);
        answer
    };
    let help = data("help", ANA, "help", &[]).await;
    data("stranger", 999, "start", &[("duration", "2h")]).await;
    data("mistake", ANA, "start", &[("duration", "2")]).await;
    data("resources", ANA, "resources", &[]).await;
    data("sign_in", ANA, "web", &[]).await;
    data("too_long", ANA, "start", &[("duration", "9d")]).await;
    let form = from.press(ANA, &help.message(), "Start with options…").await;
    keep("form", &[&form.body["data"]]);

    let started = data("confirm_first", ANA, "start", &[("duration", "2h"), ("reason", "the deploy")]).await;
    world.confirm(&started.link(), HOME).await;
    let partial = in_channel(&world, DiscordDouble::CHANNEL, &["PARTIAL"]).await;
    let table = in_channel(&world, partial.id, &["2 of 3 open", "FAILED"]).await;
    keep("thread_partial", &[&partial.content, &table.content]);
    std::fs::remove_dir(world.file("wiki-admin")).unwrap();
    let parent = in_channel(&world, DiscordDouble::CHANNEL, &["ACTIVE"]).await;
    let table = in_channel(&world, parent.id, &["3 of 3 open"]).await;
    keep("thread_active", &[&parent.content, &table.content]);
    data("list", ANA, "list", &[]).await;
    data("whoami", ANA, "whoami", &[]).await;
    keep("details", &[&from.press(ANA, &parent, "Details").await.body["data"]]);

    from.press(ANA, &parent, "Extend +2h").await;
    in_channel(&world, parent.id, &["Extended by ana"]).await;
    world.records().await.remind_now().await;
    in_channel(&world, parent.id, &["⏰ Ends", "in about"]).await;
    from.press(ANA, &parent, "Stop").await;
    let over = in_channel(&world, DiscordDouble::CHANNEL, &["CANCELLED", "Stopped by ana"]).await;
    in_channel(&world, parent.id, &["Closed, "]).await;
    let table = in_channel(&world, parent.id, &["3 of 3 closed"]).await;
    keep("thread_over", &[&over.content, &table.content]);
    // Turns that come at once are one message, so how many there are is chance.
    let all = world.discord.messages_in(parent.id);
    let turns: Vec<_> = all.iter().skip(1).map(|message| text_in_discord(&message.content)).collect();
    keep("turns", &[&json!({ "content": turns.join("\n") })]);
    data("confirm_again", ANA, "start", &[("duration", "1h")]).await;
    world.finish().await;
}

#[tokio::test]
async fn what_is_asked_before_two_accounts_are_one_member() {
    let world = team().await;
    let from = world.discord.to_server();
    let code = from.command(ANA, "link", &[]).await;
    keep("link_code", &[&code.body["data"]]);
    let text = code.text();
    let typed = text.split('`').find_map(|word| word.strip_prefix("/entryguard link ")).unwrap();
    let question = from.command(999, "link", &[("code", typed)]).await;
    keep("link_question", &[&question.body["data"]]);
    keep("link_done", &[&from.press(999, &question.message(), "Yes, both are me").await.body["data"]]);
    world.finish().await;
}

#[tokio::test]
async fn what_approvers_and_everybody_read() {
    let world = team().await;
    let from = world.discord.to_server();
    let answer = from.command(EVE, "start", &[("duration", "1h"), ("reason", "the incident of today")]).await;
    world.confirm(&answer.link(), HOME).await;
    keep("thread_requested", &[&in_channel(&world, DiscordDouble::CHANNEL, &["REQUESTED"]).await.content]);
    let request = direct(&world, BO, &["asks to open"]).await;
    keep("request", &[&request.content]);
    from.clone().directly().press(BO, &request, "Approve").await;
    let parent = in_channel(&world, DiscordDouble::CHANNEL, &["ACTIVE"]).await;
    keep("request_answered", &[&direct(&world, BO, &["Approved by bo"]).await.content]);
    from.press(EVE, &parent, "Stop").await;
    in_channel(&world, DiscordDouble::CHANNEL, &["CANCELLED"]).await;

    // Without the approval, in an emergency: the channel for it and the approver hear of it at once.
    let glass = from.command_with_flag(EVE, "start", &[("duration", "1h"), ("reason", "payments are down")], "break-glass").await;
    world.confirm(&glass.link(), HOME).await;
    keep("break_glass", &[&in_channel(&world, REPORTS, &["Break-glass", "ACTIVE"]).await.content]);
    direct(&world, BO, &["Break-glass"]).await;
    world.finish().await;
}
