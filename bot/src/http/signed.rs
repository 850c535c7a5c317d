//! What a signed request has to be, whoever signs it: of now, signed, and new. Nothing of it is parsed before.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use entryguard_core::domain::{Span, Timestamp};
use entryguard_core::engine::Engine;
use http::{HeaderMap, StatusCode, header};
use sha2::{Digest, Sha256};

use crate::chat::NotTaken;

/// How far a request's time may be from ours, either way.
const WINDOW: Span = Span::from_minutes(5);

/// Why a request is not taken for a chat's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A header that signing takes.
    #[error("a header is missing, doubled or unreadable")]
    Header,
    /// Signed too long ago, or too far ahead.
    #[error("the timestamp is too far from the present time")]
    Stale,
    /// Not signed by them.
    #[error("the signature is wrong")]
    Signature,
    /// Sent again by somebody who saw it.
    #[error("the request was accepted before")]
    Replayed,
}

/// The body of a request that `sender` signed, and what names it: whoever acts on it accepts it by that name first, once.
pub async fn signed<State: Send + Sync>(
    request: Request,
    state: &State,
    sender: &'static str,
    verify: impl FnOnce(&HeaderMap, &[u8]) -> Result<String, Refused>,
) -> Result<(Bytes, String), Response> {
    let headers = request.headers().clone();
    let body = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
    let name = verify(&headers, &body).map_err(|refused| unauthorized(sender, &refused))?;
    Ok((body, name))
}

/// What a sender's time is compared with.
///
/// A sender signs by its own clock, which is right. Ours is the wall clock, unless that has gone back: then it is right where it had been
/// ahead, and the time that never goes back is right where it had not. Which of the two only an operator can tell, so a request has to be
/// fresh by one of them. That opens nothing: while the wall clock is behind, no session is started, extended or approved, so a request that
/// only the wall clock takes for fresh can look and close, and no more. Accepted requests are remembered by the time that never goes back,
/// for longer than they are fresh by it.
#[derive(Clone, Copy, Debug)]
pub struct Present {
    /// The time that rules every decision.
    pub time: Timestamp,
    /// The machine's wall clock.
    pub wall_clock: Timestamp,
}

impl Present {
    /// As the engine tells it.
    pub fn of(engine: &Engine) -> Self {
        Self { time: engine.now(), wall_clock: engine.wall_clock() }
    }

    fn is_near(self, seconds: i64) -> bool {
        let window = WINDOW.as_millis().unsigned_abs() / 1000;
        [self.time, self.wall_clock].iter().any(|now| now.as_seconds().abs_diff(seconds) <= window)
    }
}

/// When a request was signed, as its header says, and in seconds: not long ago.
pub fn signed_at<'a>(headers: &'a HeaderMap, name: &str, now: Present) -> Result<(&'a str, i64), Refused> {
    let text = only(headers, name)?;
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: i64 = text.parse().ok().filter(|_| is_number).ok_or(Refused::Header)?;
    if now.is_near(seconds) { Ok((text, seconds)) } else { Err(Refused::Stale) }
}

/// A header that is there once.
pub fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refused> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| Refused::Header),
        _ => Err(Refused::Header),
    }
}

/// The bytes of a signature that is written in hexadecimal: two digits for each byte, and nothing else.
pub fn signature<const LENGTH: usize>(text: &str) -> Result<[u8; LENGTH], Refused> {
    let mut bytes = [0; LENGTH];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| Refused::Signature)?;
    Ok(bytes)
}

/// The name by which a request is accepted once, made of the very bytes that its signature covers: one signature has many spellings, and
/// some schemes have many signatures for one message. The time comes first, so that what comes together is stored together.
pub fn name_of(sender: &str, seconds: i64, covered: &[&[u8]]) -> String {
    let digest = covered.iter().fold(Sha256::new(), |digest, part| digest.chain_update(part)).finalize();
    format!("{sender}:{seconds}:{}", hex::encode(digest))
}

/// A signed request that was accepted before, or of which nobody can say whether it was.
pub fn not_taken(sender: &'static str, why: NotTaken) -> Response {
    match why {
        NotTaken::Repeated => unauthorized(sender, &Refused::Replayed),
        NotTaken::Unchecked(_) => (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")]).into_response(),
    }
}

/// A signed request that we do not understand.
pub fn unknown_shape(sender: &'static str, error: &dyn std::error::Error) -> Response {
    tracing::warn!(%error, sender, "a signed request has an unknown shape");
    StatusCode::BAD_REQUEST.into_response()
}

/// Refuses a request. Discord probes with bad signatures, and takes an endpoint that lets one through away.
pub fn unauthorized(sender: &'static str, refused: &Refused) -> Response {
    crate::telemetry::signature_refused(sender);
    tracing::warn!(reason = %refused, sender, "refused a request that claims to be signed");
    StatusCode::UNAUTHORIZED.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_read_in_hexadecimal_digits_alone() {
        assert_eq!(signature("00ffA0"), Ok([0, 255, 160]));
        for odd in ["", "00ffa", "00ffa000", "+0ffa0", "0 ffa0", "0xffa0", "00ffg0", "00ff\u{a0}", "-0ffa0", "00ffa0 "] {
            assert_eq!(signature::<3>(odd), Err(Refused::Signature), "{odd:?}");
        }
    }

    #[test]
    fn the_time_of_a_signature_is_digits_alone() {
        let time = Timestamp::from_millis(1_000);
        let at = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("t", text.parse().unwrap());
            signed_at(&headers, "t", Present { time, wall_clock: time }).map(|(_, seconds)| seconds)
        };
        assert_eq!(at("1"), Ok(1));
        for odd in ["+1", "-1", "", "1.0", "1 "] {
            assert_eq!(at(odd), Err(Refused::Header), "{odd:?}");
        }
    }
}
