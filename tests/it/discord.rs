//! Discord: the main job from a command to the end of a session, who is served, and what Discord expects of an endpoint.

use entryguard_tests::{Database, DiscordDouble, DiscordMessage, SOON, World, WorldBuilder, eventually, on_both_databases};
use serde_json::{Value, json};

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";
const ANA: u64 = 111;
const BO: u64 = 222;

fn team(database: Database) -> WorldBuilder {
    World::on(database).with_groups(1).with_discord().discord_member("ana", ANA).discord_member("bo", BO)
}

async fn until_says(world: &World, channel: u64, words: &[&str]) -> Vec<DiscordMessage> {
    eventually(&format!("{channel} says {words:?}"), SOON, async || {
        let messages = world.discord.messages_in(channel);
        let text: Vec<_> = messages.iter().map(DiscordMessage::text).collect();
        let text = text.join("\n---\n");
        if words.iter().all(|words| text.contains(words)) { Ok(messages) } else { Err(text) }
    })
    .await
}

async fn until_told(world: &World, user: u64, words: &str) -> DiscordMessage {
    eventually(&format!("{user} is sent {words:?}"), SOON, async || {
        let messages = world.discord.direct_messages_to(user);
        let found = messages.iter().rfind(|message| message.says(words)).cloned();
        found.ok_or_else(|| messages.iter().map(DiscordMessage::text).collect::<Vec<_>>().join("\n---\n"))
    })
    .await
}

/// Starts a session of an hour, and waits until the channel says that it is active.
async fn start(world: &World, user: u64) -> DiscordMessage {
    let answer = world.discord.to_server().command(user, "start", &[("duration", "1h"), ("reason", "the deploy")]).await;
    assert!(answer.says("Confirm your address to open 1 resource for 1h"), "{answer:?}");
    world.confirm(&answer.link(), HOME).await;
    until_says(world, DiscordDouble::CHANNEL, &["ACTIVE", "the deploy"]).await.pop().unwrap()
}

on_both_databases! {
    async fn a_session_runs_from_command_to_stop_with_a_thread_of_its_own(database: Database) {
        let world = team(database).start().await;
        let parent = start(&world, ANA).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        // A thread has the id of the message that it hangs on.
        let thread = until_says(&world, parent.id, &["1 of 1 open", "APPLIED"]).await;
        let extended = world.discord.to_server().press(ANA, &parent, "Extend +2h").await;
        assert_eq!(extended.status, 200, "{extended:?}");
        until_says(&world, parent.id, &["Extended by ana"]).await;
        world.discord.to_server().press(ANA, &parent, "Stop").await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        until_says(&world, DiscordDouble::CHANNEL, &["CANCELLED", "Stopped by ana"]).await;
        let over = until_says(&world, parent.id, &["1 of 1 closed", "Closed, "]).await;
        assert_eq!(over[0].id, thread[0].id, "one table from first to last");
        assert_eq!(world.discord.messages_in(DiscordDouble::CHANNEL).len(), 1);
        world.finish().await;
    }

    async fn whoever_presses_a_button_acts_with_their_own_rights(database: Database) {
        let world = team(database).start().await;
        let parent = start(&world, ANA).await;
        let from = world.discord.to_server();
        for (answer, why) in [
            (from.press(BO, &parent, "Stop").await, "There is no session"),
            (from.press(999, &parent, "Stop").await, "does not know you"),
            (from.clone().in_guild(801).press(ANA, &parent, "Stop").await, "another Discord server"),
            (from.clone().by_bot().press(ANA, &parent, "Stop").await, "no bots"),
            (from.clone().in_guild(801).command(ANA, "start", &[]).await, "another Discord server"),
            (from.clone().by_bot().command(ANA, "start", &[]).await, "no bots"),
        ] {
            assert!(answer.says(why), "{why:?} is not in {}", answer.text());
        }
        let stranger = from.command(999, "start", &[]).await;
        assert!(stranger.says("identities = [\"discord:800/999\"]"), "{}", stranger.text());
        assert_eq!(world.rules_of(&world.groups[0]).await.len(), 1);
        world.finish().await;
    }

    async fn in_direct_messages_only_those_are_served_who_are_in_the_guild(database: Database) {
        let world = team(database).start().await;
        let directly = world.discord.to_server().directly();
        let answer = directly.command(ANA, "start", &[("duration", "1h")]).await;
        world.confirm(&answer.link(), HOME).await;
        // No thread there: the table is a reply.
        let message = until_told(&world, ANA, "ACTIVE").await;
        until_told(&world, ANA, "1 of 1 open").await;
        let table = world.discord.direct_messages_to(ANA).into_iter().nth(1).unwrap();
        assert_eq!(table.content["message_reference"]["message_id"], json!(message.id.to_string()), "{:#}", table.content);
        world.discord.leave(BO);
        let refused = directly.command(BO, "start", &[]).await;
        assert!(refused.says("not in the Discord server"), "{}", refused.text());
        world.finish().await;
    }

    async fn a_request_is_answered_by_a_button_in_direct_messages(database: Database) {
        let world = team(database)
            .role("production", &["ana"], &["group-1"], "approval = { by = [\"bo\"], within = \"30m\" }")
            .start()
            .await;
        let answer = world.discord.to_server().command(ANA, "start", &[("duration", "1h"), ("reason", "the deploy")]).await;
        world.confirm(&answer.link(), HOME).await;
        let request = until_told(&world, BO, "asks to open 1 resource").await;
        assert_eq!(world.rules_of(&world.groups[0]).await, []);
        let own = world.discord.to_server().directly().press(ANA, &request, "Approve").await;
        assert!(own.says("own"), "{}", own.text());
        world.discord.to_server().directly().press(BO, &request, "Approve").await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        until_told(&world, BO, "Approved by bo").await;
        world.finish().await;
    }
}

