//! GitHub's webhook: a workflow run is over, so what it opened is closed, also where its runner was lost before its post step.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use entryguard_core::domain::WorkflowRun;
use hmac::{Hmac, KeyInit, Mac};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;

use super::WebhookState;
use crate::http::signed::{self, Refused, only, unknown_shape};

const SENDER: &str = "GitHub";
const SIGNATURE: &str = "x-hub-signature-256";
const EVENT: &str = "x-github-event";
/// The content type that GitHub offers first for a new webhook; the other one is JSON.
const FORM: &str = "application/x-www-form-urlencoded";

/// A delivery of GitHub's in the form of a form: one field, with the JSON in it.
#[derive(Deserialize)]
struct Form {
    payload: String,
}

/// A delivery that cannot be read.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    /// Its content type says form, and there is no `payload` in it.
    #[error("it is no form with a field `payload`: {0}")]
    Form(#[from] serde_urlencoded::de::Error),
    /// Not the JSON of a delivery.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

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
    // `ping`, and whatever else the webhook was subscribed to. It is read all the same: what could not be read later has to fail at the
    // ping already, while an administrator sets the webhook up.
    if only(&headers, EVENT).is_ok_and(|event| event != "workflow_run") {
        return match read::<serde::de::IgnoredAny>(&headers, &body) {
            Ok(_) => StatusCode::NO_CONTENT.into_response(),
            Err(error) => unknown_shape(SENDER, &error),
        };
    }
    let delivery: Delivery = match read(&headers, &body) {
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

/// Checks the signature, which is over the bytes as they came, whatever their content type.
fn verify(headers: &HeaderMap, body: &[u8], secret: &SecretString) -> Result<(), Refused> {
    let given = only(headers, SIGNATURE)?.strip_prefix("sha256=").ok_or(Refused::Signature)?;
    let given = signed::signature::<32>(given)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).map_err(|_| Refused::Signature)?;
    mac.update(body);
    mac.verify_slice(&given).map_err(|_| Refused::Signature)
}

/// Reads a delivery in either of GitHub's content types.
fn read<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Unreadable> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case(FORM) {
        let form: Form = serde_urlencoded::from_bytes(body)?;
        return Ok(serde_json::from_str(&form.payload)?);
    }
    Ok(serde_json::from_slice(body)?)
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
        for odd in ["sha1=757107ea", "sha256=757107ea", "", "sha256=", &good.replace("=75", "=+5"), &format!("{good} ")] {
            assert_eq!(check(odd, "Hello, World!"), Err(Refused::Signature), "{odd}");
        }
        assert_eq!(verify(&HeaderMap::new(), b"", &secret), Err(Refused::Header));
    }

    #[test]
    fn a_delivery_is_read_in_both_of_githubs_content_types() {
        let read = |kind: &str, body: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            super::read::<Delivery>(&headers, body.as_bytes()).map(|delivery| delivery.workflow_run.id)
        };
        let json = r#"{"action":"a+b","workflow_run":{"id":7,"run_attempt":1},"repository":{"id":42}}"#;
        let form = format!("payload={}", json.replace('+', "%2B").replace('"', "%22"));
        for (kind, body) in
            [("application/json", json), (FORM, &form), ("Application/X-WWW-Form-Urlencoded; charset=utf-8", &form)]
        {
            assert_eq!(read(kind, body).unwrap(), 7, "{kind}");
        }
        for (kind, body) in [("application/json", &*form), (FORM, json), (FORM, "payload="), (FORM, &format!("{form}&{form}"))] {
            assert!(read(kind, body).is_err(), "{kind} {body}");
        }
    }
}
