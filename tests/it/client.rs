//! The command-line client: the real program against a real server, as people and scripts use it.

use entryguard_tests::{Database, Ingress, Ran, World};
use serde_json::Value;

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";

/// Somebody at a terminal: a server, the way to it, and a key of theirs.
struct Desk {
    world: World,
    ingress: Ingress,
    key: String,
    home: tempfile::TempDir,
}

impl Desk {
    async fn new() -> Self {
        Self::at(World::on(Database::Sqlite).with_groups(2).member("ana", "U111").start().await).await
    }

    async fn at(world: World) -> Self {
        let ingress = Ingress::before(&world.server.address(), HOME).await;
        let scopes = "sessions:read,sessions:write";
        let made = world.entryguard(&["api-key", "create", "--member", "ana", "--name", "laptop", "--scopes", scopes]).await;
        assert_eq!(made.code, Some(0), "{made:?}");
        let key = made.stdout.split_whitespace().find(|word| word.starts_with("egk_")).unwrap().to_owned();
        Self { world, ingress, key, home: tempfile::tempdir().unwrap() }
    }

    /// What the program says, with the key in its environment.
    async fn run(&self, arguments: &[&str]) -> Ran {
        let environment = [("ENTRYGUARD_URL", self.ingress.url()), ("ENTRYGUARD_API_KEY", &self.key)];
        self.world.entryguard_with(arguments, &environment, "").await
    }

    /// What the program says whose configuration is in a home of its own.
    async fn run_at_home(&self, arguments: &[&str], input: &str) -> Ran {
        let home = self.home.path().to_str().unwrap();
        let environment = [("XDG_CONFIG_HOME", home), ("HOME", home)];
        self.world.entryguard_with(arguments, &environment, input).await
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(arguments).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    }
}

/// What people read, with everything that differs from run to run named.
fn stable(name: &str, text: &str) {
    let filters = vec![
        (r"\b[0-9a-f]{8}\b", "1a2b3c4d"),
        (r"(\d{4}-\d\d-\d\d )?\b\d\d:\d\d\b", "15:04"),
        (r"in 1h 5\dm", "in 1h 59m"),
        (r"\d+s ago", "2s ago"),
    ];
    insta::with_settings!({ filters => filters, omit_expression => true }, { insta::assert_snapshot!(name, text) });
}

#[tokio::test]
async fn a_session_is_started_seen_extended_and_stopped_from_a_terminal() {
    let desk = Desk::new().await;
    let started = desk.run(&["start", "2h", "for", "the", "deploy", "--wait"]).await;
    assert_eq!(started.code, Some(0), "{started:?}");
    assert!(started.stderr.contains("✓ group-1 for 93.184.216.34: open"), "{}", started.stderr);
    for group in &desk.world.groups {
        desk.world.wait_until_group_allows(group, &[HOME_CIDR]).await;
    }
    let listed = desk.run(&["list"]).await;
    assert!(listed.stdout.contains("ACTIVE") && listed.stdout.contains(HOME), "{}", listed.stdout);
    let shown = desk.run(&["show"]).await;
    stable("list", &listed.stdout);
    stable("show", &shown.stdout);
    let before = desk.json(&["show", "--json"]).await;
    let extended = desk.json(&["extend", "1h", "--json"]).await;
    assert_eq!(before["id"], extended["id"]);
    assert_eq!((&before["reason"], before["resourceIps"].as_array().map(Vec::len)), (&Value::from("the deploy"), Some(2)));
    let short = &before["id"].as_str().unwrap()[..8];
    let stopped = desk.run(&["stop", short, "--wait"]).await;
    assert!(stopped.code == Some(0) && stopped.stdout.contains("CANCELLED"), "{stopped:?}");
    for group in &desk.world.groups {
        desk.world.wait_until_group_allows(group, &[]).await;
    }
    assert_eq!(desk.run(&["list"]).await.stdout, "No running session. `entryguard start` opens one.\n");
    let all = desk.json(&["list", "--all", "--json"]).await;
    assert_eq!(all["sessions"].as_array().map(Vec::len), Some(1), "{all:#}");
    desk.world.finish().await;
}

