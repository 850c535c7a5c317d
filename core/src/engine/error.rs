//! Why a use case did not do what it was asked, in words for the person who asked.

use super::ApiKeyRefused;
use super::readiness::OpeningsRefused;
use crate::domain::{AddressRefused, Closed, DurationRefused, Identity, Limit, MemberName, Panic, Scope, Span, Timestamp};
use crate::store::{Outage, StoreError};

/// Why a use case did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nobody in the configuration has this identity.
    #[error(
        "EntryGuard does not know you yet. Ask {administrators} to add this line to your member: `identities = [\"{identity}\"]`"
    )]
    UnknownMember {
        /// The identity to add.
        identity: String,
        /// Who can add it.
        administrators: String,
    },
    /// Whoever is a member only by a surface's role hands out no codes.
    #[error(
        "You are a member by a role alone, so there is nobody to join others to. Run `link` where EntryGuard knows you by name, and \
         type its code here; or ask {administrators} to add you."
    )]
    GuestsJoinOthers {
        /// Whom to ask.
        administrators: String,
    },
    /// No session was started with this key.
    #[error("No session was started with this key.")]
    SessionKeyUnknown,
    /// No such code.
    #[error("This code is not one of ours, was used already, or is older than {0}. Run `link` again where EntryGuard knows you.")]
    JoinCodeUnknown(Span),
    /// There is nothing to join.
    #[error("You are {0} here already; there is nothing to join.")]
    JoinedAlready(MemberName),
    /// An identity that is another member's.
    #[error("You are {member} here, and one account cannot be two members. Ask {administrators} to make them one.")]
    SomebodyElses {
        /// Whose it is.
        member: MemberName,
        /// Whom to ask.
        administrators: String,
    },
    /// Not joined by a code.
    #[error("{0} was not joined to you by a code, so there is nothing to take back. What the configuration names stays.")]
    NotJoined(Identity),
    /// No role gives the member anything.
    #[error(
        "User has no accessible cloud resources: none of your roles has any. Ask {administrators} for a role with resources."
    )]
    NoResources {
        /// Who can give one.
        administrators: String,
    },
    /// Too long.
    #[error(transparent)]
    Duration(#[from] DurationRefused),
    /// Outside of their roles' hours.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// Too many at once.
    #[error("Too many sessions at once: you have {live}, the most that tier {tier} allows. Stop one first: `stop {example}`.")]
    TooManySessions {
        /// How many there are.
        live: u32,
        /// What says so.
        tier: String,
        /// One that could be stopped.
        example: String,
    },
    /// An address that is never opened.
    #[error(transparent)]
    Address(#[from] AddressRefused),
    /// The server could not be sure to close what it opens.
    #[error("{0}")]
    Refused(#[from] OpeningsRefused),
    /// Somebody has closed everything at once.
    #[error("Closed by {by} at {at}{}: {scope} stays closed until an administrator lifts it (`entryguard panic lift`).", because(.reason.as_deref()))]
    Panic {
        /// What is closed, in words.
        scope: String,
        /// Who closed it.
        by: String,
        /// When.
        at: Timestamp,
        /// Why.
        reason: Option<String>,
    },
    /// No address that could be used again.
    #[error("Your last confirmed address is too old, or was never confirmed. Run `start` again and confirm it by the link.")]
    NothingRemembered,
    /// Not the address that was shown.
    #[error(
        "You have confirmed another address since this was shown, so it was not used. Run `start` again, which shows the one of now."
    )]
    RememberedAnother,
    /// Their roles do not let them give an address by hand.
    #[error(
        "An address given by hand is not taken: nothing shows that it is yours, and your roles do not allow it. \
         Run `start` without `ip`, and confirm the address that the link's page sees."
    )]
    NotByHand,
    /// No approval to do without.
    #[error("Your sessions need no approval, so there is no glass to break. Run `start` without `--break-glass`.")]
    NoGlassToBreak,
    /// The approval may not be done without.
    #[error("None of your roles lets you do without the approval. Run `start` without `--break-glass`, and ask for it.")]
    BreakGlassRefused,
    /// Nobody could agree.
    #[error(
        "Your sessions need somebody's approval, and there is nobody who may give it. Ask {administrators} to name somebody."
    )]
    NobodyToApprove {
        /// Whom to ask.
        administrators: String,
    },
    /// Nobody agrees to their own.
    #[error("This is your own request: somebody else has to answer it. `stop` withdraws it.")]
    OwnRequest,
    /// Not one of those who are asked.
    #[error("You are not among those who may answer the requests of {member}.")]
    NotAnApprover {
        /// Whose request it is.
        member: MemberName,
    },
    /// No such request.
    #[error("There is no request `{0}` that you may answer.")]
    RequestUnknown(String),
    /// The first answer counts.
    #[error("Request {session} needs no answer any more: {answer}. Nothing was changed.")]
    AnsweredAlready {
        /// The session.
        session: String,
        /// Who said what.
        answer: String,
    },
    /// No such link.
    #[error("This link is not one of ours, has long expired, or newer ones replaced it. Run the command again for a new one.")]
    LinkUnknown,
    /// A link whose time is over.
    #[error("This link has expired: it works for {0}. Run the command again for a new one.")]
    LinkExpired(Span),
    /// A link that has done its work.
    #[error("This link has been used already: it works once. Run the command again for a new one.")]
    LinkUsed,
    /// A browser that is not signed in, or no more.
    #[error("You are not signed in, or not any more. Sign in again.")]
    SignedOut,
    /// A server on which nobody can sign in.
    #[error(
        "Nobody can sign in to the pages of this EntryGuard: its address is plain HTTP, over which browsers keep no sign-in. \
         Ask whoever runs it to serve it behind HTTPS, and to say so in `[server] public_url`."
    )]
    NoSignIn,
    /// A key that is not taken.
    #[error(transparent)]
    ApiKey(#[from] ApiKeyRefused),
    /// What the caller showed is not for this.
    #[error("What you showed does not have the scope {0}. Use an API key that has it.")]
    ScopeMissing(Scope),
    /// One name for two questions.
    #[error(
        "This Idempotency-Key was used for another request, or from another address, in the last 24 hours. Send the same request again from the same place, or take a new key."
    )]
    IdempotencyKeyReused,
    /// Not for everybody.
    #[error("Only administrators may see or do this. Ask one of them.")]
    AdministratorsOnly,
    /// Nothing of that name.
    #[error("There is no {0} in the configuration, so nothing was closed. Look at the spelling.")]
    NothingToClose(String),
    /// No such session.
    #[error("There is no session `{0}` of yours. Run `list` to see your sessions.")]
    SessionUnknown(String),
    /// More than one session.
    #[error("`{0}` could be more than one session; give more of its id.")]
    SessionAmbiguous(String),
    /// Nothing to act on.
    #[error("You have no running session. Run `start` to open one.")]
    NoLiveSession,
    /// More than one to choose from.
    #[error("You have more than one running session: {0}. Say which.")]
    WhichSession(String),
    /// Over already.
    #[error("Session {session} is over already ({status}); it cannot be changed. Start a new one.")]
    Over {
        /// Which.
        session: String,
        /// What it shows.
        status: &'static str,
    },
    /// Not yet or not at all there.
    #[error("Session {session} is {status}; it can be extended once at least one of its resources is open.")]
    NotOpen {
        /// Which.
        session: String,
        /// What it shows.
        status: &'static str,
    },
    /// Nothing of it is open.
    #[error("Session {session} is {status}: nothing of it is open that could be moved. Stop it, and start a new one.")]
    NothingToMove {
        /// Which.
        session: String,
        /// What it shows.
        status: &'static str,
    },
    /// As long as it may be.
    #[error("Session {session} is as long as it may be: {}, set by {}. Start a new one when it ends.", limit.longest, limit.set_by)]
    AtTheLimit {
        /// Which.
        session: String,
        /// What caps it.
        limit: Limit,
    },
    /// Somebody agreed to the time that it has, and to no more.
    #[error(
        "Session {session} has the time that it was approved for, and more takes an approval again. Ask {extenders} to write \
         `extend {session} 2h`, or start a new one when it ends."
    )]
    MoreTimeTakesApproval {
        /// Which.
        session: String,
        /// Whom to ask.
        extenders: String,
    },
    /// A schedule's session is for the addresses that the configuration names.
    #[error(
        "Session {session} is a schedule's, which says from where it is open; it stays there. Start one of your own from here."
    )]
    ScheduledStays {
        /// The session.
        session: String,
    },
    /// A member who left the configuration while a link of theirs was open.
    #[error("{0} is no longer a member. Ask an administrator.")]
    MemberLeft(MemberName),
    /// A member whose chat says that they are gone.
    #[error(
        "{identity} is no active account any more, so nothing is opened for you, wherever you ask. If it is active again, give any \
         command with it; if you need access without it, ask {administrators} to take it out of your identities."
    )]
    Departed {
        /// Which of their identities.
        identity: String,
        /// Whom to ask.
        administrators: String,
    },
    /// A button of an emergency that was asked about long ago.
    #[error(
        "It was asked more than 10 minutes ago whether to close {scope}, so nothing was closed. Write `panic` again, and press what it shows."
    )]
    PanicAskedLongAgo {
        /// What was to be closed.
        scope: String,
    },
    /// Closed for whatever starts from here on, and not yet all that is open.
    #[error(
        "{scope} is closed: nothing starts there any more. {ended} sessions were ended before the database could not be reached; the \
         others are ended as soon as it can. `list all` shows what is still open."
    )]
    PanicUnfinished {
        /// What is closed.
        scope: String,
        /// How many sessions were ended.
        ended: usize,
        /// Why not all.
        #[source]
        error: StoreError,
    },
    /// Asked for with a key that is not taken any more.
    #[error("Request {session} was made with an API key, and nothing was opened. {why}")]
    RequestKeyGone {
        /// The session.
        session: String,
        /// What is wrong with the key.
        why: ApiKeyRefused,
    },
    /// The database's trouble.
    #[error("{}", crate::reply::unavailable(.0.outage(), None))]
    Store(#[from] StoreError),
}

fn because(reason: Option<&str>) -> String {
    reason.map(|reason| format!(" ({reason})")).unwrap_or_default()
}

impl From<Panic> for EngineError {
    fn from(panic: Panic) -> Self {
        Self::Panic { scope: panic.scope.to_string(), by: panic.by, at: panic.at, reason: panic.reason }
    }
}

impl EngineError {
    /// What is wrong with the database, where it is that.
    pub fn outage(&self) -> Option<Outage> {
        match self {
            Self::Store(error) | Self::PanicUnfinished { error, .. } => Some(error.outage()),
            _ => None,
        }
    }

    /// Whether it is our trouble, rather than something that the person who asked can mend.
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::Store(_))
    }
}
