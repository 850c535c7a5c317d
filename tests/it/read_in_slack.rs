//! What people read in Slack, as the real server sent it: the snapshots are in `docs/slack`, and the guide's pictures are drawn from
//! them.

use entryguard_tests::{Database, Message, SOON, SlackAnswer, SlackDouble, Thread, World, eventually, text_of, unix_seconds};
use serde_json::{Value, json};

use crate::reading::{self, FILES, production};

const HOME: &str = "93.184.216.34";
/// The first of January of 2026, 12:00 UTC.
const NOON: i64 = 1_767_268_800;

/// Ana may open three things, one of which is broken; production takes bo's approval, or none in an emergency.
pub async fn team() -> World {
    let world = reading::team().member("ana", "U111").admin("bo", "U222").member("eve", "U333");
    let world = world.role("developers", &["ana"], &FILES, "");
    let world = world.role("production", &["eve"], &["payments-db"], &format!("{}\nexplicit_ip = true", production("leads")));
    let mut world = world.role("leads", &["bo"], &[], "").start().await;
    world.rewrite_config("[slack]\n", "[slack]\nreport_channel = \"C0REPORTS\"\n");
    world.slack.invite_to("C0REPORTS");
    world.slack.grant_scope("channels:read");
    world.slack.grant_scope("groups:read");
    world.server.restart().await;
    reading::break_one(&world, async || world.slack.command("U111", "resources").await.text()).await;
    world
}

/// Keeps what somebody reads.
pub fn keep(name: &str, shown: &[&Value]) {
    let own = [
        (r"/[^ `]*/(host-\d+)\.allow", "/etc/nginx/$1.allow"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "2026-01-01 14:00 UTC"),
        (r"Closed by bo at [-0-9T:]+Z", "Closed by bo at 2026-01-01T12:00:00Z"),
        // What is left of the reminder's ten minutes depends on how long the server took.
        (r"in about \d+ minutes", "in about 9 minutes"),
        (r"(ession|equest|extend) [0-9a-f]{8}\b", "$1 0a1b2c3d"),
        (r"([^-0-9a-zA-Z])[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b", "${1}K7QX-2MPD-9R3V"),
    ];
    let settings = reading::settings("slack", "What the server sent to Slack; ./x pictures draws it.", &own);
    let blocks: Vec<_> = shown.iter().map(|content| at_noon(readable(content), unix_seconds())).collect();
    settings.bind(|| insta::assert_snapshot!(name, serde_json::to_string_pretty(&blocks).unwrap()));
}

/// Without what Slack adds, and what nobody sees.
fn readable(content: &Value) -> Value {
    let keys = ["type", "title", "submit", "close", "text", "blocks", "response_action", "errors"];
    let kept = keys.iter().filter_map(|key| Some(((*key).to_owned(), content.get(*key)?.clone())));
    Value::Object(kept.collect())
}

/// As if it had been sent at noon: each time as far from that as it is from now, to five minutes.
fn at_noon(content: Value, now: i64) -> Value {
    match content {
        Value::String(text) => Value::String(dates_at_noon(&text, now)),
        Value::Array(all) => all.into_iter().map(|each| at_noon(each, now)).collect(),
        Value::Object(all) => all.into_iter().map(|(key, each)| (key, at_noon(each, now))).collect(),
        other => other,
    }
}

fn dates_at_noon(text: &str, now: i64) -> String {
    const DATE: &str = "<!date^";
    let mut parts = text.split(DATE);
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (epoch, rest) = part.split_once('^').unwrap();
        let (format, rest) = rest.split_once('|').unwrap();
        let (_, rest) = rest.split_once('>').unwrap();
        let minutes = (epoch.parse::<i64>().unwrap() - now + 150).div_euclid(300) * 5;
        let (hour, minute) = (12 + minutes.div_euclid(60), minutes.rem_euclid(60));
        let seconds = NOON + minutes * 60;
        all.push_str(&format!("{DATE}{seconds}^{format}|2026-01-01T{hour:02}:{minute:02}:00Z>{rest}"));
    }
    all
}

