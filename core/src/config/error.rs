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
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
        let hint = nearest_key(error.message()).map(|key| format!("; did you mean `{key}`?")).unwrap_or_default();
        let message = error.message().trim().replace('\n', " ");
        Self::Malformed { path: path.to_owned(), message: format!("line {line}: {message}{hint}") }
    }
}

/// From serde's "unknown field `a`, expected one of `b`, `c`", the nearest of the known keys.
fn nearest_key(message: &str) -> Option<String> {
    let quoted: Vec<_> = message.split('`').skip(1).step_by(2).collect();
    let (unknown, known) = quoted.split_first().filter(|_| message.starts_with("unknown field"))?;
    let nearest = known.iter().max_by(|a, b| strsim::jaro_winkler(unknown, a).total_cmp(&strsim::jaro_winkler(unknown, b)))?;
    Some((*nearest).to_owned())
}
