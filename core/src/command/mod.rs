//! The chat language, the same in every chat and on the command line: from text to a [`Command`], and from that to a [`Reply`].
//!
//! [`Reply`]: crate::reply::Reply

mod advice;
mod answer;
mod form;
mod nearest;
mod parse;
mod press;
mod words;

use crate::domain::{ConfirmationId, HostAddress, Identity, PanicScope, Span, Timestamp};
use crate::engine::{JoinCode, Verdict, Which};

pub use advice::Allowed;
pub use answer::Conversation;
pub use form::{AddressWay, Field, FieldError, FilledForm};
pub use parse::{CommandError, is_verb, reason_from};

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
        /// Whether the approval that it takes is to be done without.
        break_glass: bool,
    },
    /// What a link offers, from the address that was confirmed last. Only a button says so.
    StartSameAddress {
        /// By which link.
        link: ConfirmationId,
        /// When the address that was shown was confirmed.
        confirmed_at: Timestamp,
    },
    /// An answer to somebody's request.
    Answer {
        /// Which session.
        session: String,
        /// The answer.
        verdict: Verdict,
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
    /// Everybody's sessions that are open, or have something left to close.
    ListAll,
    /// One session with its rules.
    Status(Which),
    /// What the caller may reach.
    Resources,
    /// Who the caller is.
    Whoami,
    /// A code that joins another identity to the caller.
    Link,
    /// What somebody's code would do here.
    LinkWith(JoinCode),
    /// To be joined to the member whose code it is. Only a button says so.
    Join(JoinCode),
    /// To be joined no more: this identity, or another of the caller's.
    Unlink(Option<Identity>),
    /// A link that signs the caller in to the pages.
    Web,
    /// What closing this at once would close.
    Panic(PanicScope),
    /// To close it at once. Only a button says so.
    CloseAtOnce {
        /// What.
        scope: PanicScope,
        /// When they were asked whether to.
        asked_at: Timestamp,
    },
    /// To let things be opened again: those of one panic, or of all.
    LiftPanic(Option<PanicScope>),
    /// What can be said.
    Help,
}

impl Command {
    /// What it is to close at once, if it is for that.
    pub const fn closes(&self) -> Option<&PanicScope> {
        match self {
            Self::Panic(scope) | Self::CloseAtOnce { scope, .. } => Some(scope),
            _ => None,
        }
    }
}