#[tokio::test]
async fn whoever_left_the_guild_has_nothing_open_after_the_next_look() {
    let mut world = team(Database::Sqlite).start().await;
    let parent = start(&world, ANA).await;
    world.discord.leave(ANA);
    world.server.restart().await;
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    until_says(&world, parent.channel, &["CANCELLED", "not in the Discord server any more"]).await;
    world.finish().await;
}

#[tokio::test]
async fn discords_probes_are_answered_and_what_it_did_not_sign_is_refused() {
    let world = team(Database::Sqlite).start().await;
    let from = world.discord.to_server();
    let pong = from.ping().await;
    assert_eq!((pong.status, &pong.body["type"]), (200, &json!(1)));
    let now = entryguard_tests::unix_seconds();
    let forged = from.clone().signed(&"0".repeat(128)).ping().await;
    let stale = from.clone().at(now - 301).ping().await;
    let early = from.clone().at(now + 301).ping().await;
    let no_hex = from.clone().signed("signature").ping().await;
    assert_eq!([forged.status, stale.status, early.status, no_hex.status], [401; 4]);
    let same = from.clone().at(now);
    let ping = r#"{"id":"5","application_id":"700","type":1,"token":"t","version":1}"#;
    assert_eq!(
        [same.raw(ping).await.status, same.raw(ping).await.status],
        [200, 401],
        "what was accepted once is not accepted again"
    );
    world.finish().await;
}

