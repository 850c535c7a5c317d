//! Sessions that start by themselves, and the hours in which any may.

use std::collections::BTreeSet;
use std::time::Duration;

use entryguard_tests::{Database, SOON, World, WorldBuilder, eventually, on_both_databases, unix_seconds};
use serde_json::Value;

const OFFICE: &str = "93.184.216.40";
const OFFICE_CIDR: &str = "93.184.216.40/32";
const OTHER_CIDR: &str = "93.184.216.41/32";
const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";
/// The refused start of a tick is tried again every 15 seconds.
const TRIED_AGAIN: Duration = Duration::from_secs(45);

/// A schedule that is running for hours to come, of a day that began six hours ago: midnight is no time of its own.
struct Day {
    cron: String,
    ends: i64,
}

impl Day {
    fn now() -> Self {
        let (begins, at) = clock(-6 * 3_600);
        let (hour, minute) = begins.split_once(':').unwrap();
        Self { cron: format!("{minute} {hour} * * *"), ends: at + 24 * 3_600 }
    }

    fn schedule(&self) -> String {
        schedule(&self.cron, "24h")
    }
}

fn schedule(cron: &str, duration: &str) -> String {
    format!(
        "[[schedule]]\nname = \"office\"\ncron = {cron:?}\ntimezone = \"UTC\"\nmember = \"office\"\naddresses = [{OFFICE:?}]\n\
         duration = {duration:?}\nreason = \"the office\"\n"
    )
}

fn with_office(database: Database) -> WorldBuilder {
    World::on(database).with_groups(1).admin("ana", "U111").workflow_member("office", "repository_id=1")
}

/// What the log has of the sessions that schedules started.
async fn started(world: &World) -> Vec<Value> {
    let log = world.entryguard(&["audit", "export"]).await.stdout;
    let entries = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    entries.filter(|entry| entry["action"] == "session.started" && entry["surface"] == "schedule").collect()
}

/// A clock's words for so many seconds from now, to the minute, and when that is.
pub fn clock(in_seconds: i64) -> (String, i64) {
    let at = (unix_seconds() + in_seconds) / 60 * 60;
    (format!("{:02}:{:02}", at / 3600 % 24, at / 60 % 60), at)
}

