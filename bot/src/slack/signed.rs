//! Verifies that a request comes from Slack: an unsigned one is not a value that a handler could get.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, StatusCode};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use sha2::Sha256;

use super::SlackState;
use super::ssl_check::SslCheck;
use crate::http::signed::{self, Present, Refused, name_of, only, signed_at, unknown_shape};

pub(super) const SENDER: &str = "Slack";
const TIMESTAMP: &str = "x-slack-request-timestamp";
pub(super) const SIGNATURE: &str = "x-slack-signature";

/// A form that Slack signed within the last minutes, and its name: whoever acts on it accepts it by that, once.
pub struct Signed<T>(pub T, pub String);

/// JSON that Slack signed within the last minutes. It may have come before, and has a name of its own to tell by.
pub struct SignedJson<T>(pub T);

impl<T: DeserializeOwned> FromRequest<SlackState> for Signed<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &SlackState) -> Result<Self, Response> {
        let (body, name) = verified(request, state).await?;
        if SslCheck::is_in(&body) {
            return Err(StatusCode::OK.into_response());
        }
        let read = serde_urlencoded::from_bytes(&body).map_err(|error| unknown_shape(SENDER, &error))?;
        Ok(Self(read, name))
    }
}

impl<T: DeserializeOwned> FromRequest<SlackState> for SignedJson<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &SlackState) -> Result<Self, Response> {
        let (body, _) = verified(request, state).await?;
        serde_json::from_slice(&body).map(Self).map_err(|error| unknown_shape(SENDER, &error))
    }
}

async fn verified(request: Request, state: &SlackState) -> Result<(Bytes, String), Response> {
    signed::signed(request, state, SENDER, |headers, body| {
        let now = Present::of(&state.shared.engine);
        // While the secret is exchanged there are two.
        let secrets = state.settings.signing_secrets.iter();
        let checked = secrets.map(|secret| verify(headers, body, secret.expose_secret(), now));
        checked.reduce(|one, other| one.or(other)).unwrap_or(Err(Refused::Signature))
    })
    .await
}

/// Checks the request's time and signature; the request's name, if they hold.
fn verify(headers: &HeaderMap, body: &[u8], secret: &str, now: Present) -> Result<String, Refused> {
    let (timestamp, seconds) = signed_at(headers, TIMESTAMP, now)?;
    let given = only(headers, SIGNATURE)?.strip_prefix("v0=").ok_or(Refused::Signature)?;
    let given = signed::signature::<32>(given)?;
    let covered = [&b"v0:"[..], timestamp.as_bytes(), b":", body];
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|_| Refused::Signature)?;
    let mac = covered.iter().fold(mac, |mac, part| mac.chain_update(part));
    mac.verify_slice(&given).map_err(|_| Refused::Signature)?;
    Ok(name_of("slack", seconds, &covered))
}

#[cfg(test)]
mod tests {
    use entryguard_core::domain::Timestamp;

    use super::*;

    // The example of Slack's own documentation.
    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNED_AT: i64 = 1_531_420_618;
    const GOOD: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

    fn check(signature: &str, body: &str, seconds_late: i64) -> Result<String, Refused> {
        let mut headers = HeaderMap::new();
        headers.insert(TIMESTAMP, SIGNED_AT.into());
        headers.insert(SIGNATURE, signature.parse().unwrap());
        let now = Timestamp::from_seconds(SIGNED_AT + seconds_late);
        verify(&headers, body.as_bytes(), SECRET, Present { time: now, wall_clock: now })
    }

    #[test]
    fn i8_a_request_is_fresh_by_the_time_or_by_a_wall_clock_that_has_gone_back_to_the_right_one() {
        let check = |time_late: i64, wall_clock_late: i64| {
            let mut headers = HeaderMap::new();
            headers.insert(TIMESTAMP, SIGNED_AT.into());
            headers.insert(SIGNATURE, GOOD.parse().unwrap());
            let [time, wall_clock] = [time_late, wall_clock_late].map(|late| Timestamp::from_seconds(SIGNED_AT + late));
            verify(&headers, BODY.as_bytes(), SECRET, Present { time, wall_clock })
        };
        assert!(check(3_600, 0).is_ok(), "the clock was an hour ahead, and is right now");
        assert!(check(0, -3_600).is_ok(), "the clock was right, and is an hour behind now");
        assert_eq!(check(3_600, 301), Err(Refused::Stale));
        assert_eq!(check(301, -3_600), Err(Refused::Stale));
    }

    #[test]
    fn i8_slacks_own_example_is_accepted_and_nothing_that_differs() {
        assert!(check(GOOD, BODY, 0).is_ok() && check(GOOD, BODY, 300).is_ok() && check(GOOD, BODY, -300).is_ok());
        assert_eq!(check(GOOD, &BODY.replace("U2CERLKJA", "U2CERLKJB"), 0), Err(Refused::Signature));
        assert_eq!(check("v0=00", BODY, 0), Err(Refused::Signature));
        assert_eq!(check("v1=00", BODY, 0), Err(Refused::Signature));
        assert_eq!(check(GOOD, BODY, 301), Err(Refused::Stale));
        assert_eq!(check(GOOD, BODY, -301), Err(Refused::Stale));
    }

    #[test]
    fn a_header_that_comes_twice_is_refused() {
        let mut headers = HeaderMap::new();
        headers.append(TIMESTAMP, SIGNED_AT.into());
        headers.append(SIGNATURE, GOOD.parse().unwrap());
        headers.append(SIGNATURE, GOOD.parse().unwrap());
        let now = Timestamp::from_seconds(SIGNED_AT);
        let now = Present { time: now, wall_clock: now };
        assert_eq!(verify(&headers, BODY.as_bytes(), SECRET, now), Err(Refused::Header));
    }

    #[test]
    fn i8_a_request_has_one_name_however_its_signature_is_spelled() {
        assert_eq!(check(GOOD, BODY, 0), check(&format!("v0={}", GOOD[3..].to_uppercase()), BODY, 0));
        // Each of these is read as the same bytes by some reader of hexadecimal numbers.
        for odd in [GOOD.replace("b503", "b5+3"), GOOD.replace("v0=", "v0= "), format!("{GOOD} "), GOOD.replace("v0=", "V0=")] {
            assert!(check(&odd, BODY, 0).is_err(), "{odd}");
        }
    }
}
