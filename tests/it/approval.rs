//! Sessions that take somebody's approval, and those that do without in an emergency.

use entryguard_tests::{Database, SOON, SlackDouble, World, eventually, on_both_databases};

use crate::said::OWN_REQUEST;

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";

/// Ana has to ask bo or cy; dee is a stranger to it.
async fn asking(database: Database, approval: &str) -> World {
    World::on(database)
        .with_groups(1)
        .member("ana", "U111")
        .member("bo", "U222")
        .admin("cy", "U333")
        .member("dee", "U444")
        .role("production", &["ana"], &["group-1"], &format!("approval = {{ {approval} }}\nbreak_glass = true"))
        .role("leads", &["bo", "cy"], &[], "")
        .start()
        .await
}

/// What an approver was sent last, once it says this.
async fn message_to(world: &World, user: &str, words: &str) -> entryguard_tests::Message {
    eventually(&format!("{user} is sent {words:?}"), SOON, async || {
        let messages = world.slack.direct_messages_to(user);
        let found = messages.iter().rfind(|message| message.says(words)).cloned();
        found.ok_or_else(|| messages.iter().map(entryguard_tests::Message::text).collect::<Vec<_>>().join("\n---\n"))
    })
    .await
}

on_both_databases! {
    async fn nothing_is_open_until_somebody_else_agrees_and_the_time_begins_then(database: Database) {
        let world = asking(database, "by = [\"leads\"], within = \"30m\"").await;
        let (answer, link) = world.ask_for_session("U111", "1h for the deploy").await;
        assert!(answer.says("waits for bo or cy"), "{}", answer.text());
        world.confirm(&link, HOME).await;
        let thread = world.wait_until_thread_says_all(&["REQUESTED", "Waits for bo or cy", "the deploy"]).await;
        assert_eq!(world.rules_of(&world.groups[0]).await, []);

        let request = message_to(&world, "U222", "asks to open 1 resource from 93.184.216.34").await;
        assert!(request.says("Reason: the deploy") && request.says("group-1"), "{}", request.text());
        let other = message_to(&world, "U333", "asks to open").await;
        let dee = world.slack.press("U444", &request, "entryguard_approve").await;
        world.wait_until_told(&dee, "not among those who may answer").await;
        let stranger = world.slack.to_server().from_team("T0STRANGER").press("U222", &request, "entryguard_approve").await;
        world.wait_until_told(&stranger, "another Slack workspace").await;
        assert_eq!(world.rules_of(&world.groups[0]).await, []);

        world.slack.press("U222", &request, "entryguard_approve").await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        world.wait_until_thread_says_all(&["ACTIVE", "Approved by bo"]).await;
        message_to(&world, "U333", "Approved by bo").await;
        let late = world.slack.press("U333", &other, "entryguard_deny").await;
        world.wait_until_told(&late, "answered already: bo approved it").await;
        assert!(thread.parent.ts == world.slack.thread_of(SlackDouble::CHANNEL).unwrap().parent.ts, "one thread from first to last");
        world.slack.command("U111", "stop").await;
        world.wait_until_over(&["CANCELLED"]).await;
        world.finish().await;
    }

    async fn nobody_approves_their_own(database: Database) {
        let world = asking(database, "by = [\"leads\", \"ana\"], within = \"30m\"").await;
        world.start_session("U111", "1h", HOME).await;
        let thread = world.wait_until_thread_says("REQUESTED").await;
        assert!(!thread.says("Waits for ana"), "{}", thread.text());
        let request = message_to(&world, "U222", "asks to open").await;
        let own = world.slack.press("U111", &request, "entryguard_approve").await;
        world.wait_until_told(&own, OWN_REQUEST).await;
        assert!(world.slack.direct_messages_to("U111").is_empty());
        assert_eq!(world.rules_of(&world.groups[0]).await, []);
        world.slack.command("U111", "stop").await;
        world.wait_until_thread_says("CANCELLED").await;
        message_to(&world, "U222", "Withdrawn by ana").await;
        world.finish().await;
    }

    async fn a_denied_request_opens_nothing_and_says_who_denied_it(database: Database) {
        let world = asking(database, "by = [\"bo\"], within = \"30m\"").await;
        world.start_session("U111", "1h", HOME).await;
        let request = message_to(&world, "U222", "asks to open").await;
        world.slack.press("U222", &request, "entryguard_deny").await;
        world.wait_until_thread_says_all(&["DENIED", "Denied by bo"]).await;
        let late = world.slack.press("U222", &request, "entryguard_approve").await;
        world.wait_until_told(&late, "answered already: bo denied it").await;
        assert_eq!(world.rules_of(&world.groups[0]).await, []);
        world.finish().await;
    }

    async fn no_answer_in_time_is_a_denial(database: Database) {
        let world = asking(database, "by = [\"bo\"], within = \"3s\"").await;
        world.start_session("U111", "1h", HOME).await;
        let request = message_to(&world, "U222", "asks to open").await;
        world.wait_until_thread_says_all(&["DENIED", "nobody answered in time"]).await;
        let late = world.slack.press("U222", &request, "entryguard_approve").await;
        world.wait_until_told(&late, "nobody answered in time").await;
        assert_eq!(world.rules_of(&world.groups[0]).await, []);
        world.finish().await;
    }

    async fn breaking_the_glass_opens_at_once_and_everybody_hears_of_it(database: Database) {
        let world = asking(database, "by = [\"bo\"], within = \"30m\"").await;
        world.start_session("U111", "1h --break-glass for production is down", HOME).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        world.wait_until_thread_says_all(&["ACTIVE", "Break-glass", "production is down"]).await;
        for user in ["U222", "U333"] {
            message_to(&world, user, "without the approval that it takes").await;
        }
        let alarm = message_to(&world, "U333", "Break-glass").await;
        world.slack.press("U333", &alarm, "entryguard_stop").await;
        world.wait_until_over(&["CANCELLED", "Stopped by cy"]).await;
        let plain = world.slack.command("U444", "start 1h --break-glass").await;
        assert!(!plain.says("Confirm"), "{}", plain.text());
        world.finish().await;
    }
}
