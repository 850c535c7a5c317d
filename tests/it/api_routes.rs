//! What the API's routes promise: lists in parts, waiting, events, asking again, limits, and a problem for whatever is refused.

use std::time::{Duration, Instant};

use entryguard_tests::{Answered, Database, Program, SOON, World, eventually, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

use crate::pages::signed_in_by_http;

const HERE: &str = "93.184.216.34";
const HERE_CIDR: &str = "93.184.216.34/32";
const ALL: &str = "sessions:read,sessions:write,resources:read,audit:read";

/// A server with an administrator who has a key for everything.
async fn with_key(database: Database, more: &str) -> (World, Program) {
    let world = World::on(database).with_groups(1).member("ana", "U111").admin("bo", "U222").sessions_at_once(50);
    let world = world.configured(more).start().await;
    let program = world.program(HERE, &world.api_key("bo", ALL, &[]).await);
    (world, program)
}

on_both_databases! {
    async fn a_request_that_is_sent_again_starts_no_second_session(database: Database) {
        let (world, _) = with_key(database, "").await;
        let key = world.api_key("bo", ALL, &[]).await;
        let program = world.program(HERE, &key);
        let start = async |program: &Program, key: &str, body: Value| {
            let request = program.request(Method::POST, "sessions").header("Idempotency-Key", key).json(&body);
            program.send(request).await
        };
        let body = json!({ "duration": "1h", "reason": "once" });
        let twins: [Answered; 4] = tokio::join!(
            start(&program, "k-1", body.clone()), start(&program, "k-1", body.clone()),
            start(&program, "k-1", body.clone()), start(&program, "k-1", body.clone())
        ).into();
        assert!(twins.iter().all(|twin| twin.status == 201 && twin.id() == twins[0].id()), "{twins:#?}");
        let reordered = program.request(Method::POST, "sessions").header("Idempotency-Key", "k-1");
        let reordered = reordered.header("Content-Type", "application/json").body(r#"{ "reason": "once", "duration": "1h" }"#);
        assert_eq!(program.send(reordered).await.id(), twins[0].id(), "it asks for nothing else");
        let other_body = start(&program, "k-1", json!({ "duration": "2h" })).await;
        assert_eq!(other_body.refusal(), (422, "idempotency_key_reused"), "{other_body:?}");
        let elsewhere = world.program("93.184.216.35", &key);
        assert_eq!(start(&elsewhere, "k-1", body.clone()).await.refusal(), (422, "idempotency_key_reused"), "it is not open there");
        assert_eq!(start(&program, "k-1", body.clone()).await.id(), twins[0].id(), "from where it was asked, it is the same");
        assert_ne!(start(&program, "k-2", body.clone()).await.id(), twins[0].id());
        let ana = world.program(HERE, &world.api_key("ana", ALL.strip_suffix(",audit:read").unwrap(), &[]).await);
        assert_ne!(start(&ana, "k-1", body.clone()).await.id(), twins[0].id(), "another caller's name is another name");
        let long = "x".repeat(256);
        for wrong in ["", "with space", long.as_str()] {
            assert_eq!(start(&program, wrong, body.clone()).await.refusal(), (400, "malformed"), "{wrong:?}");
        }
        // The state is the present one.
        program.post(&format!("sessions/{}/stop", twins[0].id()), Value::Null).await;
        let ended = start(&program, "k-1", body).await;
        assert_eq!((ended.status, &ended.body["endedReason"]), (201, &json!("MANUAL")));
        let audit = world.entryguard(&["audit", "export"]).await.stdout;
        assert_eq!(audit.matches("session.started").count(), 3, "{audit}");
        world.finish().await;
    }

    async fn a_stop_of_the_only_one_that_is_sent_again_stops_no_other(database: Database) {
        let (world, program) = with_key(database, "").await;
        let stop = async |key: &str| {
            let request = program.request(Method::POST, "sessions/stop").header("Idempotency-Key", key).json(&json!({}));
            program.send(request).await
        };
        let stopped = |answered: &Answered| answered.body["sessions"].as_array().map(|all| (all.len(), all[0]["id"].clone()));
        assert_eq!(stop("nothing-runs").await.refusal(), (404, "session_unknown"));
        let first = program.post("sessions", json!({})).await;
        let twins: [Answered; 3] = tokio::join!(stop("s-1"), stop("s-1"), stop("s-1")).into();
        assert!(twins.iter().all(|twin| stopped(twin) == Some((1, json!(first.id())))), "{twins:#?}");
        let second = program.post("sessions", json!({})).await;
        assert_eq!(stopped(&stop("s-1").await), Some((1, json!(first.id()))));
        assert!(program.get(&format!("sessions/{}", second.id())).await.body["endedAt"].is_null(), "it was never meant");
        assert_eq!(stopped(&stop("s-2").await), Some((1, json!(second.id()))), "another name is another question");
        // What starts one stops none.
        let start = program.request(Method::POST, "sessions").header("Idempotency-Key", "s-1").json(&json!({}));
        assert_eq!(program.send(start).await.refusal(), (422, "idempotency_key_reused"));
        assert_eq!(stop(&"x".repeat(256)).await.refusal(), (400, "malformed"));
        let audit = world.entryguard(&["audit", "export"]).await.stdout;
        assert_eq!(audit.matches("session.stopped").count(), 2, "{audit}");
        world.finish().await;
    }

    async fn lists_come_in_parts_and_miss_nothing(database: Database) {
        let (world, program) = with_key(database, "").await;
        let mut started = Vec::new();
        for number in 0..5 {
            started.insert(0, program.post("sessions", json!({ "reason": number.to_string() })).await.id().to_owned());
        }
        let listed = async |path: &str, of: &str, id: &str| {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let part = program.get(&format!("{path}limit=2{cursor}")).await;
                assert_eq!(part.status, 200, "{part:?}");
                let items = part.body[of].as_array().unwrap();
                assert!(items.len() <= 2);
                seen.extend(items.iter().map(|item| item[id].as_str().unwrap().to_owned()));
                match part.body["nextCursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break seen,
                }
            }
        };
        assert_eq!(listed("sessions?", "sessions", "id").await, started);
        assert_eq!(listed("sessions/admin?member=bo&", "sessions", "id").await, started);
        assert_eq!(listed("sessions/admin?member=ana&", "sessions", "id").await, Vec::<String>::new());
        assert_eq!(listed("audit-logs?action=session.started&", "entries", "session").await, started);
        assert_eq!(listed(&format!("audit-logs?session={}&action=session.started&", started[2]), "entries", "session").await, started[2..3]);
        program.post(&format!("sessions/{}/stop", started[4]), Value::Null).await;
        assert_eq!(listed("sessions?state=live&", "sessions", "id").await, started[..4]);
        let since = program.get("audit-logs?since=2100-01-01T00:00:00Z").await;
        assert_eq!(since.body, json!({ "entries": [], "nextCursor": null }));
        world.finish().await;
    }

    async fn events_tell_each_change_until_the_session_is_closed(database: Database) {
        let (world, program) = with_key(database, "[removal]\nread_again_after = [\"1s\"]").await;
        let session = program.post("sessions", json!({})).await;
        let following = tokio::spawn(program.request(Method::GET, &format!("sessions/{}/events", session.id())).send());
        program.get(&format!("sessions/{}?wait=30s", session.id())).await;
        world.wait_until_group_allows(&world.groups[0], &[HERE_CIDR]).await;
        let events = following.await.unwrap().unwrap();
        assert_eq!(events.headers()["content-type"], "text/event-stream");
        assert_eq!(events.headers()["x-accel-buffering"], "no", "no proxy holds them back");
        program.post(&format!("sessions/{}/stop", session.id()), Value::Null).await;
        // It ends by itself.
        let told = tokio::time::timeout(Duration::from_secs(60), events.text()).await.unwrap().unwrap();
        let statuses: Vec<_> = told
            .split("\n\n")
            .filter_map(|event| event.strip_prefix("event: session\ndata: "))
            .map(|data| serde_json::from_str::<Value>(data).unwrap()["status"].as_str().unwrap().to_owned())
            .collect();
        assert!(statuses.windows(2).any(|two| two == ["ACTIVE", "EXPIRING"]), "{statuses:?}");
        assert_eq!(statuses.last().map(String::as_str), Some("CANCELLED"), "{told}");
        world.finish().await;
    }
}

#[tokio::test]
async fn whoever_may_see_a_session_no_more_is_told_no_more_of_it() {
    let (world, program) = with_key(Database::Sqlite, "").await;
    let watching = world.program(HERE, &world.api_key("bo", "sessions:read", &["--name", "watch"]).await);
    let session = program.post("sessions", json!({})).await;
    let events = watching.request(Method::GET, &format!("sessions/{}/events", session.id())).send().await.unwrap();
    world.entryguard(&["api-key", "revoke", "watch"]).await;
    let told = tokio::time::timeout(SOON, events.text()).await.unwrap().unwrap();
    let last = told.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.starts_with("event: problem\n") && last.contains("key_refused"), "{told}");
    world.finish().await;
}

