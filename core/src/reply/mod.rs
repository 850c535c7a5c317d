//! Everything that we may ever say in a chat, before any markup: a surface only renders it.

mod card;
mod digest;
mod help;

use crate::domain::{Identity, Limit, MemberName, Resource};
use crate::engine::Link;

pub use card::{Card, CardRow, Tally};
pub use digest::digest;
pub use help::{HelpLine, help};

/// An answer to a command.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Follow this link to confirm your address.
    Confirm(Link),
    /// These sessions are being closed.
    Stopping(Vec<Card>),
    /// This session's end has moved, and the clouds are being told.
    Extending {
        /// The session.
        card: Card,
        /// What capped it, if something did.
        capped_by: Option<Limit>,
    },
    /// The caller's sessions, the newest first.
    Sessions(Vec<Card>),
    /// One session.
    Session(Card),
    /// What the caller may reach.
    Resources(Vec<Resource>),
    /// Who the caller is.
    Whoami {
        /// Their name.
        member: MemberName,
        /// How the surface names them.
        identity: Identity,
        /// How long their sessions may be.
        limit: Limit,
        /// Whether they may see and stop everybody's sessions.
        admin: bool,
    },
    /// What can be said.
    Help(Vec<HelpLine>),
    /// It was not done, and why.
    Refused(String),
}
