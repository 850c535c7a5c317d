//! The issuer's token on who has signed in. It is verified here, so that only those of its claims have to be well formed that are read:
//! issuers differ in how they write the others.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entryguard_core::domain::Timestamp;
use openidconnect::core::{CoreJsonWebKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKey, JsonWebKeyAlgorithm, JsonWebKeyUse, JwsSigningAlgorithm};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::claims::{NotValid, RawClaims, Validity, flag};

/// How far clocks may be apart, in seconds.
const LEEWAY: i64 = 60;

/// What signs tokens with a key that only the issuer has. Whatever a token says of its algorithm, no other is taken: above all no HMAC,
/// whose key could be a public one.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// What a token has to say, so that it counts.
pub struct Expected<'a> {
    /// Who signed it.
    pub issuer: &'a str,
    /// Whom it is for.
    pub client: &'a str,
    /// Whom it may be for besides.
    pub other_audiences: &'a [String],
    /// What the attempt showed the issuer.
    pub nonce: &'a str,
    /// When it is read.
    pub now: Timestamp,
}

/// Who has signed in.
#[derive(Debug, PartialEq, Eq)]
pub struct Person {
    /// The issuer's name for them.
    pub subject: String,
    /// The email address that is theirs, as the issuer says.
    pub verified_email: Option<String>,
}

/// Why a token does not count.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// It is signed with a key that the issuer has not published, or not yet.
    #[error("no key of the issuer is the one that signed it")]
    UnknownKey,
    /// It is no token that we take.
    #[error("it is not a token that is signed with a key pair")]
    Malformed,
    /// Several keys may have signed it.
    #[error("it does not say which of the issuer's keys signed it")]
    WhichKey,
    /// It is not signed by the issuer.
    #[error("its signature is wrong")]
    Signature,
    /// A claim is missing, or another than it has to be.
    #[error("its `{0}` is missing, or not what it has to be")]
    Claim(&'static str),
    /// It is not good now.
    #[error("it is not good now ({0:?}); compare the clocks of this server and of the issuer")]
    NotValid(NotValid),
}

#[derive(Deserialize)]
struct Header {
    alg: CoreJwsSigningAlgorithm,
    kid: Option<String>,
    typ: Option<String>,
    cty: Option<Value>,
    crit: Option<Value>,
}

/// Who has signed in, by a token that one of these keys signed.
pub fn verify(token: &str, keys: &CoreJsonWebKeySet, expected: &Expected<'_>) -> Result<Person, IdTokenError> {
    let (signed, signature) = token.rsplit_once('.').ok_or(IdTokenError::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(IdTokenError::Malformed)?;
    let header: Header = read(header)?;
    let is_token = header.typ.as_deref().is_none_or(|kind| {
        let kind = kind.to_ascii_lowercase();
        matches!(kind.strip_prefix("application/").unwrap_or(&kind), "jwt" | "jose")
    });
    // What is critical we do not know, and what is inside another token we do not look for.
    if !is_token || header.cty.is_some() || header.crit.is_some() || !ALGORITHMS.contains(&header.alg) {
        return Err(IdTokenError::Malformed);
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| IdTokenError::Malformed)?;
    let key = key_for(&header, keys)?;
    key.verify_signature(&header.alg, signed.as_bytes(), &signature).map_err(|_| IdTokenError::Signature)?;
    person(&read(payload)?, expected)
}

fn read<T: DeserializeOwned>(part: &str) -> Result<T, IdTokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| IdTokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| IdTokenError::Malformed)
}

/// The one key that the token can be signed with.
fn key_for<'a>(header: &Header, keys: &'a CoreJsonWebKeySet) -> Result<&'a CoreJsonWebKey, IdTokenError> {
    let fits = |key: &&CoreJsonWebKey| {
        let is_named = header.kid.as_ref().is_none_or(|id| key.key_id().is_some_and(|key| key.as_str() == id));
        let is_for_it = match key.signing_alg() {
            JsonWebKeyAlgorithm::Algorithm(algorithm) => *algorithm == header.alg,
            JsonWebKeyAlgorithm::Unspecified => true,
            JsonWebKeyAlgorithm::Unsupported => false,
        };
        is_named
            && is_for_it
            && key.key_use().is_none_or(JsonWebKeyUse::allows_signature)
            && header.alg.key_type().is_some_and(|kind| kind == *key.key_type())
    };
    let mut fitting = keys.keys().iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Ok(key),
        (Some(_), Some(_)) => Err(IdTokenError::WhichKey),
        (None, _) => Err(IdTokenError::UnknownKey),
    }
}

