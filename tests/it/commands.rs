//! The command-line program.

use std::process::{Command, Stdio};

use entryguard_tests::{Database, Ran, World, on_both_databases};

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";

on_both_databases! {
    async fn sweep_expired_closes_what_is_overdue_without_the_database(database: Database) {
        let mut world = World::on(database).with_groups(1).with_file("intranet").member("ana", "U111").start().await;
        world.start_session("U111", "15s", HOME).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        world.ec2.authorize_by_hand(&world.groups[0], 22, "93.184.216.99/32", "the office").await;
        world.server.kill_9();
        let sweep = async |arguments: &[&str]| world.entryguard(arguments).await;
        entryguard_tests::eventually("the rule is overdue", entryguard_tests::SOON, async || {
            let dry = sweep(&["sweep", "--expired", "--dry-run", "--json"]).await;
            assert_eq!(dry.code, Some(0), "{dry:?}");
            if dry.stdout.contains(HOME) {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            Err(dry.stdout)
        })
        .await;
        assert_eq!(world.rules_of(&world.groups[0]).await.len(), 2, "a dry run changes nothing");
        let Ran { code, stdout, stderr } = sweep(&["sweep", "--expired"]).await;
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stdout.contains("group-1: removed 93.184.216.34/32") && stdout.contains("intranet: removed"), "{stdout}");
        world.wait_until_group_allows(&world.groups[0], &["93.184.216.99/32"]).await;
        assert_eq!(world.lines_of("intranet"), [""; 0]);
        world.finish().await;
    }

    async fn the_sweep_at_the_start_adds_again_what_was_removed_by_hand(database: Database) {
        let mut world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        let orphaned = world.rules_of(&world.groups[0]).await;
        world.server.kill_9();
        // While the server is away its rule is removed by hand.
        world.ec2.revoke_by_hand(&world.groups[0], &orphaned[0].id).await;
        let dry = world.entryguard(&["sweep", "--dry-run", "--json"]).await;
        assert_eq!(dry.code, Some(0), "{dry:?}");
        assert!(dry.stdout.contains("\"missing\""), "{dry:?}");
        world.server.restart().await;
        world.wait_until_group_allows(&world.groups[0], &["93.184.216.34/32"]).await;
        world.slack.command("U111", "stop").await;
        world.wait_until_over(&["CANCELLED"]).await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.finish().await;
    }
}

#[tokio::test]
async fn check_tells_the_healthy_from_the_unhealthy() {
    let world = World::on(Database::Sqlite).with_groups(2).with_file("intranet").member("ana", "U111").start().await;
    let all_well = world.entryguard(&["check"]).await;
    assert_eq!(all_well.code, Some(0), "{all_well:?}");
    assert_eq!(all_well.stdout.matches("Valid").count(), 4, "{}", all_well.stdout);
    world.ec2.delete_group(&world.groups[1]).await;
    let one_missing = world.entryguard(&["check", "--json"]).await;
    assert_eq!(one_missing.code, Some(1));
    let rows: serde_json::Value = serde_json::from_str(&one_missing.stdout).unwrap();
    let row = rows.as_array().unwrap().iter().find(|row| row["resource"] == "group-2").unwrap();
    assert_eq!(row["health"], "Invalid", "{row}");
    assert_eq!(world.entryguard(&["check", "--offline"]).await.code, Some(0));
    world.finish().await;
}

#[tokio::test]
async fn check_says_what_the_slack_app_lacks() {
    let mut world = World::on(Database::Sqlite).with_file("intranet").member("ana", "U111").start().await;
    let well = world.entryguard(&["check"]).await;
    assert!(well.code == Some(0) && well.stdout.contains("@entryguard in Acme"), "{well:?}");
    world.slack.take_scope("users:read");
    let lacking = world.entryguard(&["check"]).await;
    assert!(lacking.code == Some(1) && lacking.stdout.contains("lacks the scope users:read"), "{lacking:?}");
    world.slack.grant_scope("users:read");
    world.rewrite_config("[slack]\n", "[slack]\napp_token = { env = \"SLACK_APP_TOKEN\" }\n");
    assert_eq!(world.entryguard(&["check"]).await.code, Some(0));
    world.slack.refuse_next("apps.connections.open", "missing_scope");
    let no_socket = world.entryguard(&["check"]).await;
    assert!(no_socket.code == Some(1) && no_socket.stdout.contains("scope connections:write"), "{no_socket:?}");
    world.slack.go_down();
    let down = world.entryguard(&["check"]).await;
    assert!(down.code == Some(0) && down.stdout.contains("Slack could not be asked"), "{down:?}");
    world.finish().await;
}

#[tokio::test]
async fn a_channel_for_reports_that_is_not_there_is_unhealthy() {
    let mut world = World::on(Database::Sqlite).with_file("intranet").member("ana", "U111").start().await;
    world.rewrite_config("[slack]\n", "[slack]\nreport_channel = \"C0NOWHERE\"\n");
    let blind = world.entryguard(&["check"]).await;
    assert!(blind.code == Some(0) && blind.stdout.contains("that takes the scope channels:read, groups:read"), "{blind:?}");
    let manifest = world.entryguard(&["slack-manifest"]).await;
    for scope in ["channels:read", "groups:read"] {
        assert!(manifest.stdout.contains(&format!("      - {scope}\n")), "{manifest:?}");
        world.slack.grant_scope(scope);
    }
    assert_eq!(world.slack.schema_refuses(&manifest.stdout).await, [""; 0]);
    let missing = world.entryguard(&["check"]).await;
    assert!(missing.code == Some(1) && missing.stdout.contains("report_channel C0NOWHERE is missing"), "{missing:?}");
    world.slack.invite_to("C0NOWHERE");
    let well = world.entryguard(&["check"]).await;
    assert!(well.code == Some(0) && !well.stdout.contains("warning"), "{well:?}");
    world.finish().await;
}