#[tokio::test]
async fn what_fails_is_said_in_one_line_with_what_to_do() {
    let desk = Desk::new().await;
    let lines = |ran: &Ran| (ran.code, ran.stderr.clone());
    let slip = desk.run(&["start", "2h", "deploy"]).await;
    insta::assert_snapshot!(slip.stderr, @r#"entryguard: `entryguard start` does not know what to do with "deploy"; write `entryguard start 2h for deploy`"#);
    let too_long = desk.run(&["start", "9d"]).await;
    assert!(
        too_long.code == Some(1) && too_long.stderr.starts_with("entryguard: Duration exceeds maximum allowed"),
        "{too_long:?}"
    );
    let nothing = lines(&desk.run(&["stop"]).await);
    assert_eq!(nothing, (Some(1), "entryguard: You have no running session. Run `entryguard start` to open one.\n".to_owned()));
    for _ in 0..2 {
        desk.run(&["start", "1h"]).await;
    }
    let which = desk.run(&["extend"]).await;
    assert!(which.code == Some(1) && which.stderr.contains("more than one running session: say which ("), "{which:?}");
    let all = desk.run(&["stop", "--all"]).await;
    assert_eq!((all.code, all.stdout.lines().count()), (Some(0), 3), "{all:?}");
    assert_eq!(desk.run(&["start", "--nonsense"]).await.code, Some(2));
    let environment = [("ENTRYGUARD_URL", desk.ingress.url()), ("ENTRYGUARD_API_KEY", "egk_wrong")];
    let wrong = desk.world.entryguard_with(&["list"], &environment, "").await;
    assert!(wrong.code == Some(1) && wrong.stderr.lines().count() == 1 && !wrong.stderr.contains("egk_wrong"), "{wrong:?}");
    let away = [("ENTRYGUARD_URL", "http://127.0.0.1:9"), ("ENTRYGUARD_API_KEY", desk.key.as_str())];
    let away = desk.world.entryguard_with(&["list"], &away, "").await;
    assert!(away.code == Some(1) && away.stderr.contains("http://127.0.0.1:9 does not answer"), "{away:?}");
    let open = [("ENTRYGUARD_URL", "http://guard.example.com"), ("ENTRYGUARD_API_KEY", desk.key.as_str())];
    let open = desk.world.entryguard_with(&["list"], &open, "").await;
    assert!(open.code == Some(1) && open.stderr.contains("has to begin with https://"), "{open:?}");
    desk.world.finish().await;
}

#[tokio::test]
async fn stop_closes_whatever_else_fails_and_however_often_was_asked() {
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").sessions_at_once(9);
    let desk = Desk::at(world.configured("[api]\nrequests_per_minute = 12").start().await).await;
    let start = async || desk.json(&["start", "1h", "--json"]).await["id"].as_str().unwrap()[..8].to_owned();
    let (one, two) = (start().await, start().await);
    let stopped = desk.run(&["stop", "ffffffff", &one, "ffffffff", &two]).await;
    assert!(stopped.code == Some(1) && stopped.stdout.contains(&one) && stopped.stdout.contains(&two), "{stopped:?}");
    assert_eq!(stopped.stderr.matches("ffffffff: There is no session").count(), 2, "{stopped:?}");
    start().await;
    start().await;
    let mut used_up = false;
    for _ in 0..20 {
        used_up = used_up || desk.run(&["list"]).await.code == Some(1);
    }
    assert!(used_up, "the key may ask no more");
    let all = desk.run(&["stop", "all", "--json"]).await;
    let all: Value = serde_json::from_str(&all.stdout).unwrap_or_else(|_| panic!("{all:?}"));
    assert_eq!(all["sessions"].as_array().map(Vec::len), Some(2), "{all:#}");
    let nothing = desk.run(&["stop", "--all"]).await;
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(0), "No running session was closed.\n"), "{nothing:?}");
    // Whoever may close need not see.
    let key = desk.world.api_key("ana", "sessions:write", &[]).await;
    let environment = [("ENTRYGUARD_URL", desk.ingress.url()), ("ENTRYGUARD_API_KEY", key.as_str())];
    for arguments in [&["start", "1h"][..], &["stop"]] {
        let ran = desk.world.entryguard_with(arguments, &environment, "").await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    desk.world.wait_until_group_allows(&desk.world.groups[0], &[]).await;
    desk.world.finish().await;
}