#[tokio::test]
async fn the_options_offer_what_this_member_may_choose() {
    let world = team(Database::Sqlite).start().await;
    let choices = |answer: &entryguard_tests::DiscordAnswer| {
        let all = answer.body["data"]["choices"].as_array().cloned().unwrap_or_default();
        all.iter().map(|choice| choice["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let durations = world.discord.to_server().typing(ANA, "start", "duration", "").await;
    assert_eq!(choices(&durations), ["1h", "2h", "4h", "8h", "12h", "24h"]);
    assert_eq!(choices(&world.discord.to_server().typing(ANA, "start", "duration", "2").await), ["2h", "12h", "24h"]);
    start(&world, ANA).await;
    let sessions = world.discord.to_server().typing(ANA, "stop", "session", "").await;
    assert_eq!(choices(&sessions).len(), 1);
    assert!(choices(&world.discord.to_server().typing(BO, "stop", "session", "").await).is_empty(), "somebody else's");
    let stopped = world.discord.to_server().command(ANA, "stop", &[("session", &choices(&sessions)[0])]).await;
    assert_eq!(stopped.status, 200);
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    world.finish().await;
}

#[tokio::test]
async fn the_form_takes_a_reason_and_says_what_is_wrong() {
    let world = team(Database::Sqlite).start().await;
    let help = world.discord.to_server().command(ANA, "help", &[]).await;
    let chosen = world.discord.to_server().choose(ANA, &help.message(), "Start 4h").await;
    assert!(chosen.says("to open 1 resource for 4h"), "{}", chosen.text());
    let form = world.discord.to_server().press(ANA, &help.message(), "More…").await;
    assert_eq!(form.body["type"], 9, "{form:?}");
    let name: &Value = &form.body["data"]["custom_id"];
    let wrong = world.discord.to_server().submit(ANA, name, &[("duration", "soon"), ("reason", "x")]).await;
    assert!(wrong.says("not a duration"), "{}", wrong.text());
    let sent = world.discord.to_server().submit(ANA, name, &[("duration", "1h"), ("reason", "the deploy")]).await;
    world.confirm(&sent.link(), HOME).await;
    until_says(&world, DiscordDouble::CHANNEL, &["ACTIVE", "the deploy"]).await;
    world.finish().await;
}

#[tokio::test]
async fn inside_a_thread_the_table_is_a_reply() {
    let world = team(Database::Sqlite).start().await;
    let outer = start(&world, ANA).await;
    until_says(&world, outer.id, &["1 of 1 open"]).await;
    let inside = world.discord.to_server().in_channel(outer.id);
    let answer = inside.command(BO, "start", &[("duration", "1h")]).await;
    world.confirm(&answer.link(), HOME).await;
    let messages = until_says(&world, outer.id, &["**bo**"]).await;
    let parent = messages.iter().find(|message| message.says("**bo**")).unwrap();
    let reply = eventually("a reply", SOON, async || {
        let all = world.discord.messages_in(outer.id);
        let to_it = json!(parent.id.to_string());
        let found = all.into_iter().find(|message| message.content["message_reference"]["message_id"] == to_it);
        found.ok_or_else(|| "none".to_owned())
    })
    .await;
    assert!(reply.says("1 of 1"), "{}", reply.text());
    world.finish().await;
}

#[tokio::test]
async fn what_takes_longer_is_promised_and_follows_or_goes_to_the_person_once_the_token_has_lapsed() {
    let world = team(Database::Postgres).start().await;
    for lapsed in [false, true] {
        let slow = tokio::spawn(world.records().await.hold_up(std::time::Duration::from_secs(3)));
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        if lapsed {
            world.discord.lapse_tokens();
        }
        let promise = world.discord.to_server().command(ANA, "start", &[("duration", "1h")]).await;
        assert_eq!((&promise.body["type"], &promise.body["data"]["flags"]), (&json!(5), &json!(64)), "{promise:?}");
        slow.await.unwrap();
        if lapsed {
            until_told(&world, ANA, "Confirm your address").await;
        } else {
            let followed = eventually("the answer follows", SOON, async || {
                world.discord.followed(&promise.token).flatten().ok_or_else(|| "nothing".to_owned())
            })
            .await;
            assert!(followed.contains("Confirm your address"), "{followed}");
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn where_the_bot_may_not_write_the_member_is_told_directly_and_a_limit_is_waited_out() {
    let world = team(Database::Sqlite).start().await;
    world.discord.close(DiscordDouble::CHANNEL);
    let answer = world.discord.to_server().command(ANA, "start", &[("duration", "1h")]).await;
    world.discord.limit_next(1);
    world.confirm(&answer.link(), HOME).await;
    let message = until_told(&world, ANA, "Sent to you directly").await;
    assert!(message.says("<#900>"), "{}", message.text());
    world.finish().await;
}

#[tokio::test]
async fn registering_says_first_what_it_changes_and_does_nothing_twice() {
    let world = team(Database::Sqlite).start().await;
    let dry = world.entryguard(&["discord-register", "--dry-run"]).await;
    assert_eq!((dry.code, dry.stdout.as_str()), (Some(0), "+ /entryguard\n"), "{dry:?}");
    assert_eq!(world.discord.commands().1, 0);
    let done = world.entryguard(&["discord-register"]).await;
    assert_eq!(done.stdout, "+ /entryguard\nRegistered /entryguard.\n", "{done:?}");
    let again = world.entryguard(&["discord-register"]).await;
    assert!(again.stdout.starts_with("Nothing to do"), "{again:?}");
    let (commands, registrations) = world.discord.commands();
    assert_eq!((commands.len(), registrations), (1, 1));
    let subcommands = commands[0]["options"].as_array().unwrap();
    assert!(subcommands.iter().all(|each| each["description_localizations"]["de"].is_string()), "{subcommands:#?}");
    assert_eq!(subcommands.len(), 12);
    world.finish().await;
}

#[tokio::test]
async fn discords_own_library_and_the_server_take_the_same_signatures() {
    let world = team(Database::Sqlite).start().await;
    let now = entryguard_tests::unix_seconds();
    for (at, (forge, good)) in [
        ((|good| good) as fn(String) -> String, true),
        (|good| good.to_uppercase(), true),
        (|good| format!("{}{}", &good[..126], if good.ends_with("00") { "01" } else { "00" }), false),
        (|good| good[..126].to_owned(), false),
        (|_| DiscordDouble::signature_of("0", "{}"), false),
    ]
    .into_iter()
    .enumerate()
    {
        let body =
            json!({ "id": (at + 1).to_string(), "application_id": "700", "type": 1, "token": "t", "version": 1 }).to_string();
        let signature = forge(DiscordDouble::signature_of(&now.to_string(), &body));
        assert_eq!(DiscordDouble::sdk_accepts(&now.to_string(), &body, &signature).await, good, "the library, of number {at}");
        let answer = world.discord.to_server().at(now).signed(&signature).raw(&body).await;
        assert_eq!(answer.status == 200, good, "the server, of number {at}: {}", answer.status);
    }
    world.finish().await;
}

#[tokio::test]
async fn check_says_what_the_discord_app_lacks() {
    let mut world = team(Database::Sqlite).start().await;
    let unregistered = world.entryguard(&["check"]).await;
    assert!(
        unregistered.code == Some(0) && unregistered.stdout.contains("run `entryguard discord-register`"),
        "{unregistered:?}"
    );
    world.entryguard(&["discord-register"]).await;
    let fine = world.entryguard(&["check"]).await;
    assert!(
        fine.stdout.contains("[discord]")
            && !fine.stdout.contains("warning: the app's")
            && !fine.stdout.contains("discord-register"),
        "{fine:?}"
    );
    let key = DiscordDouble::public_key();
    world.rewrite_config(&key, &format!("{}{}", &key[2..], &key[..2]));
    let other = world.entryguard(&["check"]).await;
    assert!(other.code == Some(1) && other.stdout.contains("public_key is another app's"), "{other:?}");
    world.rewrite_config(&format!("application_id = \"{}\"", DiscordDouble::APPLICATION), "application_id = \"701\"");
    let stranger = world.entryguard(&["check"]).await;
    assert!(stranger.code == Some(1) && stranger.stdout.contains("application_id says 701"), "{stranger:?}");
    world.finish().await;
}