#[tokio::test]
async fn check_warns_where_nobody_would_hear_of_broken_glass() {
    let approval = "approval = { by = [\"cy\"], within = \"30m\" }\nbreak_glass = true";
    let world = World::on(Database::Sqlite).with_file("intranet").member("ana", "U111").member("cy", "U333");
    let mut world = world.role("careful", &["ana"], &["intranet"], approval).start().await;
    let heard = world.entryguard(&["check"]).await;
    assert!(heard.code == Some(0) && !heard.stdout.contains("nobody would hear"), "{heard:?}");
    world.rewrite_config("slack:T0123456/U333", "github-user:42");
    let unheard = world.entryguard(&["check"]).await;
    assert!(unheard.code == Some(0) && unheard.stdout.contains("nobody would hear of it"), "{unheard:?}");
    world.finish().await;
}

#[tokio::test]
async fn the_policy_and_the_manifest_need_no_secret() {
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").start().await;
    let policy = world.entryguard(&["iam-policy"]).await;
    assert!(policy.stdout.contains(&format!("security-group/{}", world.groups[0])), "{policy:?}");
    let manifest = world.entryguard(&["slack-manifest", "--public-url", "https://guard.example.com"]).await;
    assert!(manifest.stdout.contains("https://guard.example.com/slack/commands"), "{manifest:?}");
    assert_eq!(world.slack.schema_refuses(&manifest.stdout).await, [""; 0]);
    let broken = manifest
        .stdout
        .replace("command: /entryguard", "command: entryguard with spaces and no slash at all, and far too long to be one");
    assert_ne!(world.slack.schema_refuses(&broken).await, [""; 0], "the schema refuses nothing");
    let socket_mode = world.entryguard(&["slack-manifest", "--socket-mode"]).await;
    assert!(!socket_mode.stdout.contains("url") && socket_mode.stdout.contains("socket_mode_enabled: true"), "{socket_mode:?}");
    assert_eq!(world.slack.schema_refuses(&socket_mode.stdout).await, [""; 0]);
    world.finish().await;
}

#[tokio::test]
async fn wrong_usage_is_2_and_a_failure_is_1_with_one_line_that_says_why() {
    let world = World::on(Database::Sqlite).with_file("intranet").member("ana", "U111").start().await;
    assert_eq!(world.entryguard(&["no-such-verb"]).await.code, Some(2));
    let ran = world.entryguard(&["check", "--config", "missing.toml"]).await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("missing.toml cannot be read") && ran.stderr.lines().count() == 1, "{}", ran.stderr);
    world.finish().await;
}

/// A demo that is stopped when the test ends, however it ends.
struct Demo(std::process::Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_demos_page_is_closed_before_a_session_and_open_during_it() {
    use std::io::BufRead;
    let binary = entryguard_tests::program();
    let child =
        Command::new(binary).args(["demo", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut demo = Demo(child.unwrap());
    let mut greeting = String::new();
    // The pipe closes after one line: a demo whose reader has seen enough goes on.
    std::io::BufReader::new(demo.0.stdout.take().unwrap()).read_line(&mut greeting).unwrap();
    let url = greeting.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let guarded = async || client.get(format!("{url}/guarded")).send().await.unwrap().status().as_u16();
    assert_eq!(guarded().await, 403);
    let page = client.get(&url).send().await.unwrap().text().await.unwrap();
    let token = page.split("name=\"form_token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let forged = client.post(format!("{url}/sessions")).form(&[("duration", "1h"), ("form_token", "0")]).send().await.unwrap();
    assert_eq!(forged.status().as_u16(), 403);
    let started = client.post(format!("{url}/sessions")).form(&[("duration", "1h"), ("form_token", &token)]);
    let started = started.send().await.unwrap();
    assert!(started.status().is_success(), "{started:?}");
    let becomes = async |status| {
        entryguard_tests::eventually(&format!("the page answers {status}"), entryguard_tests::SOON, async || {
            let seen = guarded().await;
            if seen == status { Ok(()) } else { Err(seen.to_string()) }
        })
        .await;
    };
    becomes(200).await;
    let page = client.get(&url).send().await.unwrap().text().await.unwrap();
    let stop = page.split('"').find(|part| part.starts_with("/sessions/") && part.ends_with("/stop")).unwrap().to_owned();
    client.post(format!("{url}{stop}")).form(&[("form_token", &token)]).send().await.unwrap();
    becomes(403).await;
    let elsewhere = client.post(format!("{url}/sessions")).header("Sec-Fetch-Site", "cross-site").send().await.unwrap();
    assert_eq!(elsewhere.status().as_u16(), 403);
    let rebound = client.get(&url).header("Host", "rebound.example.com").send().await.unwrap();
    assert_eq!(rebound.status().as_u16(), 403);
    for name in ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP"] {
        let forwarded = client.get(&url).header(name, "198.41.0.4").send().await.unwrap();
        assert_eq!(forwarded.status().as_u16(), 403, "{name}");
        let page = forwarded.text().await.unwrap();
        assert!(page.contains("sits at this machine") && !page.contains("form_token"), "{page}");
    }
}

#[test]
fn the_demo_listens_to_nobody_else() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let ran = Command::new(entryguard_tests::program()).args(["demo", "--listen", address]).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.code() == Some(1) && said.contains("listens on this machine alone"), "{address}: {said}");
    }
}
