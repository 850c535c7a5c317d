//! Everything that we may ever say in a chat, before any markup: a surface only renders it.

mod alike;
mod card;
mod digest;
mod emergency;
mod help;
mod home;
mod join;
pub mod message;
mod outage;
mod quote;
mod request;
mod rows;
mod sign_in;
pub mod thread;
mod turn;
mod words;

use crate::domain::{Identity, Limit, MemberName, PanicScope};
use crate::engine::{Emergency, IssuedCode, IssuedSignIn, Joining, Lifted, Link, Verdict};

pub use alike::{ALIKE, Likeness, gathered, in_a_word, named, said_together, what_to_do};
pub use card::{Card, CardRow, Tally};
pub use digest::digest;
pub use help::{Help, HelpLine};
pub use home::{Health, Home, ResourceHealth, StartForm};
pub use outage::{unavailable, waiting};
pub use quote::{as_typed, quoting, typed};
pub use request::{alarm, request};
pub use rows::{all_rows, rows};
pub use turn::{turn, turns};
pub use words::{brief, confirmed_ago, last_time, refused, resource_lines, words};

/// An answer to a command.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Follow this link to confirm your address.
    Confirm(Link),
    /// This session is being opened, or waits for somebody's approval.
    Started(Card),
    /// This request is answered.
    Answered {
        /// The session.
        card: Card,
        /// The answer.
        verdict: Verdict,
    },
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
    /// Everybody's sessions that are not closed, the newest first.
    Everybodys {
        /// The first of them.
        cards: Vec<Card>,
        /// Whether there are more.
        more: bool,
    },
    /// This is what closing at once would close.
    Panicking(Emergency),
    /// It is closed at once.
    Panicked {
        /// What.
        scope: PanicScope,
        /// How many sessions ended, or lost the resource.
        sessions: usize,
    },
    /// So many panics are lifted.
    Lifted(Lifted),
    /// One session.
    Session(Card),
    /// What the caller may reach.
    Resources(Vec<ResourceHealth>),
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
        /// How they are named elsewhere.
        also: Vec<Identity>,
    },
    /// Type this code elsewhere.
    JoinCode(IssuedCode),
    /// This is what the code would do.
    Joining(Joining),
    /// It is done.
    Joined(Joining),
    /// This identity is joined no more.
    Parted(Identity),
    /// Follow this link to sign in to the pages.
    SignIn(IssuedSignIn),
    /// What can be said.
    Help(Help),
    /// It was not done, and why.
    Refused(String),
}

#[cfg(test)]
mod tests;
