//! A browser's attempt to sign in at the issuer. Its cookie holds one secret, sealed, for some minutes; what the issuer is shown comes from
//! that secret and a key that the browser does not have, so an answer counts in the browser that asked, and nowhere else.

use entryguard_core::domain::{Span, Timestamp};
use entryguard_core::random::{self, SystemRandom};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::http::cookies::{self, CookieName};
use crate::web::next::Next;

/// What holds an attempt.
pub const ATTEMPT: CookieName = CookieName::new("__Host-entryguard-oidc");
/// How long somebody may take at the issuer.
const LIFE: Span = Span::from_minutes(10);

/// An attempt to sign in.
#[derive(Debug)]
pub struct Attempt {
    secret: String,
    until: i64,
    /// Where to go afterwards.
    pub next: Next,
}

impl Attempt {
    /// A new one.
    pub fn begin(now: Timestamp, next: Next) -> Self {
        Self { secret: hex::encode(random::bytes::<32>(&SystemRandom)), until: now.plus(LIFE).as_seconds(), next }
    }

    /// The one that this browser began some minutes ago at the most.
    pub fn of(headers: &HeaderMap, now: Timestamp, key: &SecretString) -> Option<Self> {
        let mut parts = cookies::sent(headers, ATTEMPT)?.splitn(4, '.');
        let (secret, until) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
        let next = String::from_utf8(hex::decode(parts.next()?).ok()?).ok()?;
        let attempt = Self { secret, until, next: Next::of(Some(&next)) };
        attempt.mac("seal", key).verify_slice(&hex::decode(parts.next()?).ok()?).ok()?;
        now.is_good(Timestamp::from_seconds(attempt.until), LIFE).then_some(attempt)
    }

    /// What the browser keeps.
    pub fn cookie(&self, key: &SecretString) -> Option<HeaderValue> {
        let next = hex::encode(self.next.as_str());
        cookies::kept(ATTEMPT, &format!("{}.{}.{next}.{}", self.secret, self.until, self.derived("seal", key)), LIFE)
    }

    /// What the issuer gives back with its answer.
    pub fn state(&self, key: &SecretString) -> String {
        self.derived("state", key)
    }

    /// What the issuer writes into its token.
    pub fn nonce(&self, key: &SecretString) -> String {
        self.derived("nonce", key)
    }

    /// What shows the issuer that whoever exchanges the code is who asked for it.
    pub fn verifier(&self, key: &SecretString) -> String {
        self.derived("verifier", key)
    }

    fn derived(&self, purpose: &str, key: &SecretString) -> String {
        hex::encode(self.mac(purpose, key).finalize().into_bytes())
    }

    fn mac(&self, purpose: &str, key: &SecretString) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "an HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()).expect("a key of any length");
        mac.update(format!("entryguard oidc\0{purpose}\0{}\0{}\0{}", self.secret, self.until, self.next).as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    const NOON: Timestamp = Timestamp::from_millis(1_767_268_800_000);

    fn back(cookie: &str, now: Timestamp, key: &str) -> Option<Attempt> {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, cookie.parse().unwrap());
        Attempt::of(&headers, now, &SecretString::from(key))
    }

    #[test]
    fn only_what_we_sealed_comes_back_and_not_for_long() {
        let key = SecretString::from("secret");
        let attempt = Attempt::begin(NOON, Next::of(Some("/audit")));
        let cookie = attempt.cookie(&key).unwrap();
        let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
        let same = back(cookie, NOON, "secret").unwrap();
        assert_eq!((same.state(&key), same.next), (attempt.state(&key), attempt.next.clone()));
        assert!(back(cookie, NOON.plus(LIFE), "secret").is_none());
        assert!(back(cookie, NOON.minus(Span::from_hours(1)), "secret").is_none(), "the clock was ahead");
        assert!(back(cookie, NOON, "other").is_none());
        let changed = cookie.replace(&hex::encode("/audit"), &hex::encode("/other"));
        assert!(back(&changed, NOON, "secret").is_none());
        for nonsense in ["", "a.b.c.d", "....", "a.1"] {
            assert!(back(&format!("{ATTEMPT}={nonsense}"), NOON, "secret").is_none());
        }
    }

    #[test]
    fn what_the_issuer_is_shown_tells_nothing_of_the_rest() {
        let key = SecretString::from("secret");
        let attempt = Attempt::begin(NOON, Next::of(None));
        let shown = [attempt.state(&key), attempt.nonce(&key), attempt.verifier(&key), attempt.secret.clone()];
        let different: std::collections::BTreeSet<_> = shown.iter().collect();
        assert_eq!(different.len(), shown.len());
    }
}
