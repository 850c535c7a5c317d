//! What people read in Slack, as the real server sent it: the snapshots are in `docs/slack`, and the guide's pictures are drawn from
//! them.

use entryguard_tests::{Message, SOON, SlackDouble, World, eventually, text_of};
use serde_json::{Value, json};

use crate::reading::{self, FILES, production};

const HOME: &str = "93.184.216.34";

/// Ana may open three things, one of which is broken; production takes bo's approval, or none in an emergency.
async fn team() -> World {
    let world = reading::team().member("ana", "U111").admin("bo", "U222").member("eve", "U333");
    let world = world.role("developers", &["ana"], &FILES, "");
    let world = world.role("production", &["eve"], &["payments-db"], &production("leads"));
    let mut world = world.role("leads", &["bo"], &[], "").start().await;
    world.rewrite_config("[slack]\n", "[slack]\nreport_channel = \"C0REPORTS\"\n");
    world.slack.invite_to("C0REPORTS");
    world.server.restart().await;
    reading::break_one(&world, async || world.slack.command("U111", "resources").await.text()).await;
    world
}

/// Keeps what somebody reads.
fn keep(name: &str, shown: &[&Value]) {
    let date = (r"<!date\^\d+\^(\{[^|]*)\|[^>]*>", "<!date^1767276000^$1|2026-01-01T14:00:00Z>");
    let settings = reading::settings("slack", "What the server sent to Slack; ./x pictures draws it.", &[date]);
    let blocks: Vec<_> = shown.iter().map(|content| readable(content)).collect();
    settings.bind(|| insta::assert_snapshot!(name, serde_json::to_string_pretty(&blocks).unwrap()));
}

/// Without what Slack adds, and what nobody sees.
fn readable(content: &Value) -> Value {
    let keys = ["type", "title", "submit", "close", "text", "blocks"];
    let kept = keys.iter().filter_map(|key| Some(((*key).to_owned(), content.get(*key)?.clone())));
    Value::Object(kept.collect())
}

async fn direct(world: &World, user: &str, words: &str) -> Message {
    eventually(&format!("{user} is sent {words:?}"), SOON, async || {
        let found = world.slack.direct_messages_to(user).into_iter().rfind(|message| message.says(words));
        found.ok_or_else(|| "nothing like it".to_owned())
    })
    .await
}

async fn view(what: &str, words: &str, look: impl Fn() -> Option<Value>) -> Value {
    eventually(&format!("{what} says {words:?}"), SOON, async || {
        let seen = look().ok_or("nothing")?;
        if text_of(&seen).contains(words) { Ok(seen) } else { Err(text_of(&seen)) }
    })
    .await
}

#[tokio::test]
async fn what_a_member_reads_from_help_to_the_end_of_a_session() {
    let world = team().await;
    let help = world.slack.command("U111", "").await;
    keep("help", &[&help.body]);
    keep("stranger", &[&world.slack.command("U999", "start 2h").await.body]);
    keep("sign_in", &[&world.slack.command("U111", "web").await.body]);
    keep("mistake", &[&world.slack.command("U111", "stat 2h").await.body]);
    keep("too_long", &[&world.slack.command("U111", "start 9d").await.body]);

    let started = world.slack.command("U111", "start 2h for the deploy").await;
    keep("confirm_first", &[&started.body]);
    let link = world.link_after(&started).await;
    world.confirm(&link, HOME).await;
    world.wait_until_thread_says_all(&["PARTIAL", "2 of 3 open", "FAILED"]).await;
    std::fs::remove_dir(world.file("wiki-admin")).unwrap();
    let thread = world.wait_until_thread_says_all(&["ACTIVE", "3 of 3 open"]).await;
    keep("thread_active", &[&thread.parent.content, &thread.replies[0].content]);
    keep("list", &[&world.slack.command("U111", "list").await.body]);
    keep("resources", &[&world.slack.command("U111", "resources").await.body]);
    keep("whoami", &[&world.slack.command("U111", "whoami").await.body]);
    world.slack.to_server().open_home("U111").await;
    let home = view("the home", "ACTIVE", || world.slack.home_of("U111")).await;
    keep("home", &[&home]);

    world.slack.press("U111", &thread.parent, "entryguard_extend").await;
    world.wait_until_thread_says("xtended").await;
    world.slack.press("U111", &thread.parent, "entryguard_stop").await;
    let over = world.wait_until_over(&["CANCELLED", "3 of 3 closed", "Stopped by ana.", "Closed, "]).await;
    // Turns that come at once are one message, so how many there are is chance.
    let turns: Vec<_> = over.replies[1..].iter().map(Message::text).collect();
    keep("thread_over", &[&over.parent.content, &over.replies[0].content, &json!({ "text": turns.join("\n") })]);

    keep("confirm_again", &[&world.slack.command("U111", "start 1h").await.body]);
    world.slack.to_server().shortcut("U111", "entryguard_start").await;
    let modal = view("the modal", "Same as last time", || world.slack.modal_of("U111")).await;
    keep("modal", &[&modal]);
    world.finish().await;
}

#[tokio::test]
async fn what_a_rule_that_fails_looks_like() {
    let world = team().await;
    world.start_session("U111", "1h", HOME).await;
    let thread = world.wait_until_thread_says_all(&["PARTIAL", "2 of 3 open", "FAILED"]).await;
    keep("thread_partial", &[&thread.parent.content, &thread.replies[0].content]);
    std::fs::remove_dir(world.file("wiki-admin")).unwrap();
    world.slack.command("U111", "stop").await;
    world.wait_until_over(&["CANCELLED"]).await;
    world.finish().await;
}

#[tokio::test]
async fn what_approvers_and_everybody_read() {
    let world = team().await;
    let (_, link) = world.ask_for_session("U333", "1h for the incident of today").await;
    world.confirm(&link, HOME).await;
    let waiting = world.wait_until_thread_says("REQUESTED").await;
    keep("thread_requested", &[&waiting.parent.content]);
    let request = direct(&world, "U222", "asks to open").await;
    keep("request", &[&request.content]);
    world.slack.press("U222", &request, "entryguard_approve").await;
    world.wait_until_thread_says("ACTIVE").await;
    keep("request_answered", &[&direct(&world, "U222", "Approved by bo").await.content]);
    world.slack.command("U333", "stop").await;
    world.wait_until_over(&["CANCELLED"]).await;

    let (_, link) = world.ask_for_session("U333", "1h --break-glass because payments are down").await;
    world.confirm(&link, HOME).await;
    let alarm = eventually("the channel hears of it", SOON, async || {
        let all = world.slack.messages_in("C0REPORTS");
        all.into_iter()
            .rfind(|message| message.says("Break-glass") && message.says("ACTIVE"))
            .ok_or_else(|| "nothing like it".to_owned())
    });
    keep("break_glass", &[&alarm.await.content]);
    world.slack.command("U333", "stop").await;
    world.wait_until_over_where("eve", &["CANCELLED"], |thread| thread.says("eve") && !thread.says("Approved")).await;
    assert_ne!(SlackDouble::CHANNEL, "C0REPORTS");
    world.finish().await;
}