#[tokio::test]
async fn whoever_follows_too_much_at_once_is_refused_and_closes_all_the_same() {
    let (world, program) = with_key(Database::Sqlite, "").await;
    let session = program.post("sessions", json!({})).await;
    world.wait_until_group_allows(&world.groups[0], &[HERE_CIDR]).await;
    let path = format!("sessions/{}", session.id());
    let follow = async || program.request(Method::GET, &format!("{path}/events")).send().await.unwrap();
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(follow().await);
        assert_eq!(open.last().unwrap().status().as_u16(), 200);
    }
    let refused = program.get(&format!("{path}/events")).await;
    assert_eq!(refused.refusal(), (429, "too_many_requests"), "{refused:?}");
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(program.get(&format!("{path}?wait=1s")).await.refusal(), (429, "too_many_requests"));
    // Pages count as well, and somebody else's do not.
    let (bo, ana) = (signed_in_by_http(&world, "U222", HERE).await, signed_in_by_http(&world, "U111", HERE).await);
    let page = format!("{}/sessions/events", world.server.address());
    assert_eq!(bo.request(Method::GET, &page).send().await.unwrap().status().as_u16(), 429);
    assert_eq!(ana.request(Method::GET, &page).send().await.unwrap().status().as_u16(), 200);
    assert_eq!(program.get(&path).await.body["status"], "ACTIVE", "looking once goes on");
    assert_eq!(program.post(&format!("{path}/stop"), Value::Null).await.status, 200);
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    drop(open);
    eventually("others may follow again", SOON, async || match follow().await.status().as_u16() {
        200 => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn waiting_ends_with_what_is_waited_for_or_with_the_time() {
    let (world, program) = with_key(Database::Sqlite, "").await;
    world.proxy.keep_refusing("AuthorizeSecurityGroupIngress", "RequestLimitExceeded");
    let session = program.post("sessions", json!({})).await;
    let path = format!("sessions/{}", session.id());
    let began = Instant::now();
    let pending = program.get(&format!("{path}?wait=1s")).await;
    assert_eq!(pending.body["status"], "PENDING");
    assert!((Duration::from_millis(900)..Duration::from_secs(10)).contains(&began.elapsed()), "{:?}", began.elapsed());
    let (active, ()) = tokio::join!(program.get("sessions/ffffffff?wait=60s"), async {});
    assert_eq!(active.refusal(), (404, "session_unknown"), "what is not there is not waited for");
    let waiting = tokio::spawn(program.request(Method::GET, &format!("{path}?wait=60s")).send());
    world.proxy.behave();
    let active: Value = waiting.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(active["status"], "ACTIVE", "{active:#}");
    let began = Instant::now();
    program.get(&format!("{path}?wait=60s")).await;
    assert!(began.elapsed() < Duration::from_secs(5), "it is open, so there is nothing to wait for");
    world.finish().await;
}

#[tokio::test]
async fn whatever_is_refused_is_a_problem_with_a_code() {
    let (world, program) = with_key(Database::Sqlite, "").await;
    let json_of =
        |body: &str| program.request(Method::POST, "sessions").header("Content-Type", "application/json").body(body.to_owned());
    let large = format!("{{\"reason\": {:?}}}", "x".repeat(17 * 1024));
    let session = program.post("sessions", json!({})).await;
    program.post(&format!("sessions/{}/stop", session.id()), Value::Null).await;
    let get = |path: &str| program.request(Method::GET, path);
    for (request, status, code) in [
        (get("nothing"), 404, "not_found"),
        (get(""), 404, "not_found"),
        (get("sessions/"), 404, "not_found"),
        (program.request(Method::DELETE, "sessions"), 405, "method_not_allowed"),
        (program.request(Method::PUT, "whoami"), 405, "method_not_allowed"),
        (json_of("{"), 400, "malformed"),
        (json_of("[]"), 400, "malformed"),
        (json_of("{\"durations\": \"1h\"}"), 400, "malformed"),
        (json_of("{\"duration\": \"soon\"}"), 400, "malformed"),
        (json_of("{\"durationHours\": 0}"), 400, "malformed"),
        (json_of("{\"duration\": \"1h\", \"durationHours\": 1}"), 400, "malformed"),
        (json_of("{\"breakGlass\": true}"), 422, "no_glass_to_break"),
        (json_of("{\"duration\": \"9d\"}"), 422, "duration_refused"),
        (json_of(&large), 413, "too_large"),
        (
            program.request(Method::POST, "sessions").header("Content-Type", "text/plain").body("1h"),
            415,
            "unsupported_media_type",
        ),
        (get("sessions?limit=0"), 400, "malformed"),
        (get("sessions?limit=101"), 400, "malformed"),
        (get("sessions?limit=many"), 400, "malformed"),
        (get("sessions?page=2"), 400, "malformed"),
        (get("sessions?state=open"), 400, "malformed"),
        (get("sessions?cursor=x"), 400, "malformed"),
        (get("audit-logs?since=yesterday"), 400, "malformed"),
        (get("audit-logs?cursor=-1"), 400, "malformed"),
        (get("sessions/ffffffff"), 404, "session_unknown"),
        (get("sessions/%00"), 404, "session_unknown"),
        (get("sessions/%ff?wait=1s"), 404, "session_unknown"),
        (get(&format!("sessions/{}?wait=soon", session.id())), 400, "malformed"),
        (program.request(Method::POST, &format!("sessions/{}/extend", session.id())), 409, "session_over"),
        (get("whoami").header("X-API-Key", "egk_1"), 400, "two_credentials"),
    ] {
        let answered = program.send(request).await;
        assert_eq!(answered.refusal(), (status, code), "{answered:?}");
        assert_eq!(answered.headers["content-type"], "application/problem+json", "{answered:?}");
        assert!(answered.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{answered:?}");
        assert_eq!(answered.headers.contains_key("allow"), status == 405, "{answered:?}");
    }
    let nobody = world.browser(HERE);
    let page = nobody.open(&format!("{}/api/v1/sessions", world.server.address())).await;
    assert!(page.status == 401 && page.headers["www-authenticate"] == "Bearer" && page.says("no_token"), "{}", page.body);
    let by_header = nobody.request(Method::GET, &format!("{}/api/v1/whoami", world.server.address()));
    let page = nobody.send(by_header.header("X-API-Key", world.api_key("ana", "sessions:read", &[]).await)).await;
    assert!(page.status == 200 && page.says("\"member\":\"ana\""), "{}", page.body);
    let control = program.post("sessions", json!({ "reason": "a\u{0}b" })).await;
    assert_eq!(control.body["reason"], "a b", "{control:?}");
    world.finish().await;
}

#[tokio::test]
async fn sessions_are_stopped_without_being_named() {
    let (world, program) = with_key(Database::Sqlite, "").await;
    let closing = world.program(HERE, &world.api_key("bo", "sessions:write", &[]).await);
    let seeing = world.program(HERE, &world.api_key("bo", "sessions:read", &[]).await);
    let theirs = world.program(HERE, &world.api_key("ana", "sessions:write", &[]).await);
    assert_eq!(closing.post("sessions/stop", json!({})).await.refusal(), (404, "session_unknown"));
    let none = closing.post("sessions/stop", json!({ "all": true })).await;
    assert_eq!((none.status, &none.body), (200, &json!({ "sessions": [] })));
    let anas = theirs.post("sessions", json!({})).await;
    let only = program.post("sessions", json!({})).await;
    assert_eq!(seeing.post("sessions/stop", json!({})).await.refusal(), (403, "scope_missing"));
    let stopped = closing.post("sessions/stop", json!({})).await;
    assert_eq!((stopped.status, stopped.body["sessions"][0]["id"].as_str()), (200, Some(only.id())), "{stopped:?}");
    let two = [program.post("sessions", json!({})).await, program.post("sessions", json!({})).await];
    let which = closing.post("sessions/stop", json!({})).await;
    assert_eq!(which.refusal(), (409, "session_ambiguous"), "{which:?}");
    assert_eq!(closing.post("sessions/stop", json!({ "every": true })).await.refusal(), (400, "malformed"));
    let stopped = closing.post("sessions/stop", json!({ "all": true })).await;
    let mut ids: Vec<_> = stopped.body["sessions"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    let mut expected: Vec<_> = two.iter().map(Answered::id).collect();
    expected.sort_unstable();
    assert_eq!(ids, expected);
    // An administrator's own, and nobody else's.
    assert!(program.get(&format!("sessions/{}", anas.id())).await.body["endedAt"].is_null());
    world.finish().await;
}

/// The answer to one too many. On a slow machine whoever asks may ask once more between two requests.
async fn until_limited(ask: impl AsyncFn() -> Answered) -> Answered {
    for _ in 0..60 {
        let answered = ask().await;
        if answered.status == 429 {
            return answered;
        }
    }
    panic!("the limit is never reached");
}

#[tokio::test]
async fn one_too_many_is_refused_for_a_while_and_stopping_never_is() {
    let (world, program) = with_key(Database::Sqlite, "[api]\nrequests_per_minute = 10").await;
    let session = program.post("sessions", json!({})).await;
    until_limited(async || program.get("sessions").await).await;
    let refused = until_limited(async || program.post("sessions", json!({})).await).await;
    assert_eq!(refused.refusal(), (429, "too_many_requests"), "{refused:?}");
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    for _ in 0..12 {
        assert_eq!(program.post(&format!("sessions/{}/stop", session.id()), Value::Null).await.status, 200);
    }
    assert_eq!(program.post("sessions/stop", json!({ "all": true })).await.status, 200);
    // Another key of the same member has a share of its own; what is wrong is counted by its address.
    let other = world.program(HERE, &world.api_key("bo", "sessions:read", &[]).await);
    assert_eq!(other.get("sessions").await.status, 200);
    let guessing = world.program("93.184.216.77", "egk_guess");
    for _ in 0..30 {
        assert_eq!(guessing.get("whoami").await.status, 401);
    }
    until_limited(async || guessing.get("whoami").await).await;
    until_limited(async || world.program("93.184.216.77", "egk_guess").get("sessions").await).await;
    assert_eq!(world.program("93.184.216.78", "egk_guess").get("sessions").await.status, 401);
    tokio::time::sleep(Duration::from_secs(wait)).await;
    assert_eq!(program.get("sessions").await.status, 200, "and it passes");
    eventually("the session is closed", SOON, async || {
        let rules = world.rules_of(&world.groups[0]).await;
        if rules.is_empty() { Ok(()) } else { Err(format!("{rules:?}")) }
    })
    .await;
    world.finish().await;
}
