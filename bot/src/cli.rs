//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use entryguard_core::domain::{Anchor, ApiKeyName, MemberName, PanicScope, ResourceName, Scopes, Span, Timestamp};

use crate::client::{ClientVerb, ConfigureOptions};

/// Opens every resource that a person or a job may reach, for its address alone, for a few hours, and closes it again.
#[derive(Parser)]
#[command(name = "entryguard", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Subcommand)]
pub enum Verb {
    /// Run the whole product on this machine, with nothing to configure.
    Demo(DemoOptions),
    /// Run the server: chat, pages, workers.
    Serve(ConfigOptions),
    /// Ask a server on this machine whether it lives; exit 0 if it does. For containers, which have no curl.
    Health(HealthOptions),
    /// Read the configuration, and verify every credential and resource.
    Check(CheckOptions),
    /// Compare the clouds with what is wanted, and repair what differs.
    Sweep(SweepOptions),
    /// Close everything at once, and keep it closed until it is lifted.
    #[command(subcommand)]
    Panic(PanicVerb),
    /// Show the time that EntryGuard goes by, or set it back to a clock that was ahead and is right now.
    #[command(subcommand)]
    Clock(ClockVerb),
    /// Print the audit log, or check that nobody has changed it.
    #[command(subcommand)]
    Audit(AuditVerb),
    /// Make keys with which programs use the API, and take them back.
    #[command(subcommand)]
    ApiKey(ApiKeyVerb),
    /// Print the least AWS policy for the configured resources, or for jobs without a server.
    IamPolicy(IamPolicyOptions),
    /// Print the Slack app's manifest (YAML).
    SlackManifest(ManifestOptions),
    /// Register the Discord commands, and print first what that changes.
    DiscordRegister(RegisterOptions),
    /// What people do at their own terminals.
    #[command(flatten)]
    Client(ClientVerb),
    /// Write down which server to ask, and keep its API key for this account alone.
    Configure(ConfigureOptions),
    /// Print completions for a shell: `source <(entryguard completions bash)`.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual's first page, or write all of its pages into a folder.
    Man {
        /// The folder: a page for each command.
        #[arg(long, value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
}

/// Where the configuration is.
#[derive(Args, Clone)]
pub struct ConfigOptions {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "entryguard.toml", env = "ENTRYGUARD_CONFIG")]
    pub config: PathBuf,
}

/// What to ask.
#[derive(Args)]
pub struct HealthOptions {
    /// Where the configuration is, which says where the server listens; it needs none of the secrets.
    #[command(flatten)]
    pub config: ConfigOptions,
    /// Ask whether it is ready to open, too: the database, the loops that close, and the clock.
    #[arg(long)]
    pub ready: bool,
}

/// How to run the demo.
#[derive(Args)]
pub struct DemoOptions {
    /// The address to listen on; it must be this machine's own. Without it: port 8080, or any that is free.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
}

