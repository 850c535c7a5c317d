//! Slack's bad days, as a test switches them on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The faults in force.
#[derive(Debug, Default)]
pub struct Weather {
    pub down: bool,
    /// Whether every `response_url` was given too long ago.
    pub lapsed: bool,
    /// Channels that the app cannot write to, and what Slack says there: `not_in_channel`, `is_archived`.
    pub closed: BTreeMap<String, &'static str>,
    /// Channels that take no replies, and what Slack says there.
    pub threadless: BTreeMap<String, &'static str>,
    /// Scopes that the app was not given.
    pub lacks: BTreeSet<String>,
    /// Whose account was deactivated.
    pub deactivated: BTreeSet<String>,
    /// Which users are programs.
    pub bots: BTreeSet<String>,
    /// Whom Slack names another workspace for than ours, or none.
    pub teams: BTreeMap<String, Option<String>>,
    /// Who is of several workspaces of an organization, and of which.
    pub grid: BTreeMap<String, Vec<String>>,
    /// Whom Slack shows to nobody, and what it says instead.
    pub hidden: BTreeMap<String, &'static str>,
    /// Scopes that the app was given besides.
    pub granted: BTreeSet<String>,
    /// Method → how long the next call of it takes.
    pub slow: BTreeMap<String, Duration>,
    /// Method → what the next call of it is refused with.
    pub refusals: BTreeMap<String, &'static str>,
    /// What the next calls with these words in them are refused with, and how many of them.
    pub refusals_of: Vec<Refused>,
    /// When a call was over the limit.
    pub limited_at: Vec<(String, Instant)>,
    /// Method → (seconds to wait, refusals left).
    pub limits: BTreeMap<String, (u64, u32)>,
}

/// Calls of a method that are refused.
#[derive(Debug)]
pub struct Refused {
    pub method: String,
    /// What is in their arguments.
    pub words: String,
    pub error: &'static str,
    pub times: u32,
}

impl Weather {
    /// What this call is refused with, if it is.
    pub fn refused(&mut self, method: &str, arguments: &Value) -> Option<&'static str> {
        let of_words = |refused: &&mut Refused| {
            refused.times > 0 && refused.method == method && arguments.to_string().contains(&refused.words)
        };
        if let Some(refused) = self.refusals_of.iter_mut().find(of_words) {
            refused.times -= 1;
            return Some(refused.error);
        }
        self.refusals.remove(method)
    }

    /// Counts one call; gives the seconds of `Retry-After` where the call is over the limit.
    pub fn limited(&mut self, method: &str) -> Option<u64> {
        let (seconds, left) = self.limits.get_mut(method).filter(|(_, left)| *left > 0)?;
        *left -= 1;
        let seconds = *seconds;
        self.limited_at.push((method.to_owned(), Instant::now()));
        Some(seconds)
    }

    /// The scopes that the app has.
    pub fn scopes(&self) -> Vec<&str> {
        let least = ["commands", "chat:write", "chat:write.public", "users:read"];
        let all = least.into_iter().chain(self.granted.iter().map(String::as_str));
        all.filter(|scope| !self.lacks.contains(*scope)).collect()
    }
}