#[tokio::test]
async fn stopping_the_only_one_stops_it_also_where_the_first_answer_was_lost() {
    let desk = Desk::new().await;
    let started = desk.json(&["start", "1h", "--wait", "--json"]).await;
    desk.ingress.lose_answers(1);
    let stopped = desk.json(&["stop", "--json"]).await;
    assert_eq!((&stopped["sessions"][0]["id"], &stopped["sessions"][1]), (&started["id"], &Value::Null), "{stopped:#}");
    desk.world.wait_until_group_allows(&desk.world.groups[0], &[]).await;
    desk.world.finish().await;
}

#[tokio::test]
async fn stop_asks_all_to_close_before_it_waits_for_any() {
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111");
    let desk = Desk::at(world.role("trusting", &["ana"], &["group-1"], "explicit_ip = true").start().await).await;
    // Not for one address, which the other session would keep open.
    let start = async |ip: &str| {
        let started = desk.json(&["start", "1h", "--ip", ip, "--wait", "--json"]).await;
        started["id"].as_str().unwrap()[..8].to_owned()
    };
    let (one, two) = (start(HOME).await, start("93.184.216.35").await);
    desk.world.proxy.keep_refusing("RevokeSecurityGroupIngress", "RequestLimitExceeded");
    let stopped = desk.run(&["stop", &one, &two, "--wait", "--timeout", "2s"]).await;
    assert_eq!((stopped.code, stopped.stdout.matches("EXPIRING").count()), (Some(1), 2), "{stopped:?}");
    for id in [&one, &two] {
        let still = format!("{id}: it is being closed, and that goes on: it is EXPIRING still");
        assert!(stopped.stderr.contains(&still), "{stopped:?}");
    }
    desk.world.proxy.behave();
    desk.world.wait_until_group_allows(&desk.world.groups[0], &[]).await;
    desk.world.finish().await;
}

#[tokio::test]
async fn whoever_waits_leaves_the_key_something_for_others_and_comes_again_when_told() {
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").member("bo", "U222");
    let asks = "approval = { by = [\"bo\"], within = \"30m\" }";
    let world = world.role("prod", &["ana"], &["group-1"], asks);
    let few = "[api]\nrequests_per_minute = 6\n[removal]\nread_again_after = [\"1s\"]";
    let desk = Desk::at(world.configured(few).start().await).await;
    let waiting = desk.run(&["start", "1h", "--wait", "--timeout", "9s"]).await;
    assert!(waiting.code == Some(1) && waiting.stderr.contains("is REQUESTED after 9s; it goes on"), "{waiting:?}");
    let id = waiting.stdout.split_whitespace().nth(1).unwrap().to_owned();
    desk.world.slack.command("U222", &format!("approve {id}")).await;
    desk.world.wait_until_group_allows(&desk.world.groups[0], &[HOME_CIDR]).await;
    // On a slow machine the key gets something back between two requests.
    let mut refused = None;
    for _ in 0..30 {
        refused = Some(desk.run(&["list"]).await).filter(|ran| ran.code != Some(0));
        if refused.is_some() {
            break;
        }
    }
    let refused = refused.expect("the limit is reached");
    assert!(refused.code == Some(1) && refused.stderr.contains("asked too often"), "{refused:?}");
    let stopped = desk.run(&["stop", "--wait"]).await;
    assert!(stopped.code == Some(0) && stopped.stdout.contains("CANCELLED"), "{stopped:?}");
    desk.world.finish().await;
}

