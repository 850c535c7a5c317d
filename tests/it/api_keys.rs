//! API keys: whoever shows one acts as its member, within its scopes, for as long as it is good.

use entryguard_tests::{Database, World, on_both_databases};
use serde_json::{Value, json};

const HERE: &str = "93.184.216.34";
const HERE_CIDR: &str = "93.184.216.34/32";
const BOTH: &str = "sessions:read,sessions:write";

async fn team(database: Database) -> World {
    let world = World::on(database).with_groups(1).member("ana", "U111").admin("bo", "U222");
    world.configured("[removal]\nread_again_after = [\"1s\"]").start().await
}

on_both_databases! {
    async fn a_key_starts_sees_extends_and_stops_as_its_member(database: Database) {
        let world = team(database).await;
        let key = world.api_key("ana", BOTH, &["--name", "nightly"]).await;
        let program = world.program(HERE, &key);
        let me = program.get("whoami").await;
        assert_eq!((&me.body["member"], &me.body["identity"]), (&json!("ana"), &json!("api-key:nightly")), "{:#}", me.body);
        assert_eq!((&me.body["address"], &me.body["scopes"]), (&json!(HERE), &json!(["sessions:read", "sessions:write"])));
        assert_eq!((&me.body["limit"]["longest"], &me.body["defaultDuration"]), (&json!("24h"), &json!("2h")));

        let started = program.post("sessions", json!({ "durationHours": 1, "reason": "the copy" })).await;
        assert_eq!((started.status, &started.body["status"], &started.body["userName"]), (201, &json!("PENDING"), &json!("ana")));
        let location = started.headers["location"].to_str().unwrap().trim_start_matches("/api/v1/").to_owned();
        let active = program.get(&format!("{location}?wait=30s")).await;
        assert_eq!((&active.body["status"], &active.body["resourceIps"][0]["status"]), (&json!("ACTIVE"), &json!("APPLIED")));
        world.wait_until_group_allows(&world.groups[0], &[HERE_CIDR]).await;
        let extended = program.post(&format!("{location}/extend"), json!({ "duration": "90m" })).await;
        assert!(extended.status == 200 && extended.body["expiresAt"].as_str() > active.body["expiresAt"].as_str(), "{extended:?}");
        let confirmed = program.get(&format!("{location}?wait=30s")).await;
        assert_eq!((&confirmed.body["extending"], &confirmed.body["status"]), (&json!(false), &json!("ACTIVE")));
        let stopped = program.post(&format!("{location}/stop"), Value::Null).await;
        assert_eq!((stopped.status, &stopped.body["status"], &stopped.body["endedReason"]), (200, &json!("EXPIRING"), &json!("MANUAL")));
        let over = program.get(&format!("{location}?wait=60s")).await;
        assert_eq!(over.body["status"], "CANCELLED", "{:#}", over.body);
        world.wait_until_group_allows(&world.groups[0], &[]).await;

        let scopes = ["--scopes", "sessions:read", "--scopes", "sessions:write"];
        let made = [&["api-key", "create", "--member", "ana", "--name", "other", "--json"], &scopes[..]].concat();
        let made = world.entryguard(&made).await;
        let made: Value = serde_json::from_str(&made.stdout).unwrap();
        let other = world.program(HERE, made["key"].as_str().unwrap());
        assert_eq!((other.get("whoami").await.status, &made["name"], &made["status"]), (200, &json!("other"), &json!("good")));
        let revoked = world.entryguard(&["api-key", "revoke", "other", "--close", "--json"]).await.stdout;
        assert_eq!(serde_json::from_str::<Value>(&revoked).unwrap(), json!({ "name": "other", "revoked": true, "sessionsEnded": 0 }));
        assert_eq!(other.get("whoami").await.status, 401);

        let listed: Vec<Value> = serde_json::from_str(&world.entryguard(&["api-key", "list", "--json"]).await.stdout).unwrap();
        assert!(listed[0]["name"] == "nightly" && listed[0]["status"] == "good" && listed[0]["lastUsedAt"].is_string(), "{listed:#?}");
        let audit = world.entryguard(&["audit", "export"]).await.stdout;
        assert!(audit.contains("api_key.created") && audit.contains("api-key:nightly") && !audit.contains(&key), "{audit}");
        assert!(!world.server.log().contains(&key), "the key is in the log");
        world.finish().await;
    }

    async fn i8_a_key_does_what_its_scopes_say_and_nothing_else(database: Database) {
        let world = team(database).await;
        let with = async |member: &str, scopes: &str| world.program(HERE, &world.api_key(member, scopes, &[]).await);
        let (writes, reads) = (with("ana", "sessions:write").await, with("ana", "sessions:read").await);
        let session = writes.post("sessions", json!({})).await;
        let path = format!("sessions/{}", session.id());
        for refused in [
            writes.get(&path).await,
            writes.get("sessions").await,
            writes.get("sessions/admin").await,
            writes.get(&format!("{path}/events")).await,
            writes.get("resources").await,
            writes.get("audit-logs").await,
            reads.post("sessions", json!({})).await,
            reads.post(&format!("{path}/stop"), Value::Null).await,
            reads.post(&format!("{path}/extend"), Value::Null).await,
        ] {
            assert_eq!(refused.refusal(), (403, "scope_missing"), "{refused:?}");
        }
        assert_eq!(reads.get(&path).await.id(), session.id());
        // What is somebody else's is not there; and nobody is an administrator by a scope.
        let other = with("bo", "sessions:read,sessions:write,audit:read,resources:read").await;
        let of_bo = other.post("sessions", json!({})).await;
        let both = with("ana", BOTH).await;
        assert_eq!(both.get(&format!("sessions/{}", of_bo.id())).await.refusal(), (404, "session_unknown"));
        assert_eq!(both.post(&format!("sessions/{}/stop", of_bo.id()), Value::Null).await.refusal(), (404, "session_unknown"));
        assert_eq!(both.get("sessions/admin").await.refusal(), (403, "administrators_only"));
        assert_eq!(other.get("sessions/admin?member=ana").await.body["sessions"][0]["id"], session.body["id"]);
        assert_eq!(other.get("audit-logs?member=ana&action=session.started").await.body["entries"][0]["session"], session.body["id"]);
        assert_eq!(other.get("resources").await.body["resources"][0]["name"], "group-1");
        let refused = world.entryguard(&["api-key", "create", "--member", "ana", "--scopes", "audit:read"]).await;
        assert!(refused.code == Some(1) && refused.stderr.contains("is no administrator"), "{refused:?}");
        world.finish().await;
    }

    async fn i8_a_key_that_is_revoked_expired_or_mistyped_opens_nothing(database: Database) {
        let world = team(database).await;
        let key = world.api_key("ana", BOTH, &["--name", "lost"]).await;
        let program = world.program(HERE, &key);
        let session = program.post("sessions", json!({ "key": "egs_0123456789abcdef0123456789abcdef" })).await;
        world.wait_until_group_allows(&world.groups[0], &[HERE_CIDR]).await;
        let short = world.program(HERE, &world.api_key("ana", BOTH, &["--expires-in", "1s"]).await);
        let mistyped = if key.ends_with('0') { format!("{}1", &key[..39]) } else { format!("{}0", &key[..39]) };
        let unknown = "egk_0000000000000000000000000000000000000";
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        assert_eq!(short.post("sessions", json!({})).await.refusal(), (401, "key_refused"));
        for wrong in [mistyped.as_str(), unknown, "egk_"] {
            let refused = world.program(HERE, wrong).post("sessions", json!({})).await;
            assert_eq!(refused.refusal(), (401, "key_refused"), "{wrong}: {refused:?}");
        }
        let revoked = world.entryguard(&["api-key", "revoke", "lost"]).await;
        assert!(revoked.code == Some(0) && revoked.stdout.contains("is revoked"), "{revoked:?}");
        for refused in [
            program.post("sessions", json!({})).await,
            program.post(&format!("sessions/{}/extend", session.id()), Value::Null).await,
            program.get("whoami").await,
        ] {
            assert_eq!(refused.refusal(), (401, "key_refused"), "{refused:?}");
        }
        // The session's own key still ends it; until then, or until `--close`, it goes on.
        let own = world.program(HERE, "egs_0123456789abcdef0123456789abcdef");
        assert_eq!(own.get("sessions/current").await.id(), session.id());
        assert_eq!(world.rules_of(&world.groups[0]).await.len(), 1);
        let closed = world.entryguard(&["api-key", "revoke", "lost", "--close"]).await;
        assert!(closed.stdout.contains("was revoked before") && closed.stdout.contains("ended now: 1"), "{closed:?}");
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        let audit = world.entryguard(&["audit", "export"]).await.stdout;
        assert_eq!((audit.matches("session.started").count(), audit.matches("api_key.revoked").count()), (1, 1), "{audit}");
        assert_eq!(world.entryguard(&["audit", "verify"]).await.code, Some(0));
        world.finish().await;
    }
}

