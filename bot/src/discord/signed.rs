//! Verifies that a request comes from Discord: an unsigned one is not a value that a handler could get.

use axum::extract::{FromRequest, Request};
use axum::response::Response;
use http::HeaderMap;
use serde::de::DeserializeOwned;

use super::DiscordState;
use crate::http::signed::{Refused, only, signed_at, unknown_shape, verified};

const SENDER: &str = "Discord";
const TIMESTAMP: &str = "x-signature-timestamp";
const SIGNATURE: &str = "x-signature-ed25519";

/// JSON that Discord signed, within the last minutes, and sent once.
pub struct Signed<T>(pub T);

impl<T: DeserializeOwned> FromRequest<DiscordState> for Signed<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &DiscordState) -> Result<Self, Response> {
        let check = |headers: &HeaderMap, body: &[u8]| verify(headers, body, state);
        let body = verified(request, state, &state.shared.engine, SENDER, check).await?;
        serde_json::from_slice(&body).map(Self).map_err(|error| unknown_shape(SENDER, &error))
    }
}

/// Checks the request's time and signature; both, if they hold, as the request's name.
fn verify(headers: &HeaderMap, body: &[u8], state: &DiscordState) -> Result<String, Refused> {
    let (timestamp, seconds) = signed_at(headers, TIMESTAMP, state.shared.engine.now())?;
    let signature = only(headers, SIGNATURE)?;
    let verifier = state.verifier.as_ref().ok_or(Refused::Signature)?;
    verifier.verify(signature, timestamp, body).map_err(|_| Refused::Signature)?;
    Ok(format!("discord:{seconds}:{}", signature.to_ascii_lowercase()))
}
