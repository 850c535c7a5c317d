//! Secrets in the configuration: where each one is, and never what it is.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::ConfigError;
use crate::trusted_file::{self, Untrusted};

/// No secret is larger.
const LARGEST: u64 = 64 * 1024;

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
            Self::File(path) => read(path).map_err(|error| failed(format!("{} cannot be read: {error}", path.display())))?,
        };
        let text = text.trim();
        if text.is_empty() { Err(failed("the secret is empty".to_owned())) } else { Ok(SecretString::from(text.to_owned())) }
    }
}

/// By its links and its size a file can be something else than a secret.
fn read(path: &Path) -> Result<String, Untrusted> {
    let text = String::from_utf8(trusted_file::read(path, LARGEST)?);
    text.map_err(|_| std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8 text").into())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_regular_file_of_some_size_and_by_no_strangers_link() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let resolved = |name: &str| {
            SecretSource::File(at.join(name)).resolve("[slack] bot_token", &|_| None).map(drop).map_err(|e| e.to_string())
        };
        std::fs::write(at.join("good"), "xoxb\n").unwrap();
        // As Kubernetes mounts secrets.
        std::os::unix::fs::symlink("good", at.join("link")).unwrap();
        assert_eq!((resolved("good"), resolved("link")), (Ok(()), Ok(())));
        std::fs::File::create(at.join("huge")).unwrap().set_len(1 << 30).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at.join("zero")).unwrap();
        for (name, why) in [("huge", "more than"), ("zero", "a device"), ("missing", "cannot be read"), (".", "a folder")] {
            let refused = resolved(name).unwrap_err();
            assert!(refused.contains(why) && refused.starts_with("[slack] bot_token: "), "{refused}");
        }
    }
}