fn person(claims: &RawClaims, expected: &Expected<'_>) -> Result<Person, IdTokenError> {
    let text = |name| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err(IdTokenError::Claim("iss"));
    }
    let audiences: Vec<_> = match claims.get("aud") {
        Some(Value::Array(several)) => several.iter().map(Value::as_str).collect(),
        one => vec![one.and_then(Value::as_str)],
    };
    let is_trusted = |audience: &Option<&str>| {
        audience.is_some_and(|name| name == expected.client || expected.other_audiences.iter().any(|other| other == name))
    };
    if !audiences.contains(&Some(expected.client)) || !audiences.iter().all(is_trusted) {
        return Err(IdTokenError::Claim("aud"));
    }
    let validity = Validity::of(claims).map_err(IdTokenError::NotValid)?;
    validity.at(expected.now, LEEWAY, 0).map_err(IdTokenError::NotValid)?;
    // By their hashes: how long it takes to compare them tells nothing.
    let nonce = text("nonce").map(|nonce| Sha256::digest(nonce.as_bytes()));
    if nonce != Some(Sha256::digest(expected.nonce.as_bytes())) {
        return Err(IdTokenError::Claim("nonce"));
    }
    let subject = text("sub").filter(|subject| !subject.is_empty()).ok_or(IdTokenError::Claim("sub"))?;
    let is_verified = claims.get("email_verified").and_then(flag) == Some(true);
    Ok(Person { subject: subject.to_owned(), verified_email: text("email").filter(|_| is_verified).map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn person_of(other: &Value) -> Result<Person, IdTokenError> {
        let mut claims = json!({
            "iss": "https://issuer.example", "aud": "entryguard", "iat": 1_767_268_800, "exp": 1_767_269_100, "nonce": "n", "sub": "ana",
            "email": "ana@example.com",
        });
        for (name, value) in other.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let expected = Expected {
            issuer: "https://issuer.example",
            client: "entryguard",
            other_audiences: &["portal".to_owned()],
            nonce: "n",
            now: Timestamp::from_millis(1_767_268_800_000),
        };
        person(&serde_json::from_value(claims).unwrap(), &expected)
    }

    #[test]
    fn what_is_read_may_be_written_in_each_form_and_what_is_not_in_any() {
        for other in [
            json!({}),
            json!({ "exp": "1767269100", "iat": "1767268800.5", "nbf": "2026-01-01T12:00:00Z" }),
            json!({ "exp": 1_767_269_100.25 }),
            json!({ "updated_at": "2026-01-01T00:00:00.000Z", "address": "Main Street 1", "phone_number_verified": "yes", "azp": 7 }),
            json!({ "aud": ["entryguard"] }),
            json!({ "aud": ["portal", "entryguard"] }),
        ] {
            assert_eq!(person_of(&other), Ok(Person { subject: "ana".to_owned(), verified_email: None }), "{other}");
        }
        for (verified, counts) in [
            (json!(true), true),
            (json!("true"), true),
            (json!("TRUE"), true),
            (json!(false), false),
            (json!("false"), false),
            (json!("yes"), false),
            (json!(1), false),
            (json!(null), false),
        ] {
            let email = person_of(&json!({ "email_verified": verified })).unwrap().verified_email;
            assert_eq!(email.is_some(), counts, "{verified}");
        }
    }

    #[test]
    fn what_is_read_and_wrong_is_refused() {
        for (other, claim) in [
            (json!({ "iss": "https://issuer.example/" }), "iss"),
            (json!({ "iss": ["https://issuer.example"] }), "iss"),
            (json!({ "aud": "portal" }), "aud"),
            (json!({ "aud": ["entryguard", "other"] }), "aud"),
            (json!({ "aud": ["entryguard", 7] }), "aud"),
            (json!({ "aud": [] }), "aud"),
            (json!({ "aud": null }), "aud"),
            (json!({ "nonce": null }), "nonce"),
            (json!({ "nonce": "m" }), "nonce"),
            (json!({ "sub": "" }), "sub"),
            (json!({ "sub": 7 }), "sub"),
        ] {
            assert_eq!(person_of(&other), Err(IdTokenError::Claim(claim)), "{other}");
        }
        for other in
            [json!({ "exp": "1767268800" }), json!({ "iat": "1767268861" }), json!({ "exp": "x" }), json!({ "iat": null })]
        {
            assert!(matches!(person_of(&other), Err(IdTokenError::NotValid(_))), "{other}");
        }
    }
}
