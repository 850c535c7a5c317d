//! What goes wrong around the server, and what people and firewalls see of it.

use std::time::Duration;

use entryguard_tests::{Database, SOON, SlackDouble, World, eventually, on_both_databases};

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";

/// Kills of one server, each at another moment of a session's life.
const KILLS: u32 = 8;

on_both_databases! {
    async fn one_missing_group_makes_the_session_partial_with_the_error_in_the_thread(database: Database) {
        let world = World::on(database).with_groups(2).member("ana", "U111").start().await;
        world.ec2.delete_group(&world.groups[1]).await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says_all(&["PARTIAL", "group-2", "does not exist", &world.groups[1]]).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        world.slack.command("U111", "stop").await;
        world.wait_until_over(&["CANCELLED"]).await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.finish().await;
    }

    async fn i3_a_rule_that_somebody_else_made_is_used_and_left_alone(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.ec2.authorize_by_hand(&world.groups[0], 22, HOME_CIDR, "the office").await;
        let before = world.rules_of(&world.groups[0]).await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says_all(&["ACTIVE", "somebody else's rule"]).await;
        world.slack.command("U111", "stop").await;
        world.wait_until_over(&["CANCELLED"]).await;
        assert_eq!(world.rules_of(&world.groups[0]).await, before);
        world.finish().await;
    }

    async fn i6_killed_between_intent_and_outcome_and_started_again_it_converges(database: Database) {
        let mut world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.proxy.hold_answer_of("AuthorizeSecurityGroupIngress");
        world.start_session("U111", "1h", HOME).await;
        world.proxy.wait_for("AuthorizeSecurityGroupIngress", 1).await;
        world.server.kill_9();
        let made = world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        world.proxy.behave();
        world.server.restart().await;
        world.wait_until_thread_says("ACTIVE").await;
        assert_eq!(world.rules_of(&world.groups[0]).await, made, "its own rule is adopted, not made twice");

        world.proxy.hold_before("RevokeSecurityGroupIngress");
        world.slack.command("U111", "stop").await;
        world.proxy.wait_for("RevokeSecurityGroupIngress", 1).await;
        world.server.kill_9();
        world.proxy.behave();
        world.server.restart().await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.wait_until_over(&["CANCELLED"]).await;
        world.finish().await;
    }

    async fn i1_a_server_that_was_dead_at_the_end_closes_when_it_is_back(database: Database) {
        let mut world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.start_session("U111", "15s", HOME).await;
        let overdue = tokio::time::Instant::now() + Duration::from_secs(17);
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        world.server.kill_9();
        tokio::time::sleep_until(overdue).await;
        assert_eq!(world.rules_of(&world.groups[0]).await.len(), 1);
        world.server.restart().await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.wait_until_over(&["EXPIRED"]).await;
        world.finish().await;
    }

    async fn i1_killed_at_any_moment_and_started_again_nothing_stays_open(database: Database) {
        let mut world = World::on(database).with_groups(2).member("ana", "U111").sessions_at_once(KILLS).start().await;
        world.proxy.slow_down(Duration::from_millis(60));
        // A dead replica's leases run out first, and what was never seen is looked for more than once.
        world.patience = Duration::from_secs(60);
        world.until_over = world.until_over.max(world.patience);
        for round in 0..KILLS {
            world.start_session("U111", "1s", &format!("93.184.216.{}", 34 + round)).await;
            // Spread over the second that it lasts and the half that closing takes.
            tokio::time::sleep(Duration::from_millis(1500) * round / KILLS).await;
            world.server.kill_9();
            world.server.restart().await;
        }
        for group in &world.groups {
            world.wait_until_group_allows(group, &[]).await;
        }
        let over = eventually("every session is over", world.until_over, async || {
            let threads = world.slack.threads_of(SlackDouble::CHANNEL);
            let over = threads.iter().filter(|thread| thread.says("EXPIRED")).count();
            if over >= KILLS as usize { Ok(over) } else { Err(threads.iter().map(entryguard_tests::Thread::text).collect()) }
        });
        over.await;
        world.finish().await;
    }

    async fn throttling_delays_a_removal_and_never_ends_it(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        world.proxy.keep_refusing("RevokeSecurityGroupIngress", "RequestLimitExceeded");
        world.slack.command("U111", "stop").await;
        world.wait_until_thread_says_all(&["EXPIRING", "REMOVING", "throttling its API"]).await;
        world.proxy.behave();
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.finish().await;
    }

    async fn slack_being_down_delays_no_rule_and_loses_no_final_state(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.slack.go_down();
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        world.slack.command("U111", "stop").await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.slack.come_back();
        world.wait_until_over(&["CANCELLED"]).await;
        world.finish().await;
    }

    async fn retry_after_is_honoured(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.slack.rate_limit_next("chat.postMessage", 2, 1);
        world.start_session("U111", "1h", HOME).await;
        let thread = world.wait_until_thread_says("ACTIVE").await;
        let limited = world.slack.limited_at("chat.postMessage").expect("the first try was limited");
        let after = thread.parent.posted.duration_since(limited);
        assert!(after >= Duration::from_millis(1900), "posted {after:?} after Slack had asked for 2 s");
        assert_eq!(world.slack.threads_of(SlackDouble::CHANNEL).len(), 1);
        world.finish().await;
    }

    async fn where_the_bot_is_not_in_the_channel_it_writes_to_whoever_asked(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.slack.not_in_channel(SlackDouble::CHANNEL);
        world.start_session("U111", "1h", HOME).await;
        eventually("a direct message says ACTIVE", SOON, async || {
            let messages = world.slack.direct_messages_to("U111");
            if messages.iter().any(|message| message.says("ACTIVE") && message.says("Sent to you directly")) { Ok(()) } else { Err(format!("{messages:?}")) }
        })
        .await;
        assert!(world.slack.messages_in(SlackDouble::CHANNEL).is_empty());
    }
}

#[tokio::test]
async fn a_second_server_on_the_same_sqlite_file_refuses_to_start() {
    let world = World::on(Database::Sqlite).with_file("intranet").member("ana", "U111").start().await;
    let ran = world.entryguard(&["serve"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("is in use by another EntryGuard process"), "{}", ran.stderr);
    world.finish().await;
}
