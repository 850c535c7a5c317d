//! Keyless workflows: a token of GitHub's is taken where its issuer signed it, for us, a short while ago, and once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use entryguard_core::domain::Claims;
use entryguard_core::engine::{Engine, EngineError};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::http::outgoing::{FetchError, fetch_json};

/// How far clocks may be apart, in seconds.
const LEEWAY: u64 = 30;
/// The longest life that a token may have, in seconds: used ones are remembered for longer.
const LONGEST_LIFE: u64 = 60 * 60;
/// How long the issuer's keys are taken for the present ones.
const KEYS_FRESH: Duration = Duration::from_secs(60 * 60);
/// How often an unknown key makes us look again.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

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
    issuer: String,
    audience: String,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    by_id: BTreeMap<String, DecodingKey>,
    fetched: Option<Instant>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Verifier {
    /// A verifier of an issuer's tokens for us.
    pub fn new(issuer: String, audience: String) -> Self {
        Self { issuer, audience, keys: Mutex::default() }
    }

    /// What a token claims. It is used up by it.
    pub async fn verify(&self, token: &str, engine: &Engine) -> Result<Claims, TokenRefused> {
        let header = decode_header(token).map_err(|_| TokenRefused::Malformed)?;
        // Whatever the token says of its algorithm, we take the one.
        let (Algorithm::RS256, Some(id)) = (header.alg, &header.kid) else { return Err(TokenRefused::Malformed) };
        let key = self.key(id).await?;
        let token = decode::<BTreeMap<String, Value>>(token, &key, &self.validation()).map_err(|error| self.refused(&error))?;
        let claims = token.claims;
        let (Some(issued), Some(expires), Some(jti)) = (seconds(&claims, "iat"), seconds(&claims, "exp"), text(&claims, "jti"))
        else {
            return Err(TokenRefused::Wrong("it lacks `iat`, `exp` or `jti`."));
        };
        if expires.saturating_sub(issued) > LONGEST_LIFE {
            return Err(TokenRefused::Wrong("it lives for longer than an hour."));
        }
        if issued > engine.now().as_seconds().unsigned_abs() + LEEWAY {
            return Err(TokenRefused::Wrong("it was issued in the future."));
        }
        if !engine.accept_once(&format!("jti:{}:{jti}", self.issuer)).await? {
            return Err(TokenRefused::Replayed);
        }
        Ok(Claims::new(claims.into_iter().filter_map(|(name, value)| Some((name, as_text(&value)?)))))
    }

    fn validation(&self) -> Validation {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY;
        validation
    }

    /// The issuer's key of that id. They are rotated, so one that we do not know makes us look, but not at anybody's pace.
    async fn key(&self, id: &str) -> Result<DecodingKey, TokenRefused> {
        let mut keys = self.keys.lock().await;
        let age = keys.fetched.map(|at| at.elapsed());
        let look = match (age, keys.by_id.contains_key(id)) {
            (None, _) => true,
            (Some(age), true) => age > KEYS_FRESH,
            (Some(age), false) => age > LOOK_AGAIN,
        };
        if look {
            match self.fetch().await {
                Ok(by_id) => *keys = Keys { by_id, fetched: Some(Instant::now()) },
                // Keys that are an hour old are as good as any while there are no others.
                Err(error) if keys.by_id.contains_key(id) => {
                    tracing::warn!(%error, "the keys of GitHub's tokens could not be had anew")
                }
                Err(error) => return Err(error.into()),
            }
        }
        keys.by_id.get(id).cloned().ok_or_else(|| TokenRefused::UnknownKey(self.issuer.clone()))
    }

    async fn fetch(&self) -> Result<BTreeMap<String, DecodingKey>, FetchError> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer);
        let discovery: Discovery = fetch_json(&url).await?;
        if discovery.issuer != self.issuer {
            return Err(FetchError::Senseless { url, why: format!("it is the document of {}", discovery.issuer) });
        }
        let keys: JwkSet = fetch_json(&discovery.jwks_uri).await?;
        Ok(keys.keys.iter().filter_map(rsa_key).collect())
    }

    fn refused(&self, error: &jsonwebtoken::errors::Error) -> TokenRefused {
        use jsonwebtoken::errors::ErrorKind;
        TokenRefused::Wrong(match error.kind() {
            ErrorKind::InvalidSignature => "its signature is wrong.",
            ErrorKind::ExpiredSignature => "it has expired. Request a new one.",
            ErrorKind::ImmatureSignature => "it is not valid yet. Compare the clocks of the server and of GitHub.",
            ErrorKind::InvalidIssuer => "another issuer signed it.",
            ErrorKind::InvalidAudience => return TokenRefused::Audience(self.audience.clone()),
            ErrorKind::MissingRequiredClaim(_) => "it lacks `exp`, `iss` or `aud`.",
            _ => return TokenRefused::Malformed,
        })
    }
}

/// A key that signs with RS256, by its id.
fn rsa_key(key: &Jwk) -> Option<(String, DecodingKey)> {
    let AlgorithmParameters::RSA(_) = &key.algorithm else { return None };
    Some((key.common.key_id.clone()?, DecodingKey::from_jwk(key).ok()?))
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
