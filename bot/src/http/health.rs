//! Whether the process lives, and whether it can do its work.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use entryguard_core::domain::BlockCause;
use entryguard_core::engine::Readiness;
use entryguard_core::reply::said_together;
use entryguard_core::store::BlockedGrants;
use serde::Serialize;

use super::Shared;

/// What is said of a part that is as it should be.
const OK: &str = "ok";

pub(super) fn routes() -> Router<Shared> {
    // Liveness asks nothing of the database: restarting the process that has to close things helps nobody while that is away.
    Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(ready))
}

/// How each part is that opening and closing take.
#[derive(Serialize)]
struct Ready {
    ready: bool,
    /// The words in which openings are refused, if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    store: String,
    expiry: String,
    sweep: String,
    clock: String,
    /// What this process does while the database fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    offline: Option<String>,
    /// Resources that refuse additions, and how many wait for them. No reason to open nothing elsewhere.
    resources: String,
}

async fn ready(State(shared): State<Shared>) -> (StatusCode, Json<Ready>) {
    let store = shared.engine.ping().await.inspect_err(|error| tracing::error!(error = ?error, "not ready"));
    // After the ping, which has just told the time.
    let blocked = if store.is_ok() { shared.engine.blocked_grants().await.unwrap_or_default() } else { Vec::new() };
    let ready = Ready::new(store.is_ok(), shared.engine.readiness(), &blocked);
    // The next replica may open; this one goes on closing.
    (if ready.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(ready))
}

impl Ready {
    fn new(database_answers: bool, readiness: Readiness, blocked: &[BlockedGrants]) -> Self {
        let unreachable = "the database does not answer";
        let refused = readiness.refused().map(|refused| refused.to_string());
        let why = if database_answers { refused } else { Some(unreachable.to_owned()) };
        let said = |amiss: Option<String>| amiss.unwrap_or_else(|| OK.to_owned());
        let failure = readiness.store.map(|failure| failure.to_string());
        let closing = |span| format!("closing what is overdue by the tags on the rules, without the database, for {span}");
        Self {
            ready: why.is_none(),
            why,
            store: if database_answers { said(failure) } else { unreachable.to_owned() },
            expiry: said(readiness.expiry.map(|blindness| blindness.to_string())),
            sweep: said(readiness.sweep.map(|blindness| blindness.to_string())),
            clock: said(readiness.clock.map(|doubt| doubt.to_string())),
            offline: readiness.offline.map(closing),
            resources: said(waiting(blocked)),
        }
    }
}

/// `2 resources are full (120 grants wait)`. No names: anybody may ask.
fn waiting(blocked: &[BlockedGrants]) -> Option<String> {
    let of_cause = |cause: BlockCause| {
        let alike: Vec<_> = blocked.iter().filter(|blocked| blocked.block.cause == cause).collect();
        let resources: BTreeSet<_> = alike.iter().map(|blocked| &blocked.block.resource).collect();
        let waiting: u64 = alike.iter().map(|blocked| blocked.waiting).sum();
        (waiting > 0).then(|| format!("{} ({waiting} grants waiting)", said_together(cause, resources.len())))
    };
    let said: Vec<_> = BlockCause::ALL.into_iter().filter_map(of_cause).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

#[cfg(test)]
mod tests {
    use entryguard_core::domain::{AddressFamily, Attempt, Block, Refusal, ResourceName, Span, Timestamp};
    use entryguard_core::reconcile::Blindness;
    use entryguard_core::store::StoreFailure;
    use serde_json::json;

    use super::*;

    fn said(database_answers: bool, readiness: Readiness) -> serde_json::Value {
        json!(Ready::new(database_answers, readiness, &[]))
    }

    #[test]
    fn it_counts_what_waits_for_full_resources_and_names_none() {
        let at = Timestamp::from_millis(0);
        let attempt = Attempt { at, added: 0, refused: 1, alone: true, per_call: 6, at_most: 60, rules_seen: None, jitter: 0.0 };
        let refusal = Refusal { cause: BlockCause::Quota, reason: "full".to_owned() };
        let blocked = |name: &str, family| {
            let block = Block::begun(ResourceName::new(name).unwrap(), family, refusal.clone(), attempt);
            BlockedGrants { block, waiting: 60 }
        };
        let blocked = [
            blocked("bastion", AddressFamily::V4),
            blocked("bastion", AddressFamily::V6),
            blocked("intranet", AddressFamily::V4),
        ];
        let said = Ready::new(true, Readiness::default(), &blocked);
        assert!(said.ready, "the others are opened");
        assert_eq!(said.resources, "2 resources are full (180 grants waiting)");
    }

    #[test]
    fn it_says_of_each_part_how_it_is() {
        let well = Readiness::default();
        let fine = json!({ "ready": true, "store": "ok", "expiry": "ok", "sweep": "ok", "clock": "ok", "resources": "ok" });
        assert_eq!(said(true, well), fine);
        let down = said(false, well);
        assert_eq!((&down["ready"], &down["store"]), (&json!(false), &json!("the database does not answer")));
        let lost = Readiness { store: Some(StoreFailure::FileLost), offline: Some(Span::from_minutes(2)), ..well };
        let lost = said(true, lost);
        assert_eq!(lost["offline"], "closing what is overdue by the tags on the rules, without the database, for 2m");
        assert!(
            lost["ready"] == json!(false) && lost["store"].as_str().unwrap().contains("was deleted, replaced or overwritten")
        );
        let broken = said(true, Readiness { offline: Some(Span::from_minutes(2)), ..well });
        assert_eq!(broken["ready"], json!(false), "it takes commits, and no work");
        assert!(broken["why"].as_str().unwrap().contains("takes no work; for 2m"), "{broken}");
        let late = said(true, Readiness { sweep: Some(Blindness::Sweep(Span::from_minutes(3))), ..well });
        insta::assert_snapshot!(late, @r#"{"clock":"ok","expiry":"ok","ready":false,"resources":"ok","store":"ok","sweep":"the sweep, which finds what stays open, is 3m late","why":"EntryGuard opens nothing for now, because the sweep, which finds what stays open, is 3m late. Closing goes on. Whoever runs EntryGuard should read its log."}"#);
    }
}
