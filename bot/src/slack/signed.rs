//! Verifies that a request comes from Slack: an unsigned one is not a value that a handler could get.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::response::Response;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use sha2::Sha256;

use super::SlackState;
use crate::http::signed::{self, Present, Refused, only, signed_at, unknown_shape};

pub(super) const SENDER: &str = "Slack";
const TIMESTAMP: &str = "x-slack-request-timestamp";
const SIGNATURE: &str = "x-slack-signature";

/// A form that Slack signed within the last minutes, and its name: whoever acts on it accepts it by that, once.
pub struct Signed<T>(pub T, pub String);

/// JSON that Slack signed within the last minutes, and its name.
pub struct SignedJson<T>(pub T, pub String);

impl<T: DeserializeOwned> FromRequest<SlackState> for Signed<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &SlackState) -> Result<Self, Response> {
        let (body, name) = verified(request, state).await?;
        let read = serde_urlencoded::from_bytes(&body).map_err(|error| unknown_shape(SENDER, &error))?;
        Ok(Self(read, name))
    }
}

impl<T: DeserializeOwned> FromRequest<SlackState> for SignedJson<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &SlackState) -> Result<Self, Response> {
        let (body, name) = verified(request, state).await?;
        let read = serde_json::from_slice(&body).map_err(|error| unknown_shape(SENDER, &error))?;
        Ok(Self(read, name))
    }
}

async fn verified(request: Request, state: &SlackState) -> Result<(Bytes, String), Response> {
    let now = Present::of(&state.shared.engine);
    signed::signed(request, state, SENDER, |headers, body| {
        // While the secret is exchanged there are two.
        let secrets = state.settings.signing_secrets.iter();
        let checked = secrets.map(|secret| verify(headers, body, secret.expose_secret(), now));
        checked.reduce(|one, other| one.or(other)).unwrap_or(Err(Refused::Signature))
    })
    .await
}

/// Checks the request's time and signature; both, if they hold, as the request's name.
fn verify(headers: &HeaderMap, body: &[u8], secret: &str, now: Present) -> Result<String, Refused> {
    let (timestamp, seconds) = signed_at(headers, TIMESTAMP, now)?;
    let signature = only(headers, SIGNATURE)?;
    let given = signature.strip_prefix("v0=").and_then(|hex| hex::decode(hex).ok()).ok_or(Refused::Signature)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|_| Refused::Signature)?;
    mac.update(b"v0:");
    mac.update(timestamp.as_bytes());
    mac.update(b":");
    mac.update(body);
    mac.verify_slice(&given).map_err(|_| Refused::Signature)?;
    // In one spelling, so that upper case does not make a replay look new; the time first, so that what comes together is stored together.
    Ok(format!("{seconds}:{}", hex::encode(given)))
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
    fn a_request_has_one_name_however_it_is_spelled() {
        assert_eq!(check(GOOD, BODY, 0), check(&format!("v0={}", GOOD[3..].to_uppercase()), BODY, 0));
    }
}
