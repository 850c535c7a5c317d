//! SIGHUP: the configuration is read again while sessions go on.

use std::time::Duration;

use entryguard_tests::{SOON, World, eventually, on_both_databases};

use crate::schedules::clock;

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";
const CAFE: &str = "93.184.216.35";
const CAFE_CIDR: &str = "93.184.216.35/32";
/// A resource is let go of once what slipped in would show, and the last read has agreed that nothing is open.
const LET_GO: Duration = Duration::from_secs(45);

async fn wait_until_logged(world: &World, words: &str) {
    eventually(&format!("the log says {words:?}"), SOON, async || {
        let log = world.server.log();
        if log.contains(words) { Ok(()) } else { Err(log.lines().rev().take(20).collect::<Vec<_>>().join("\n")) }
    })
    .await;
}

on_both_databases! {
    async fn a_new_member_and_a_new_resource_count_at_once(database: Database) {
        let builder = World::on(database).with_groups(1).with_file("intranet").member("ana", "U111");
        let mut world = builder.role("all", &["ana"], &["group-1"], "").start().await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        let stranger = world.slack.command("U222", "start 1h").await;
        assert!(stranger.says("does not know you yet"), "{}", stranger.text());
        let wiki = world.file("wiki");
        let tables = format!(
            "[[resource]]\nname = \"wiki\"\nprovider = \"file\"\ntype = \"allowlist\"\nid = {wiki:?}\nformat = \"plain\"\n\
             [[member]]\nname = \"bo\"\nidentities = [\"slack:{}/U222\"]\n\
             [[role]]\nname = \"more\"\nmembers = [\"bo\"]\nresources = [\"wiki\", \"intranet\"]\n[organization]",
            entryguard_tests::SlackDouble::TEAM
        );
        world.rewrite_config("[organization]", &tables);
        world.reload().await;
        for line in ["resource wiki is new", "member bo is new", "role more is new"] {
            wait_until_logged(&world, line).await;
        }
        world.start_session("U222", "1h", CAFE).await;
        eventually("the new resource is open", SOON, async || {
            let open = (world.lines_of("wiki"), world.lines_of("intranet"));
            if open == (vec![CAFE.to_owned()], vec![CAFE.to_owned()]) { Ok(()) } else { Err(format!("{open:?}")) }
        })
        .await;
        assert_eq!(world.rules_of(&world.groups[0]).await.len(), 1, "the session of before goes on");
        world.finish().await;
    }

    async fn i1_a_resource_that_goes_is_closed_and_its_sessions_go_on_without_it(database: Database) {
        let mut world = World::on(database).with_groups(2).member("ana", "U111").member("bo", "U222").start().await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        world.start_session("U222", "1h", CAFE).await;
        for group in &world.groups {
            world.wait_until_group_allows(group, &[HOME_CIDR, CAFE_CIDR]).await;
        }
        let without_bo = |world: &mut World| {
            world.rewrite_config("resources = [\"group-1\", \"group-2\"]", "resources = [\"group-2\"]");
            world.rewrite_config("members = [\"ana\", \"bo\"]", "members = [\"ana\"]");
            let tables = world.config().to_owned();
            let from = tables.find("[[resource]]\nname = \"group-1\"").unwrap();
            let to = tables[from + 1..].find("[[").unwrap() + from + 1;
            world.rewrite_config(&tables[from..to], "");
            let from = world.config().find("[[member]]\nname = \"bo\"").unwrap();
            let tables = world.config().to_owned();
            let to = tables[from + 1..].find("[[").map_or(tables.len(), |to| to + from + 1);
            world.rewrite_config(&tables[from..to], "");
        };
        without_bo(&mut world);
        let check = world.entryguard(&["check"]).await;
        assert!(check.stdout.contains("a reload would change 2 sessions") && check.stdout.contains("of ana loses group-1"), "{check:?}");
        assert!(check.stdout.contains("of bo closes: no longer a member"), "{check:?}");
        assert_eq!(world.rules_of(&world.groups[0]).await.len(), 2, "to check changes nothing");
        world.reload().await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.wait_until_group_allows(&world.groups[1], &[HOME_CIDR]).await;
        for line in ["resource group-1 goes", "member bo goes", "loses group-1: no role gives it any more", "closes: no longer a member"] {
            wait_until_logged(&world, line).await;
        }
        let log = world.entryguard(&["audit", "export"]).await.stdout;
        assert!(log.contains("session.narrowed") && log.contains("no longer a member"), "{log}");
        let stranger = world.slack.command("U222", "start 1h").await;
        assert!(stranger.says("does not know you yet"), "{}", stranger.text());
        world.finish().await;
    }

    async fn what_a_reload_takes_is_shown_before_it_does(database: Database) {
        let builder = World::on(database).with_groups(2).member("ana", "U111").member("bo", "U222");
        let builder = builder.role("day", &["ana"], &["group-1"], "").role("other", &["bo"], &["group-2"], "");
        let mut world = builder.start().await;
        world.start_session("U111", "8h", HOME).await;
        world.start_session("U222", "8h", CAFE).await;
        for (group, open) in world.groups.iter().zip([HOME_CIDR, CAFE_CIDR]) {
            world.wait_until_group_allows(group, &[open]).await;
        }
        let folder = tempfile::tempdir().unwrap();
        let before = folder.path().join("before.toml");
        std::fs::write(&before, world.config()).unwrap();
        let against = ["check", "--against", before.to_str().unwrap()];
        let same = world.entryguard(&against).await;
        assert!(same.stdout.contains("the same") && !same.stdout.contains("a reload"), "{same:?}");
        let ((early, _), (late, closes)) = (clock(-7_200), clock(1_800));
        world.rewrite_config("name = \"day\"\n", &format!("name = \"day\"\nhours = \"{early}-{late} UTC\"\n"));
        let (person, administrator) = ("email = \"bo@example.com\"\nadmin = false", "email = \"bo@example.com\"\nadmin = true");
        world.rewrite_config(person, administrator);
        let elsewhere = world.groups[1].to_string();
        world.rewrite_config(&elsewhere, "sg-0123456789abcdef0");
        let check = world.entryguard(&against).await;
        let lines = [
            "resource group-2 changes: its place", "member bo changes: admin", "role day changes: hours",
            "of ana ends at ", "of bo closes: no role gives it any more",
        ];
        for line in lines {
            assert!(check.stdout.contains(line), "{line}: {check:?}");
        }
        world.rewrite_config("sg-0123456789abcdef0", &elsewhere);
        world.reload().await;
        for line in [lines[1], lines[2], lines[3]] {
            wait_until_logged(&world, line).await;
        }
        let ends = async || world.records().await.wishes().await.iter().map(|wish| wish.expires_at).min().unwrap_or_default();
        eventually("it ends with the hours", SOON, async || {
            let at = ends().await;
            if at == closes * 1000 { Ok(()) } else { Err(at.to_string()) }
        })
        .await;
        world.finish().await;
    }

    async fn a_file_that_makes_no_sense_changes_nothing(database: Database) {
        let mut world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        world.rewrite_config("members = [\"ana\"]", "members = [\"anna\"]");
        world.server.hang_up();
        wait_until_logged(&world, "names member `anna`, which is not defined; did you mean `ana`?").await;
        world.rewrite_config("members = [\"anna\"]", "members = [");
        world.server.hang_up();
        wait_until_logged(&world, "the configuration stays as it was").await;
        world.slack.command("U111", "extend 1h").await;
        world.wait_until_thread_says("Extended by ana").await;
        assert_eq!(world.rules_of(&world.groups[0]).await.len(), 1);
        world.finish().await;
    }

    async fn what_was_taken_from_a_session_holds_up_no_longer_time(database: Database) {
        let builder = World::on(database).with_groups(2).member("ana", "U111");
        let mut world = builder.role("all", &["ana"], &["group-1", "group-2"], "").start().await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says_all(&["ACTIVE", "2 of 2 open"]).await;
        world.rewrite_config("resources = [\"group-1\", \"group-2\"]", "resources = [\"group-1\"]");
        world.reload().await;
        world.wait_until_group_allows(&world.groups[1], &[]).await;
        world.slack.command("U111", "extend 1h").await;
        let told = world.wait_until_thread_says_all(&["Extended by ana to", "Open for 2h, until"]).await;
        assert!(!told.says("being extended"), "{}", told.text());
        world.finish().await;
    }

    async fn i1_a_name_that_means_another_place_is_closed_at_the_old_one_before_it_opens_at_the_new(database: Database) {
        let builder = World::on(database).with_groups(2).member("ana", "U111").role("all", &["ana"], &["group-1"], "");
        let mut world = builder.configured("[removal]\nread_again_after = [\"1s\"]").start().await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        // The two change places: what was opened as group-1 is in the first group, and has to be removed there.
        let (one, two) = (world.groups[0].clone(), world.groups[1].clone());
        world.rewrite_config(&one.to_string(), "sg-elsewhere");
        world.rewrite_config(&two.to_string(), &one.to_string());
        world.rewrite_config("sg-elsewhere", &two.to_string());
        world.rewrite_config("public_url", "# another\nipv4_url = \"http://127.0.0.1:1\"\npublic_url");
        world.reload().await;
        wait_until_logged(&world, "[server] is another, which takes a restart").await;
        world.wait_until_group_allows(&one, &[]).await;
        world.patience = LET_GO;
        eventually("the name is used for its new place", LET_GO, async || {
            let answer = world.slack.command("U111", "start 1h").await;
            if answer.says("Confirm") || answer.says("confirm") { Ok(()) } else { Err(answer.text()) }
        })
        .await;
        world.start_session("U111", "1h", CAFE).await;
        world.wait_until_group_allows(&two, &[CAFE_CIDR]).await;
        assert_eq!(world.rules_of(&one).await, []);
        world.finish().await;
    }
}
