//! What can be wrong with a configuration, said so that the next edit is the right one.

use std::path::{Path, PathBuf};

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{} cannot be read: {reason}; name another file with --config", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// Not TOML, or not ours.
    #[error("{}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and what.
        message: String,
    },
    /// A value that does not go with another.
    #[error("{0}")]
    Senseless(String),
    /// A secret that is not where the configuration says.
    #[error("{key}: {reason}")]
    Secret {
        /// The key of the configuration.
        key: String,
        /// What is missing.
        reason: String,
    },
}

impl ConfigError {
    pub(super) fn senseless(message: impl Into<String>) -> Self {
        Self::Senseless(message.into())
    }

    /// Says where and what, without the line itself: a secret that was written there by mistake must not end up in a log.
    pub(super) fn malformed(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or(text));
        let line = before.matches('\n').count() + 1;
        let message = without_values(&error.message().trim().replace('\n', " "));
        let hint = nearest_key(&message).map(|key| format!("; did you mean `{key}`?")).unwrap_or_default();
        let rest = error.span().map_or("", |span| text.get(span.start..).unwrap_or_default());
        let key = key_at(before, rest).filter(|key| !message.contains(&format!("`{key}`")));
        let key = key.map(|key| format!(", `{key}`")).unwrap_or_default();
        Self::Malformed { path: path.to_owned(), message: format!("line {line}{key}: {message}{hint}") }
    }
}

/// The key whose value is read at a place: of the same line, or of an array that has begun on one before.
fn key_at(before: &str, rest: &str) -> Option<String> {
    let begins = before.rfind('\n').map_or(0, |at| at + 1);
    let own_line = format!("{}{}", &before[begins..], rest.lines().next().unwrap_or_default());
    if let Some(key) = key_of(&own_line) {
        return Some(key);
    }
    let lines: Vec<_> = before[..begins].lines().collect();
    let (at, key) = lines.iter().enumerate().rev().find_map(|(at, line)| Some((at, key_of(line)?)))?;
    let since = lines[at..].join("\n");
    let (opened, closed) = (since.matches('[').count(), since.matches(']').count());
    (opened > closed && !lines[at + 1..].iter().any(|line| line.starts_with('['))).then_some(key)
}

fn key_of(line: &str) -> Option<String> {
    let (key, _) = line.split_once('=')?;
    let key = key.trim();
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    is_key.then(|| key.to_owned())
}

/// serde repeats the value that is of another type than it should be, which may be a secret in the wrong place.
fn without_values(message: &str) -> String {
    for kind in ["invalid type: ", "invalid value: "] {
        let parts = message.strip_prefix(kind).and_then(|rest| rest.rsplit_once(", expected "));
        if let Some((found, expected)) = parts {
            let found = found.split(['`', '"']).next().unwrap_or_default().trim();
            return format!("{kind}{found}, expected {expected}");
        }
    }
    message.to_owned()
}

/// From serde's "unknown field `a`, expected one of `b`, `c`", the nearest of the known keys.
fn nearest_key(message: &str) -> Option<String> {
    let quoted: Vec<_> = message.split('`').skip(1).step_by(2).collect();
    let (unknown, known) = quoted.split_first().filter(|_| message.starts_with("unknown field"))?;
    let nearest = known.iter().max_by(|a, b| strsim::jaro_winkler(unknown, a).total_cmp(&strsim::jaro_winkler(unknown, b)))?;
    Some((*nearest).to_owned())
}