#[tokio::test]
async fn programs_are_told_in_json_what_failed() {
    let desk = Desk::new().await;
    let failed = async |arguments: &[&str]| {
        let ran = desk.run(arguments).await;
        let told: Value = serde_json::from_str(&ran.stderr).unwrap_or_else(|_| panic!("one line of JSON: {ran:?}"));
        assert!(ran.code == Some(1) && ran.stderr.lines().count() == 1 && told["detail"].is_string(), "{ran:?}");
        told
    };
    let too_long = failed(&["start", "9d", "--json"]).await;
    assert_eq!((&too_long["status"], &too_long["code"]), (&Value::from(422), &Value::from("duration_refused")), "{too_long:#}");
    assert!(too_long["requestId"].is_string() && too_long["title"].is_string(), "{too_long:#}");
    for (arguments, code) in [
        (&["start", "2h", "deploy", "--json"][..], "malformed"),
        (&["show", "ffffffff", "--json"], "session_unknown"),
        (&["show", "--json"], "session_unknown"),
        (&["stop", "--json"], "session_unknown"),
        (&["extend", "ffffffff", "--json"], "session_unknown"),
    ] {
        assert_eq!(failed(arguments).await["code"], code, "{arguments:?}");
    }
    let several = failed(&["stop", "ffffffff", "eeeeeeee", "--json"]).await;
    assert_eq!((&several["code"], &several["failed"][1]["session"]), (&Value::from("not_all_closed"), &Value::from("eeeeeeee")));
    desk.world.ec2.delete_group(&desk.world.groups[1]).await;
    let ran = desk.run(&["start", "1h", "--wait", "--json"]).await;
    let (session, told): (Value, Value) = (ran.stdout.parse().unwrap(), ran.stderr.parse().unwrap());
    assert_eq!((&session["status"], &told["code"]), (&Value::from("PARTIAL"), &Value::from("not_open")), "{ran:?}");
    desk.run(&["stop"]).await;
    desk.world.wait_until_group_allows(&desk.world.groups[0], &[]).await;
    let away = [("ENTRYGUARD_URL", "http://127.0.0.1:9"), ("ENTRYGUARD_API_KEY", desk.key.as_str())];
    let away = desk.world.entryguard_with(&["list", "--json"], &away, "").await;
    assert!(away.stderr.contains("\"code\":\"no_answer\""), "{away:?}");
    desk.world.finish().await;
}