pub async fn direct(world: &World, user: &str, words: &str) -> Message {
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

    keep("status", &[&world.slack.command("U111", "status").await.body]);
    let pressed = world.slack.press("U111", &thread.parent, "entryguard_details").await;
    keep("details", &[&follow_up(&world, &pressed).await]);
    keep("extend", &[&world.slack.command("U111", "extend 2h").await.body]);
    let extended = world.wait_until_thread_says_all(&["Extended by ana to", "Open for 4h, until"]).await;
    keep("thread_extended", &[&extended.parent.content, &turn(&extended, "Extended by ana")]);
    keep("stop", &[&world.slack.command("U111", "stop").await.body]);
    let over = world.wait_until_over(&["CANCELLED", "3 of 3 closed", "Stopped by ana.", "Closed, "]).await;
    // Turns that come at once are one message, so how many there are is chance.
    let turns: Vec<_> = over.replies[1..].iter().map(Message::text).collect();
    keep("thread_over", &[&over.parent.content, &over.replies[0].content, &json!({ "text": turns.join("\n") })]);

    keep("confirm_again", &[&world.slack.command("U111", "start 1h").await.body]);
    world.slack.to_server().shortcut("U111", "entryguard_start").await;
    let modal = view("the modal", "Same as last time", || world.slack.modal_of("U111")).await;
    keep("modal", &[&modal]);
    let result = |answer: SlackAnswer| answer.body["view"].clone();
    let confirm = world.slack.to_server().submit("U111", &modal, filled("1h", "link")).await;
    keep("modal_confirm", &[&result(confirm)]);
    let started = world.slack.to_server().submit("U111", &modal, filled("1h", "same")).await;
    keep("modal_started", &[&result(started)]);
    let refused = world.slack.to_server().submit("U111", &modal, filled("24h", "hand")).await;
    keep("modal_errors", &[&refused.body]);
    world.finish().await;
}

/// What the form's fields come back as.
fn filled(duration: &str, way: &str) -> Value {
    json!({
        "duration": { "duration": { "type": "static_select", "selected_option": { "value": duration } } },
        "reason": { "reason": { "type": "plain_text_input", "value": "the deploy" } },
        "way": { "way": { "type": "radio_buttons", "selected_option": { "value": way } } },
    })
}

/// The line of a thread that says this.
pub fn turn(thread: &Thread, words: &str) -> Value {
    thread.replies[1..].iter().find(|reply| reply.says(words)).unwrap_or_else(|| panic!("{}", thread.text())).content.clone()
}

/// What somebody is shown after a press.
pub async fn follow_up(world: &World, pressed: &SlackAnswer) -> Value {
    eventually("a press is answered", SOON, async || {
        world.slack.follow_ups_of(pressed).pop().ok_or_else(|| "nothing yet".to_owned())
    })
    .await
}

#[tokio::test]
async fn what_reminds_of_the_end_and_gives_more_time_by_one_press() {
    let mut world = reading::team().member("ana", "U111").role("developers", &["ana"], &["orders-db"], "").start().await;
    world.start_session("U111", "1h", HOME).await;
    world.wait_until_thread_says_all(&["ACTIVE", "1 of 1 open"]).await;
    // Fifty minutes and a little later.
    world.server.restart_with(&[("ENTRYGUARD_CLOCK_FAST_BY", "51m")]).await;
    let thread = world.wait_until_thread_says_all(&["⏰ Ends", "in about"]).await;
    let reminder = thread.replies.iter().find(|reply| reply.says("⏰ Ends")).unwrap();
    keep("thread_reminded", &[&thread.parent.content, &thread.replies[0].content, &reminder.content]);
    let in_its_time = world.slack.to_server().at(entryguard_tests::unix_seconds() + 51 * 60);
    let stranger = in_its_time.press("U999", reminder, "entryguard_extend").await;
    let refused = follow_up(&world, &stranger).await;
    assert_eq!(refused["thread_ts"].as_str(), Some(thread.parent.ts.as_str()), "where it was pressed: {refused:#}");
    in_its_time.press("U111", reminder, "entryguard_extend").await;
    world.wait_until_thread_says_all(&["Extended by ana to", "Open for 3h, until"]).await;
    world.finish().await;
}

#[tokio::test]
async fn a_hundred_resources_fit_into_one_table_with_the_failed_one_first() {
    let files: Vec<_> = (1..=100).map(|number| format!("host-{number:03}")).collect();
    let world = files.iter().fold(World::on(Database::Sqlite), |world, file| world.with_file(file));
    let world = world.member("ana", "U111").start().await;
    std::fs::create_dir(world.file("host-077")).unwrap();
    world.start_session("U111", "1h", HOME).await;
    let thread = world.wait_until_thread_says_all(&["PARTIAL", "99 of 100 open", "60 more"]).await;
    keep("thread_of_a_hundred", &[&thread.parent.content, &thread.replies[0].content]);
    let table = thread.replies[0].text();
    assert!(table.lines().nth(1).unwrap().contains("host-077"), "{table}");
    std::fs::remove_dir(world.file("host-077")).unwrap();
    world.slack.command("U111", "stop").await;
    world.wait_until_over(&["CANCELLED", "100 of 100 closed"]).await;
    world.finish().await;
}

