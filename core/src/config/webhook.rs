//! Webhooks, from the file's words: where events go, which ones, and what they are signed with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use super::ConfigError;
use super::directory::by_name;
use super::file::{self, OneOrTwo};
use super::secret::{SecretSource, Secrets};
use super::url::{UrlUse, read_url};
use crate::domain::{AuditAction, WebhookName};

/// What Standard Webhooks begins its secrets with.
const PREFIX: &str = "whsec_";
/// How many bytes a secret has, as Standard Webhooks says.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Somebody who is told of sessions' events.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// What people call it.
    pub name: WebhookName,
    /// Where events are posted to.
    pub url: String,
    /// What they are signed with, in base64 without its prefix: two while one is exchanged for the other.
    pub secrets: Vec<SecretString>,
    /// Which events.
    pub events: Vec<EventPattern>,
}

/// Some of the events: one by its name, or all that begin so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPattern(String);

impl EventPattern {
    /// Whether an event is among them.
    pub fn covers(&self, event: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => event.starts_with(beginning),
            None => event == self.0,
        }
    }

    fn parse(text: &str, of: &str) -> Result<Self, ConfigError> {
        let pattern = Self(text.to_owned());
        let known = AuditAction::OF_SESSIONS.map(AuditAction::as_str);
        if known.iter().any(|event| pattern.covers(event)) {
            return Ok(pattern);
        }
        let near = known.iter().max_by(|a, b| strsim::jaro_winkler(text, a).total_cmp(&strsim::jaro_winkler(text, b)));
        let near = near.copied().unwrap_or("session.*");
        Err(ConfigError::senseless(format!(
            "{of}: there is no event `{text}`; did you mean `{near}`? `session.*` is all of them"
        )))
    }
}

pub(super) fn webhooks(webhooks: Vec<file::Webhook>, secrets: &Secrets<'_>) -> Result<Vec<WebhookSettings>, ConfigError> {
    let all = webhooks.into_iter().map(|webhook| self::webhook(webhook, secrets)).collect::<Result<Vec<_>, _>>()?;
    Ok(by_name("webhook", all.into_iter(), |webhook| &webhook.name)?.into_values().collect())
}

fn webhook(webhook: file::Webhook, fetched_from: &Secrets<'_>) -> Result<WebhookSettings, ConfigError> {
    let file::Webhook { name, url, secret, events } = webhook;
    let of = format!("webhook {name}");
    // What is sent names people and addresses, so no third party may read it.
    read_url(&format!("{of}: url"), &url, UrlUse::Hook, "https://hooks.example.com/entryguard")?;
    let sources = match &secret {
        OneOrTwo::One(source) => std::slice::from_ref(source),
        OneOrTwo::Two(sources) => sources.as_slice(),
    };
    if !(1..=2).contains(&sources.len()) {
        return Err(ConfigError::senseless(format!("{of}: secret is one secret, or a list of two while one is replaced")));
    }
    let secrets = sources.iter().map(|source| self::secret(source, &of, fetched_from)).collect::<Result<_, _>>()?;
    let events = events.unwrap_or_else(|| vec!["session.*".to_owned()]);
    let events = events.iter().map(|text| EventPattern::parse(text, &of)).collect::<Result<_, _>>()?;
    Ok(WebhookSettings { name, url, secrets, events })
}

fn secret(source: &SecretSource, of: &str, secrets: &Secrets<'_>) -> Result<SecretString, ConfigError> {
    let key = format!("{of}: secret");
    let text = source.resolve(&key, secrets)?;
    let encoded = text.expose_secret().strip_prefix(PREFIX);
    let fits = encoded.is_some_and(|text| STANDARD.decode(text).is_ok_and(|bytes| BYTES.contains(&bytes.len())));
    match encoded.filter(|_| fits) {
        Some(encoded) => Ok(SecretString::from(encoded.to_owned())),
        None => {
            let reason = "it must be `whsec_` and 24 to 64 random bytes in base64; make one with \
                          `echo whsec_$(openssl rand -base64 32)`";
            Err(ConfigError::Secret { key, reason: reason.to_owned() })
        }
    }
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
