//! A key for one session, chosen by the program that asks for it: it may see the session and end it by that key, also where the answer
//! to its question was lost, and asking again starts no second one.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::{Caller, Engine, EngineError};
use crate::domain::SessionId;

/// What a key begins with, so that scanners find one that leaked.
const PREFIX: &str = "egs_";
/// How many characters follow at least: 128 random bits in hexadecimal.
const SHORTEST: usize = 32;
const LONGEST: usize = 128;

/// A key for one session.
#[derive(Clone, Debug)]
pub struct SessionKey(SecretString);

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a session's key is `egs_` and 32 to 128 random hexadecimal digits")]
pub struct NoSessionKey;

impl SessionKey {
    /// A key as a program gave it.
    pub fn parse(text: &str) -> Result<Self, NoSessionKey> {
        let digits = text.strip_prefix(PREFIX).ok_or(NoSessionKey)?;
        let fits = (SHORTEST..=LONGEST).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_hexdigit());
        if fits { Ok(Self(SecretString::from(text.to_owned()))) } else { Err(NoSessionKey) }
    }

    // It is random, so it needs no salt and no slow hash.
    pub(super) fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.0.expose_secret().as_bytes()))
    }
}

impl Engine {
    /// Whoever chose this key, and the session that it is for.
    pub async fn by_session_key(&self, key: &SessionKey) -> Result<(Caller, SessionId), EngineError> {
        let mut tx = self.store.begin().await?;
        self.catch_up_in(&mut tx).await?;
        let (session, identity) = tx.session_of_key(&key.hash()).await?.ok_or(EngineError::SessionKeyUnknown)?;
        Ok((self.holder(&mut tx, &identity).await?, session))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_could_be_guessed_is_none() {
        let random = "0123456789abcdef0123456789abcdef";
        assert!(SessionKey::parse(&format!("egs_{random}")).is_ok());
        for text in [random.to_owned(), format!("egs_{}", &random[1..]), format!("egs_{}x", &random[1..]), String::new()] {
            assert!(SessionKey::parse(&text).is_err(), "{text}");
        }
    }
}
