//! The keys that an issuer signs with: fetched now and then, kept for a while where it is away, and never asked for at a stranger's pace.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet};
use serde::Deserialize;

use crate::http::outgoing::{FetchError, fetch_json, is_as_private};

/// How long the issuer's keys are taken for the present ones.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// How long they are taken while the issuer is away: whoever can keep it from us must not keep a withdrawn key good for ever.
const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);
/// How often we look at the most, whatever came of it.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum NoKey {
    /// The issuer has none of that id.
    #[error("the issuer has no such key")]
    Unknown,
    /// The issuer's keys could not be had.
    #[error(transparent)]
    Away(#[from] FetchError),
}

/// The keys of one issuer.
pub struct IssuerKeys {
    issuer: String,
    known: Mutex<Known>,
    // Held by whoever looks. A known key waits for nobody.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    by_id: BTreeMap<String, DecodingKey>,
    fetched: Option<Instant>,
    // When we looked last, and why that came to nothing where it did.
    tried: Option<(Instant, Option<FetchError>)>,
}

/// What to do for whoever asks for a key.
enum Verdict {
    /// It is this one.
    Good(DecodingKey),
    /// It is this one, and it is time to look whether it still is.
    Ageing(DecodingKey),
    /// Only looking can tell.
    Look,
    /// We have looked a moment ago.
    No(NoKey),
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl IssuerKeys {
    /// None yet.
    pub fn of(issuer: String) -> Self {
        Self { issuer, known: Mutex::default(), looking: tokio::sync::Mutex::default() }
    }

    /// Whose they are.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The key of that id. Keys are rotated, so one that we do not know makes us look.
    pub async fn key(&self, id: &str) -> Result<DecodingKey, NoKey> {
        match self.verdict(id) {
            Verdict::Good(key) => return Ok(key),
            Verdict::No(why) => return Err(why),
            Verdict::Ageing(key) => match self.looking.try_lock() {
                Ok(_looking) => self.look().await,
                Err(_) => return Ok(key),
            },
            Verdict::Look => {
                let _looking = self.looking.lock().await;
                // Whoever looked while we waited has looked for us as well.
                if matches!(self.verdict(id), Verdict::Look) {
                    self.look().await;
                }
            }
        }
        match self.verdict(id) {
            Verdict::Good(key) | Verdict::Ageing(key) => Ok(key),
            Verdict::No(why) => Err(why),
            Verdict::Look => Err(NoKey::Unknown),
        }
    }

    fn verdict(&self, id: &str) -> Verdict {
        self.known().verdict(id, Instant::now())
    }

    async fn look(&self) {
        let fetched = self.fetch().await;
        let (mut known, now) = (self.known(), Instant::now());
        let failed = match fetched {
            Ok(by_id) => {
                (known.by_id, known.fetched) = (by_id, Some(now));
                None
            }
            Err(error) => {
                tracing::warn!(%error, "the keys of GitHub's tokens could not be had anew");
                Some(error)
            }
        };
        known.tried = Some((now, failed));
    }

    async fn fetch(&self) -> Result<BTreeMap<String, DecodingKey>, FetchError> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer);
        let discovery: Discovery = fetch_json(&url).await?;
        discovery.is_of(&self.issuer).map_err(|why| FetchError::Senseless { url, why })?;
        let keys: JwkSet = fetch_json(&discovery.jwks_uri).await?;
        Ok(keys.keys.iter().filter_map(rsa_key).collect())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Discovery {
    /// Whether it is the issuer's document, and its keys come as safely as it does itself.
    fn is_of(&self, issuer: &str) -> Result<(), String> {
        if self.issuer != issuer {
            return Err(format!("it is the document of {}", self.issuer));
        }
        match is_as_private(&self.jwks_uri, issuer) {
            false => Err("its `jwks_uri` is not an https:// address".to_owned()),
            true => Ok(()),
        }
    }
}

impl Known {
    fn verdict(&self, id: &str, now: Instant) -> Verdict {
        let age = self.fetched.map(|at| now.saturating_duration_since(at));
        let tried = self.tried.as_ref().filter(|(at, _)| now.saturating_duration_since(*at) < LOOK_AGAIN);
        let key = self.by_id.get(id).filter(|_| age.is_some_and(|age| age < LONGEST)).cloned();
        match (key, tried) {
            (Some(key), None) if age.is_some_and(|age| age >= FRESH) => Verdict::Ageing(key),
            (Some(key), _) => Verdict::Good(key),
            (None, None) => Verdict::Look,
            // It may have the key by now, and we do not hear of it: that is no reason to call the token forged.
            (None, Some((_, Some(error)))) => Verdict::No(NoKey::Away(error.clone())),
            (None, Some((_, None))) => Verdict::No(NoKey::Unknown),
        }
    }
}

/// A key that signs with RS256, by its id.
fn rsa_key(key: &Jwk) -> Option<(String, DecodingKey)> {
    let AlgorithmParameters::RSA(_) = &key.algorithm else { return None };
    Some((key.common.key_id.clone()?, DecodingKey::from_jwk(key).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(fetched: Option<Instant>, tried: Option<(Instant, Option<FetchError>)>) -> Known {
        let by_id = BTreeMap::from([("first".to_owned(), DecodingKey::from_secret(b"x"))]);
        Known { by_id: if fetched.is_some() { by_id } else { BTreeMap::new() }, fetched, tried }
    }

    fn silence() -> Option<FetchError> {
        Some(FetchError::Unreachable("https://issuer.example".to_owned()))
    }

    #[test]
    fn a_key_is_good_for_an_hour_then_looked_for_and_in_the_end_not_believed() {
        let begin = Instant::now();
        let (after, failed) = (|seconds| begin + Duration::from_secs(seconds), |at| Some((at, silence())));
        let fresh = known(Some(begin), Some((begin, None)));
        assert!(matches!(fresh.verdict("first", after(3599)), Verdict::Good(_)));
        assert!(matches!(fresh.verdict("first", after(3600)), Verdict::Ageing(_)));
        // The issuer is away: one look in ten seconds, and the key is good meanwhile.
        let away = known(Some(begin), failed(after(3600)));
        assert!(matches!(away.verdict("first", after(3609)), Verdict::Good(_)));
        assert!(matches!(away.verdict("first", after(3610)), Verdict::Ageing(_)));
        // Six hours are enough.
        let gone = known(Some(begin), failed(after(21_595)));
        assert!(matches!(gone.verdict("first", after(21_599)), Verdict::Good(_)));
        assert!(matches!(gone.verdict("first", after(21_600)), Verdict::No(NoKey::Away(_))));
        assert!(matches!(gone.verdict("first", after(21_605)), Verdict::Look));
    }

    #[test]
    fn keys_are_not_fetched_over_plain_http_for_an_issuer_on_https() {
        let is_taken = |issuer: &str, keys: &str| {
            let discovery = Discovery { issuer: issuer.to_owned(), jwks_uri: keys.to_owned() };
            discovery.is_of(issuer).is_ok()
        };
        assert!(is_taken("https://issuer.example", "https://keys.example/jwks"));
        assert!(!is_taken("https://issuer.example", "http://issuer.example/jwks"));
        assert!(is_taken("http://127.0.0.1:1", "http://127.0.0.1:2/jwks"), "on this machine nobody is between");
        assert!(!is_taken("http://127.0.0.1:1", "http://keys.example/jwks"));
        assert!(!is_taken("https://issuer.example", "http://127.0.0.1:1/jwks"));
        let other = Discovery { issuer: "https://other.example".into(), jwks_uri: "https://other.example/jwks".into() };
        assert!(other.is_of("https://issuer.example").is_err());
    }

    #[test]
    fn an_unknown_key_makes_us_look_once_in_ten_seconds_whatever_came_of_it() {
        let begin = Instant::now();
        assert!(matches!(known(None, None).verdict("other", begin), Verdict::Look));
        for (tried, unknown) in [(None, true), (silence(), false)] {
            for fetched in [None, Some(begin)] {
                let looked = known(fetched, Some((begin, tried.clone())));
                let soon = looked.verdict("other", begin + Duration::from_secs(9));
                assert!(matches!(soon, Verdict::No(NoKey::Unknown)) == unknown && matches!(soon, Verdict::No(_)));
                assert!(matches!(looked.verdict("other", begin + LOOK_AGAIN), Verdict::Look));
            }
        }
    }
}
