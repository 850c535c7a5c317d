//! Secrets in the configuration: where each one is, and never what it is.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::ConfigError;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SecretSource {
    Env(String),
    File(PathBuf),
}

impl SecretSource {
    /// Fetches the secret. `key` names it for errors.
    pub(super) fn resolve(&self, key: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<SecretString, ConfigError> {
        let failed = |reason| ConfigError::Secret { key: key.to_owned(), reason };
        let text = match self {
            Self::Env(name) => env(name).ok_or_else(|| failed(format!("the environment variable {name} is not set")))?,
            Self::File(path) => {
                std::fs::read_to_string(path).map_err(|error| failed(format!("{} cannot be read: {error}", path.display())))?
            }
        };
        let text = text.trim();
        if text.is_empty() { Err(failed("the secret is empty".to_owned())) } else { Ok(SecretString::from(text.to_owned())) }
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = SecretSource;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("{ env = \"NAME\" } or { file = \"PATH\" }")
    }

    // A literal is refused without repeating it: the error may end up in a log.
    fn visit_str<E: de::Error>(self, _secret: &str) -> Result<SecretSource, E> {
        Err(E::custom("a secret must not be written here; write { env = \"NAME\" } or { file = \"PATH\" }"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretSource, A::Error> {
        let source = match map.next_entry::<String, String>()? {
            Some((key, name)) if key == "env" => SecretSource::Env(name),
            Some((key, path)) if key == "file" => SecretSource::File(path.into()),
            Some((key, _)) => return Err(de::Error::unknown_field(&key, &["env", "file"])),
            None => return Err(de::Error::custom("a secret needs { env = \"NAME\" } or { file = \"PATH\" }")),
        };
        match map.next_key::<String>()? {
            None => Ok(source),
            Some(_) => Err(de::Error::custom("a secret has one source: `env` or `file`")),
        }
    }
}
