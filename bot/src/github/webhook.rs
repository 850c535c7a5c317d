//! GitHub's webhook: a workflow run is over, so what it opened is closed, also where its runner was lost before its post step.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use entryguard_core::domain::WorkflowRun;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::Sha256;

use super::WebhookState;
use crate::http::signed::{Refused, only, unknown_shape};

const SENDER: &str = "GitHub";
const SIGNATURE: &str = "x-hub-signature-256";
const EVENT: &str = "x-github-event";

#[derive(Deserialize)]
struct Delivery {
    action: String,
    workflow_run: Run,
    repository: Repository,
}

#[derive(Deserialize)]
struct Run {
    id: u64,
    run_attempt: u64,
}

#[derive(Deserialize)]
struct Repository {
    id: u64,
}

/// Takes a delivery. One that comes again closes nothing twice.
pub async fn receive(State(state): State<WebhookState>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(refused) = verify(&headers, &body, &state.secret) {
        tracing::warn!(reason = %refused, "refused a delivery that claims to be GitHub's");
        return StatusCode::UNAUTHORIZED.into_response();
    }
    // `ping`, and whatever else the webhook was subscribed to.
    if only(&headers, EVENT).is_ok_and(|event| event != "workflow_run") {
        return StatusCode::NO_CONTENT.into_response();
    }
    let delivery: Delivery = match serde_json::from_slice(&body) {
        Ok(delivery) => delivery,
        Err(error) => return unknown_shape(SENDER, &error),
    };
    if delivery.action != "completed" {
        return StatusCode::NO_CONTENT.into_response();
    }
    let run = WorkflowRun {
        repository: delivery.repository.id,
        run: delivery.workflow_run.id,
        attempt: delivery.workflow_run.run_attempt,
    };
    match state.shared.engine.run_completed(&run).await {
        Ok(ended) => {
            tracing::info!(%run, ended, "a workflow run is over");
            StatusCode::NO_CONTENT.into_response()
        }
        // GitHub shows that, and somebody can deliver it again.
        Err(error) => {
            tracing::error!(error = ?error, "what a workflow run has opened could not be closed; its time ends all the same");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

fn verify(headers: &HeaderMap, body: &[u8], secret: &SecretString) -> Result<(), Refused> {
    let signature = only(headers, SIGNATURE)?;
    let given = signature.strip_prefix("sha256=").and_then(|hex| hex::decode(hex).ok()).ok_or(Refused::Signature)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).map_err(|_| Refused::Signature)?;
    mac.update(body);
    mac.verify_slice(&given).map_err(|_| Refused::Signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn githubs_own_example_is_accepted_and_nothing_that_differs() {
        // The example of GitHub's documentation on validating deliveries.
        let secret = SecretString::from("It's a Secret to Everybody");
        let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let check = |signature: &str, body: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(SIGNATURE, signature.parse().unwrap());
            verify(&headers, body.as_bytes(), &secret)
        };
        assert_eq!(check(good, "Hello, World!"), Ok(()));
        assert_eq!(check(good, "Hello, World"), Err(Refused::Signature));
        assert_eq!(check("sha1=757107ea", "Hello, World!"), Err(Refused::Signature));
        assert_eq!(verify(&HeaderMap::new(), b"", &secret), Err(Refused::Header));
    }
}
