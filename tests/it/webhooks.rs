//! Webhooks: what a receiver is told, in which order, and that it is told whatever happens in between.

use std::collections::BTreeSet;
use std::time::Duration;

use entryguard_tests::{Database, HOOK_SECRET, OLD_HOOK_SECRET, Receiver, SOON, World, eventually, on_both_databases};

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";
/// A removal that was read again says `session.closed` a second later.
const LIFE: [&str; 5] = ["session.started", "session.active", "session.extended", "session.stopped", "session.closed"];

async fn told(database: Database, receiver: &Receiver, more: &str) -> World {
    World::on(database).with_groups(1).admin("ana", "U111").configured(&receiver.table("siem", more)).start().await
}

async fn live_a_life(world: &World) {
    world.start_session("U111", "1h for the deploy", HOME).await;
    world.wait_until_thread_says("ACTIVE").await;
    world.slack.command("U111", "extend 1h").await;
    world.wait_until_thread_says("Extended by ana").await;
    world.slack.command("U111", "stop").await;
    world.wait_until_over(&["CANCELLED"]).await;
}

on_both_databases! {
    async fn a_session_s_events_are_told_in_order_and_signed(database: Database) {
        let receiver = Receiver::open().await;
        let both = "events = [\"session.*\"]";
        let mut world = told(database, &receiver, both).await;
        live_a_life(&world).await;
        receiver.wait_for("session.closed", SOON).await;
        assert_eq!(receiver.events(), LIFE);
        let seen = receiver.seen();
        assert!(seen.iter().all(|delivered| delivered.verified == [HOOK_SECRET]), "{seen:#?}");
        assert_eq!(seen.iter().map(|delivered| &delivered.id).collect::<BTreeSet<_>>().len(), seen.len(), "each came once");
        let started = seen[0].json();
        let data = &started["data"];
        assert_eq!((&data["userName"], &data["ipv4Address"], &data["reason"]), (&"ana".into(), &HOME.into(), &"the deploy".into()));
        assert_eq!((&data["actor"], &data["resourceIps"][0]["resourceName"]), (&"ana".into(), &"group-1".into()), "{started:#}");
        assert!(started["timestamp"].as_str().unwrap().ends_with('Z') && data["expiresAt"].is_string(), "{started:#}");
        // The secret is exchanged without a restart: both sign meanwhile.
        world.rewrite_config("{ env = \"HOOK_SECRET\" }", "[{ env = \"HOOK_SECRET\" }, { env = \"OLD_HOOK_SECRET\" }]");
        world.reload().await;
        world.start_session("U111", "1h", HOME).await;
        eventually("both secrets sign", SOON, async || {
            let last = receiver.seen().pop().unwrap();
            if last.verified == [HOOK_SECRET, OLD_HOOK_SECRET] { Ok(()) } else { Err(format!("{last:#?}")) }
        })
        .await;
        world.finish().await;
    }

    async fn what_was_not_taken_is_sent_again_as_it_was_also_after_the_server_was_killed(database: Database) {
        let receiver = Receiver::open().await;
        let mut world = told(database, &receiver, "").await;
        receiver.answer(500, None);
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        let refused = async |more: usize| {
            eventually("the receiver was asked and refused", SOON, async || {
                let seen = receiver.seen();
                if seen.len() >= more { Ok(seen.len()) } else { Err(format!("{seen:#?}")) }
            })
            .await
        };
        refused(2).await;
        world.server.restart().await;
        let before = receiver.seen().len();
        refused(before + 1).await;
        receiver.answer(503, Some("3"));
        let asked = refused(receiver.seen().len() + 1).await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(receiver.seen().len(), asked, "it asked for 3 s");
        receiver.answer(204, None);
        world.slack.command("U111", "stop").await;
        receiver.wait_for("session.closed", Duration::from_secs(60)).await;
        let others: Vec<_> = LIFE.into_iter().filter(|event| *event != "session.extended").collect();
        assert_eq!(receiver.events(), others, "nothing is lost, and in order");
        let seen = receiver.seen();
        let first: Vec<_> = seen.iter().filter(|delivered| delivered.id == seen[0].id).collect();
        assert!(first.len() > 3 && first.iter().all(|delivered| delivered.body == first[0].body), "{first:#?}");
        world.finish().await;
    }

    async fn a_receiver_that_is_gone_is_told_no_more_and_people_are(database: Database) {
        let receiver = Receiver::open().await;
        let world = told(database, &receiver, "events = [\"session.started\", \"session.stopped\"]").await;
        receiver.answer(302, Some("/elsewhere"));
        world.start_session("U111", "1h", HOME).await;
        eventually("the receiver was asked", SOON, async || if receiver.seen().is_empty() { Err(String::new()) } else { Ok(()) }).await;
        receiver.answer(410, None);
        eventually("the administrators are told", SOON, async || {
            let messages = world.slack.direct_messages_to("U111");
            let told = messages.iter().any(|message| message.says("siem answered that it wants no more"));
            if told { Ok(()) } else { Err(format!("{messages:#?}")) }
        })
        .await;
        let asked = receiver.seen().len();
        receiver.answer(204, None);
        world.slack.command("U111", "stop").await;
        world.wait_until_over(&["CANCELLED"]).await;
        assert_eq!((receiver.seen().len(), receiver.followed()), (asked, 0));
        world.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_receiver_holds_up_neither_another_nor_a_rule() {
    let (slow, quick) = (Receiver::open().await, Receiver::open().await);
    slow.slow_down(Duration::from_secs(60));
    let tables = slow.table("slow", "") + &quick.table("quick", "");
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").configured(&tables).start().await;
    let began = std::time::Instant::now();
    live_a_life(&world).await;
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    quick.wait_for("session.closed", SOON).await;
    // Behind the slow one, each of the five would have come 15 s after the one before.
    assert!(began.elapsed() < Duration::from_secs(60), "no longer than the slow one is waited for");
    assert_eq!(quick.events(), LIFE);
    assert_eq!(slow.seen(), []);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_tell_each_event_once() {
    let receiver = Receiver::open().await;
    let world = told(Database::Postgres, &receiver, "").await;
    let other = world.another_server().await;
    for turn in 0..3 {
        let at = if turn % 2 == 0 { world.server.address() } else { other.address() };
        let answer = world.slack.to_server().at_server(&at).command("U111", "start 1h").await;
        let link = world.link_after(&answer).await;
        world.confirm(&link, HOME).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        world.slack.to_server().at_server(&at).command("U111", "stop").await;
        world.wait_until_over(&["CANCELLED"]).await;
    }
    eventually("all is told", SOON, async || {
        let events = receiver.events();
        if events.iter().filter(|event| *event == "session.closed").count() == 3 { Ok(()) } else { Err(format!("{events:?}")) }
    })
    .await;
    assert_eq!(receiver.events().len(), receiver.seen().len(), "{:#?}", receiver.seen());
    world.finish().await;
}
