//! Slack, beyond a command and its thread: forms, homes, events, the address that was confirmed last, and who is served at all.

use entryguard_tests::{Database, SOON, SlackDouble, World, buttons, eventually, on_both_databases, text_of};
use serde_json::{Value, json};

use crate::said::{NO_BOTS, UNKNOWN};

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";
const CAFE: &str = "93.184.216.35";
const CAFE_CIDR: &str = "93.184.216.35/32";

/// What the form's fields come back as.
pub fn filled(duration: &str, way: &str, addresses: &str) -> Value {
    json!({
        "duration": { "duration": { "type": "static_select", "selected_option": { "value": duration } } },
        "reason": { "reason": { "type": "plain_text_input", "value": "the deploy" } },
        "way": { "way": { "type": "radio_buttons", "selected_option": { "value": way } } },
        "addresses": { "addresses": { "type": "plain_text_input", "value": addresses } },
    })
}

pub async fn until_home_says(world: &World, user: &str, words: &str) -> Value {
    eventually(&format!("the home of {user} says {words:?}"), SOON, async || {
        let home = world.slack.home_of(user).ok_or("no home")?;
        let text = text_of(&home);
        if text.contains(words) { Ok(home) } else { Err(text) }
    })
    .await
}

pub async fn until_modal_says(world: &World, user: &str, words: &str) -> Value {
    eventually(&format!("the modal of {user} says {words:?}"), SOON, async || {
        let modal = world.slack.modal_of(user).ok_or("no modal")?;
        let text = text_of(&modal);
        if text.contains(words) { Ok(modal) } else { Err(text) }
    })
    .await
}

