//! Sessions that take somebody's approval, and those that do without in an emergency.

use entryguard_tests::{Database, SOON, SlackDouble, World, button, eventually, on_both_databases, text_of, unix_seconds};

use crate::said::OWN_REQUEST;
use crate::slack::until_home_says;

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";

/// Ana has to ask bo or cy; dee is a stranger to it.
pub async fn asking(database: Database, approval: &str) -> World {
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
pub async fn message_to(world: &World, user: &str, words: &str) -> entryguard_tests::Message {
    eventually(&format!("{user} is sent {words:?}"), SOON, async || {
        let messages = world.slack.direct_messages_to(user);
        let found = messages.iter().rfind(|message| message.says(words)).cloned();
        found.ok_or_else(|| messages.iter().map(entryguard_tests::Message::text).collect::<Vec<_>>().join("\n---\n"))
    })
    .await
}

fn is_answer(action: &str) -> bool {
    ["session.approved", "session.denied"].contains(&action)
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

        // Whoever waited for an answer loses nothing of their time.
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        let agreed = unix_seconds() * 1000;
        world.slack.press("U222", &request, "entryguard_approve").await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        world.wait_until_thread_says_all(&["ACTIVE", "Approved by bo"]).await;
        let wishes = world.records().await.wishes().await;
        assert!(wishes.iter().all(|wish| wish.expires_at >= agreed + 3_600_000), "{agreed}: {wishes:?}");
        message_to(&world, "U333", "Approved by bo").await;
        let late = world.slack.press("U333", &other, "entryguard_deny").await;
        world.wait_until_told(&late, "needs no answer any more: bo approved it").await;
        assert!(thread.parent.ts == world.slack.thread_of(SlackDouble::CHANNEL).unwrap().parent.ts, "one thread from first to last");
        world.slack.command("U111", "stop").await;
        world.wait_until_over(&["CANCELLED"]).await;
        world.finish().await;
    }

    async fn of_two_answers_at_once_one_counts(database: Database) {
        let world = asking(database, "by = [\"leads\"], within = \"30m\"").await;
        world.start_session("U111", "1h", HOME).await;
        let [bos, cys] = [message_to(&world, "U222", "asks to open").await, message_to(&world, "U333", "asks to open").await];
        let (yes, no) = tokio::join!(
            world.slack.press("U222", &bos, "entryguard_approve"),
            world.slack.press("U333", &cys, "entryguard_deny")
        );
        let answers = eventually("one has answered, and the other hears of it", SOON, async || {
            let audit = world.records().await.audit().await;
            let answers: Vec<_> = audit.into_iter().map(|entry| entry.action).filter(|action| is_answer(action)).collect();
            let told = [world.slack.follow_ups_of(&yes), world.slack.follow_ups_of(&no)].concat();
            let whispers = [world.slack.whispers_to("U222"), world.slack.whispers_to("U333")].concat();
            let told: String = told.iter().map(text_of).chain(whispers.iter().map(entryguard_tests::Message::text)).collect();
            if answers.is_empty() || !told.contains("needs no answer any more") { Err(format!("{answers:?} {told}")) } else { Ok(answers) }
        })
        .await;
        match answers.as_slice() {
            [only] if only == "session.approved" => drop(world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await),
            [only] if only == "session.denied" => assert_eq!(world.rules_of(&world.groups[0]).await, []),
            answers => panic!("{answers:?}"),
        }
        world.finish().await;
    }

    async fn what_the_roles_give_after_somebody_asked_is_not_opened_by_the_answer(database: Database) {
        let world = World::on(database).with_groups(2).member("ana", "U111").member("bo", "U222");
        let approval = "approval = { by = [\"bo\"], within = \"30m\" }";
        let mut world = world.role("production", &["ana"], &["group-1"], approval).start().await;
        world.start_session("U111", "1h", HOME).await;
        let request = message_to(&world, "U222", "asks to open 1 resource").await;
        world.rewrite_config("resources = [\"group-1\"]", "resources = [\"group-1\", \"group-2\"]");
        world.reload().await;
        let id = button(&request.content, "entryguard_approve").unwrap().0["value"].as_str().unwrap()[..8].to_owned();
        let shown = world.slack.command("U222", &format!("status {id}")).await;
        assert!(shown.says("group-1") && !shown.says("group-2"), "whoever is asked sees what they agree to: {}", shown.text());
        assert!(button(&shown.message().content, "entryguard_stop").is_none(), "and cannot withdraw it: {}", shown.text());
        world.slack.press("U222", &request, "entryguard_approve").await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        assert_eq!(world.rules_of(&world.groups[1]).await, []);
        world.finish().await;
    }

    async fn more_time_than_was_approved_is_up_to_those_who_approve(database: Database) {
        let world = asking(database, "by = [\"leads\"], within = \"30m\"").await;
        world.start_session("U111", "1h", HOME).await;
        let request = message_to(&world, "U222", "asks to open").await;
        world.slack.press("U222", &request, "entryguard_approve").await;
        let thread = world.wait_until_thread_says_all(&["ACTIVE", "Open for 1h, until", "More time is up to bo or cy."]).await;
        assert!(button(&thread.parent.content, "entryguard_extend").is_none(), "{}", thread.text());
        let asked = world.slack.command("U111", "extend 1h").await;
        assert!(asked.says("more takes an approval again. Ask bo or cy to write `/entryguard extend"), "{}", asked.text());

        // A button acts for whoever presses it.
        let request = message_to(&world, "U222", "[Extend +2h]").await;
        let own = world.slack.press("U111", &request, "entryguard_extend").await;
        world.wait_until_told(&own, "more takes an approval again").await;
        let dee = world.slack.press("U444", &request, "entryguard_extend").await;
        world.wait_until_told(&dee, "There is no session").await;
        world.slack.press("U222", &request, "entryguard_extend").await;
        world.wait_until_thread_says_all(&["Extended by bo to", "Open for 3h, until"]).await;
        let id = button(&request.content, "entryguard_extend").unwrap().0["value"].as_str().unwrap()[..8].to_owned();
        let of_admin = world.slack.command("U333", &format!("extend {id} 1h")).await;
        assert!(of_admin.says("Extending"), "{}", of_admin.text());
        world.wait_until_thread_says_all(&["Extended by cy to", "Open for 4h, until"]).await;
        world.slack.command("U111", "stop").await;
        world.wait_until_over(&["CANCELLED"]).await;
        world.finish().await;
    }

    async fn a_request_waits_in_the_home_of_whoever_may_answer_it(database: Database) {
        let world = asking(database, "by = [\"bo\"], within = \"30m\"").await;
        for user in ["U222", "U444"] {
            world.slack.to_server().open_home(user).await;
            until_home_says(&world, user, "Nothing is open for you").await;
        }
        let (_, link) = world.ask_for_session("U111", "1h for the deploy").await;
        world.confirm(&link, HOME).await;
        let home = until_home_says(&world, "U222", "Waiting for your answer").await;
        let text = text_of(&home);
        assert!(text.contains("the deploy") && text.contains("group-1"), "{text}");
        world.slack.to_server().open_home("U444").await;
        assert!(!text_of(&until_home_says(&world, "U444", "Nothing is open for you").await).contains("Waiting for"));
        world.slack.to_server().press_in_view("U222", &home, "entryguard_approve").await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        eventually("the home has it no more", SOON, async || {
            let text = text_of(&world.slack.home_of("U222").ok_or("no home")?);
            if text.contains("Waiting for your answer") { Err(text) } else { Ok(()) }
        })
        .await;
        world.finish().await;
    }

    async fn whoever_guesses_an_id_is_not_told_whose_request_it_is(database: Database) {
        let world = asking(database, "by = [\"bo\"], within = \"30m\"").await;
        world.start_session("U111", "1h", HOME).await;
        let request = message_to(&world, "U222", "asks to open").await;
        let id = button(&request.content, "entryguard_approve").unwrap().0["value"].as_str().unwrap().to_owned();
        let guessed = world.slack.command("U444", &format!("approve {}", &id[..8])).await;
        assert!(guessed.says("There is no request") && !guessed.says("ana"), "{}", guessed.text());
        assert_eq!(world.rules_of(&world.groups[0]).await, []);
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
        world.wait_until_told(&late, "needs no answer any more: bo denied it").await;
        assert_eq!(world.rules_of(&world.groups[0]).await, []);
        world.finish().await;
    }

    async fn no_answer_in_time_is_a_denial(database: Database) {
        let world = asking(database, "by = [\"bo\"], within = \"15s\"").await;
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
        assert!(world.slack.command("U111", "").await.says("--break-glass"));
        let started = world.start_session("U111", "1h --break-glass for production is down", HOME).await;
        assert!(started.answer.says("This breaks the glass"), "{}", started.answer.text());
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        world.wait_until_thread_says_all(&["ACTIVE", "Break-glass", "production is down"]).await;
        for user in ["U222", "U333"] {
            message_to(&world, user, "without the approval that it takes").await;
        }
        // Whoever might have refused it may end it; nobody else may end what is another's.
        let alarm = message_to(&world, "U222", "Break-glass").await;
        let dee = world.slack.press("U444", &alarm, "entryguard_stop").await;
        world.wait_until_told(&dee, "There is no session").await;
        world.slack.press("U222", &alarm, "entryguard_stop").await;
        world.wait_until_over(&["CANCELLED", "Stopped by bo"]).await;
        let plain = world.slack.command("U444", "start 1h --break-glass").await;
        assert!(!plain.says("Confirm"), "{}", plain.text());
        world.finish().await;
    }
}