#[tokio::test]
async fn what_the_configuration_gives_to_one_member_is_no_other_s_key() {
    let mut world = team(Database::Sqlite).await;
    let program = world.program(HERE, &world.api_key("ana", BOTH, &["--name", "ci"]).await);
    let again = world.entryguard(&["api-key", "create", "--member", "bo", "--scopes", BOTH, "--name", "ci"]).await;
    assert!(again.code == Some(1) && again.stderr.contains("there is a key named ci already"), "{again:?}");
    // The name goes to bo in the configuration: the key does not become bo's, and is ana's no more.
    world.rewrite_config(
        "identities = [\"slack:T0123456/U222\"]",
        "identities = [\"slack:T0123456/U222\", \"api-key:ci\", \"api-key:new\"]",
    );
    world.server.restart().await;
    assert_eq!(program.get("whoami").await.refusal(), (401, "key_refused"));
    let taken = world.entryguard(&["api-key", "create", "--member", "ana", "--scopes", BOTH, "--name", "new"]).await;
    assert!(taken.code == Some(1) && taken.stderr.contains("gives `api-key:new` to bo"), "{taken:?}");
    let of_bo = world.program(HERE, &world.api_key("bo", BOTH, &["--name", "new"]).await);
    assert_eq!(of_bo.get("whoami").await.body["member"], "bo");
    // Whoever leaves the configuration has no keys any more.
    let leaving = world.program(HERE, &world.api_key("bo", BOTH, &[]).await);
    world.rewrite_config("[[member]]\nname = \"bo\"", "[[member]]\nname = \"cy\"");
    world.rewrite_config("members = [\"ana\", \"bo\"]", "members = [\"ana\", \"cy\"]");
    world.server.restart().await;
    assert_eq!(leaving.post("sessions", json!({})).await.refusal(), (403, "unknown_member"));
    assert_eq!(of_bo.post("sessions", json!({})).await.refusal(), (401, "key_refused"), "its name is another's now");
    let nobody = world.entryguard(&["api-key", "create", "--member", "bo", "--scopes", BOTH]).await;
    assert!(nobody.code == Some(1) && nobody.stderr.contains("there is no member bo"), "{nobody:?}");
    world.finish().await;
}

#[tokio::test]
async fn wrong_usage_says_what_would_be_right() {
    let world = team(Database::Sqlite).await;
    let ran = world.entryguard(&["api-key", "create", "--member", "ana", "--scopes", "sessions:all"]).await;
    assert!(ran.code == Some(2) && ran.stderr.contains("sessions:read, sessions:write"), "{ran:?}");
    let ran = world.entryguard(&["api-key", "revoke", "nobody"]).await;
    assert!(ran.code == Some(1) && ran.stderr.contains("api-key list"), "{ran:?}");
    let ran = world.entryguard(&["api-key", "list"]).await;
    assert!(ran.code == Some(0) && ran.stdout.contains("There is no key"), "{ran:?}");
    world.finish().await;
}
