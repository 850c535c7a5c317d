//! Slack's bad days, as a test switches them on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The faults in force.
#[derive(Debug, Default)]
pub struct Weather {
    pub down: bool,
    pub not_in: BTreeSet<String>,
    /// Scopes that the app was not given.
    pub lacks: BTreeSet<String>,
    /// Whose account was deactivated.
    pub deactivated: BTreeSet<String>,
    /// Which users are programs.
    pub bots: BTreeSet<String>,
    /// Whom Slack names another workspace for than ours, or none.
    pub teams: BTreeMap<String, Option<String>>,
    /// Whom Slack shows to nobody, and what it says instead.
    pub hidden: BTreeMap<String, &'static str>,
    /// Scopes that the app was given besides.
    pub granted: BTreeSet<String>,
    /// Method → how long the next call of it takes.
    pub slow: BTreeMap<String, Duration>,
    /// Method → what the next call of it is refused with.
    pub refusals: BTreeMap<String, &'static str>,
    /// When a call was over the limit.
    pub limited_at: Vec<(String, Instant)>,
    /// Method → (seconds to wait, refusals left).
    pub limits: BTreeMap<String, (u64, u32)>,
}

impl Weather {
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
