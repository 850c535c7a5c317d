//! What users see when a rule is removed or changed by hand, or deleted with its group; and of lists that lag.

use std::time::{Duration, Instant};

use entryguard_tests::{Database, Program, SOON, SlackDouble, World, eventually, on_both_databases};

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";
const DESCRIBE: &str = "DescribeSecurityGroupRules";
const AUTHORIZE: &str = "AuthorizeSecurityGroupIngress";
/// How often to look.
const NOW_AND_THEN: Duration = Duration::from_millis(50);

/// A group that is swept every second, and a program that may ask as often as it wants to.
async fn swept(database: Database) -> (World, Program) {
    let world = World::on(database).with_groups(1).member("ana", "U111").sweeping("* * * * * *");
    let world = world.configured("[api]\nrequests_per_minute = 100000").start().await;
    let program = world.program(HOME, &world.api_key("ana", "sessions:read,sessions:write", &[]).await);
    (world, program)
}

/// A session of ana's that is open there.
async fn opened(database: Database) -> (World, Program) {
    let (world, program) = swept(database).await;
    world.start_session("U111", "1h", HOME).await;
    world.wait_until_thread_says("ACTIVE").await;
    (world, program)
}

/// The only session's status, and why its rule is not there.
async fn shown(program: &Program) -> (String, String) {
    let body = program.get("sessions?state=unclosed").await.body;
    let session = &body["sessions"][0];
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (text(&session["status"]), text(&session["resourceIps"][0]["errorMessage"]))
}

async fn wait_until_shown(program: &Program, status: &str, why: &str) {
    eventually(&format!("{status}: {why}"), SOON, async || {
        let shown = shown(program).await;
        if shown.0 == status && shown.1.contains(why) { Ok(()) } else { Err(format!("{shown:?}")) }
    })
    .await;
}

/// It is open again, and was told of once: in the thread, and in the log.
async fn was_told_once(world: &World, program: &Program) {
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
    wait_until_shown(program, "ACTIVE", "").await;
    let thread = world.wait_until_thread_says_all(&["ACTIVE", "1 of 1 open", "outside of EntryGuard"]).await;
    assert_eq!(thread.text().matches("outside of EntryGuard").count(), 1, "{}", thread.text());
    let log = world.entryguard(&["audit", "export"]).await.stdout;
    let logged = ["rule.lost", "session.interrupted", "session.active"].map(|action| log.matches(action).count());
    assert_eq!(logged, [1, 1, 2], "{log}");
}

async fn ends(world: World) {
    world.slack.command("U111", "stop").await;
    world.wait_until_over(&["CANCELLED"]).await;
    world.finish().await;
}

on_both_databases! {
    async fn i9_a_rule_that_was_deleted_is_pending_with_the_reason_and_comes_back(database: Database) {
        let (world, program) = opened(database).await;
        let old = world.rules_of(&world.groups[0]).await.remove(0);
        world.proxy.hold_before(AUTHORIZE);
        world.ec2.revoke_by_hand(&world.groups[0], &old.id).await;
        wait_until_shown(&program, "PENDING", "removed outside of EntryGuard").await;
        world.wait_until_thread_says_all(&["PENDING", "0 of 1 open", "removed outside of EntryGuard"]).await;
        world.proxy.behave();
        was_told_once(&world, &program).await;
        ends(world).await;
    }

    async fn i9_a_widened_rule_is_shown_as_pending_and_replaced(database: Database) {
        let (world, program) = opened(database).await;
        let old = world.rules_of(&world.groups[0]).await.remove(0);
        let (status, body) = world.ec2.try_ask("ModifySecurityGroupRules", &[
            ("GroupId", &world.groups[0]),
            ("SecurityGroupRule.1.SecurityGroupRuleId", &old.id),
            ("SecurityGroupRule.1.SecurityGroupRule.IpProtocol", "tcp"),
            ("SecurityGroupRule.1.SecurityGroupRule.FromPort", "0"),
            ("SecurityGroupRule.1.SecurityGroupRule.ToPort", "65535"),
            ("SecurityGroupRule.1.SecurityGroupRule.CidrIpv4", "0.0.0.0/0"),
        ]).await;
        assert_eq!(status, 200, "{body}");
        // From when nothing is open on, nothing says that something is.
        let (mut closed_since, began) = (None, Instant::now());
        loop {
            assert!(began.elapsed() < SOON, "it is not open again");
            let before = shown(&program).await.0;
            let rules = world.rules_of(&world.groups[0]).await;
            if rules.iter().any(|rule| rule.cidr == HOME_CIDR) {
                break;
            }
            if rules.is_empty() {
                let since = *closed_since.get_or_insert_with(Instant::now);
                let after = shown(&program).await.0;
                let lies = before == "ACTIVE" && after == "ACTIVE" && world.rules_of(&world.groups[0]).await.is_empty();
                assert!(!lies, "ACTIVE with nothing open for {:?}", since.elapsed());
            }
            tokio::time::sleep(NOW_AND_THEN).await;
        }
        was_told_once(&world, &program).await;
        ends(world).await;
    }

    async fn i9_a_group_that_was_deleted_is_failed_and_its_session_can_be_ended(database: Database) {
        let (world, program) = opened(database).await;
        world.ec2.delete_group(&world.groups[0]).await;
        wait_until_shown(&program, "FAILED", "does not exist").await;
        world.wait_until_thread_says_all(&["FAILED", "0 of 1 open", "does not exist", &world.groups[0]]).await;
        ends(world).await;
    }

    async fn i9_old_lists_and_empty_ones_take_nothing_from_a_session(database: Database) {
        let (world, program) = swept(database).await;
        let group = world.groups[0].clone();
        let (status, old) = world.ec2.try_ask(DESCRIBE, &[("Filter.1.Name", "group-id"), ("Filter.1.Value.1", &group)]).await;
        assert_eq!(status, 200, "{old}");
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        let rules = world.rules_of(&group).await;
        for _ in 0..3 {
            world.proxy.forget_calls();
            // One, so that this holds on a slow machine too: an old rule needs two reads that agree.
            world.proxy.answer_instead(DESCRIBE, &group, &old, 1);
            // It, the true one by which the doubt ends, and a sweep after that.
            eventually("the lists were read", SOON, async || {
                assert_eq!(shown(&program).await.0, "ACTIVE");
                let reads = world.proxy.calls_of(DESCRIBE).iter().filter(|call| call.fate.is_some()).count();
                if reads >= 3 { Ok(()) } else { Err(format!("{reads} reads")) }
            })
            .await;
        }
        assert_eq!(world.rules_of(&group).await, rules);
        let log = world.entryguard(&["audit", "export"]).await.stdout;
        assert!(!log.contains("rule.lost") && !log.contains("session.interrupted"), "{log}");
        assert!(!world.slack.thread_of(SlackDouble::CHANNEL).unwrap().says("outside of EntryGuard"));
        ends(world).await;
    }
}
