//! Verifies that a request comes from Discord: an unsigned one is not a value that a handler could get.

use axum::extract::{FromRequest, Request};
use axum::response::Response;
use http::HeaderMap;
use serde::de::DeserializeOwned;

use super::DiscordState;
use crate::http::signed::{Present, Refused, only, signed, signed_at, unknown_shape};

/// Who signs.
pub const SENDER: &str = "Discord";
const TIMESTAMP: &str = "x-signature-timestamp";
const SIGNATURE: &str = "x-signature-ed25519";

/// JSON that Discord signed within the last minutes, and what names the request: it may be one that was sent before, so whoever acts on
/// it accepts it first. That takes the database, and Discord's three seconds do not wait for it.
pub struct Signed<T>(pub T, pub String);

impl<T: DeserializeOwned> FromRequest<DiscordState> for Signed<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &DiscordState) -> Result<Self, Response> {
        let check = |headers: &HeaderMap, body: &[u8]| verify(headers, body, state);
        let (body, name) = signed(request, state, SENDER, check).await?;
        serde_json::from_slice(&body).map(|value| Self(value, name)).map_err(|error| unknown_shape(SENDER, &error))
    }
}

/// Checks the request's time and signature; both, if they hold, as the request's name.
fn verify(headers: &HeaderMap, body: &[u8], state: &DiscordState) -> Result<String, Refused> {
    let (timestamp, seconds) = signed_at(headers, TIMESTAMP, Present::of(&state.shared.engine))?;
    let signature = only(headers, SIGNATURE)?;
    let verifier = state.verifier.as_ref().ok_or(Refused::Signature)?;
    verifier.verify(signature, timestamp, body).map_err(|_| Refused::Signature)?;
    Ok(format!("discord:{seconds}:{}", signature.to_ascii_lowercase()))
}
