//! Values and rules of the domain: no I/O, no clock, no database.

mod address;
mod api_key;
mod audit;
mod audit_chain;
mod block;
mod bucket;
mod changes;
mod claim_forms;
mod claims;
mod cursor;
mod directory;
mod drift;
pub mod foreign_text;
mod hours;
mod id;
mod identity;
mod known;
mod learnt;
mod limits;
mod name;
mod opening;
mod opening_hours;
mod panic;
mod post;
mod presence;
mod removal;
mod resource;
mod schedule;
mod scope;
mod session;
mod shared_exit;
mod status;
mod terms;
#[cfg(test)]
pub(crate) mod testing;
mod time;
mod web;
mod zone;

pub use address::{AddressClass, AddressRefused, Addresses, HostAddress, Network};
pub use api_key::{ApiKey, ApiKeyName, ApiKeyRecord, ApiKeyStanding, NoApiKey, NoApiKeyName};
pub use audit::{Actor, AuditAction, AuditEvent};
pub use audit_chain::{Anchor, AnchorError, AuditEntry, CHAIN_START, ChainBreak, ChainCheck, ChainFault, ChainHead, SoundChain};
pub use block::{AddressFamily, Attempt, Block, BlockCause, Refusal};
pub use bucket::{ApiLimit, Bucket};
pub use changes::Changes;
pub use claims::{ClaimDifference, ClaimPattern, ClaimPatternError, Claims, NoMember, WorkflowRun};
pub use cursor::{NoCursor, SessionCursor};
pub use directory::{Directory, Member, Organization, Role, Tier};
pub use drift::{Drift, DriftKind};
pub use hours::{Hours, HoursError, OpenState, Window};
pub use id::{
    AuditId, ConfirmationId, DeploymentId, OpeningId, PanicId, PostId, ProviderRuleId, SessionId, SessionRuleId, WebSessionId,
};
pub use identity::{Identity, IdentityError, Surface};
pub use known::{Known, RoleIdentity, RoleIdentityError, guest_name, is_all_of, is_guest};
pub use learnt::LearntBy;
pub use limits::{DurationRefused, Limit, LimitSource, extended_end};
pub use name::{CredentialName, MemberName, NameError, ResourceName, RoleName, ScheduleName, TierName, WebhookName};
pub use opening::{HeldRule, IllegalTransition, Opening, OpeningEvent, OpeningState, RuleOwner, RulePart};
pub use opening_hours::Closed;
pub use panic::{CLOSED_AT_ONCE, NOT_GIVEN, Panic, PanicScope, why_taken};
pub use post::PostKind;
pub use presence::Doubt;
pub use removal::{Absence, LaterReads, NotGrowing};
pub use resource::{
    AllowlistFile, AssumedRole, Credential, FileFormat, Ports, PortsError, PortsUnread, Protocol, Resource, ResourceKind,
    SecurityGroup,
};
pub use schedule::{CronError, Schedule, Ticks};
pub use scope::{NoScope, Scope, Scopes};
pub use session::{Approval, EndReason, Ending, RuleEvent, Session, SessionRule};
pub use shared_exit::SharedExit;
pub use status::{RuleStatus, SessionStatus, session_status};
pub use terms::{ApprovalRule, ApprovalTerms, Approver, REMEMBERED_FOR, Terms};
pub use time::{Span, SpanError, Timestamp, is_number};
pub use web::{CookieTimes, CookieWorth, ShownCookie, WebLimits};
pub use zone::{NoZone, Zone};
