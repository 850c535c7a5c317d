//! What a page carries for us from one request to the next, and nobody can change: sealed for one browser, for some minutes.

use entryguard_core::domain::{Span, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// How long somebody may look at the question.
const LIFE: Span = Span::from_minutes(10);

/// The login with this id, sealed.
pub fn seal(login: u64, browser: &str, now: Timestamp, key: &SecretString) -> String {
    let until = now.plus(LIFE).as_seconds();
    format!("{login}.{until}.{}", hex::encode(mac(login, until, browser, key).finalize().into_bytes()))
}

/// The login's id, if it was sealed by us, for this browser, some minutes ago at the most.
pub fn unseal(sealed: &str, browser: &str, now: Timestamp, key: &SecretString) -> Option<u64> {
    let mut parts = sealed.splitn(3, '.');
    let (login, until) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let signature = hex::decode(parts.next()?).ok()?;
    mac(login, until, browser, key).verify_slice(&signature).ok()?;
    now.is_good(Timestamp::from_seconds(until), LIFE).then_some(login)
}

fn mac(login: u64, until: i64, browser: &str, key: &SecretString) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "an HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()).expect("a key of any length");
    mac.update(format!("entryguard github login\0{login}\0{until}\0{browser}").as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_we_sealed_for_this_browser_is_unsealed_and_not_for_long() {
        let key = SecretString::from("secret");
        let now = Timestamp::from_millis(1_767_268_800_000);
        let sealed = seal(583_231, "browser", now, &key);
        assert_eq!(unseal(&sealed, "browser", now, &key), Some(583_231));
        assert_eq!(unseal(&sealed, "another", now, &key), None);
        assert_eq!(unseal(&sealed, "browser", now.plus(LIFE), &key), None);
        assert_eq!(unseal(&sealed, "browser", now.minus(Span::from_hours(1)), &key), None, "the clock was ahead");
        assert_eq!(unseal(&sealed, "browser", now, &SecretString::from("other")), None);
        assert_eq!(unseal(&sealed.replacen("583231", "583232", 1), "browser", now, &key), None);
        for nonsense in ["", ".", "1.2", "x.y.z"] {
            assert_eq!(unseal(nonsense, "browser", now, &key), None);
        }
    }
}
