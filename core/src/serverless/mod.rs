//! Sessions without a server: jobs that share an allowlist count each other by notes on its rules.
//!
//! [`join`] opens a list for a session, or takes hold of the rule that another session made for the same address; [`leave`] lets go of
//! it, and removes the rule where nobody else holds it. Both are loops of one step: look, then do the first thing that is missing.
//!
//! No two of them are made to wait for a lock, which the dead could keep. What would go wrong is a hold that is taken just while the
//! last holder removes the rule. So whoever removes says so first, and looks again before doing it; whoever takes hold looks
//! afterwards, and where somebody said so, waits for the outcome. One of the two sees the other.
//! Where a cloud shows changes late even that can fail, and then a session loses its rule: nothing is ever left open by it.
//!
//! The rule's expiry is the latest end among its holders; [`close_by_tags`](crate::reconcile::close_by_tags) goes by it.

mod join;
mod leave;
mod pace;
#[cfg(test)]
mod tests;

use crate::domain::{DeploymentId, Timestamp};
use crate::provider::{SeenRule, SharedRule};

pub use join::{Joined, Wish, join};
pub use leave::{Left, leave};
pub use pace::{Patience, SystemTimer, Timer};

/// The owner that such rules bear: one for all jobs, because they share the rules.
pub fn owner() -> DeploymentId {
    DeploymentId::from_stored("serverless")
}

fn is_ours(rule: &SeenRule) -> bool {
    rule.is_owned_by(&owner())
}

/// Whether the rule says another end than this. Clouds keep it to the second.
fn ends_otherwise(rule: &SharedRule, until: Timestamp) -> bool {
    let said = rule.rule.mark.as_ref().and_then(|mark| mark.expires_at);
    said.map(Timestamp::as_seconds) != Some(until.as_seconds())
}
