//! The API for workflows: a token of GitHub's starts a session, the key that came with it sees and ends it.

use entryguard_tests::{Database, Issuer, SOON, SigningKey, World, eventually, on_both_databases};
use serde_json::{Value, json};

const RUNNER: &str = "93.184.216.34";
const RUNNER_CIDR: &str = "93.184.216.34/32";
const AUDIENCE: &str = "https://guard.example.com";
const KEY: &str = "egs_0123456789abcdef0123456789abcdef";

/// The workflows of `acme/api` may open one group.
async fn team(database: Database, issuer: &Issuer) -> World {
    let github = format!(
        "[github]\noidc_issuer = \"{}\"\naudience = \"{AUDIENCE}\"\nwebhook_secret = {{ env = \"GITHUB_WEBHOOK_SECRET\" }}\n",
        issuer.url()
    );
    let world = World::on(database).with_groups(1).member("ana", "U111").workflow_member("deploy", "repository_id=42");
    world.configured(&github).start().await
}

/// What the server answers: the status and the body.
async fn call(world: &World, method: &str, path: &str, bearer: &str, body: Value) -> (u16, Value) {
    let url = format!("{}/api/v1/{path}", world.server.address());
    let request =
        world.browser(RUNNER).request(method.parse().unwrap(), &url).header("Authorization", format!("Bearer {bearer}"));
    let request = if body.is_null() { request } else { request.json(&body) };
    let page = world.browser(RUNNER).send(request).await;
    (page.status, serde_json::from_str(&page.body).unwrap_or_default())
}

async fn start(world: &World, token: &str, body: Value) -> (u16, Value) {
    call(world, "POST", "sessions", token, body).await
}

on_both_databases! {
    async fn a_workflow_opens_a_session_for_its_address_and_closes_it_by_its_key(database: Database) {
        let issuer = Issuer::open().await;
        let world = team(database, &issuer).await;
        let body = json!({ "duration": "1h", "reason": "deploy 42", "key": KEY });
        let (status, started) = start(&world, &issuer.token(AUDIENCE), body.clone()).await;
        assert_eq!((status, &started["status"], &started["userName"]), (201, &json!("PENDING"), &json!("deploy")), "{started:#}");
        assert_eq!((&started["ipv4Address"], &started["reason"]), (&json!(RUNNER), &json!("deploy 42")));
        world.wait_until_group_allows(&world.groups[0], &[RUNNER_CIDR]).await;
        let active = eventually("the session is active", SOON, async || {
            let (_, seen) = call(&world, "GET", "sessions/current", KEY, Value::Null).await;
            if seen["status"] == "ACTIVE" { Ok(seen) } else { Err(seen.to_string()) }
        })
        .await;
        assert_eq!((&active["id"], &active["resourceIps"][0]["status"]), (&started["id"], &json!("APPLIED")), "{active:#}");
        // The answer was lost, so it is asked again: no second session.
        let (status, again) = start(&world, &issuer.token(AUDIENCE), body).await;
        assert_eq!((status, &again["id"]), (201, &started["id"]), "{again:#}");
        let (status, stopped) = call(&world, "POST", "sessions/current/stop", KEY, Value::Null).await;
        assert_eq!((status, &stopped["endedReason"]), (200, &json!("MANUAL")), "{stopped:#}");
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        let (status, _) = call(&world, "POST", "sessions/current/stop", KEY, Value::Null).await;
        assert_eq!(status, 200, "ending what is over changes nothing");
        let audit = world.entryguard(&["audit", "export"]).await.stdout;
        assert!(!audit.contains(KEY) && audit.matches("session.started").count() == 1, "{audit}");
        world.finish().await;
    }

    async fn i8_a_token_that_is_not_github_s_for_us_now_and_new_opens_nothing(database: Database) {
        let issuer = Issuer::open().await;
        let world = team(database, &issuer).await;
        let now = entryguard_tests::unix_seconds();
        let with = |other: Value| issuer.token_with(AUDIENCE, &other);
        let good = issuer.claims(AUDIENCE, &Value::Null);
        let used = issuer.token(AUDIENCE);
        assert_eq!(start(&world, &used, json!({ "key": KEY })).await.0, 201);
        for (name, token, status, code) in [
            ("used already", used, 401, "token_refused"),
            ("for another audience", with(json!({ "aud": "https://evil.example.com" })), 401, "token_refused"),
            ("of another issuer", with(json!({ "iss": "https://evil.example.com" })), 401, "token_refused"),
            ("expired", with(json!({ "iat": now - 700, "exp": now - 60 })), 401, "token_refused"),
            ("not yet valid", with(json!({ "nbf": now + 120 })), 401, "token_refused"),
            ("issued in the future", with(json!({ "iat": now + 120 })), 401, "token_refused"),
            ("valid for a day", with(json!({ "exp": now + 86_400 })), 401, "token_refused"),
            ("without an end", with(json!({ "exp": null })), 401, "token_refused"),
            ("without a name", with(json!({ "jti": null })), 401, "token_refused"),
            ("unsigned", issuer.unsigned(&good), 401, "token_refused"),
            ("signed with the public key", issuer.sign_with_public_key(&good), 401, "token_refused"),
            ("signed with an unknown key", issuer.sign(&good, SigningKey::Second), 401, "token_refused"),
            ("signed with another key under a known name", issuer.sign_as(&good, SigningKey::Second, "first"), 401, "token_refused"),
            ("of another repository", with(json!({ "repository_id": "43" })), 403, "unknown_member"),
            ("of a fork that has the name", with(json!({ "repository_id": "99", "repository": "acme/api" })), 403, "unknown_member"),
            ("no token", "nonsense".to_owned(), 401, "token_refused"),
        ] {
            let (seen, problem) = start(&world, &token, json!({})).await;
            assert_eq!((seen, &problem["code"]), (status, &json!(code)), "a token {name}: {problem:#}");
        }
        let audit = world.entryguard(&["audit", "export"]).await.stdout;
        assert_eq!(audit.matches("session.started").count(), 1, "{audit}");
        world.finish().await;
    }
}