#[tokio::test]
async fn what_is_read_where_the_app_is_not_in_the_channel_and_of_joining_accounts() {
    let world = reading::team().member("ana", "U111").role("developers", &["ana"], &["orders-db"], "").start().await;
    let code = world.slack.command("U111", "link").await;
    keep("link", &[&code.body]);
    let typed = code.text().split("/entryguard link ").nth(1).and_then(|rest| rest.split('`').next()).unwrap().to_owned();
    let question = world.slack.command("U999", &format!("link {typed}")).await;
    keep("join", &[&question.body]);
    let joined = world.slack.press("U999", &question.message(), "entryguard_join").await;
    keep("joined", &[&follow_up(&world, &joined).await]);
    keep("unlink", &[&world.slack.command("U999", "unlink").await.body]);

    world.slack.not_in_channel("C0PRIVATE");
    let answer = world.slack.to_server().in_channel("C0PRIVATE").command("U111", "start 1h").await;
    let link = world.link_after(&answer).await;
    world.confirm(&link, HOME).await;
    let sent = eventually("it is sent directly", SOON, async || {
        let found = world
            .slack
            .direct_messages_to("U111")
            .into_iter()
            .find(|message| message.says("Sent to you directly") && message.says("ACTIVE"));
        found.ok_or_else(|| "nothing like it".to_owned())
    });
    keep("sent_directly", &[&sent.await.content]);
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
    let answered = world.slack.press("U222", &request, "entryguard_approve").await;
    keep("approve", &[&follow_up(&world, &answered).await]);
    let approved = world.wait_until_thread_says_all(&["ACTIVE", "1 of 1 open", "Approved by bo. More"]).await;
    keep("thread_approved", &[&approved.parent.content]);
    keep("request_answered", &[&direct(&world, "U222", "🟢 ACTIVE").await.content]);
    keep("extend_refused", &[&world.slack.command("U333", "extend 1h").await.body]);
    world.slack.command("U333", "stop").await;
    world.wait_until_over(&["CANCELLED"]).await;

    let (_, link) = world.ask_for_session("U333", "1h for a look around").await;
    world.confirm(&link, HOME).await;
    let request = direct(&world, "U222", "a look around").await;
    let denied = world.slack.press("U222", &request, "entryguard_deny").await;
    keep("deny", &[&follow_up(&world, &denied).await]);
    let over = world.wait_until_thread_says_all(&["DENIED", "⛔ Denied by bo."]).await;
    keep("thread_denied", &[&over.parent.content, &over.replies[0].content, &turn(&over, "⛔ Denied by bo.")]);

    world.slack.to_server().shortcut("U333", "entryguard_start").await;
    let modal = view("the modal", "Emergency", || world.slack.modal_of("U333")).await;
    keep("modal_emergency", &[&modal]);
    let (answer, link) = world.ask_for_session("U333", "1h --break-glass because payments are down").await;
    keep("confirm_break_glass", &[&answer.body]);
    world.confirm(&link, HOME).await;
    let alarm = eventually("the channel hears of it", SOON, async || {
        let all = world.slack.messages_in("C0REPORTS");
        all.into_iter()
            .rfind(|message| message.says("Break-glass") && message.says("ACTIVE"))
            .ok_or_else(|| "nothing like it".to_owned())
    });
    keep("break_glass", &[&alarm.await.content]);
    world.slack.command("U333", "stop").await;
    world.wait_until_over_where("eve", &["CANCELLED"], |thread| thread.says("eve") && thread.says("Break-glass")).await;
    assert_ne!(SlackDouble::CHANNEL, "C0REPORTS");
    world.finish().await;
}

#[tokio::test]
async fn what_is_told_of_drift() {
    let world = reading::team().member("ana", "U111").admin("bo", "U222").role("developers", &["ana"], &["orders-db"], "");
    let world = world.sweeping("*/2 * * * * *").start().await;
    // No list can be read where a folder is.
    std::fs::create_dir(world.file("orders-db")).unwrap();
    keep("drift", &[&direct(&world, "U222", "could not be swept").await.content]);
    world.finish().await;
}
