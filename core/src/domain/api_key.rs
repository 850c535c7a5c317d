//! API keys: what a program of a member's shows. `egk_`, 30 random letters and digits, and a checksum of 6, as GitHub's tokens have
//! them: scanners find one that leaked, and one that was mistyped is refused without asking the database.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::{MemberName, Scopes, Timestamp};
use crate::random::{self, Random};

/// What a key begins with.
const PREFIX: &str = "egk_";
/// Random characters: 178 bits.
const RANDOM: usize = 30;
/// Characters of the checksum: 32 bits in base 62.
const CHECKSUM: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key, as its program shows it.
#[derive(Clone, Debug)]
pub struct ApiKey(SecretString);

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "This is not an API key of EntryGuard: it is `egk_` and 36 letters and digits, the last 6 of which have to fit the others. Copy all of it."
)]
pub struct NoApiKey;

/// What people call a key; what comes after `api-key:` in its identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiKeyName(String);

/// Why a text is no key's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a key's name: use 1 to 64 letters, digits, `-` and `_`")]
pub struct NoApiKeyName(String);

/// What is known of a key: all but the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// What people call it.
    pub name: ApiKeyName,
    /// As whom it acts.
    pub member: MemberName,
    /// What it may do.
    pub scopes: Scopes,
    /// Since when it is there.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// Until when it is good, where that was said.
    pub expires_at: Option<Timestamp>,
    /// Since when it is good no more, where somebody took it back.
    pub revoked_at: Option<Timestamp>,
    /// When it was last shown, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// Whether a key is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiKeyStanding {
    /// It is.
    Good,
    /// Its time is over.
    Expired(Timestamp),
    /// Somebody took it back.
    Revoked(Timestamp),
}

impl ApiKey {
    /// A new key, that nobody can guess.
    pub fn new(random: &dyn Random) -> Self {
        let text = random_text(random, RANDOM);
        Self(SecretString::from(format!("{PREFIX}{text}{}", checksum(&text))))
    }

    /// A key as a program gave it.
    pub fn parse(text: &str) -> Result<Self, NoApiKey> {
        let rest = text.strip_prefix(PREFIX).filter(|rest| rest.len() == RANDOM + CHECKSUM && rest.is_ascii()).ok_or(NoApiKey)?;
        let (random, sum) = rest.split_at(RANDOM);
        let fits = random.bytes().all(|byte| byte.is_ascii_alphanumeric()) && checksum(random) == sum;
        if fits { Ok(Self(SecretString::from(text.to_owned()))) } else { Err(NoApiKey) }
    }

    /// Whether a text means to be a key.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// The key itself, to be told once.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What is kept of it. It is random, so it needs no salt and no slow hash.
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.0.expose_secret().as_bytes()))
    }
}

impl ApiKeyName {
    /// A name, if it is one.
    pub fn new(text: impl Into<String>) -> Result<Self, NoApiKeyName> {
        let text = text.into();
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        if plain && (1..=64).contains(&text.len()) { Ok(Self(text)) } else { Err(NoApiKeyName(text)) }
    }

    /// A name for a key of a member's that nobody gave one.
    pub fn made_for(member: &MemberName, random: &dyn Random) -> Self {
        let plain = member.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
        let short: String = plain.take(48).collect();
        Self(format!("{short}-{}", random_text(random, CHECKSUM)))
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ApiKeyName {
    type Err = NoApiKeyName;

    fn from_str(text: &str) -> Result<Self, NoApiKeyName> {
        Self::new(text)
    }
}

impl fmt::Display for ApiKeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ApiKeyRecord {
    /// Whether the key is good at this time.
    pub fn standing(&self, now: Timestamp) -> ApiKeyStanding {
        match (self.revoked_at, self.expires_at) {
            (Some(at), _) => ApiKeyStanding::Revoked(at),
            (None, Some(at)) if at <= now => ApiKeyStanding::Expired(at),
            (None, _) => ApiKeyStanding::Good,
        }
    }
}

fn random_text(random: &dyn Random, length: usize) -> String {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let [byte] = random::bytes(random);
        // Each character as likely as any other: what is left over above a multiple of 62 is drawn again.
        if byte < 248 {
            text.push(char::from(BASE62[usize::from(byte % 62)]));
        }
    }
    text
}

/// A CRC-32 in base 62.
fn checksum(text: &str) -> String {
    let mut rest = crc32(text.as_bytes()) as usize;
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[rest % 62];
        rest /= 62;
    }
    digits.map(char::from).iter().collect()
}

/// The CRC-32 of ISO 3309, as zip and PNG have it.
fn crc32(bytes: &[u8]) -> u32 {
    let shift = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), shift))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn the_checksum_is_the_one_that_everybody_has() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!((checksum(""), checksum("123456789")), ("000000".to_owned(), "3jZRME".to_owned()));
    }

    #[test]
    fn a_key_reads_back_and_shows_itself_to_nobody() {
        let key = ApiKey::new(&SystemRandom);
        assert_eq!(key.expose().len(), 40);
        assert_eq!(ApiKey::parse(key.expose()).unwrap().hash(), key.hash());
        assert!(!format!("{key:?}").contains(key.expose()));
        for text in ["", "egk_", "egs_0123456789abcdef0123456789abcdef", &key.expose()[..39], &format!("{}0", key.expose())] {
            assert!(ApiKey::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_member_with_a_long_name_gets_a_key_with_a_name() {
        let member = MemberName::new(format!("ana maria {}", "x".repeat(50))).unwrap();
        let name = ApiKeyName::made_for(&member, &SystemRandom);
        assert!(name.as_str().starts_with("ana-maria-xxx") && ApiKeyName::new(name.as_str()).is_ok(), "{name}");
        assert!(ApiKeyName::new("ci 1").is_err() && ApiKeyName::new("").is_err());
    }

    proptest! {
        #[test]
        fn one_wrong_character_is_always_noticed(at in 4usize..40, to in 0usize..62) {
            let key = ApiKey::new(&SystemRandom);
            let mut bytes = key.expose().as_bytes().to_vec();
            prop_assume!(bytes[at] != BASE62[to]);
            bytes[at] = BASE62[to];
            prop_assert!(ApiKey::parse(std::str::from_utf8(&bytes).unwrap()).is_err());
        }
    }
}