#[tokio::test]
async fn whose_claims_nearly_match_is_told_which_differs_and_strangers_are_told_nothing() {
    let issuer = Issuer::open().await;
    let github = format!("[github]\noidc_issuer = \"{}\"\naudience = \"{AUDIENCE}\"\n", issuer.url());
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111");
    let world = world.workflow_member("deploy", "repository_id=42;environment=production;ref=refs/heads/*").configured(&github);
    let world = world.start().await;
    let detail = async |other: Value| {
        let (status, problem) = start(&world, &issuer.token_with(AUDIENCE, &other), json!({})).await;
        assert_eq!((status, &problem["code"]), (403, &json!("unknown_member")), "{problem:#}");
        problem["detail"].as_str().unwrap().to_owned()
    };
    let told = detail(Value::Null).await;
    assert!(told.contains("`environment` has to be `production`, and the token has none"), "{told}");
    assert!(told.contains("`ref` has to be `refs/heads/*`, and the token has `refs/heads/main`"), "{told}");
    let stranger = detail(json!({ "repository_id": "43" })).await;
    assert!(!stranger.contains("production") && !stranger.contains("refs/heads/*"), "{stranger}");
    let checked = world.entryguard(&["check", "--offline"]).await.stdout;
    assert!(
        checked.contains("no workflow can ever have `github:repository_id=42;environment=production;ref=refs/heads/*`"),
        "{checked}"
    );
    world.finish().await;
}

