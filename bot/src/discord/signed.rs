//! Verifies that a request comes from Discord: an unsigned one is not a value that a handler could get.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use entryguard_core::domain::Span;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::DiscordState;

/// How far a request's time may be from ours, either way.
const WINDOW: Span = Span::from_minutes(5);
const TIMESTAMP: &str = "x-signature-timestamp";
const SIGNATURE: &str = "x-signature-ed25519";

/// JSON that Discord signed, within the last minutes, and sent once.
pub struct Signed<T>(pub T);

/// Why a request is not taken for Discord's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Refused {
    #[error("a header is missing, doubled or unreadable")]
    Header,
    #[error("the timestamp is too far from the present time")]
    Stale,
    #[error("the signature is wrong")]
    Signature,
    #[error("the request was accepted before")]
    Replayed,
}

impl<T: DeserializeOwned> FromRequest<DiscordState> for Signed<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &DiscordState) -> Result<Self, Response> {
        let headers = request.headers().clone();
        let body = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        let name = verify(&headers, &body, state).map_err(|refused| unauthorized(&refused))?;
        match state.shared.engine.accept_once(&name).await {
            Ok(true) => {}
            Ok(false) => return Err(unauthorized(&Refused::Replayed)),
            Err(error) => {
                tracing::error!(error = ?error, "a Discord request could not be checked for replay");
                return Err(StatusCode::SERVICE_UNAVAILABLE.into_response());
            }
        }
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            tracing::warn!(%error, "a signed Discord request has an unknown shape");
            StatusCode::BAD_REQUEST.into_response()
        })
    }
}

// Discord probes with bad signatures, and takes an endpoint that lets one through away.
fn unauthorized(refused: &Refused) -> Response {
    tracing::warn!(reason = %refused, "refused a request that claims to be Discord's");
    StatusCode::UNAUTHORIZED.into_response()
}

/// Checks the request's time and signature; both, if they hold, as the request's name.
fn verify(headers: &HeaderMap, body: &[u8], state: &DiscordState) -> Result<String, Refused> {
    let (timestamp, signature) = (only(headers, TIMESTAMP)?, only(headers, SIGNATURE)?);
    let seconds: i64 = timestamp.parse().map_err(|_| Refused::Header)?;
    if state.shared.engine.now().as_seconds().abs_diff(seconds) > WINDOW.as_millis().unsigned_abs() / 1000 {
        return Err(Refused::Stale);
    }
    state.verifier.as_ref().ok_or(Refused::Signature)?.verify(signature, timestamp, body).map_err(|_| Refused::Signature)?;
    Ok(format!("discord:{seconds}:{}", signature.to_ascii_lowercase()))
}

fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refused> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| Refused::Header),
        _ => Err(Refused::Header),
    }
}
