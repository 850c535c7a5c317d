//! Discord: the main job from a command to the end of a session, who is served, and what Discord expects of an endpoint.

use entryguard_tests::{Database, DiscordAnswer, DiscordDouble, SOON, eventually, on_both_databases};
use serde_json::{Value, json};

use crate::in_discord::{ANA, BO, HOME, HOME_CIDR, start, team, until_says, until_told};
use crate::said::{ASKS, NO_BOTS, NO_SESSION, OWN_REQUEST, UNKNOWN};

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
            (from.press(BO, &parent, "Stop").await, NO_SESSION),
            (from.press(999, &parent, "Stop").await, UNKNOWN),
            (from.clone().in_guild(801).press(ANA, &parent, "Stop").await, "another Discord server"),
            (from.clone().by_bot().press(ANA, &parent, "Stop").await, NO_BOTS),
            (from.clone().in_guild(801).command(ANA, "start", &[]).await, "another Discord server"),
            (from.clone().by_bot().command(ANA, "start", &[]).await, NO_BOTS),
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
        let request = until_told(&world, BO, ASKS).await;
        assert_eq!(world.rules_of(&world.groups[0]).await, []);
        let own = world.discord.to_server().directly().press(ANA, &request, "Approve").await;
        assert!(own.says(OWN_REQUEST), "{}", own.text());
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
    let early = from.clone().at(now + 330).ping().await;
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
async fn i8_a_request_that_was_accepted_counts_no_second_time_however_its_signature_is_spelled() {
    let world = team(Database::Sqlite).start().await;
    let now = entryguard_tests::unix_seconds();
    let (ping, signature) = (0..)
        .map(|id| format!(r#"{{"id":"{id}","application_id":"700","type":1,"token":"t","version":1}}"#))
        .map(|ping| (ping.clone(), DiscordDouble::signature_of(&now.to_string(), &ping)))
        .find(|(_, signature)| signature.starts_with('0'))
        .unwrap();
    let send = async |spelled: &str| world.discord.to_server().at(now).signed(spelled).raw(&ping).await.status;
    assert_eq!(send(&signature).await, 200);
    let with_plus = format!("+{}", &signature[1..]);
    for spelled in [&signature, &signature.to_uppercase(), &with_plus] {
        assert_eq!(send(spelled).await, 401, "{spelled}");
    }
    world.finish().await;
}

/// What is offered to somebody who types.
fn choices(answer: &DiscordAnswer) -> Vec<String> {
    let all = answer.body["data"]["choices"].as_array().cloned().unwrap_or_default();
    all.iter().map(|choice| choice["value"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_options_offer_what_this_member_may_choose() {
    let world = team(Database::Sqlite).start().await;
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
    let form = world.discord.to_server().press(ANA, &help.message(), "Start with options…").await;
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
async fn whoever_may_answer_is_offered_the_requests_and_the_form_says_who_that_is() {
    let world = team(Database::Sqlite)
        .role("production", &["ana"], &["group-1"], "approval = { by = [\"bo\"], within = \"30m\" }\nbreak_glass = true")
        .start()
        .await;
    let from = world.discord.to_server();
    let form = from.press(ANA, &from.command(ANA, "help", &[]).await.message(), "Start with options…").await;
    assert!(form.says("Why? For bo\n  It takes the approval of bo."), "{}", form.text());
    // What breaks the glass is the switch, and nothing that somebody writes.
    let options = [("duration", "1h"), ("reason", "why not --break-glass — as if")];
    let answer = from.command(ANA, "start", &options).await;
    assert!(answer.says("It then waits for bo"), "{}", answer.text());
    world.confirm(&answer.link(), HOME).await;
    let request = until_told(&world, BO, ASKS).await;
    assert!(request.says("--break-glass — as if"), "{}", request.text());
    let offered = choices(&from.typing(BO, "approve", "session", "ana").await);
    assert_eq!((offered.len(), choices(&from.typing(ANA, "deny", "session", "").await).len()), (1, 0));
    from.command(BO, "approve", &[("session", &offered[0])]).await;
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
    assert_eq!(choices(&from.typing(BO, "approve", "session", "").await), [""; 0], "it is answered");
    world.finish().await;
}

#[tokio::test]
async fn the_option_of_the_address_takes_one_of_each_family() {
    let world = team(Database::Sqlite).role("trusting", &["ana"], &["group-1"], "explicit_ip = true").start().await;
    let from = world.discord.to_server();
    let wrong = from.command(ANA, "start", &[("duration", "1h"), ("ip", "93.184.216.34, nowhere")]).await;
    assert!(wrong.says("nowhere"), "{}", wrong.text());
    from.command(ANA, "start", &[("duration", "1h"), ("ip", "93.184.216.34, 2606:2800:220:1::1")]).await;
    world.wait_until_group_allows(&world.groups[0], &["2606:2800:220:1::1/128", HOME_CIDR]).await;
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
    // It is posted as soon as there is a parent, and edited from then on.
    eventually("a reply says how it is", SOON, async || {
        let all = world.discord.messages_in(outer.id);
        let to_it = json!(parent.id.to_string());
        let found = all.into_iter().find(|message| message.content["message_reference"]["message_id"] == to_it);
        let reply = found.ok_or_else(|| "none".to_owned())?;
        if reply.says("1 of 1 open") { Ok(()) } else { Err(reply.text()) }
    })
    .await;
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
