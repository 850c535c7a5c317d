//! Slack's bad days, as a test switches them on.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Method → (seconds to wait, refusals left).
    pub limits: BTreeMap<String, (u64, u32)>,
}

impl Weather {
    /// Counts one call; gives the seconds of `Retry-After` where the call is over the limit.
    pub fn limited(&mut self, method: &str) -> Option<u64> {
        let (seconds, left) = self.limits.get_mut(method).filter(|(_, left)| *left > 0)?;
        *left -= 1;
        Some(*seconds)
    }
}
