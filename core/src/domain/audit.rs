//! What the audit log records: who did what to which session.

use std::fmt;

use super::{MemberName, SessionId, Surface, Timestamp};

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A member, through a surface.
    Member(MemberName, Surface),
    /// Whoever may run commands where the database is.
    Operator(String),
    /// EntryGuard itself: the clock, the reconciler, the sweep.
    System,
}

impl Actor {
    /// The name that the log shows.
    pub fn name(&self) -> &str {
        match self {
            Self::Member(name, _) => name.as_str(),
            Self::Operator(name) => name,
            Self::System => "entryguard",
        }
    }

    /// Where they acted.
    pub const fn surface(&self) -> Option<Surface> {
        match self {
            Self::Member(_, surface) => Some(*surface),
            Self::Operator(_) => Some(Surface::Cli),
            Self::System => None,
        }
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditAction {
    /// A one-time link was handed out.
    LinkIssued,
    /// A session started.
    SessionStarted,
    /// A session awaits somebody's approval.
    SessionRequested,
    /// Somebody agreed to it.
    SessionApproved,
    /// Somebody refused it.
    SessionDenied,
    /// Nobody answered in time.
    SessionLapsed,
    /// It was started without the approval that it takes.
    GlassBroken,
    /// Its member was told that it ends soon.
    SessionReminded,
    /// A surface says that a member is gone.
    MemberLeft,
    /// A surface said that somebody is there again.
    MemberReturned,
    /// Somebody holds other roles of a surface than before.
    RolesChanged,
    /// A code was handed out that joins another identity to a member.
    JoinCodeIssued,
    /// An identity was joined to a member.
    IdentityJoined,
    /// An identity that was joined to a member is so no more.
    IdentityParted,
    /// A one-time link was handed out that signs its member in to the pages.
    WebLinkIssued,
    /// A browser was signed in to the pages.
    WebSignedIn,
    /// Browsers are signed in no more.
    WebSignedOut,
    /// A key of the API was made.
    ApiKeyCreated,
    /// A key of the API was taken back.
    ApiKeyRevoked,
    /// All of a session's rules are there.
    SessionActive,
    /// Some of a session's rules are there, and the others failed.
    SessionPartial,
    /// None of a session's rules could be made.
    SessionFailed,
    /// A rule of a session that was open is gone or was changed, not by us; it is opened again.
    SessionInterrupted,
    /// A session's end was moved.
    SessionExtended,
    /// A session's end was moved forward: the hours of a role are over sooner.
    SessionShortened,
    /// A session took another's place, from another address and for the time that was left.
    SessionMoved,
    /// A session was stopped by somebody.
    SessionStopped,
    /// A session lost one of its resources, and goes on with the others.
    SessionNarrowed,
    /// A session's time ran out.
    SessionExpired,
    /// The last rule of an ended session was seen to be gone.
    SessionClosed,
    /// Everything in a scope was closed at once, and nothing new is opened there.
    PanicClosed,
    /// What was closed at once may be opened again.
    PanicLifted,
    /// An operator said that a clock which had gone back is right, and the time was set to it.
    ClockAccepted,
    /// A rule was seen to be there.
    RuleApplied,
    /// A rule could not be made.
    RuleFailed,
    /// A rule was seen to be gone, or left to others.
    RuleRemoved,
    /// A rule is gone or was changed, not by us, and is added again.
    RuleLost,
    /// A rule that was gone is there again.
    RuleReturned,
    /// Rules whose time was over were removed by the tags that they bear, while the database failed.
    RulesClosedOffline,
    /// A row that could not be read was set aside.
    RowQuarantined,
    /// A rule with our mark that nobody wants was found in a cloud.
    OrphanFound,
}

impl AuditAction {
    /// What can happen to a session.
    pub const OF_SESSIONS: [Self; 18] = [
        Self::SessionStarted,
        Self::SessionRequested,
        Self::SessionApproved,
        Self::SessionDenied,
        Self::SessionLapsed,
        Self::GlassBroken,
        Self::SessionActive,
        Self::SessionPartial,
        Self::SessionFailed,
        Self::SessionInterrupted,
        Self::SessionReminded,
        Self::SessionExtended,
        Self::SessionShortened,
        Self::SessionMoved,
        Self::SessionNarrowed,
        Self::SessionStopped,
        Self::SessionExpired,
        Self::SessionClosed,
    ];

    /// Every action, in the order of their words.
    pub const ALL: [Self; 41] = [
        Self::ApiKeyCreated,
        Self::ApiKeyRevoked,
        Self::ClockAccepted,
        Self::JoinCodeIssued,
        Self::IdentityJoined,
        Self::IdentityParted,
        Self::LinkIssued,
        Self::MemberLeft,
        Self::MemberReturned,
        Self::RolesChanged,
        Self::OrphanFound,
        Self::PanicClosed,
        Self::PanicLifted,
        Self::RowQuarantined,
        Self::RuleApplied,
        Self::RulesClosedOffline,
        Self::RuleFailed,
        Self::RuleLost,
        Self::RuleRemoved,
        Self::RuleReturned,
        Self::SessionActive,
        Self::SessionApproved,
        Self::SessionClosed,
        Self::SessionDenied,
        Self::SessionExpired,
        Self::SessionExtended,
        Self::SessionFailed,
        Self::GlassBroken,
        Self::SessionInterrupted,
        Self::SessionLapsed,
        Self::SessionMoved,
        Self::SessionNarrowed,
        Self::SessionPartial,
        Self::SessionReminded,
        Self::SessionRequested,
        Self::SessionShortened,
        Self::SessionStarted,
        Self::SessionStopped,
        Self::WebLinkIssued,
        Self::WebSignedIn,
        Self::WebSignedOut,
    ];

    /// The action's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LinkIssued => "link.issued",
            Self::SessionStarted => "session.started",
            Self::SessionRequested => "session.requested",
            Self::SessionApproved => "session.approved",
            Self::SessionDenied => "session.denied",
            Self::SessionLapsed => "session.lapsed",
            Self::GlassBroken => "session.glass_broken",
            Self::MemberLeft => "member.left",
            Self::MemberReturned => "member.returned",
            Self::RolesChanged => "member.roles_changed",
            Self::JoinCodeIssued => "identity.code_issued",
            Self::IdentityJoined => "identity.joined",
            Self::IdentityParted => "identity.parted",
            Self::WebLinkIssued => "web.link_issued",
            Self::WebSignedIn => "web.signed_in",
            Self::WebSignedOut => "web.signed_out",
            Self::ApiKeyCreated => "api_key.created",
            Self::ApiKeyRevoked => "api_key.revoked",
            Self::SessionReminded => "session.reminded",
            Self::SessionActive => "session.active",
            Self::SessionPartial => "session.partial",
            Self::SessionFailed => "session.failed",
            Self::SessionInterrupted => "session.interrupted",
            Self::SessionExtended => "session.extended",
            Self::SessionShortened => "session.shortened",
            Self::SessionMoved => "session.moved",
            Self::SessionStopped => "session.stopped",
            Self::SessionNarrowed => "session.narrowed",
            Self::SessionExpired => "session.expired",
            Self::SessionClosed => "session.closed",
            Self::PanicClosed => "panic.closed",
            Self::PanicLifted => "panic.lifted",
            Self::ClockAccepted => "clock.accepted",
            Self::RuleApplied => "rule.applied",
            Self::RuleFailed => "rule.failed",
            Self::RuleRemoved => "rule.removed",
            Self::RuleLost => "rule.lost",
            Self::RuleReturned => "rule.returned",
            Self::RulesClosedOffline => "rule.closed_offline",
            Self::RowQuarantined => "row.quarantined",
            Self::OrphanFound => "orphan.found",
        }
    }
}

impl fmt::Display for AuditAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One entry of the audit log.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: AuditAction,
    /// To which session.
    pub session: Option<SessionId>,
    /// The facts, for people and programs.
    pub details: serde_json::Value,
}