#[tokio::test]
async fn i8_no_run_is_answered_with_the_session_of_another() {
    let issuer = Issuer::open().await;
    let world = team(Database::Sqlite, &issuer).await;
    let start = async |run: &str, attempt: &str| {
        let token = issuer.token_with(AUDIENCE, &json!({ "run_id": run, "run_attempt": attempt }));
        let program = world.program(RUNNER, &token);
        let request = program.request(reqwest::Method::POST, "sessions").header("Idempotency-Key", "deploy").json(&json!({}));
        let answered = program.send(request).await;
        assert_eq!(answered.status, 201, "{answered:?}");
        answered.id().to_owned()
    };
    let first = start("1001", "1").await;
    assert_eq!(start("1001", "1").await, first, "asked again, it is the same");
    assert_ne!(start("1002", "1").await, first);
    assert_ne!(start("1001", "2").await, first);
    world.finish().await;
}

/// What GitHub says of a run of a repository.
fn delivery(action: &str, repository: u64, run: u64, attempt: u64) -> String {
    json!({ "action": action, "workflow_run": { "id": run, "run_attempt": attempt }, "repository": { "id": repository } })
        .to_string()
}

/// Delivers it as GitHub does; the status of the answer.
async fn deliver(world: &World, event: &str, kind: &str, body: &str, secret: &str) -> u16 {
    let url = format!("{}/github/webhooks", world.server.address());
    let request = world.browser(RUNNER).request(reqwest::Method::POST, &url).header("X-GitHub-Event", event);
    let request =
        request.header("Content-Type", kind).header("X-Hub-Signature-256", entryguard_tests::github_signature(secret, body));
    world.browser(RUNNER).send(request.body(body.to_owned())).await.status
}

#[tokio::test]
async fn what_a_lost_runner_left_is_closed_when_github_says_that_the_run_is_over() {
    let issuer = Issuer::open().await;
    let world = team(Database::Sqlite, &issuer).await;
    start(&world, &issuer.token(AUDIENCE), json!({ "key": KEY })).await;
    world.wait_until_group_allows(&world.groups[0], &[RUNNER_CIDR]).await;
    let told = async |body: String, secret: &str| deliver(&world, "workflow_run", "application/json", &body, secret).await;
    assert_eq!(told(delivery("completed", 42, 1001, 1), "another secret").await, 401);
    for other in [
        delivery("requested", 42, 1001, 1),
        delivery("completed", 43, 1001, 1),
        delivery("completed", 42, 1002, 1),
        delivery("completed", 42, 1001, 2),
    ] {
        assert_eq!(told(other, entryguard_tests::WEBHOOK_SECRET).await, 204);
    }
    assert_eq!(world.rules_of(&world.groups[0]).await.len(), 1, "that was another run, or not its end");
    assert_eq!(told(delivery("completed", 42, 1001, 1), entryguard_tests::WEBHOOK_SECRET).await, 204);
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    assert!(world.entryguard(&["audit", "export"]).await.stdout.contains("the workflow run is over"));
    world.finish().await;
}

