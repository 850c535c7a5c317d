//! What those who watch over the server see of it: numbers, readiness, request ids, traces.

use std::collections::BTreeSet;
use std::time::Duration;

use entryguard_tests::{Collector, Database, SOON, World, eventually, free_port, judges, on_both_databases};
use serde_json::Value;

const HOME: &str = "93.184.216.34";
const BY_HAND: &str = "93.184.216.35/32";

/// What the server shows at this path of its public address.
async fn shown(world: &World, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("{}{path}", world.server.address())).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// A world in which a session has been from its beginning to its end; and its link.
async fn after_a_session(world: &World) -> String {
    let started = world.start_session("U111", "1h", HOME).await;
    world.wait_until_thread_says("ACTIVE").await;
    world.slack.command("U111", "stop").await;
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    world.wait_until_thread_says("CANCELLED").await;
    started.link
}

fn token_of(link: &str) -> &str {
    link.rsplit('/').next().unwrap()
}

/// The names of metrics in a text: in PromQL, in Markdown.
fn names_in(text: &str) -> BTreeSet<String> {
    let is_part = |byte: char| byte.is_ascii_lowercase() || byte == '_';
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices("entryguard_") {
        let rest = &text[at..];
        names.insert(rest[..rest.find(|byte| !is_part(byte)).unwrap_or(rest.len())].to_owned());
    }
    names
}

