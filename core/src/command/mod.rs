//! The chat language, the same in every chat and on the command line: from text to a [`Command`], and from that to a [`Reply`].
//!
//! [`Reply`]: crate::reply::Reply

mod answer;
mod parse;

use crate::domain::{HostAddress, Span};
use crate::engine::Which;

pub use answer::Conversation;
pub use parse::CommandError;

/// What somebody may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A session.
    Start {
        /// For how long; the tier's default where there is none.
        duration: Option<Span>,
        /// From where, given by hand.
        addresses: Vec<HostAddress>,
        /// Why.
        reason: Option<String>,
    },
    /// An end to sessions.
    Stop(Which),
    /// More time.
    Extend {
        /// For which session.
        which: Which,
        /// How much.
        by: Option<Span>,
    },
    /// The caller's sessions.
    List,
    /// One session with its rules.
    Status(Which),
    /// What the caller may reach.
    Resources,
    /// Who the caller is.
    Whoami,
    /// What can be said.
    Help,
}