/// How to check.
#[derive(Args)]
pub struct CheckOptions {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigOptions,
    /// Check the file alone, and call nobody.
    #[arg(long)]
    pub offline: bool,
    /// Say as well what is different in it from this file, which is the one that the server goes by.
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Whose policy to print.
#[derive(Args)]
pub struct IamPolicyOptions {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigOptions,
    /// The policy of a GitHub Action without a server, for this security group.
    #[arg(long, value_name = "ID", requires = "region", conflicts_with = "config")]
    pub security_group: Vec<String>,
    /// Where the security groups are.
    #[arg(long, env = "AWS_REGION")]
    pub region: Option<String>,
}

/// How to sweep.
#[derive(Args)]
pub struct SweepOptions {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigOptions,
    /// Go by the expiry written on each rule; needs cloud credentials, and no server and no database.
    #[arg(long, group = "by_tags")]
    pub expired: bool,
    /// Remove every rule that bears our tags, also where its time is not over; needs cloud credentials, and no server and no database.
    #[arg(long, group = "by_tags")]
    pub all: bool,
    /// With --expired or --all: only on this resource; may be repeated.
    #[arg(long, value_name = "NAME", requires = "by_tags", conflicts_with = "security_group")]
    pub resource: Vec<String>,
    /// With --expired or --all: this security group, with the credentials of the environment, rather than what is configured.
    #[arg(long, value_name = "ID", requires_all = ["by_tags", "region"], conflicts_with = "config")]
    pub security_group: Vec<String>,
    /// Where the security groups are.
    #[arg(long, env = "AWS_REGION")]
    pub region: Option<String>,
    /// With --expired or --all: only the rules of this deployment (the entryguard:owner tag).
    #[arg(long, value_name = "ID", requires = "by_tags")]
    pub owner: Option<String>,
    /// Only print what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What to do with the audit log.
#[derive(Subcommand)]
pub enum AuditVerb {
    /// Print it as JSON lines, the oldest entry first.
    Export(ExportOptions),
    /// Check its chain of hashes: in the database, or in an export.
    Verify(VerifyOptions),
}

/// What to export.
#[derive(Args)]
pub struct ExportOptions {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigOptions,
    /// Begin with the first entry that is not before this time (2026-08-01T00:00:00Z).
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub since: Option<Timestamp>,
    /// End with the last entry that is before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<Timestamp>,
    /// Print JSON, as it does without this, too.
    #[arg(long = "json")]
    pub _json: bool,
}

/// What to verify.
#[derive(Args)]
pub struct VerifyOptions {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigOptions,
    /// An export (`-` is standard input); without it, the database.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// An entry that was noted down before: it has to be there as it was.
    #[arg(long, value_name = "SEQ:HASH")]
    pub expect: Option<Anchor>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "write a time as 2026-08-01T00:00:00Z".to_owned())
}

/// What to do about a panic.
#[derive(Subcommand)]
pub enum PanicVerb {
    /// End the sessions now, and refuse new ones until `panic lift`.
    Close(PanicOptions),
    /// Let sessions start again: in the scope, or wherever something is closed.
    Lift(PanicOptions),
    /// Show what is closed.
    List(ListOptions),
}

/// What a panic is about.
#[derive(Args)]
pub struct PanicOptions {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigOptions,
    /// Every session of everybody.
    #[arg(long, group = "scope")]
    pub all: bool,
    /// Every session of one member.
    #[arg(long, value_name = "NAME", group = "scope")]
    pub member: Option<MemberName>,
    /// One resource, in every session.
    #[arg(long, value_name = "NAME", group = "scope")]
    pub resource: Option<ResourceName>,
    /// Why, for the audit log and for those who are refused.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

impl PanicOptions {
    /// The scope, where one was given.
    pub fn scope(&self) -> Option<PanicScope> {
        let member = self.member.clone().map(PanicScope::Member);
        let resource = self.resource.clone().map(PanicScope::Resource);
        self.all.then_some(PanicScope::All).or(member).or(resource)
    }
}

/// What to do about the clock.
#[derive(Subcommand)]
pub enum ClockVerb {
    /// Show the time that EntryGuard goes by, what the clock says, and whether openings are refused because of it.
    Show(ListOptions),
    /// Say that a clock which has gone back is right now, so that sessions can start again.
    ///
    /// The time that EntryGuard goes by never goes back: after the clock was ahead, nothing is opened until it has caught up. This sets the
    /// time to the clock. With SQLite that is this machine's clock, and with Postgres the database's: see that it is right first. Start
    /// links, sign-in links and codes that nobody has used end, and so do sign-ins and remembered addresses of the time while the clock was
    /// ahead. Whatever was stored before keeps its end. It needs no running server, and one that runs goes on from the new time at once.
    Accept(AcceptClockOptions),
}

/// How to accept the clock.
#[derive(Args)]
pub struct AcceptClockOptions {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigOptions,
    /// End every live session: none may last longer because the time is set back.
    #[arg(long)]
    pub end_sessions: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What to put into the manifest.
#[derive(Args)]
pub struct ManifestOptions {
    /// How Slack reaches the server; without it, the configuration's public_url.
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// For a server without a public address: it calls Slack, over Socket Mode, and Slack needs no address.
    #[arg(long, conflicts_with = "public_url")]
    pub socket_mode: bool,
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigOptions,
}

/// How to register.
#[derive(Args)]
pub struct RegisterOptions {
    /// In every server that the app is in, and in direct messages with it, rather than in guild_id's server alone. Not both: people would
    /// see the commands twice.
    #[arg(long)]
    pub global: bool,
    /// Only print what would change.
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigOptions,
}

/// What to do about keys of the API.
#[derive(Subcommand)]
pub enum ApiKeyVerb {
    /// Make a key, and print it this once.
    Create(CreateKeyOptions),
    /// Show every key there is or was; never the keys themselves.
    List(ListOptions),
    /// Take a key back.
    Revoke(RevokeKeyOptions),
}

/// What key to make.
#[derive(Args)]
pub struct CreateKeyOptions {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigOptions,
    /// As whom the key acts: a member of the configuration.
    #[arg(long, value_name = "NAME")]
    pub member: MemberName,
    /// What it may do, with commas between, or once for each: sessions:read, sessions:write (without reading), resources:read,
    /// audit:read.
    #[arg(long, value_name = "SCOPES", required = true)]
    pub scopes: Vec<Scopes>,
    /// What to call it, in `api-key list` and in the audit log.
    #[arg(long, value_name = "NAME")]
    pub name: Option<ApiKeyName>,
    /// For how long it is good (90d); without it, until it is revoked.
    #[arg(long, value_name = "DURATION")]
    pub expires_in: Option<Span>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// How to show a list.
#[derive(Args)]
pub struct ListOptions {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigOptions,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Which key to take back.
#[derive(Args)]
pub struct RevokeKeyOptions {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigOptions,
    /// The key's name, as `api-key list` shows it.
    #[arg(value_name = "NAME")]
    pub name: ApiKeyName,
    /// End the sessions that were started with it, too; without this they go on to their end.
    #[arg(long)]
    pub close: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
