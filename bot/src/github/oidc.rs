//! Keyless workflows: a token of GitHub's is taken where its issuer signed it, for us, a short while ago, and once.

use std::collections::BTreeMap;

use entryguard_core::domain::Claims;
use entryguard_core::engine::{Engine, EngineError};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::Value;

use super::keys::{IssuerKeys, NoKey};
use crate::http::outgoing::FetchError;

/// How far clocks may be apart, in seconds.
const LEEWAY: u64 = 30;
/// The longest life that a token may have, in seconds: used ones are remembered for longer.
const LONGEST_LIFE: u64 = 60 * 60;

/// Why a token is not taken.
#[derive(Debug, thiserror::Error)]
pub enum TokenRefused {
    /// Not what we take for a token.
    #[error(
        "The token cannot be read as one that GitHub signs (RS256 with a key id). Request it with core.getIDToken, and send it as it is."
    )]
    Malformed,
    /// No such key.
    #[error("The token is signed with a key that {0} does not have.")]
    UnknownKey(String),
    /// Something about it is wrong.
    #[error("The token is not taken: {0}")]
    Wrong(&'static str),
    /// For somebody else.
    #[error("The token is for another audience. Request it for `{0}`.")]
    Audience(String),
    /// Used before.
    #[error("The token was used already. Request a new one for each session.")]
    Replayed,
    /// The issuer's keys could not be had.
    #[error("The keys of GitHub's tokens cannot be had right now ({0}). Try again in a minute.")]
    NoKeys(#[from] FetchError),
    /// Our own trouble.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Verifies tokens of one issuer.
pub struct Verifier {
    audience: String,
    keys: IssuerKeys,
}

impl Verifier {
    /// A verifier of an issuer's tokens for us.
    pub fn new(issuer: String, audience: String) -> Self {
        Self { audience, keys: IssuerKeys::of(issuer) }
    }

    /// What a token claims. It is used up by it.
    pub async fn verify(&self, token: &str, engine: &Engine) -> Result<Claims, TokenRefused> {
        let header = decode_header(token).map_err(|_| TokenRefused::Malformed)?;
        // Whatever the token says of its algorithm, we take the one.
        let (Algorithm::RS256, Some(id)) = (header.alg, &header.kid) else { return Err(TokenRefused::Malformed) };
        let key = self.keys.key(id).await.map_err(|error| match error {
            NoKey::Unknown => TokenRefused::UnknownKey(self.keys.issuer().to_owned()),
            NoKey::Away(error) => TokenRefused::NoKeys(error),
        })?;
        let token = decode::<BTreeMap<String, Value>>(token, &key, &self.validation()).map_err(|error| self.refused(&error))?;
        let claims = token.claims;
        let (Some(issued), Some(expires), Some(jti)) = (seconds(&claims, "iat"), seconds(&claims, "exp"), text(&claims, "jti"))
        else {
            return Err(TokenRefused::Wrong("it lacks `iat`, `exp` or `jti`."));
        };
        if expires.saturating_sub(issued) > LONGEST_LIFE {
            return Err(TokenRefused::Wrong("it lives for longer than an hour."));
        }
        // The library goes by the wall clock, which may have gone back.
        let now = engine.now().as_seconds().unsigned_abs();
        if expires.saturating_add(LEEWAY) < now {
            return Err(TokenRefused::Wrong("it has expired. Request a new one."));
        }
        if claims.get("nbf").is_some_and(|begins| begins.as_u64().is_none_or(|begins| begins > now + LEEWAY)) {
            return Err(TokenRefused::Wrong("it is not valid yet. Compare the clocks of the server and of GitHub."));
        }
        if issued > now + LEEWAY {
            return Err(TokenRefused::Wrong("it was issued in the future."));
        }
        if !engine.accept_once(&format!("jti:{}:{jti}", self.keys.issuer())).await? {
            return Err(TokenRefused::Replayed);
        }
        Ok(Claims::new(claims.into_iter().filter_map(|(name, value)| Some((name, as_text(&value)?)))))
    }

    fn validation(&self) -> Validation {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[self.keys.issuer()]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        // Its times are compared with the engine's: see `verify`.
        validation.validate_exp = false;
        validation
    }

    fn refused(&self, error: &jsonwebtoken::errors::Error) -> TokenRefused {
        use jsonwebtoken::errors::ErrorKind;
        TokenRefused::Wrong(match error.kind() {
            ErrorKind::InvalidSignature => "its signature is wrong.",
            ErrorKind::InvalidIssuer => "another issuer signed it.",
            ErrorKind::InvalidAudience => return TokenRefused::Audience(self.audience.clone()),
            ErrorKind::MissingRequiredClaim(_) => "it lacks `exp`, `iss` or `aud`.",
            _ => return TokenRefused::Malformed,
        })
    }
}

fn seconds(claims: &BTreeMap<String, Value>, name: &str) -> Option<u64> {
    claims.get(name)?.as_u64()
}

fn text<'a>(claims: &'a BTreeMap<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// A claim's value as an identity names it.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(whether) => Some(whether.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