#[tokio::test]
async fn a_webhook_with_githubs_default_content_type_closes_what_its_run_opened() {
    let issuer = Issuer::open().await;
    let world = team(Database::Sqlite, &issuer).await;
    start(&world, &issuer.token(AUDIENCE), json!({ "key": KEY })).await;
    world.wait_until_group_allows(&world.groups[0], &[RUNNER_CIDR]).await;
    let told = async |event: &str, body: &str, secret: &str| {
        deliver(&world, event, "application/x-www-form-urlencoded", body, secret).await
    };
    let form = |json: &str| format!("payload={}", json.replace('"', "%22"));
    let (secret, ping) = (entryguard_tests::WEBHOOK_SECRET, r#"{"zen":"Design for failure."}"#);
    assert_eq!(told("ping", &form(ping), secret).await, 204);
    assert_eq!(told("ping", ping, secret).await, 400, "what cannot be read fails while the webhook is set up");
    let over = form(&delivery("completed", 42, 1001, 1));
    assert_eq!(told("workflow_run", &over, "another secret").await, 401);
    assert_eq!(told("workflow_run", &over, secret).await, 204);
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    world.finish().await;
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_when_they_were_exchanged() {
    let issuer = Issuer::open().await;
    let world = team(Database::Sqlite, &issuer).await;
    for _ in 0..3 {
        start(&world, &issuer.token(AUDIENCE), json!({ "key": KEY })).await;
    }
    assert_eq!(issuer.fetched(), 1);
    // An unknown key makes the server look, but not at anybody's pace.
    for _ in 0..3 {
        let forged = issuer.sign(&issuer.claims(AUDIENCE, &Value::Null), SigningKey::Second);
        assert_eq!(start(&world, &forged, json!({})).await.0, 401);
    }
    assert_eq!(issuer.fetched(), 1);
    // The keys are exchanged; ten seconds after it has looked, the server looks again.
    issuer.publish(&[SigningKey::Second]);
    tokio::time::sleep(std::time::Duration::from_secs(11)).await;
    let signed = issuer.sign(&issuer.claims(AUDIENCE, &Value::Null), SigningKey::Second);
    assert_eq!(start(&world, &signed, json!({ "key": KEY })).await.0, 201);
    assert_eq!(issuer.fetched(), 2);
    assert_eq!(start(&world, &issuer.token(AUDIENCE), json!({ "key": KEY })).await.0, 401, "the old key is withdrawn");
    world.finish().await;
}

#[tokio::test]
async fn while_the_issuer_is_away_nobody_is_let_in_who_was_not_known() {
    let issuer = Issuer::open().await;
    let world = team(Database::Sqlite, &issuer).await;
    issuer.set_away(true);
    let (status, problem) = start(&world, &issuer.token(AUDIENCE), json!({})).await;
    assert_eq!((status, &problem["code"]), (503, &json!("issuer_unavailable")), "{problem:#}");
    issuer.set_away(false);
    // It is asked once in ten seconds at the most, whatever came of it.
    tokio::time::sleep(std::time::Duration::from_secs(11)).await;
    assert_eq!(start(&world, &issuer.token(AUDIENCE), json!({ "key": KEY })).await.0, 201);
    issuer.set_away(true);
    assert_eq!(start(&world, &issuer.token(AUDIENCE), json!({ "key": KEY })).await.0, 201, "its keys are known by now");
    world.finish().await;
}

#[tokio::test]
async fn a_key_is_good_for_its_own_session_alone_and_an_address_by_hand_needs_the_role() {
    let issuer = Issuer::open().await;
    let world = team(Database::Sqlite, &issuer).await;
    let (status, problem) = call(&world, "GET", "sessions/current", &KEY.replace('0', "1"), Value::Null).await;
    assert_eq!((status, &problem["code"]), (404, &json!("session_unknown")), "{problem:#}");
    let (status, problem) = call(&world, "GET", "sessions/current", "egs_short", Value::Null).await;
    assert_eq!((status, &problem["code"]), (401, &json!("key_refused")), "{problem:#}");
    let (status, problem) = start(&world, &issuer.token(AUDIENCE), json!({ "ipv4Address": "93.184.216.35" })).await;
    assert_eq!((status, &problem["code"]), (403, &json!("address_by_hand")), "{problem:#}");
    let (status, problem) = start(&world, &issuer.token(AUDIENCE), json!({ "duration": "9d" })).await;
    assert_eq!((status, &problem["code"]), (422, &json!("duration_refused")), "{problem:#}");
    let (status, problem) = start(&world, &issuer.token(AUDIENCE), json!({ "reason": "x".repeat(501) })).await;
    assert_eq!((status, &problem["code"]), (400, &json!("malformed")), "{problem:#}");
    let (status, problem) = start(&world, &issuer.token(AUDIENCE), json!({ "key": "guess" })).await;
    assert_eq!((status, &problem["code"]), (400, &json!("malformed")), "{problem:#}");
    assert_eq!(world.rules_of(&world.groups[0]).await, []);
    world.finish().await;
}
