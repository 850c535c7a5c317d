//! Whether the process lives, and whether it can do its work.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use entryguard_core::engine::Readiness;
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
}

async fn ready(State(shared): State<Shared>) -> (StatusCode, Json<Ready>) {
    let store = shared.engine.ping().await.inspect_err(|error| tracing::error!(error = ?error, "not ready"));
    // After the ping, which has just told the time.
    let ready = Ready::new(store.is_ok(), shared.engine.readiness());
    // The next replica may open; this one goes on closing.
    (if ready.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(ready))
}

impl Ready {
    fn new(database_answers: bool, readiness: Readiness) -> Self {
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
        }
    }
}

#[cfg(test)]
mod tests {
    use entryguard_core::domain::Span;
    use entryguard_core::reconcile::Blindness;
    use entryguard_core::store::StoreFailure;
    use serde_json::json;

    use super::*;

    fn said(database_answers: bool, readiness: Readiness) -> serde_json::Value {
        json!(Ready::new(database_answers, readiness))
    }

    #[test]
    fn it_says_of_each_part_how_it_is() {
        let well = Readiness::default();
        let fine = json!({ "ready": true, "store": "ok", "expiry": "ok", "sweep": "ok", "clock": "ok" });
        assert_eq!(said(true, well), fine);
        let down = said(false, well);
        assert_eq!((&down["ready"], &down["store"]), (&json!(false), &json!("the database does not answer")));
        let lost = Readiness { store: Some(StoreFailure::FileLost), offline: Some(Span::from_minutes(2)), ..well };
        let lost = said(true, lost);
        assert_eq!(lost["offline"], "closing what is overdue by the tags on the rules, without the database, for 2m");
        assert!(
            lost["ready"] == json!(false) && lost["store"].as_str().unwrap().contains("was deleted, replaced or overwritten")
        );
        let late = said(true, Readiness { sweep: Some(Blindness::Sweep(Span::from_minutes(3))), ..well });
        insta::assert_snapshot!(late, @r#"{"clock":"ok","expiry":"ok","ready":false,"store":"ok","sweep":"the sweep, which finds what stays open, is 3m late","why":"EntryGuard opens nothing for now, because the sweep, which finds what stays open, is 3m late. Closing goes on. Whoever runs EntryGuard should read its log."}"#);
    }
}