#[tokio::test]
async fn a_part_that_could_not_be_opened_fails_the_command_and_says_which() {
    let desk = Desk::new().await;
    desk.world.ec2.delete_group(&desk.world.groups[1]).await;
    let ran = desk.run(&["start", "1h", "--wait"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let last = ran.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("is PARTIAL (group-2: "), "{}", ran.stderr);
    desk.run(&["stop", "--all"]).await;
    desk.world.wait_until_group_allows(&desk.world.groups[0], &[]).await;
    desk.world.finish().await;
}

#[tokio::test]
async fn a_request_is_waited_for_until_somebody_agrees() {
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").member("bo", "U222");
    let asks = "approval = { by = [\"bo\"], within = \"30m\" }";
    let desk = Desk::at(world.role("prod", &["ana"], &["group-1"], asks).start().await).await;
    let waiting = desk.run(&["start", "1h", "for", "prod", "--wait", "--timeout", "3s"]).await;
    assert!(waiting.code == Some(1) && waiting.stderr.contains("waits for somebody's approval"), "{waiting:?}");
    assert!(waiting.stderr.contains("is REQUESTED after 3s; it goes on"), "{waiting:?}");
    let id = desk.json(&["show", "--json"]).await["id"].as_str().unwrap()[..8].to_owned();
    desk.world.slack.command("U222", &format!("approve {id}")).await;
    desk.world.wait_until_group_allows(&desk.world.groups[0], &[HOME_CIDR]).await;
    desk.run(&["stop", "--wait"]).await;
    desk.world.finish().await;
}

#[tokio::test]
async fn i8_a_key_is_kept_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new().await;
    let missing = desk.run_at_home(&["list"], "").await;
    assert!(missing.code == Some(1) && missing.stderr.contains("no server is named: run `entryguard configure"), "{missing:?}");
    let configure = ["configure", "--url", desk.ingress.url()];
    let refused = desk.run_at_home(&configure, "egk_nonsense\n").await;
    assert!(refused.code == Some(1) && refused.stderr.contains("nothing was written"), "{refused:?}");
    let configured = desk.run_at_home(&configure, &format!("{}\n", desk.key)).await;
    assert!(configured.code == Some(0) && configured.stdout.starts_with("You are ana at "), "{configured:?}");
    assert!(!configured.stdout.contains(&desk.key) && !configured.stderr.contains(&desk.key));
    let file = desk.home.path().join("entryguard/api-key");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let me = desk.run_at_home(&["whoami"], "").await;
    assert!(me.code == Some(0) && me.stdout.starts_with("You are ana (api-key:laptop) at "), "{me:?}");
    let other = Ingress::before(&desk.world.server.address(), HOME).await;
    let home = desk.home.path().to_str().unwrap();
    let environment = [("XDG_CONFIG_HOME", home), ("HOME", home), ("ENTRYGUARD_URL", other.url())];
    let elsewhere = desk.world.entryguard_with(&["list"], &environment, "").await;
    assert!(elsewhere.code == Some(1) && elsewhere.stderr.contains("is shown to nobody else"), "{elsewhere:?}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let open = desk.run_at_home(&["list"], "").await;
    assert!(open.code == Some(1) && open.stderr.contains("can be read by others (mode 640)"), "{open:?}");
    desk.world.finish().await;
}

#[tokio::test]
async fn shells_and_manuals_are_told_every_command() {
    let world = World::on(Database::Sqlite).member("ana", "U111").start().await;
    for shell in ["bash", "zsh", "fish"] {
        let printed = world.entryguard(&["completions", shell]).await;
        assert!(printed.code == Some(0) && printed.stdout.contains("api-key") && printed.stdout.contains("extend"), "{shell}");
    }
    let bash = world.entryguard(&["completions", "bash"]).await.stdout;
    let place = tempfile::tempdir().unwrap();
    let script = place.path().join("completions");
    std::fs::write(&script, bash).unwrap();
    assert!(std::process::Command::new("bash").arg("-n").arg(&script).status().unwrap().success());
    let page = world.entryguard(&["man"]).await.stdout;
    assert!(page.contains(".TH entryguard 1") && page.contains("entryguard\\-start(1)"), "{page}");
    let folder = place.path().join("man");
    assert_eq!(world.entryguard(&["man", "--folder", folder.to_str().unwrap()]).await.code, Some(0));
    let start = std::fs::read_to_string(folder.join("entryguard-start.1")).unwrap();
    assert!(start.contains("break\\-glass"), "{start}");
    world.finish().await;
}

#[tokio::test]
async fn the_demo_prints_a_command_that_works() {
    use std::io::BufRead;
    use std::process::{Command, Stdio};

    let mut demo = Command::new(entryguard_tests::program());
    let demo = demo.args(["demo", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut demo = demo.spawn().unwrap();
    let mut lines = std::io::BufReader::new(demo.stdout.take().unwrap()).lines().map_while(Result::ok);
    let export = lines.find(|line| line.contains("export ENTRYGUARD_URL")).unwrap();
    let said: Vec<_> = export.split_whitespace().filter_map(|word| word.split_once('=')).collect();
    let run = |arguments: &[&str]| {
        Command::new(entryguard_tests::program()).args(arguments).envs(said.iter().copied()).output().unwrap()
    };
    let (started, stopped) = (run(&["start", "5m", "--wait"]), run(&["stop", "--wait"]));
    demo.kill().unwrap();
    demo.wait().unwrap();
    assert!(started.status.success(), "{started:?}");
    assert!(String::from_utf8_lossy(&started.stderr).contains("✓ guarded-page for 127.0.0.1: open"), "{started:?}");
    assert!(stopped.status.success() && String::from_utf8_lossy(&stopped.stdout).contains("CANCELLED"), "{stopped:?}");
}
