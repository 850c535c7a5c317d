//! What the API takes and gives of sessions, field by field.

use entryguard_core::command::Allowed;
use entryguard_core::domain::{
    BlockCause, EndReason, HostAddress, Member, RuleStatus, SessionRule, SessionStatus, Span, Timestamp,
};
use entryguard_core::store::SessionView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use super::problem::Problem;

/// What somebody asks for. Whatever is left out is as the configuration says.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StartBody {
    /// How long: `90m`, `2h`, `1d`.
    #[schema(example = "90m")]
    pub duration: Option<String>,
    /// The same in hours, instead of `duration`.
    #[schema(minimum = 1)]
    pub duration_hours: Option<u32>,
    /// Why, in up to 500 characters.
    #[schema(max_length = 500)]
    pub reason: Option<String>,
    /// An address given by hand, where the roles allow it; otherwise the request's own is opened.
    pub ipv4_address: Option<String>,
    /// An address given by hand, where the roles allow it.
    pub ipv6_address: Option<String>,
    /// Whether to do without the approval in an emergency, where the roles allow it; it is told to approvers and administrators.
    pub break_glass: bool,
    /// What the caller chose to find the session by, and to end it by, without anything else: `egs_` and 32 to 128 random hexadecimal digits.
    pub key: Option<String>,
}

/// By how much to extend.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExtendBody {
    /// How long: `90m`, `2h`; two hours where nothing is said.
    #[schema(example = "2h")]
    pub duration: Option<String>,
    /// The same in hours, instead of `duration`.
    #[schema(minimum = 1)]
    pub duration_hours: Option<u32>,
}

/// What to stop.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StopBody {
    /// All of the caller's sessions; otherwise the only one that is running.
    pub all: bool,
}

/// A session.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionBody {
    /// Its id; the first 8 characters are enough to name it.
    id: String,
    /// Whose it is.
    user_id: String,
    /// Whose it is.
    user_name: String,
    /// Where they can be written to.
    #[schema(required)]
    user_email: Option<String>,
    /// The IPv4 address that it opens.
    #[schema(required)]
    ipv4_address: Option<String>,
    /// The IPv6 address that it opens.
    #[schema(required)]
    ipv6_address: Option<String>,
    /// What it shows.
    #[schema(schema_with = session_statuses)]
    status: &'static str,
    /// Why.
    #[schema(required)]
    reason: Option<String>,
    /// Since when.
    #[schema(format = DateTime)]
    started_at: String,
    /// Until when; while somebody has to approve it, until when they may.
    #[schema(format = DateTime)]
    expires_at: String,
    /// When it stopped being wanted.
    #[schema(required, format = DateTime)]
    ended_at: Option<String>,
    /// Why it ended: MANUAL, EXPIRED or DENIED.
    #[schema(required)]
    ended_reason: Option<&'static str>,
    /// Whether its end has moved, and not every rule bears the new one yet.
    extending: bool,
    /// One for each resource and address.
    resource_ips: Vec<RuleBody>,
    /// When it was asked for, or approved.
    #[schema(format = DateTime)]
    created_at: String,
}

/// One rule of a session: an address on a resource.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RuleBody {
    /// Its id.
    id: String,
    /// The resource.
    resource_id: String,
    /// The resource.
    resource_name: String,
    /// 4 or 6.
    ip_version: u8,
    /// The address.
    ip_address: String,
    /// What it shows.
    #[schema(schema_with = rule_statuses)]
    status: &'static str,
    /// The provider's own name of the rule.
    #[schema(required)]
    provider_rule_id: Option<String>,
    /// When it was first seen to be there.
    #[schema(required, format = DateTime)]
    applied_at: Option<String>,
    /// When it was seen to be gone.
    #[schema(required, format = DateTime)]
    removed_at: Option<String>,
    /// What went wrong the last time, while it has not come good.
    #[schema(required)]
    error_message: Option<String>,
    /// Why its resource refuses additions, while it waits for that: `quota` where it is full, `missing`, `denied`, `not_in_force`,
    /// `unreachable`, `rejected` or `local`.
    #[schema(required)]
    waits_for: Option<&'static str>,
}

