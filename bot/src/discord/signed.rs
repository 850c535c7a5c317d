//! Verifies that a request comes from Discord: an unsigned one is not a value that a handler could get.

use axum::extract::{FromRequest, Request};
use axum::response::Response;
use http::HeaderMap;
use serde::de::DeserializeOwned;
use serenity::interactions_endpoint::Verifier;

use super::DiscordState;
use crate::http::signed::{Present, Refused, name_of, only, signature, signed, signed_at, unknown_shape};

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
        let check = |headers: &HeaderMap, body: &[u8]| {
            let verifier = state.verifier.as_ref().ok_or(Refused::Signature)?;
            verify(headers, body, verifier, Present::of(&state.shared.engine))
        };
        let (body, name) = signed(request, state, SENDER, check).await?;
        serde_json::from_slice(&body).map(|value| Self(value, name)).map_err(|error| unknown_shape(SENDER, &error))
    }
}

/// Checks the request's time and signature; the request's name, if they hold.
fn verify(headers: &HeaderMap, body: &[u8], verifier: &Verifier, now: Present) -> Result<String, Refused> {
    let (timestamp, seconds) = signed_at(headers, TIMESTAMP, now)?;
    // The library takes more for hexadecimal than digits, so it is given the one spelling of these bytes.
    let given = hex::encode(signature::<64>(only(headers, SIGNATURE)?)?);
    verifier.verify(&given, timestamp, body).map_err(|()| Refused::Signature)?;
    Ok(name_of("discord", seconds, &[timestamp.as_bytes(), body]))
}

#[cfg(test)]
mod tests {
    use entryguard_core::domain::Timestamp;

    use super::*;

    // An Ed25519 key of 32 bytes of 7, and what it signed.
    const KEY: &str = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
    const BODY: &str = r#"{"type":1}"#;
    const SIGNED_AT: i64 = 1_700_000_000;
    const GOOD: &str = "f7caed702889e902c2cde4a4fb00f601284aa47ff4caf84588d7c8c3d8fe7183fd73e13e30d0c07d1515b6684f7b3cfaa231c421768d9667b104f760cf0da302";

    fn check(given: &str) -> Result<String, Refused> {
        let mut key = [0; 32];
        hex::decode_to_slice(KEY, &mut key).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(TIMESTAMP, SIGNED_AT.into());
        headers.insert(SIGNATURE, given.parse().unwrap());
        let now = Timestamp::from_millis(SIGNED_AT * 1000);
        let now = Present { time: now, wall_clock: now };
        verify(&headers, BODY.as_bytes(), &Verifier::try_new(key).unwrap(), now)
    }

    #[test]
    fn i8_a_request_has_one_name_however_its_signature_is_spelled() {
        let name = check(GOOD).unwrap();
        assert_eq!(check(&GOOD.to_uppercase()), Ok(name));
        let zero = (0..128).step_by(2).find(|at| GOOD[*at..].starts_with('0')).unwrap();
        let with_plus = format!("{}+{}", &GOOD[..zero], &GOOD[zero + 1..]);
        for odd in [with_plus, format!("{GOOD} "), format!("0x{GOOD}"), GOOD[1..].to_owned(), String::new()] {
            assert_eq!(check(&odd), Err(Refused::Signature), "{odd}");
        }
    }
}
