//! What the API takes and gives, field by field.

use entryguard_core::domain::{EndReason, HostAddress, Member, RuleStatus, SessionRule, SessionStatus, Timestamp};
use entryguard_core::store::SessionView;
use serde::{Deserialize, Serialize};

/// What somebody asks for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartBody {
    /// `90m`; the tier's default where there is none.
    pub duration: Option<String>,
    /// The same in hours.
    pub duration_hours: Option<u32>,
    /// Why.
    pub reason: Option<String>,
    /// An address given by hand.
    pub ipv4_address: Option<String>,
    /// An address given by hand.
    pub ipv6_address: Option<String>,
    /// What the caller chose to find the session by.
    pub key: Option<String>,
}

/// A session.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionBody {
    id: String,
    user_id: String,
    user_name: String,
    user_email: Option<String>,
    ipv4_address: Option<String>,
    ipv6_address: Option<String>,
    status: &'static str,
    reason: Option<String>,
    started_at: String,
    expires_at: String,
    ended_at: Option<String>,
    ended_reason: Option<&'static str>,
    resource_ips: Vec<RuleBody>,
    created_at: String,
}

/// One rule of a session.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleBody {
    id: String,
    resource_id: String,
    resource_name: String,
    ip_version: u8,
    ip_address: String,
    status: &'static str,
    provider_rule_id: Option<String>,
    applied_at: Option<String>,
    removed_at: Option<String>,
    error_message: Option<String>,
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
            resource_ips: view.rules.iter().map(RuleBody::new).collect(),
            created_at: session.started_at.to_string(),
        }
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
        }
    }
}