/// A session whose end has moved.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExtendedBody {
    #[serde(flatten)]
    session: SessionBody,
    /// What capped the extension, if something did: `role developers`.
    #[schema(required)]
    capped_by: Option<String>,
}

/// A part of a list of sessions, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionsBody {
    /// The sessions.
    pub sessions: Vec<SessionBody>,
    /// What to give as `cursor` for the next part; null where there is none.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// The sessions that were stopped.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoppedBody {
    /// The sessions; none where all were asked for and none was running.
    pub sessions: Vec<SessionBody>,
}

fn words(words: impl IntoIterator<Item = &'static str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build()
}

fn session_statuses() -> Object {
    use SessionStatus::{Active, Cancelled, Denied, Expired, Expiring, Failed, Partial, Pending, Requested};
    words([Requested, Pending, Active, Partial, Failed, Expiring, Expired, Cancelled, Denied].map(SessionStatus::as_str))
}

fn rule_statuses() -> Object {
    use RuleStatus::{Applied, Failed, Pending, Removed, Removing};
    words([Pending, Applied, Failed, Removing, Removed].map(RuleStatus::as_str))
}

/// A length of time, said in one of two ways.
pub fn duration(text: Option<&str>, hours: Option<u32>, allowed: &Allowed) -> Result<Option<Span>, Problem> {
    match (text, hours) {
        (Some(_), Some(_)) => Err(Problem::malformed("Give `duration` or `durationHours`, and not both.")),
        (Some(text), None) => {
            let wrong = |error| Problem::malformed(format!("duration: {}.", allowed.advice(&error)));
            text.parse().map(Some).map_err(wrong)
        }
        (None, Some(0)) => Err(Problem::malformed("durationHours: at least 1.")),
        (None, Some(hours)) => Ok(Some(Span::from_hours(i64::from(hours)))),
        (None, None) => Ok(None),
    }
}

impl ExtendedBody {
    /// A session, and what capped its extension.
    pub const fn new(session: SessionBody, capped_by: Option<String>) -> Self {
        Self { session, capped_by }
    }
}

impl SessionBody {
    /// A session as the API shows it.
    pub fn new(view: &SessionView, member: Option<&Member>) -> Self {
        let session = &view.session;
        let address = |is_v4: bool| {
            let mut all = session.addresses.iter().filter(|address| address.ip().is_ipv4() == is_v4);
            all.next().map(|address| address.ip().to_string())
        };
        Self {
            id: session.id.to_string(),
            user_id: session.member.to_string(),
            user_name: session.member.to_string(),
            user_email: member.and_then(|member| member.email.clone()),
            ipv4_address: address(true),
            ipv6_address: address(false),
            status: SessionStatus::as_str(view.status()),
            reason: session.reason.clone(),
            started_at: session.started_at.to_string(),
            expires_at: session.expires_at.to_string(),
            ended_at: session.ending.as_ref().map(|ending| ending.at.to_string()),
            ended_reason: session.ending.as_ref().map(|ending| EndReason::as_str(ending.reason)),
            extending: view.is_extending(),
            resource_ips: view.rules.iter().map(RuleBody::new).collect(),
            created_at: session.started_at.to_string(),
        }
    }

    /// The session's id.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl RuleBody {
    fn new(rule: &SessionRule) -> Self {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            id: rule.id.to_string(),
            resource_id: rule.resource.to_string(),
            resource_name: rule.resource.to_string(),
            ip_version: if HostAddress::ip(rule.address).is_ipv4() { 4 } else { 6 },
            ip_address: rule.address.ip().to_string(),
            status: RuleStatus::as_str(rule.status),
            provider_rule_id: rule.held.first().map(|held| held.id.to_string()),
            applied_at: time(rule.applied_at),
            removed_at: time(rule.removed_at),
            error_message: rule.error.clone(),
            waits_for: rule.waits_for.map(BlockCause::as_str),
        }
    }
}