on_both_databases! {
    async fn the_command_alone_offers_the_durations_and_one_press_leads_to_the_link(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        let help = world.slack.command("U111", "").await;
        assert!(help.says("/entryguard start") && help.says("[Start 2h]") && help.says("[Start 24h]"), "{}", help.text());
        let pressed = world.slack.press("U111", &help.message(), "entryguard_start_1h").await;
        let link = world.link_after(&pressed).await;
        world.confirm(&link, HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        world.slack.command("U111", "stop").await;
        world.wait_until_over(&["CANCELLED"]).await;
        world.finish().await;
    }

    async fn the_same_address_as_last_time_takes_one_click_and_is_audited_as_such(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        let first = world.slack.command("U111", "start 1h").await;
        assert!(!first.says("Same as last time"), "{}", first.text());
        let link = world.link_after(&first).await;
        world.confirm(&link, HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        world.slack.command("U111", "stop").await;
        world.wait_until_over(&["CANCELLED"]).await;
        let second = world.slack.command("U111", "start 1h").await;
        assert!(second.says("Last time: 93.184.216.34, confirmed"), "{}", second.text());
        let bo = world.slack.press("U999", &second.message(), "entryguard_same_address").await;
        world.wait_until_told(&bo, UNKNOWN).await;
        let pressed = world.slack.press("U111", &second.message(), "entryguard_same_address").await;
        world.wait_until_told(&pressed, "Opening").await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        let twice = world.slack.press("U111", &second.message(), "entryguard_same_address").await;
        world.wait_until_told(&twice, "works once").await;
        let log = world.entryguard(&["audit", "export"]).await.stdout;
        assert!(log.contains("remembered") && log.contains("confirmedAt"), "{log}");

        // A button means the address beside it, and no other one.
        let shown = world.slack.command("U111", "start 1h").await;
        assert!(shown.says("Last time: 93.184.216.34, confirmed"), "{}", shown.text());
        world.start_session("U111", "1h", CAFE).await;
        world.wait_until_group_allows(&world.groups[0], &[CAFE_CIDR, HOME_CIDR]).await;
        let pressed = world.slack.press("U111", &shown.message(), "entryguard_same_address").await;
        world.wait_until_told(&pressed, "You have confirmed another address since").await;
        assert!(world.slack.command("U111", "start 1h").await.says("Last time: 93.184.216.35"));
        world.finish().await;
    }

    async fn an_address_by_hand_is_taken_only_where_every_role_allows_it(database: Database) {
        let world = World::on(database)
            .with_groups(1)
            .member("ana", "U111")
            .member("bo", "U222")
            .role("careful", &["ana"], &["group-1"], "")
            .role("trusting", &["bo"], &["group-1"], "explicit_ip = true")
            .start()
            .await;
        let refused = world.slack.command("U111", &format!("start 1h ip {HOME}")).await;
        assert!(refused.says("your roles do not allow it"), "{}", refused.text());
        let wide = world.slack.command("U222", "start 1h ip 93.184.216.0/24").await;
        assert!(wide.says("wider than one host"), "{}", wide.text());
        let taken = world.slack.command("U222", &format!("start 1h ip {HOME}")).await;
        assert!(taken.says("Opening"), "{}", taken.text());
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        world.wait_until_thread_says("ACTIVE").await;
        let log = world.entryguard(&["audit", "export"]).await.stdout;
        assert!(log.replace('\\', "").contains("\"learntBy\":\"hand\""), "{log}");
        world.finish().await;
    }

    async fn the_form_is_checked_in_place_and_starts_a_session(database: Database) {
        let world = World::on(database)
            .with_groups(1)
            .member("ana", "U111")
            .role("trusting", &["ana"], &["group-1"], "explicit_ip = true\nmax_duration = \"4h\"")
            .start()
            .await;
        world.slack.to_server().shortcut("U111", "entryguard_start").await;
        let modal = until_modal_says(&world, "U111", "For how long?").await;
        let wrong = world.slack.to_server().submit("U111", &modal, filled("24h", "hand", "the office")).await;
        assert_eq!(wrong.body["response_action"], "errors", "{}", wrong.body);
        assert!(wrong.body["errors"]["addresses"].as_str().is_some_and(|why| why.contains("is not an IP address")), "{}", wrong.body);
        let long = world.slack.to_server().submit("U111", &modal, filled("24h", "hand", HOME)).await;
        assert!(long.body["errors"]["duration"].as_str().is_some_and(|why| why.contains("maximum")), "{}", long.body);
        let two_ways = world.slack.to_server().submit("U111", &modal, filled("1h", "link", HOME)).await;
        assert!(two_ways.body["errors"]["addresses"].as_str().is_some_and(|why| why.contains("empty this")), "{}", two_ways.body);
        let good = world.slack.to_server().submit("U111", &modal, filled("1h", "hand", HOME)).await;
        assert_eq!(good.body["response_action"], "update", "{}", good.body);
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        // A shortcut has no channel: its session is shown to its member directly.
        eventually("a direct message says ACTIVE", SOON, async || {
            let messages = world.slack.direct_messages_to("U111");
            if messages.iter().any(|message| message.says("ACTIVE")) { Ok(()) } else { Err(format!("{messages:?}")) }
        })
        .await;
        world.finish().await;
    }

    async fn the_home_shows_sessions_resources_and_the_last_address_and_its_buttons_work(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        world.slack.to_server().open_home("U111").await;
        let home = until_home_says(&world, "U111", "ACTIVE").await;
        let text = text_of(&home);
        assert!(text.contains("group-1") && text.contains("Your last confirmed address: 93.184.216.34"), "{text}");
        world.slack.to_server().press_in_view("U111", &home, "entryguard_form").await;
        let modal = until_modal_says(&world, "U111", "Same as last time, confirmed").await;
        assert!(text_of(&modal).contains("(93.184.216.34)"), "{modal}");
        world.slack.to_server().press_in_view("U111", &home, "entryguard_stop").await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        until_home_says(&world, "U111", "Nothing is open for you").await;
        world.finish().await;
    }

    async fn whoever_is_deactivated_loses_their_sessions_and_is_refused_on_commands_and_buttons(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").member("bo", "U222").start().await;
        world.start_session("U111", "1h", HOME).await;
        let thread = world.wait_until_thread_says("ACTIVE").await;
        world.slack.deactivate("U111");
        world.slack.to_server().user_change("U111").await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.wait_until_over(&["CANCELLED", "deactivated in Slack"]).await;
        let asked = world.slack.command("U111", "start 1h").await;
        assert!(asked.says("account is deactivated"), "{}", asked.text());
        let pressed = world.slack.press("U111", &thread.parent, "entryguard_extend").await;
        world.wait_until_told(&pressed, "account is deactivated").await;
        world.slack.make_bot("U222");
        let bot = world.slack.command("U222", "start 1h").await;
        assert!(bot.says(NO_BOTS), "{}", bot.text());
        world.finish().await;
    }

    async fn a_deactivation_is_not_lost_with_the_server_that_was_told_of_it(database: Database) {
        let mut world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        world.server.restart_with(&[("ENTRYGUARD_CRASH", "wish_written:1")]).await;
        // Slack says so in the event alone, so that nothing else tells the server.
        let gone = json!({ "type": "user_change", "user": { "id": "U111", "team_id": SlackDouble::TEAM, "deleted": true } });
        assert!(world.slack.to_server().try_event("Ev0GONE", gone.clone()).await.is_err(), "the server lived");
        world.server.restart().await;
        assert_eq!(world.rules_of(&world.groups[0]).await.len(), 1);
        let again = |retry, ago| world.slack.to_server().at(entryguard_tests::unix_seconds() - ago).again(retry);
        assert_eq!(again(1, 30).event("Ev0GONE", gone.clone()).await.0, 200);
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.wait_until_over(&["CANCELLED", "deactivated in Slack"]).await;
        let left = async || world.entryguard(&["audit", "export"]).await.stdout.matches("member.left").count();
        let before = left().await;
        assert_eq!(again(2, 60).event("Ev0GONE", gone).await.0, 200);
        assert_eq!(left().await, before, "it was done twice");
        world.finish().await;
    }

    async fn a_deactivation_while_nobody_was_there_is_made_up_for_and_silence_changes_nothing(database: Database) {
        let mut world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        world.slack.hide("U111", "internal_error");
        world.server.restart().await;
        eventually("Slack was asked, and said nothing", SOON, async || {
            let log = world.server.log();
            if log.contains("Slack does not say what became of a user") { Ok(()) } else { Err(log) }
        })
        .await;
        assert_eq!(world.rules_of(&world.groups[0]).await.len(), 1);
        world.server.kill_9();
        world.slack.show("U111");
        world.slack.deactivate("U111");
        world.server.restart().await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.wait_until_over(&["CANCELLED", "deactivated in Slack"]).await;
        world.finish().await;
    }

    async fn i8_nobody_is_served_where_slack_does_not_let_us_ask_who_they_are(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.slack.hide("U111", "missing_scope");
        let refused = world.slack.command("U111", "start 1h").await;
        assert!(refused.says("Slack does not let EntryGuard ask who you are (missing_scope)"), "{}", refused.text());
        world.slack.show("U111");
        assert!(world.slack.command("U111", "start 1h").await.says("Confirm"));
        world.finish().await;
    }

    async fn i8_whoever_slack_does_not_show_as_an_active_person_of_ours_is_refused_everywhere(database: Database) {
        let world = ["U222", "U333", "U444", "U555", "U666", "U777"].iter().enumerate();
        let world = world.fold(World::on(database).with_groups(1).member("ana", "U111"), |world, (at, user)| {
            world.admin(&format!("admin-{at}"), user)
        });
        let world = world.start().await;
        world.start_session("U111", "1h", HOME).await;
        let thread = world.wait_until_thread_says("ACTIVE").await;
        // Slack tells of none of this by itself.
        world.slack.make_bot("U222");
        world.slack.deactivate("U333");
        world.slack.move_to_team("U444", Some("T0OTHER"));
        world.slack.move_to_team("U555", None);
        world.slack.hide("U666", "user_not_found");
        world.slack.hide("U777", "user_not_visible");
        for (user, why) in [
            ("U222", "no bots"),
            ("U333", "account is deactivated"),
            ("U444", "another Slack workspace"),
            ("U555", "another Slack workspace"),
            ("U666", "another Slack workspace"),
            ("U777", "another Slack workspace"),
        ] {
            let pressed = world.slack.press(user, &thread.parent, "entryguard_stop").await;
            world.wait_until_told(&pressed, why).await;
            let asked = world.slack.command(user, "stop all").await;
            assert!(asked.says(why), "{user}: {}", asked.text());
        }
        assert_eq!(world.rules_of(&world.groups[0]).await.len(), 1);
        world.finish().await;
    }

    async fn i8_people_of_a_grid_are_served_by_each_of_their_workspaces_and_no_others_are(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").member("bo", "U222").start().await;
        world.slack.put_into_grid("U111", &["T0SECOND", SlackDouble::TEAM]);
        world.slack.put_into_grid("U222", &["T0SECOND", "T0THIRD"]);
        world.start_session("U111", "1h", HOME).await;
        let thread = world.wait_until_thread_says("ACTIVE").await;
        // Slack tells of each new status, and names the first of the person's workspaces.
        world.slack.to_server().user_change("U111").await;
        world.slack.to_server().user_change("U222").await;
        for team in [SlackDouble::TEAM, "T0SECOND", "E0GRID"] {
            let ana = world.slack.to_server().from_team(team).command("U111", "whoami").await;
            assert!(ana.says("You are *ana*"), "{team}: {}", ana.text());
            let bo = world.slack.to_server().from_team(team).command("U222", "whoami").await;
            assert!(bo.says("another Slack workspace"), "{team}: {}", bo.text());
        }
        let other = world.slack.to_server().from_team("T0THIRD").command("U111", "whoami").await;
        assert!(other.says("another Slack workspace"), "{}", other.text());
        assert_eq!(world.rules_of(&world.groups[0]).await.len(), 1, "a new status closes nothing");
        world.slack.to_server().from_team("T0SECOND").press("U111", &thread.parent, "entryguard_stop").await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        // Whoever is taken out of our workspace loses what they have open, whether Slack still shows them to us or not.
        for hidden in [false, true] {
            world.slack.put_into_grid("U111", &["T0SECOND", SlackDouble::TEAM]);
            world.slack.to_server().user_change("U111").await;
            world.start_session("U111", "1h", HOME).await;
            world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
            world.slack.put_into_grid("U111", &["T0SECOND"]);
            if hidden {
                world.slack.hide("U111", "user_not_found");
            }
            world.slack.to_server().user_change("U111").await;
            world.wait_until_group_allows(&world.groups[0], &[]).await;
        }
        world.finish().await;
    }

    async fn the_home_has_buttons_for_each_session_and_is_drawn_again_when_one_changes(database: Database) {
        let world = World::on(database)
            .with_groups(1)
            .member("ana", "U111")
            .role("trusting", &["ana"], &["group-1"], "explicit_ip = true")
            .start()
            .await;
        world.slack.to_server().open_home("U111").await;
        let home = until_home_says(&world, "U111", "Nothing is open for you").await;
        world.start_session("U111", "1h", HOME).await;
        until_home_says(&world, "U111", "ACTIVE").await;
        world.slack.to_server().press_in_view("U111", &home, "entryguard_form").await;
        let modal = until_modal_says(&world, "U111", "For how long?").await;
        world.slack.to_server().submit("U111", &modal, filled("2h", "hand", "93.184.216.35")).await;
        let home = eventually("the home has both sessions", SOON, async || {
            let home = world.slack.home_of("U111").ok_or("no home")?;
            let both = buttons(&home, "entryguard_stop").len() == 2 && text_of(&home).matches("ACTIVE").count() == 2;
            if both { Ok(home) } else { Err(text_of(&home)) }
        })
        .await;
        // The newest comes first; the other one is stopped.
        let (older, _) = buttons(&home, "entryguard_stop").pop().unwrap();
        world.slack.to_server().press_in_view_with("U111", &home, "entryguard_stop", older["value"].as_str().unwrap()).await;
        world.wait_until_group_allows(&world.groups[0], &["93.184.216.35/32"]).await;
        world.slack.command("U111", "stop").await;
        until_home_says(&world, "U111", "Nothing is open for you").await;
        world.finish().await;
    }

    async fn whoever_left_a_role_has_nothing_of_it_open_after_the_next_start(database: Database) {
        let mut world = World::on(database)
            .with_groups(2)
            .member("ana", "U111")
            .role("one", &["ana"], &["group-1"], "")
            .role("two", &["ana"], &["group-2"], "")
            .start()
            .await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        world.server.kill_9();
        world.rewrite_config("members = [\"ana\"]\nresources = [\"group-1\"]", "members = []\nresources = [\"group-1\"]");
        world.server.restart().await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.wait_until_thread_says("no role of the member gives this resource any more").await;
        assert_eq!(world.rules_of(&world.groups[1]).await.len(), 1, "the other role still gives it");
        world.server.kill_9();
        world.rewrite_config("members = [\"ana\"]\nresources = [\"group-2\"]", "members = []\nresources = [\"group-2\"]");
        world.server.restart().await;
        world.wait_until_group_allows(&world.groups[1], &[]).await;
        world.wait_until_over(&["CANCELLED"]).await;
        world.finish().await;
    }

    async fn an_event_that_comes_again_does_nothing_twice(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        let opened = json!({ "type": "app_home_opened", "user": "U111", "tab": "home" });
        // Each try is signed with a time of its own, which no other has however long one takes.
        let began = entryguard_tests::unix_seconds();
        for retry in 0..3 {
            let at = began - i64::from(retry);
            assert_eq!(world.slack.to_server().at(at).again(retry).event("Ev0RETRIED", opened.clone()).await.0, 200);
        }
        until_home_says(&world, "U111", "Nothing is open for you").await;
        // What came of one that is new follows what came of the tries before it.
        assert_eq!(world.slack.to_server().event("Ev1NEW", opened).await.0, 200);
        eventually("the home is shown again", SOON, async || {
            let shown = world.slack.calls_of("views.publish");
            if shown >= 2 { Ok(()) } else { Err(format!("shown {shown} times")) }
        })
        .await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        assert_eq!(world.slack.calls_of("views.publish"), 2, "once for each event");
        let challenge = r#"{"type":"url_verification","token":"x","challenge":"3eZbrw1aB10FEMAGAZd4FyFQ"}"#;
        let (status, body) = world.slack.to_server().raw("/slack/events", "application/json", challenge).await;
        assert!(status == 200 && body.contains("3eZbrw1aB10FEMAGAZd4FyFQ"), "{status} {body}");
        let forged = world.slack.to_server().with_secret("not-the-secret").raw("/slack/events", "application/json", challenge).await;
        assert_eq!(forged.0, 401);
        world.finish().await;
    }

    async fn every_turn_of_a_session_is_a_line_in_its_thread(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").admin("cy", "U333").start().await;
        world.start_session("U111", "1h", HOME).await;
        let thread = world.wait_until_thread_says("ACTIVE").await;
        world.slack.press("U111", &thread.parent, "entryguard_extend").await;
        world.wait_until_thread_says("Extended by ana to").await;
        world.slack.press("U333", &thread.parent, "entryguard_stop").await;
        world.wait_until_over(&["Stopped by cy.", "Closed,", "after its end"]).await;
        world.finish().await;
    }
}

#[tokio::test]
async fn both_signing_secrets_count_while_one_is_exchanged() {
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").start().await;
    for secret in [SlackDouble::SIGNING_SECRET, SlackDouble::OLD_SECRET] {
        assert_eq!(world.slack.to_server().with_secret(secret).command("U111", "list").await.status, 200);
    }
    assert_eq!(world.slack.to_server().with_secret("neither").command("U111", "list").await.status, 401);
    world.finish().await;
}

#[tokio::test]
async fn a_table_that_follows_its_parent_waits_where_slack_has_asked_to_wait() {
    // The edit has to be limited while bo's message takes its time; on a busy machine it may come too late to tell anything.
    for _ in 0..3 {
        if let Some(after) = table_after_the_limit().await {
            assert!(after.as_millis() >= 3_800, "the table came {after:?} after Slack had asked for 4 s");
            return;
        }
    }
    panic!("the edit came too late each time");
}

/// How long after an edit of ana's thread was told to wait for 4 s bo's thread had its table, where bo's message came in between.
async fn table_after_the_limit() -> Option<std::time::Duration> {
    let world = World::on(Database::Sqlite).with_file("intranet").member("ana", "U111").member("bo", "U222").start().await;
    world.start_session("U111", "1h", HOME).await;
    world.wait_until_thread_says_all(&["ACTIVE", "1 of 1 open"]).await;
    // The turn of the last edit is over.
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    // While bo's message takes its time, an edit of ana's thread is told to wait.
    world.slack.slow_next("chat.postMessage", std::time::Duration::from_secs(3));
    world.slack.rate_limit_next("chat.update", 4, 1);
    let (_, link) = world.ask_for_session("U222", "1h").await;
    world.confirm(&link, "93.184.216.35").await;
    world.slack.command("U111", "stop").await;
    let threads = eventually("bo's thread has its table", SOON, async || {
        let threads = world.slack.threads_of(SlackDouble::CHANNEL);
        if threads.len() == 2 && !threads[1].replies.is_empty() { Ok(threads) } else { Err(format!("{threads:#?}")) }
    })
    .await;
    let limited = world.slack.limited_at("chat.update").filter(|limited| threads[1].parent.posted > *limited);
    world.finish().await;
    limited.map(|limited| threads[1].replies[0].posted.duration_since(limited))
}

#[tokio::test]
async fn what_slack_limits_in_one_channel_waits_in_the_others_too() {
    const OTHER: &str = "C0OTHER";
    let world = World::on(Database::Sqlite).with_file("intranet").member("ana", "U111").member("bo", "U222").start().await;
    world.start_session("U111", "1h", HOME).await;
    let answer = world.slack.to_server().in_channel(OTHER).command("U222", "start 1h").await;
    world.confirm(&world.link_after(&answer).await, "93.184.216.35").await;
    let until_both_say = async |words: [&str; 2]| {
        eventually(&format!("both threads say {words:?}"), SOON, async || {
            let threads = [SlackDouble::CHANNEL, OTHER].map(|channel| world.slack.thread_of(channel));
            let say = |thread: &Option<entryguard_tests::Thread>| {
                thread.as_ref().is_some_and(|it| words.iter().all(|word| it.says(word)))
            };
            if threads.iter().all(say) { Ok(()) } else { Err(format!("{threads:#?}")) }
        })
        .await;
    };
    until_both_say(["ACTIVE", "1 of 1 open"]).await;
    // The turns of the last edits are over.
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    world.slack.rate_limit_next("chat.update", 4, 1);
    world.slack.command("U111", "stop").await;
    let limited =
        eventually("Slack asks to wait", SOON, async || world.slack.limited_at("chat.update").ok_or(String::new())).await;
    world.slack.command("U222", "stop").await;
    until_both_say(["CANCELLED", "1 of 1 closed"]).await;
    let edits = world.slack.messages_in(OTHER).into_iter().flat_map(|message| message.edits).map(|edit| edit.at);
    let after: Vec<_> = edits.filter(|at| *at > limited).map(|at| at.duration_since(limited).as_millis()).collect();
    assert!(
        !after.is_empty() && after.iter().all(|millis| *millis >= 3_800),
        "edited {after:?} ms after Slack had asked for 4 s"
    );
    world.finish().await;
}

#[tokio::test]
async fn a_channel_sees_one_edit_a_second_however_many_sessions_change() {
    let users = [("ana", "U111"), ("bo", "U222"), ("cy", "U333"), ("dee", "U444")];
    let world = users.iter().fold(World::on(Database::Sqlite).with_groups(2), |world, (name, user)| world.member(name, user));
    let world = world.start().await;
    for (at, (_, user)) in users.iter().enumerate() {
        world.start_session(user, "1h", &format!("93.184.216.{}", 34 + at)).await;
    }
    // So each of them has something to edit.
    eventually("every thread is there", SOON, async || {
        let there = world.slack.threads_of(SlackDouble::CHANNEL).len();
        if there == users.len() { Ok(()) } else { Err(format!("{there} threads")) }
    })
    .await;
    for (_, user) in users {
        world.slack.command(user, "stop").await;
    }
    eventually("every thread is over", std::time::Duration::from_secs(60), async || {
        let threads = world.slack.threads_of(SlackDouble::CHANNEL);
        let open: Vec<_> = threads.iter().filter(|thread| !thread.says("CANCELLED") || !thread.says("Closed,")).collect();
        if open.is_empty() && threads.len() == users.len() { Ok(()) } else { Err(format!("{open:#?}")) }
    })
    .await;
    let messages = world.slack.messages_in(SlackDouble::CHANNEL);
    let mut edits: Vec<_> = messages.iter().flat_map(|message| message.edits.iter().skip(1)).map(|edit| edit.at).collect();
    edits.sort();
    let spans: Vec<_> = edits.windows(4).map(|four| four[3] - four[0]).collect();
    // The server's turn is taken before the call, so that a slow one may arrive closer to the next: four are three seconds in all.
    assert!(!spans.is_empty() && spans.iter().all(|span| span.as_millis() >= 2_400), "{spans:?}");
    world.finish().await;
}

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn i8_slacks_look_at_the_certificate_is_answered_and_nothing_else_that_bears_no_signature() {
    const CHECK: &str = "ssl_check=1&token=gIkuvaNzQIHg97ATvDxqgjtO";
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").start().await;
    let browser = world.browser(HOME);
    let send = async |method: reqwest::Method, path: &str, body: &str| {
        let request = browser.request(method, &format!("{}{path}", world.server.address()));
        browser.send(request.header("Content-Type", FORM).body(body.to_owned())).await.status
    };
    for path in ["/slack/commands", "/slack/interactions", "/slack/events"] {
        assert_eq!(send(reqwest::Method::POST, path, CHECK).await, 200, "{path}");
        assert_eq!(send(reqwest::Method::GET, &format!("{path}?{CHECK}"), "").await, 200, "{path}");
        assert_eq!(send(reqwest::Method::GET, path, "").await, 405, "{path}");
        for other in ["", "ssl_check=0", "team_id=T0123456&channel_id=C0DEPLOYS&user_id=U111&text=list", &"x".repeat(5_000)] {
            assert_eq!(send(reqwest::Method::POST, path, other).await, 401, "{path} {other}");
        }
    }
    assert_eq!(world.slack.to_server().raw("/slack/commands", FORM, CHECK).await, (200, String::new()), "a signed one");
    world.finish().await;
}

#[tokio::test]
async fn an_event_that_is_repeated_at_once_is_acknowledged_and_done_once() {
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").start().await;
    let slack = || world.slack.to_server().at(entryguard_tests::unix_seconds());
    let challenge = json!({ "type": "url_verification", "token": "t", "challenge": "3eZbrw1aBm2rZgRNFdxV" }).to_string();
    let answered = slack().raw("/slack/events", "application/json", &challenge).await;
    assert_eq!(answered, (200, r#"{"challenge":"3eZbrw1aBm2rZgRNFdxV"}"#.to_owned()));
    world.start_session("U111", "1h", HOME).await;
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
    let gone = json!({ "type": "user_change", "user": { "id": "U111", "team_id": SlackDouble::TEAM, "deleted": true } });
    // The very same request, with what Slack adds to one that it repeats.
    let same = slack();
    for retry in 0..3 {
        assert_eq!(same.clone().again(retry).event("Ev0GONE", gone.clone()).await.0, 200, "{retry}");
    }
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    assert_eq!(world.entryguard(&["audit", "export"]).await.stdout.matches("member.left").count(), 1);
    let limited = json!({ "type": "app_rate_limited", "team_id": SlackDouble::TEAM, "minute_rate_limited": 1_518_467_820 });
    assert_eq!(slack().raw("/slack/events", "application/json", &limited.to_string()).await.0, 200);
    world.finish().await;
}

#[tokio::test]
async fn a_reason_is_shown_as_it_was_typed_and_without_what_nobody_sees() {
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").start().await;
    let answer = world.slack.command("U111", "start 1.5h because R&D load < 5 \u{202e}\u{200b}x\u{e0041}\u{2066}y").await;
    let link = world.link_after(&answer).await;
    world.confirm(&link, HOME).await;
    let thread = world.wait_until_thread_says_all(&["R&amp;D load &lt; 5 xy", "1h 30m"]).await;
    assert!(!thread.text().contains("&amp;amp;"), "{}", thread.text());
    world.slack.to_server().shortcut("U111", "entryguard_start").await;
    let modal = until_modal_says(&world, "U111", "For how long?").await;
    let mut values = filled("1h", "link", "");
    values["reason"]["reason"]["value"] = json!("A&B <3 &amp;");
    let submitted = world.slack.to_server().submit("U111", &modal, values).await;
    let link = entryguard_tests::link_in(&submitted.body["view"]).expect("a link");
    world.confirm(&link, HOME).await;
    eventually("a direct message has the reason", SOON, async || {
        let messages = world.slack.direct_messages_to("U111");
        if messages.iter().any(|message| message.says("A&amp;B &lt;3 &amp;amp;")) { Ok(()) } else { Err(format!("{messages:?}")) }
    })
    .await;
    world.finish().await;
}