/// The expressions of the alert rules and of the dashboard.
fn expressions() -> Vec<String> {
    let alerts = judges::yaml(&judges::read("docs/prometheus/alerts.yml"));
    let rules = alerts[0]["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap().clone());
    let dashboard: Value = serde_json::from_str(&judges::read("docs/grafana/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().clone();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap().clone());
    rules.chain(targets).map(|one| one["expr"].as_str().unwrap().to_owned()).collect()
}

on_both_databases! {
    async fn prometheus_reads_the_numbers_and_every_one_that_is_named_anywhere_is_there(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        let link = after_a_session(&world).await;
        let forged = world.slack.to_server().with_secret("not-the-secret").raw("/slack/events", "application/json", "{}").await;
        assert_eq!(forged.0, 401);
        assert_eq!(world.browser(HOME).open(&link).await.status, 410, "a refusal of a guard");

        let documented = judges::read("docs/operations.md");
        let named: BTreeSet<_> = expressions().iter().flat_map(|text| names_in(text)).chain(names_in(&documented)).collect();
        let exported = eventually("every number that is named somewhere is there", SOON, async || {
            let (status, text) = shown(&world, "/metrics").await;
            assert_eq!(status, 200);
            let families = judges::metrics(&text);
            let samples = families.iter().flat_map(|family| family["samples"].as_array().unwrap().clone());
            let samples: Vec<_> = samples.map(|sample| (sample[0].as_str().unwrap().to_owned(), sample[1].clone(), sample[2].clone())).collect();
            let is_there = |name: &String| samples.iter().any(|(sample, ..)| sample == name || *sample == format!("{name}_bucket"));
            let missing: Vec<_> = named.iter().filter(|name| !is_there(name)).collect();
            if missing.is_empty() { Ok((families, samples, text)) } else { Err(format!("missing: {missing:?}")) }
        });
        let (families, samples, text) = exported.await;
        for family in &families {
            let said = [&family["name"], &family["type"], &family["help"]].map(|value| value.as_str().unwrap());
            assert!(said[0].starts_with("entryguard_") && said[1] != "unknown" && !said[2].is_empty(), "{said:?}");
        }
        let value = |name: &str, labels: &[(&str, &str)]| {
            let fits = |given: &Value| labels.iter().all(|(key, value)| given[*key] == *value);
            let found = samples.iter().find(|(sample, given, _)| sample == name && fits(given));
            found.map_or_else(|| panic!("no {name} {labels:?} in {text}"), |(.., value)| value.as_str().unwrap().to_owned())
        };
        assert_eq!(value("entryguard_signature_failures_total", &[("surface", "slack")]), "1");
        assert_eq!(value("entryguard_http_requests_total", &[("method", "POST"), ("route", "/confirm/{token}"), ("status", "200")]), "1");
        assert_eq!(value("entryguard_open_seconds_count", &[]), "1");
        assert_eq!(value("entryguard_close_lag_seconds_count", &[]), "1");
        assert_eq!(value("entryguard_provider_calls_total", &[("api", "add"), ("outcome", "ok")]), "1");
        assert_eq!(value("entryguard_audit_chain_ok", &[]), "1");
        assert_eq!(value("entryguard_listen_ok", &[]), "1");
        assert_eq!(value("entryguard_rules_overdue", &[]), "0");
        let secrets = ["ana", HOME, token_of(&link)];
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
        world.finish().await;
    }

    async fn a_rule_that_outlives_its_session_shows_in_the_numbers_for_as_long_as_it_does(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        world.proxy.keep_refusing("RevokeSecurityGroupIngress", "InternalError");
        world.slack.command("U111", "stop").await;
        eventually("one rule is overdue, for more than a second", SOON, async || {
            let (_, text) = shown(&world, "/metrics").await;
            let number = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
                line.and_then(|value| value.parse::<f64>().ok()).unwrap_or_default()
            };
            let late = number("entryguard_rule_overdue_seconds_max");
            if number("entryguard_rules_overdue") > 0.0 && late > 1.0 && late < 60.0 { Ok(()) } else { Err(text) }
        })
        .await;
        world.proxy.behave();
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        eventually("none is overdue", SOON, async || {
            let (_, text) = shown(&world, "/metrics").await;
            if text.contains("entryguard_rules_overdue 0\n") { Ok(()) } else { Err(text) }
        })
        .await;
        world.finish().await;
    }

    async fn readiness_says_of_each_part_how_it_is(database: Database) {
        let mut world = World::on(database).member("ana", "U111").start().await;
        let (status, text) = shown(&world, "/readyz").await;
        let fine = serde_json::json!({ "ready": true, "store": "ok", "expiry": "ok", "sweep": "ok", "clock": "ok", "resources": "ok" });
        assert_eq!((status, serde_json::from_str::<Value>(&text).unwrap()), (200, fine));
        for arguments in [vec!["health"], vec!["health", "--ready"]] {
            let ran = world.entryguard(&arguments).await;
            assert_eq!((ran.code, ran.stdout.is_empty()), (Some(0), false), "{ran:?}");
        }
        world.server.kill_9();
        let ran = world.entryguard(&["health"]).await;
        assert!(ran.code == Some(1) && ran.stderr.contains("is the server running?"), "{ran:?}");
        world.finish().await;
    }
}

#[tokio::test]
async fn the_numbers_have_an_address_of_their_own_where_the_configuration_says_so() {
    let mut world = World::on(Database::Sqlite).member("ana", "U111").start().await;
    let port = free_port();
    world.rewrite_config("[database]", &format!("metrics_listen = \"127.0.0.1:{port}\"\n\n[database]"));
    world.server.restart().await;
    assert_eq!(shown(&world, "/metrics").await.0, 404, "not on the public address");
    let own = |path: &str| reqwest::get(format!("http://127.0.0.1:{port}{path}"));
    let answer = own("/metrics").await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(answer.text().await.unwrap().contains("entryguard_sessions{state=\"live\"} 0"));
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(own(probe).await.unwrap().status(), 200, "{probe}: probes, too");
    }
    assert_eq!(own("/").await.unwrap().status(), 404, "and nothing else is there");
    assert_eq!(world.entryguard(&["health"]).await.code, Some(0), "it asks there");
    world.finish().await;
}

#[tokio::test]
async fn a_request_has_an_id_that_leads_from_its_answer_to_the_log_and_no_path_does() {
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").configured("[github]").start().await;
    let link = after_a_session(&world).await;
    let client = reqwest::Client::builder().no_proxy().timeout(SOON).build().unwrap();
    let ask = async |path: &str, id: &str| {
        let request = client.get(format!("{}{path}", world.server.address())).header("x-forwarded-for", HOME);
        let answer = request.header("x-request-id", id).send().await.unwrap();
        let given = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        (given, answer.text().await.unwrap())
    };
    // The test is a trusted proxy.
    let (kept, page) = ask("/confirm/no-such-token", "from-the-proxy.1").await;
    assert!(kept == "from-the-proxy.1" && page.contains("from-the-proxy.1"), "{kept}: {page}");
    let (ours, page) = ask("/confirm/no-such-token", "<script>").await;
    assert!(ours.len() == 32 && page.contains(&ours) && !page.contains("<script>"), "{ours}: {page}");
    let (id, problem) = ask("/api/v1/sessions/current", "of-a-program").await;
    let problem: Value = serde_json::from_str(&problem).unwrap();
    assert_eq!(
        (id.as_str(), &problem["requestId"], &problem["code"]),
        ("of-a-program", &"of-a-program".into(), &"no_token".into())
    );

    let log = world.server.log();
    let of_request = |line: &&str| line.contains("from-the-proxy.1") && line.contains("/confirm/{token}");
    assert!(log.lines().any(|line| of_request(&line)), "{log}");
    assert!(!log.contains(token_of(&link)) && !log.contains("no-such-token"), "a link is in the log");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_gets_the_requests_the_passes_and_the_calls_and_no_secret() {
    let collector = Collector::open().await;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "the-collectors-key").unwrap();
    let telemetry = format!(
        "[telemetry]\notlp_endpoint = \"{}\"\nservice_name = \"guard\"\nheaders = {{ \"x-api-key\" = {{ file = {key:?} }} }}\n",
        collector.url()
    );
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").configured(&telemetry);
    let mut world = world.start().await;
    let link = after_a_session(&world).await;
    // What is left is delivered at the end.
    assert!(world.server.terminate().await.success());
    let spans = collector.spans();
    let named = |name: &'static str| spans.iter().filter(move |span| span.name == name);
    let confirmed = named("POST /confirm/{token}").next().unwrap_or_else(|| panic!("{spans:#?}"));
    assert_eq!((confirmed.service.as_str(), confirmed.attributes["http.response.status_code"].as_str()), ("guard", "200"));
    assert_eq!(confirmed.attributes["http.route"], "/confirm/{token}");
    assert!(confirmed.attributes.contains_key("request_id") && confirmed.attributes.contains_key("latency_ms"), "{confirmed:#?}");
    assert!(named("POST /slack/commands").next().is_some() && named("sweep").next().is_some());
    let adding = named("provider call").find(|span| span.attributes["api"] == "add").expect("the call that opened");
    assert_eq!(adding.attributes["outcome"], "ok");
    let pass = spans.iter().find(|span| span.id == adding.parent).expect("its pass");
    assert_eq!((pass.name.as_str(), pass.attributes["resource"].as_str()), ("reconcile", "group-1"));

    assert!(
        collector.header("x-api-key").iter().all(|key| key == "the-collectors-key") && !collector.header("x-api-key").is_empty()
    );
    let secrets = [token_of(&link), "the-collectors-key", entryguard_tests::SlackDouble::BOT_TOKEN, HOME, BY_HAND];
    for secret in secrets {
        assert!(!collector.has_seen(secret), "{secret} is in a span");
    }
    assert!(!world.server.log().contains("the-collectors-key"));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_or_silent_delays_and_breaks_nothing() {
    let silent = Collector::silent().await;
    for endpoint in [format!("http://127.0.0.1:{}", free_port()), silent.url().to_owned()] {
        let telemetry = format!("[telemetry]\notlp_endpoint = \"{endpoint}\"\n");
        let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").configured(&telemetry);
        let mut world = world.start().await;
        after_a_session(&world).await;
        eventually("the log says that traces are lost", SOON, async || {
            let log = world.server.log();
            if log.contains("traces cannot be delivered") { Ok(()) } else { Err(log) }
        })
        .await;
        let began = std::time::Instant::now();
        assert!(world.server.terminate().await.success());
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
        world.finish().await;
    }
}
