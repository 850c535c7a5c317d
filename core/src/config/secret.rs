//! Secrets in the configuration: where each one is, and never what it is.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::ConfigError;
use crate::trusted_file;

/// No secret is larger.
const LARGEST: u64 = 64 * 1024;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SecretSource {
    Env(String),
    File(PathBuf),
}

/// What secrets are fetched from, and what is odd about them.
pub(super) struct Secrets<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    warnings: RefCell<Vec<String>>,
}

impl<'a> Secrets<'a> {
    pub(super) fn new(env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { env, warnings: RefCell::default() }
    }

    /// What an administrator has to know of the secrets that were fetched.
    pub(super) fn into_warnings(self) -> Vec<String> {
        self.warnings.into_inner()
    }
}

impl SecretSource {
    /// Fetches the secret. `key` names it for errors, which never repeat what was found, nor what could be the secret itself in the place
    /// of its name.
    pub(super) fn resolve(&self, key: &str, secrets: &Secrets<'_>) -> Result<SecretString, ConfigError> {
        let failed = |reason| ConfigError::Secret { key: key.to_owned(), reason };
        let place = self.place();
        let text = match self {
            Self::Env(name) if !is_variable(name) => {
                let why = "`env` is the name of an environment variable, and this is none; set one, and write its name here";
                return Err(failed(why.to_owned()));
            }
            Self::Env(name) => (secrets.env)(name).ok_or_else(|| failed(format!("{place} is not set")))?,
            Self::File(path) => read(path).map_err(|why| failed(format!("{place} {why}")))?,
        };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(failed("the secret is empty".to_owned()));
        }
        if let Some(why) = fault(text) {
            return Err(failed(format!("{place} {why}")));
        }
        if is_quoted(text) {
            secrets.warnings.borrow_mut().push(format!(
                "{key}: {place} has quotation marks around it, which count as part of the secret (`docker run --env-file` keeps \
                 them); remove them"
            ));
        }
        Ok(SecretString::from(text.to_owned()))
    }

    /// Where it is, for people. An operator may have written the secret itself there.
    fn place(&self) -> String {
        match self {
            Self::Env(name) if is_usual_variable(name) => format!("the environment variable {name}"),
            Self::Env(_) => "the environment variable that `env` names".to_owned(),
            Self::File(path) if path.is_absolute() || path.exists() => path.display().to_string(),
            Self::File(_) => "the file that `file` names".to_owned(),
        }
    }
}

/// By its links and its size a file can be something else than a secret.
fn read(path: &Path) -> Result<String, String> {
    let bytes = trusted_file::read(path, LARGEST).map_err(|error| format!("cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|_| "is no UTF-8 text; write it again as UTF-8, without a byte order mark".to_owned())
}

fn is_variable(name: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(rest) && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Names that are not in capitals are rarely variables, and a secret could be one of them.
fn is_usual_variable(name: &str) -> bool {
    is_variable(name) && !name.chars().any(|c| c.is_ascii_lowercase())
}

/// Why a text is no secret that anything could be shown: what is wrong with it, and what to do.
fn fault(text: &str) -> Option<&'static str> {
    if text.starts_with('\u{feff}') {
        return Some("begins with a byte order mark; write it again as UTF-8 without one");
    }
    if text.contains(['\r', '\n']) {
        return Some("has a line break in it; write the secret on one line");
    }
    if text.chars().any(is_invisible) {
        return Some("has a tab, a control character or an invisible one in it; copy the secret again");
    }
    (text.trim() != text).then_some("has a space at its beginning or its end; remove it")
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || c.is_whitespace() && c != ' '
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn is_quoted(text: &str) -> bool {
    let is_quote =
        |c: char| matches!(c, '"' | '\'' | '`' | '\u{201c}'..='\u{201f}' | '\u{2018}'..='\u{201b}' | '\u{ab}' | '\u{bb}');
    text.starts_with(is_quote) || text.ends_with(is_quote)
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
#[path = "secret_tests.rs"]
mod tests;