on_both_databases! {
    async fn a_tick_that_was_missed_is_made_up_for_once_and_its_session_goes_with_the_schedule(database: Database) {
        let day = Day::now();
        let mut world = with_office(database).configured(&day.schedule()).start().await;
        world.wait_until_group_allows(&world.groups[0], &[OFFICE_CIDR]).await;
        let wish = world.records().await.wishes().await.remove(0);
        assert_eq!(wish.expires_at, day.ends * 1000, "what is left of the day, and no more");
        world.server.restart().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let all = started(&world).await;
        assert_eq!(all.len(), 1, "{all:#?}");
        let evidence = &all[0]["details"]["evidence"];
        assert_eq!((&evidence["learntBy"], &evidence["schedule"]), (&"configuration".into(), &"office".into()), "{evidence}");
        // Another address is another session; none is left at the old one.
        world.rewrite_config(OFFICE, "93.184.216.41");
        world.reload().await;
        world.wait_until_group_allows(&world.groups[0], &[OTHER_CIDR]).await;
        // So are other ticks, and so is another duration: what was opened for longer than is wanted now does not stay.
        let (hour_ago, _) = clock(-3_600);
        let (hour, minute) = hour_ago.split_once(':').unwrap();
        let other_ticks = format!("cron = \"{minute} {hour} * * *\"");
        let ticks = format!("cron = {:?}", day.cron);
        let old_and_new = [(ticks.as_str(), other_ticks.as_str()), ("duration = \"24h\"\nreason", "duration = \"23h\"\nreason")];
        for (sessions, (old, new)) in (3..).zip(old_and_new) {
            world.rewrite_config(old, new);
            world.reload().await;
            let is_there = async || {
                let all = started(&world).await.len();
                if all == sessions { Ok(()) } else { Err(format!("{all} sessions")) }
            };
            eventually(new, SOON, is_there).await;
        }
        world.wait_until_group_allows(&world.groups[0], &[OTHER_CIDR]).await;
        // Without its schedule a session does not go on.
        world.rewrite_config("[[schedule]]\nname = \"office\"", "[[member]]\nname = \"extra\"\n[[schedule]]\nname = \"weekend\"");
        world.rewrite_config(&other_ticks, "cron = \"0 0 29 2 *\"");
        world.reload().await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        let log = world.entryguard(&["audit", "export"]).await.stdout;
        assert!(log.contains("its schedule is no longer configured") && log.contains("its schedule was changed"), "{log}");
        world.finish().await;
    }

    async fn a_refused_tick_is_told_of_and_tried_again(database: Database) {
        let builder = with_office(database).role("office", &["office"], &[], "").role("all", &["ana"], &["group-1"], "");
        let mut world = builder.configured(&Day::now().schedule()).start().await;
        let told = async || {
            let messages = world.slack.direct_messages_to("U111");
            let about = |message: &&entryguard_tests::Message| message.says("a schedule's session could not be started");
            messages.iter().filter(about).count()
        };
        eventually("the administrators are told", SOON, async || if told().await > 0 { Ok(()) } else { Err(String::new()) }).await;
        world.rewrite_config("members = [\"ana\"]", "members = [\"ana\", \"office\"]");
        world.reload().await;
        world.patience = TRIED_AGAIN;
        world.wait_until_group_allows(&world.groups[0], &[OFFICE_CIDR]).await;
        let messages = world.slack.direct_messages_to("U111");
        let about = |message: &&entryguard_tests::Message| message.says("a schedule's session could not be started");
        assert_eq!(messages.iter().filter(about).count(), 1, "once, however often it was tried");
        world.finish().await;
    }

    async fn a_schedule_opens_what_its_role_gives_and_no_more(database: Database) {
        let builder = World::on(database).with_groups(2).admin("ana", "U111").workflow_member("office", "repository_id=1");
        let builder = builder.role("office", &["office"], &["group-1"], "").role("all", &["office"], &["group-1", "group-2"], "");
        let all_day = Day::now().schedule();
        let of = |role: &str| all_day.replace("member = \"office\"", &format!("member = \"office\"\nrole = {role:?}"));
        let mut world = builder.configured(&of("all")).start().await;
        for group in &world.groups {
            world.wait_until_group_allows(group, &[OFFICE_CIDR]).await;
        }
        world.rewrite_config(&of("all"), &of("office"));
        world.reload().await;
        world.wait_until_group_allows(&world.groups[1], &[]).await;
        world.wait_until_group_allows(&world.groups[0], &[OFFICE_CIDR]).await;
        let opened = started(&world).await.pop().unwrap();
        assert_eq!(opened["details"]["resources"], serde_json::json!(["group-1"]), "{opened}");
        world.rewrite_config(&of("office"), &of("ofice"));
        let check = world.entryguard(&["check", "--offline"]).await;
        assert!(check.stderr.contains("`ofice`") && check.stderr.contains("did you mean `office`"), "{check:?}");
        world.rewrite_config(&of("ofice"), &of("office"));
        world.rewrite_config("name = \"office\"\nmembers = [\"office\"]", "name = \"office\"\nmembers = [\"ana\"]");
        let check = world.entryguard(&["check", "--offline"]).await;
        assert!(check.stderr.contains("role `office` has no member `office`"), "{check:?}");
        world.finish().await;
    }

    async fn a_schedule_that_is_approved_late_ends_when_it_would_have(database: Database) {
        let asks = "approval = { by = [\"bo\"], within = \"10m\" }";
        let builder = World::on(database).with_groups(1).admin("bo", "U222").workflow_member("office", "repository_id=1");
        let builder = builder.role("office", &["office"], &["group-1"], asks);
        let day = Day::now();
        let world = builder.configured(&day.schedule()).start().await;
        let request = eventually("bo is asked", SOON, async || {
            world.slack.direct_messages_to("U222").pop().ok_or_else(|| "nothing".to_owned())
        })
        .await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.slack.press("U222", &request, "entryguard_approve").await;
        world.wait_until_group_allows(&world.groups[0], &[OFFICE_CIDR]).await;
        let wish = world.records().await.wishes().await.remove(0);
        assert_eq!(wish.expires_at, day.ends * 1000, "when the day is over, however late the answer");
        world.finish().await;
    }

    async fn nobody_begins_outside_of_a_role_s_hours_and_no_session_outlasts_them(database: Database) {
        let ((early, _), (late, closes)) = (clock(-7_200), clock(1_800));
        let ((later, _), (latest, _)) = (clock(10_800), clock(14_400));
        let builder = with_office(database).member("bo", "U222");
        let builder = builder.role("day", &["ana"], &["group-1"], &format!("hours = \"{early}-{late} UTC\""));
        let builder = builder.role("night", &["bo"], &["group-1"], &format!("hours = \"{later}-{latest} UTC\"\nmax_duration = \"2h\""));
        let mut world = builder.start().await;
        let refused = world.slack.command("U222", "start 1h").await;
        assert!(refused.says("Your role night opens") && refused.says(&format!("{later} (UTC), in ")), "{}", refused.text());
        world.start_session("U111", "8h", HOME).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        world.wait_until_thread_says("ACTIVE").await;
        assert_eq!(world.records().await.wishes().await[0].expires_at, closes * 1000, "8h were asked for");
        let capped = world.slack.command("U111", "extend 2h").await;
        world.wait_until_told(&capped, "the hours of role day").await;
        // The hours are over sooner now, and with them the session.
        world.rewrite_config(&format!("{early}-{late}"), &format!("{later}-{latest}"));
        world.reload().await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        assert!(world.entryguard(&["audit", "export"]).await.stdout.contains("session.shortened"));
        world.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_start_one_session_for_each_tick() {
    let every_ten_seconds = schedule("*/10 * * * * *", "6s");
    let builder =
        with_office(Database::Postgres).configured(&every_ten_seconds).configured("[removal]\nread_again_after = [\"1s\"]");
    let world = builder.start().await;
    let _other = world.another_server().await;
    let all = eventually("three ticks have passed", Duration::from_secs(180), async || {
        let all = started(&world).await;
        if all.len() >= 3 { Ok(all) } else { Err(format!("{all:#?}")) }
    })
    .await;
    let ticks: BTreeSet<_> = all.iter().map(|entry| entry["details"]["evidence"]["tick"].to_string()).collect();
    assert_eq!(ticks.len(), all.len(), "{all:#?}");
    world.finish().await;
}
