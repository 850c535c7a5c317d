//! What people read in Slack on less common days: two addresses, what nobody answers or extends, refusals, and an emergency.

use entryguard_tests::{Message, SlackDouble, World, button};

use crate::read_in_slack::{direct, follow_up, keep, team, turn};
use crate::reading;
use crate::slack::until_home_says;

const HOME: &str = "93.184.216.34";

#[tokio::test]
async fn what_a_session_for_both_families_reads_like_to_its_end() {
    let world = reading::team().member("ana", "U111").role("developers", &["ana"], &["orders-db"], "explicit_ip = true");
    let mut world = world.start().await;
    world.slack.command("U111", "start 1h ip 93.184.216.34 ip 2606:2800:220:1::1 for the deploy").await;
    let thread = world.wait_until_thread_says_all(&["ACTIVE", "2 of 2 open"]).await;
    keep("thread_of_both_families", &[&thread.parent.content, &thread.replies[0].content]);
    // An hour and a little later.
    world.server.restart_with(&[("ENTRYGUARD_CLOCK_FAST_BY", "61m")]).await;
    let over = world.wait_until_thread_says_all(&["EXPIRED", "2 of 2 closed", "Closed, "]).await;
    let turns: Vec<_> = over.replies[1..].iter().map(|reply| reply.content.clone()).collect();
    let last = turns.last().unwrap();
    keep("thread_expired", &[&over.parent.content, &over.replies[0].content, last]);
    world.finish().await;
}

#[tokio::test]
async fn what_is_read_of_a_request_that_nobody_answers() {
    let mut world = team().await;
    let (_, link) = world.ask_for_session("U333", "1h for a look around").await;
    world.confirm(&link, HOME).await;
    direct(&world, "U222", "a look around").await;
    // Half an hour and a little later.
    world.server.restart_with(&[("ENTRYGUARD_CLOCK_FAST_BY", "31m")]).await;
    let over = world.wait_until_thread_says_all(&["DENIED", "⛔ Denied: nobody answered in time."]).await;
    keep("thread_lapsed", &[&over.parent.content, &turn(&over, "⛔ Denied: nobody answered in time.")]);
    keep("request_lapsed", &[&direct(&world, "U222", "Nobody answered in time").await.content]);
    world.finish().await;
}

#[tokio::test]
async fn what_those_read_who_are_refused() {
    let world = team().await;
    let foreign = world.slack.to_server().from_team("T0STRANGER").command("U111", "start 1h").await;
    keep("refused_other_workspace", &[&foreign.body]);
    world.slack.make_bot("U444");
    keep("refused_bot", &[&world.slack.command("U444", "start 1h").await.body]);
    world.slack.deactivate("U555");
    keep("refused_deactivated", &[&world.slack.command("U555", "start 1h").await.body]);
    keep("refused_own_address", &[&world.slack.command("U111", "start 1h ip 93.184.216.34").await.body]);
    keep("refused_no_session", &[&world.slack.command("U111", "stop").await.body]);
    keep("refused_not_an_administrator", &[&world.slack.command("U111", "list all").await.body]);
    assert!(world.slack.messages_in(SlackDouble::CHANNEL).is_empty(), "nobody else hears of it");
    world.finish().await;
}

#[tokio::test]
async fn what_administrators_read_in_an_emergency() {
    let world = team().await;
    world.start_session("U111", "1h", HOME).await;
    world.wait_until_thread_says_all(&["PARTIAL", "2 of 3 open"]).await;
    std::fs::remove_dir(world.file("wiki-admin")).unwrap();
    world.wait_until_thread_says_all(&["ACTIVE", "3 of 3 open"]).await;
    keep("list_all", &[&world.slack.command("U222", "list all").await.body]);
    let question = world.slack.command("U222", "panic").await;
    keep("panic", &[&question.body]);
    let pressed = world.slack.press("U222", &question.message(), "entryguard_panic").await;
    keep("panicked", &[&follow_up(&world, &pressed).await]);
    let over = world.wait_until_over(&["CANCELLED", "Stopped by bo, who closed everything at once."]).await;
    keep("thread_panicked", &[&turn(&over, "Stopped by bo, who closed")]);
    keep("refused_closed", &[&world.slack.command("U111", "start 1h").await.body]);
    keep("panic_lifted", &[&world.slack.command("U222", "panic lift").await.body]);
    world.finish().await;
}

/// What bo is sent of eve's request for this, and its session's id.
async fn request(world: &World, why: &str) -> (Message, String) {
    let (_, link) = world.ask_for_session("U333", &format!("1h for {why}")).await;
    world.confirm(&link, HOME).await;
    let request = direct(world, "U222", why).await;
    let (pressed, _) = button(&request.content, "entryguard_approve").expect("a button");
    let session = pressed["value"].as_str().unwrap().chars().take(8).collect();
    (request, session)
}

#[tokio::test]
async fn what_is_read_of_requests_by_those_who_may_not_answer_and_too_late() {
    let world = team().await;
    let (first, session) = request(&world, "a look around").await;
    world.slack.to_server().open_home("U222").await;
    keep("home_of_an_approver", &[&until_home_says(&world, "U222", "Waiting for your answer").await]);
    keep("refused_own_request", &[&world.slack.command("U333", &format!("approve {session}")).await.body]);
    keep("refused_not_an_approver", &[&world.slack.command("U111", &format!("approve {session}")).await.body]);
    world.slack.command("U333", "stop").await;
    keep("request_withdrawn", &[&direct(&world, "U222", "Withdrawn by eve").await.content]);
    let withdrawn = world.slack.press("U222", &first, "entryguard_approve").await;
    keep("approve_withdrawn", &[&follow_up(&world, &withdrawn).await]);

    let (second, _) = request(&world, "another look").await;
    world.slack.press("U222", &second, "entryguard_deny").await;
    direct(&world, "U222", "Denied by bo").await;
    let late = world.slack.press("U222", &second, "entryguard_approve").await;
    keep("approve_too_late", &[&follow_up(&world, &late).await]);
    world.finish().await;
}

#[tokio::test]
async fn what_homes_say_to_those_who_have_nothing_and_what_is_said_where_slack_is_in_the_way() {
    let world = team().await;
    let home = async |user: &str| {
        world.slack.to_server().open_home(user).await;
        until_home_says(&world, user, "").await
    };
    keep("home_empty", &[&home("U222").await]);
    keep("home_of_a_stranger", &[&home("U999").await]);
    world.slack.deactivate("U555");
    keep("home_refused", &[&home("U555").await]);

    let help = world.slack.command("U111", "").await;
    world.slack.refuse_next("views.open", "expired_trigger_id");
    let pressed = world.slack.press("U111", &help.message(), "entryguard_form").await;
    keep("form_too_late", &[&follow_up(&world, &pressed).await]);
    world.slack.hide("U333", "missing_scope");
    keep("refused_unknown", &[&world.slack.command("U333", "start 1h").await.body]);
    world.finish().await;
}
