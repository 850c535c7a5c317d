//! The shape of `entryguard.toml`. Every table refuses keys that it does not know.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;

use serde::Deserialize;

use super::network::Network;
use super::secret::SecretSource;
use crate::domain::{
    CredentialName, FileFormat, Identity, MemberName, Protocol, ResourceName, RoleIdentity, RoleName, ScheduleName, Span,
    TierName, WebhookName, Zone,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) server: Server,
    #[serde(default)]
    pub(super) database: Database,
    pub(super) organization: Organization,
    #[serde(default)]
    pub(super) tier: Vec<Tier>,
    pub(super) slack: Option<Slack>,
    pub(super) discord: Option<Discord>,
    pub(super) github: Option<Github>,
    pub(super) telemetry: Option<Telemetry>,
    #[serde(default)]
    pub(super) web: Web,
    pub(super) oidc: Option<Oidc>,
    #[serde(default)]
    pub(super) api: Api,
    #[serde(default)]
    pub(super) sweep: Sweep,
    #[serde(default)]
    pub(super) removal: Removal,
    #[serde(default)]
    pub(super) credential: Vec<Credential>,
    #[serde(default)]
    pub(super) resource: Vec<Resource>,
    #[serde(default)]
    pub(super) member: Vec<Member>,
    #[serde(default)]
    pub(super) role: Vec<Role>,
    #[serde(default)]
    pub(super) schedule: Vec<Schedule>,
    #[serde(default)]
    pub(super) webhook: Vec<Webhook>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Server {
    pub(super) listen: SocketAddr,
    pub(super) public_url: Option<String>,
    pub(super) ipv4_url: Option<String>,
    pub(super) ipv6_url: Option<String>,
    pub(super) trusted_proxies: Vec<Network>,
    pub(super) metrics_listen: Option<SocketAddr>,
    pub(super) key: Option<SecretSource>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            ipv4_url: None,
            ipv6_url: None,
            trusted_proxies: Vec::new(),
            metrics_listen: None,
            key: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Database {
    pub(super) url: DatabaseUrl,
}

/// A URL with a password in it is a secret, and so may come from elsewhere.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a database URL, { env = \"NAME\" } or { file = \"PATH\" }")]
pub(super) enum DatabaseUrl {
    Plain(String),
    Secret(SecretSource),
}

impl Default for Database {
    fn default() -> Self {
        Self { url: DatabaseUrl::Plain("sqlite://entryguard.db".to_owned()) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Organization {
    pub(super) name: String,
    pub(super) tier: TierName,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tier {
    pub(super) name: TierName,
    pub(super) durations: Vec<Span>,
    pub(super) default_duration: Span,
    pub(super) max_duration: Span,
    pub(super) max_sessions_per_member: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Slack {
    pub(super) signing_secret: Option<OneOrTwo>,
    pub(super) bot_token: SecretSource,
    pub(super) app_token: Option<SecretSource>,
    pub(super) team_id: String,
    #[serde(default = "slack_api")]
    pub(super) api_url: String,
    pub(super) report_channel: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Discord {
    pub(super) application_id: String,
    pub(super) public_key: Option<String>,
    #[serde(default)]
    pub(super) gateway: bool,
    pub(super) bot_token: SecretSource,
    pub(super) guild_id: String,
    #[serde(default = "discord_api")]
    pub(super) api_url: String,
    pub(super) report_channel: Option<String>,
}

fn discord_api() -> String {
    "https://discord.com".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Github {
    pub(super) token: Option<SecretSource>,
    pub(super) webhook_secret: Option<SecretSource>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<SecretSource>,
    #[serde(default = "github_login")]
    pub(super) login_url: String,
    #[serde(default = "github_api")]
    pub(super) api_url: String,
    #[serde(default = "github_issuer")]
    pub(super) oidc_issuer: String,
    pub(super) audience: Option<String>,
}

fn github_issuer() -> String {
    "https://token.actions.githubusercontent.com".to_owned()
}

fn github_login() -> String {
    "https://github.com".to_owned()
}

fn github_api() -> String {
    "https://api.github.com".to_owned()
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Web {
    pub(super) idle: Option<Span>,
    pub(super) longest: Option<Span>,
    pub(super) shared_exits: Vec<SharedExit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Oidc {
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) client_secret: SecretSource,
    #[serde(default = "oidc_scopes")]
    pub(super) scopes: Vec<String>,
    #[serde(default)]
    pub(super) allowed_audience: Vec<String>,
    #[serde(default)]
    pub(super) match_email: bool,
}

fn oidc_scopes() -> Vec<String> {
    vec!["email".to_owned()]
}

/// A secret, or two while one is exchanged for the other.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected { env = \"NAME\" } or { file = \"PATH\" }, or a list of two; a secret must not be written here"
)]
pub(super) enum OneOrTwo {
    One(SecretSource),
    Two(Vec<SecretSource>),
}

fn slack_api() -> String {
    "https://slack.com/api".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SharedExit {
    pub(super) name: String,
    pub(super) networks: Vec<Network>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Api {
    pub(super) requests_per_minute: NonZeroU32,
}

impl Default for Api {
    fn default() -> Self {
        Self { requests_per_minute: NonZeroU32::MIN.saturating_add(119) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sweep {
    pub(super) schedule: String,
}

impl Default for Sweep {
    fn default() -> Self {
        Self { schedule: "0 */5 * * * *".to_owned() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Telemetry {
    pub(super) otlp_endpoint: String,
    #[serde(default = "service_name")]
    pub(super) service_name: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, SecretSource>,
}

fn service_name() -> String {
    "entryguard".to_owned()
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Removal {
    pub(super) read_again_after: Option<Vec<Span>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Credential {
    pub(super) name: CredentialName,
    pub(super) provider: CredentialProvider,
    pub(super) profile: Option<String>,
    pub(super) role_arn: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) endpoint_url: Option<String>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum CredentialProvider {
    Aws,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resource {
    pub(super) name: ResourceName,
    pub(super) provider: ResourceProvider,
    #[serde(rename = "type")]
    pub(super) kind: ResourceType,
    pub(super) id: String,
    pub(super) region: Option<String>,
    pub(super) credential: Option<CredentialName>,
    pub(super) ports: Option<Vec<PortRange>>,
    pub(super) format: Option<FileFormat>,
    pub(super) after_change: Option<Vec<String>>,
    pub(super) after_change_timeout: Option<Span>,
    #[serde(default)]
    pub(super) private_network: bool,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum ResourceProvider {
    Aws,
    File,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum ResourceType {
    SecurityGroup,
    Allowlist,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PortRange {
    pub(super) protocol: Protocol,
    pub(super) from: u16,
    pub(super) to: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Member {
    pub(super) name: MemberName,
    pub(super) email: Option<String>,
    #[serde(default)]
    pub(super) admin: bool,
    #[serde(default)]
    pub(super) identities: Vec<Identity>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Role {
    pub(super) name: RoleName,
    pub(super) members: Option<Vec<MemberName>>,
    #[serde(default)]
    pub(super) identities: Vec<RoleIdentity>,
    pub(super) resources: Vec<ResourceName>,
    pub(super) max_duration: Option<Span>,
    pub(super) approval: Option<Approval>,
    #[serde(default)]
    pub(super) break_glass: bool,
    #[serde(default)]
    pub(super) remember_address: Remember,
    #[serde(default)]
    pub(super) explicit_ip: bool,
    pub(super) hours: Option<RoleHours>,
}

/// When a role may be used: one window of the week, or several.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected hours like \"Mon-Fri 08:00-18:00 Europe/Madrid\", or a list of them")]
pub(super) enum RoleHours {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Schedule {
    pub(super) name: ScheduleName,
    pub(super) cron: String,
    pub(super) timezone: Zone,
    pub(super) member: MemberName,
    pub(super) role: Option<RoleName>,
    pub(super) addresses: Vec<String>,
    pub(super) duration: Span,
    pub(super) reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Webhook {
    pub(super) name: WebhookName,
    pub(super) url: String,
    pub(super) secret: OneOrTwo,
    pub(super) events: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Approval {
    pub(super) by: Vec<String>,
    pub(super) within: Span,
}

/// How long a confirmed address may be used again: a duration, or `false` for not at all.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a duration like \"12h\", or false")]
pub(super) enum Remember {
    For(Span),
    Whether(bool),
}

impl Default for Remember {
    fn default() -> Self {
        Self::Whether(true)
    }
}
