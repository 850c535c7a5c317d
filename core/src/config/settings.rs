//! The whole configuration, checked, with its secrets fetched.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

use super::ConfigError;
use super::directory::directory;
use super::file::{self, DatabaseUrl, File};
use super::network::Network;
use super::restart::RestartOnly;
use super::seal_secret;
use super::secret::{SecretSource, Secrets};
use super::url::{UrlUse, is_private, read_url};
use super::webhook::{WebhookSettings, webhooks};
use crate::domain::{Directory, LaterReads, RoleIdentity, SharedExit, Span, Ticks, Timestamp, WebLimits, Zone};
use crate::store::StoreUrl;

/// The whole configuration.
#[derive(Debug)]
pub struct Settings {
    /// How the server is reached.
    pub server: ServerSettings,
    /// Where the database is.
    pub database: StoreUrl,
    /// The part of the pages' seals that is not in the database, if the configuration has it.
    pub seal_secret: Option<SecretString>,
    /// The Slack app, if there is one.
    pub slack: Option<SlackSettings>,
    /// The Discord app, if there is one.
    pub discord: Option<DiscordSettings>,
    /// What is known of GitHub, if anything.
    pub github: Option<GithubSettings>,
    /// Where traces go, if they go anywhere.
    pub telemetry: Option<TelemetrySettings>,
    /// How long a browser stays signed in.
    pub web: WebLimits,
    /// Ways out that many people share: whoever starts a session from one is told.
    pub shared_exits: Vec<SharedExit>,
    /// Where people sign in to the pages, besides chat.
    pub oidc: Option<OidcSettings>,
    /// What callers of the API may ask of it.
    pub api: ApiSettings,
    /// When to sweep.
    pub sweep: SweepSchedule,
    /// When a removal is believed.
    pub later_reads: LaterReads,
    /// Who may reach what.
    pub directory: Directory,
    /// Who is told of sessions' events.
    pub webhooks: Vec<WebhookSettings>,
    /// What a running server keeps to.
    pub fixed: RestartOnly,
    /// What an administrator has to know of it, though it is accepted: each names its key, and what to do.
    pub warnings: Vec<String>,
}

/// How the server is reached.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// How people's browsers reach it, without a slash at its end.
    pub public_url: String,
    /// The same server under a name that has only an IPv4 address.
    pub ipv4_url: Option<String>,
    /// The same server under a name that has only an IPv6 address.
    pub ipv6_url: Option<String>,
    /// Whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Where `/metrics` is, if it has an address of its own.
    pub metrics_listen: Option<SocketAddr>,
}

/// A Slack app.
#[derive(Clone, Debug)]
pub struct SlackSettings {
    /// What requests from Slack are signed with: two while one is exchanged for the other, and none with Socket Mode alone.
    pub signing_secrets: Vec<SecretString>,
    /// What our requests to Slack show.
    pub bot_token: SecretString,
    /// What Socket Mode shows.
    pub app_token: Option<SecretString>,
    /// The one workspace whose requests are taken.
    pub team_id: String,
    /// Where Slack's Web API is.
    pub api_url: String,
    /// The channel that is told of drift; the administrators themselves where there is none.
    pub report_channel: Option<String>,
}

/// A Discord app.
#[derive(Clone, Debug)]
pub struct DiscordSettings {
    /// The app.
    pub application_id: u64,
    /// What requests from Discord are signed with: Ed25519, in hexadecimal. None where everything comes over the Gateway.
    pub public_key: Option<String>,
    /// Whether to open a connection to Discord's Gateway, over which interactions come.
    pub gateway: bool,
    /// What our requests to Discord show.
    pub bot_token: SecretString,
    /// The only guild whose users are served.
    pub guild_id: u64,
    /// Where Discord is.
    pub api_url: String,
    /// The channel that is told of broken glass.
    pub report_channel: Option<String>,
}

/// GitHub.
#[derive(Clone, Debug)]
pub struct GithubSettings {
    /// Who signs the tokens of workflows.
    pub oidc_issuer: String,
    /// For whom they have to be.
    pub audience: String,
    /// Where GitHub's API is.
    pub api_url: String,
    /// What its teams are read with, if they are.
    pub token: Option<SecretString>,
    /// What deliveries of GitHub's webhook are signed with, if there is one.
    pub webhook_secret: Option<SecretString>,
    /// The app that people sign in through to join their login, if there is one.
    pub login: Option<GithubLoginSettings>,
}

/// A GitHub app that people sign in through.
#[derive(Clone, Debug)]
pub struct GithubLoginSettings {
    /// The app.
    pub client_id: String,
    /// What our requests for its tokens show.
    pub client_secret: SecretString,
    /// Where people sign in.
    pub login_url: String,
    /// Where GitHub's API is.
    pub api_url: String,
}

/// Where traces go: a collector that speaks OTLP over HTTP.
#[derive(Clone, Debug)]
pub struct TelemetrySettings {
    /// Its address, without `/v1/traces` and without a slash at its end.
    pub otlp_endpoint: String,
    /// What we are called there.
    pub service_name: String,
    /// What our requests to it show besides.
    pub headers: BTreeMap<String, SecretString>,
}

/// An OpenID Connect issuer through which people sign in to the pages.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// The issuer, as its tokens name it.
    pub issuer: String,
    /// What stands for it in the identities of its people: its host, with its port where it has one.
    pub host: String,
    /// The app.
    pub client_id: String,
    /// What our requests for its tokens show.
    pub client_secret: SecretString,
    /// What we ask to be told, besides who it is.
    pub scopes: Vec<String>,
    /// Whom a token may be for besides us.
    pub allowed_audience: Vec<String>,
    /// Whether the issuer's word on an email address makes somebody the member who has it.
    pub match_email: bool,
}

impl ServerSettings {
    /// Whether browsers keep a sign-in: its cookie goes over HTTPS alone, and on this machine.
    pub fn keeps_sign_ins(&self) -> bool {
        is_private(&self.public_url)
    }
}

/// The HTTP API.
#[derive(Clone, Copy, Debug)]
pub struct ApiSettings {
    /// How often one key may ask in a minute.
    pub requests_per_minute: NonZeroU32,
}

/// When to sweep: a cron expression in UTC.
#[derive(Clone, Debug)]
pub struct SweepSchedule(Ticks);

impl Settings {
    /// Reads a configuration file, and fetches its secrets from the environment and from files.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&read_text(path)?, path, &|name| std::env::var(name).ok())
    }

    /// Reads only who may reach what: it needs none of the secrets, so it works where only cloud credentials are left.
    pub fn read_directory(path: &Path) -> Result<Directory, ConfigError> {
        directory(parse_file(&read_text(path)?, path)?)
    }

    /// Reads only how the server is reached; it needs none of the secrets either.
    pub fn read_server(path: &Path) -> Result<ServerSettings, ConfigError> {
        server_settings(&mut parse_file(&read_text(path)?, path)?.server)
    }

    /// Reads only what the Slack app's manifest takes: how browsers reach the server, and whether the app has a channel to look at. It
    /// needs none of the secrets either.
    pub fn read_for_manifest(path: &Path) -> Result<(String, bool), ConfigError> {
        let mut file = parse_file(&read_text(path)?, path)?;
        let has_channel = file.slack.as_ref().is_some_and(|slack| slack.report_channel.is_some());
        Ok((server_settings(&mut file.server)?.public_url, has_channel))
    }

    /// Reads only where the database is; of the secrets it needs that one alone.
    pub fn read_database(path: &Path) -> Result<StoreUrl, ConfigError> {
        database_url(&parse_file(&read_text(path)?, path)?.database.url, &Secrets::new(&|name| std::env::var(name).ok()))
    }

    /// Reads a configuration from its text. `path` names it in errors.
    pub fn parse(text: &str, path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut file = parse_file(text, path)?;
        let secrets = Secrets::new(env);
        let server = server_settings(&mut file.server)?;
        let github = file.github.take().map(|github| github_settings(github, &server.public_url, &secrets)).transpose()?;
        let slack = file.slack.take().map(|slack| slack_settings(slack, &secrets)).transpose()?;
        let discord = file.discord.take().map(|discord| discord_settings(discord, &secrets)).transpose()?;
        roles_can_be_looked_up(&file.role, discord.as_ref(), github.as_ref())?;
        let web = web_limits(&file.web)?;
        let oidc = file.oidc.take().map(|oidc| oidc_settings(oidc, &server, &secrets)).transpose()?;
        let database = database_url(&file.database.url, &secrets)?;
        let seal_secret = match seal_secret::own_key(file.server.key.take(), &secrets)? {
            Some(key) => Some(key),
            None if database.is_postgres() => {
                seal_secret::of_secrets(database.text(), slack.as_ref(), discord.as_ref(), github.as_ref(), oidc.as_ref())
            }
            None => None,
        };
        let emails_from = oidc.as_ref().filter(|oidc| oidc.match_email).map(|oidc| oidc.host.clone());
        let mut settings = Self {
            server,
            web,
            shared_exits: shared_exits(std::mem::take(&mut file.web.shared_exits)),
            oidc,
            database,
            seal_secret,
            slack,
            discord,
            github,
            telemetry: file.telemetry.take().map(|telemetry| telemetry_settings(telemetry, &secrets)).transpose()?,
            api: ApiSettings { requests_per_minute: file.api.requests_per_minute },
            sweep: SweepSchedule::parse(&file.sweep.schedule)?,
            later_reads: later_reads(file.removal.read_again_after.take())?,
            webhooks: webhooks(std::mem::take(&mut file.webhook), &secrets)?,
            directory: directory(file)?.with_emails_from(emails_from)?,
            fixed: RestartOnly::of(text),
            warnings: Vec::new(),
        };
        settings.warnings = secrets.into_warnings();
        settings.warnings.extend(settings.directory.patterns_that_never_match());
        Ok(settings)
    }
}

fn read_text(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|reason| ConfigError::Unreadable { path: path.to_owned(), reason })
}

fn parse_file(text: &str, path: &Path) -> Result<File, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError::malformed(path, text, &error))
}

fn server_settings(server: &mut file::Server) -> Result<ServerSettings, ConfigError> {
    let public_url = server.public_url.take().unwrap_or_else(|| format!("http://{}", server.listen));
    let public_url = origin("public_url", &public_url)?;
    let ipv4_url = server.ipv4_url.take().map(|url| origin("ipv4_url", &url)).transpose()?;
    let ipv6_url = server.ipv6_url.take().map(|url| origin("ipv6_url", &url)).transpose()?;
    let trusted_proxies: Vec<_> = std::mem::take(&mut server.trusted_proxies).into_iter().map(|Network(net)| net).collect();
    if let Some(wide) = trusted_proxies.iter().find(|net| net.prefix_len() == 0) {
        let why = format!("[server] trusted_proxies has {wide}: anybody could then claim any address; name your proxies alone");
        return Err(ConfigError::senseless(why));
    }
    Ok(ServerSettings {
        listen: server.listen,
        public_url,
        ipv4_url,
        ipv6_url,
        trusted_proxies,
        metrics_listen: server.metrics_listen,
    })
}

fn telemetry_settings(telemetry: file::Telemetry, secrets: &Secrets<'_>) -> Result<TelemetrySettings, ConfigError> {
    let endpoint = service("[telemetry] otlp_endpoint", &telemetry.otlp_endpoint, UrlUse::Open, "http://127.0.0.1:4318")?;
    let header = |(name, source): (String, SecretSource)| {
        let value = source.resolve(&format!("[telemetry] headers {name}"), secrets)?;
        Ok((name, value))
    };
    let headers = telemetry.headers.into_iter().map(header).collect::<Result<_, ConfigError>>()?;
    Ok(TelemetrySettings { otlp_endpoint: endpoint, service_name: telemetry.service_name, headers })
}

fn shared_exits(exits: Vec<file::SharedExit>) -> Vec<SharedExit> {
    let networks = |networks: Vec<Network>| networks.into_iter().map(|Network(net)| net).collect();
    exits.into_iter().map(|exit| SharedExit { name: exit.name, networks: networks(exit.networks) }).collect()
}

/// A URL of nothing but a host.
fn origin(key: &str, url: &str) -> Result<String, ConfigError> {
    service(&format!("[server] {key}"), url, UrlUse::Origin, "https://entryguard.example.com")
}

/// A URL without the slashes at its end.
fn service(key: &str, url: &str, used: UrlUse, example: &str) -> Result<String, ConfigError> {
    read_url(key, url, used, example)?;
    Ok(url.trim_end_matches('/').to_owned())
}

fn database_url(url: &DatabaseUrl, secrets: &Secrets<'_>) -> Result<StoreUrl, ConfigError> {
    let text = match url {
        DatabaseUrl::Plain(text) => text.clone(),
        DatabaseUrl::Secret(source) => source.resolve("[database] url", secrets)?.expose_secret().to_owned(),
    };
    StoreUrl::parse(&text).map_err(|error| ConfigError::senseless(format!("[database] url: {error}")))
}

fn slack_settings(slack: file::Slack, secrets: &Secrets<'_>) -> Result<SlackSettings, ConfigError> {
    let secret = |source: &SecretSource, key| source.resolve(&format!("[slack] {key}"), secrets);
    Ok(SlackSettings {
        signing_secrets: signing_secrets(slack.signing_secret.as_ref(), slack.app_token.is_some(), secrets)?,
        bot_token: secret(&slack.bot_token, "bot_token")?,
        app_token: slack.app_token.as_ref().map(|source| secret(source, "app_token")).transpose()?,
        team_id: slack.team_id,
        api_url: service("[slack] api_url", &slack.api_url, UrlUse::Secret, "https://slack.com/api")?,
        report_channel: slack.report_channel,
    })
}

fn discord_settings(discord: file::Discord, secrets: &Secrets<'_>) -> Result<DiscordSettings, ConfigError> {
    let id = |key: &str, text: &str| {
        let wrong =
            || ConfigError::senseless(format!("[discord] {key} is a number of Discord's, such as 1234567890; it is `{text}`"));
        text.parse::<u64>().ok().filter(|id| *id > 0).ok_or_else(wrong)
    };
    if discord.public_key.is_none() && !discord.gateway {
        let why = "[discord] needs `public_key`, or `gateway = true` where Discord cannot reach this server".to_owned();
        return Err(ConfigError::senseless(why));
    }
    if discord.public_key.as_ref().is_some_and(|key| key.len() != 64 || hex::decode(key).is_err()) {
        let why = "[discord] public_key is 64 hexadecimal digits; copy it from the app's General Information".to_owned();
        return Err(ConfigError::senseless(why));
    }
    if let Some(channel) = &discord.report_channel {
        id("report_channel", channel)?;
    }
    Ok(DiscordSettings {
        application_id: id("application_id", &discord.application_id)?,
        public_key: discord.public_key,
        gateway: discord.gateway,
        bot_token: discord.bot_token.resolve("[discord] bot_token", secrets)?,
        guild_id: id("guild_id", &discord.guild_id)?,
        api_url: service("[discord] api_url", &discord.api_url, UrlUse::Secret, "https://discord.com")?,
        report_channel: discord.report_channel,
    })
}

fn github_settings(github: file::Github, public_url: &str, secrets: &Secrets<'_>) -> Result<GithubSettings, ConfigError> {
    let api_url = service("[github] api_url", &github.api_url, UrlUse::Secret, "https://api.github.com")?;
    let login_url = service("[github] login_url", &github.login_url, UrlUse::Secret, "https://github.com")?;
    let issuer = "https://token.actions.githubusercontent.com";
    let oidc_issuer = service("[github] oidc_issuer", &github.oidc_issuer, UrlUse::Secret, issuer)?;
    let login = match (github.client_id, github.client_secret) {
        (Some(client_id), Some(secret)) => Some(GithubLoginSettings {
            client_id,
            client_secret: secret.resolve("[github] client_secret", secrets)?,
            login_url,
            api_url: api_url.clone(),
        }),
        (None, None) => None,
        _ => return Err(ConfigError::senseless("[github] needs `client_id` and `client_secret`, both or neither".to_owned())),
    };
    Ok(GithubSettings {
        oidc_issuer,
        audience: github.audience.unwrap_or_else(|| public_url.to_owned()),
        api_url,
        token: github.token.map(|secret| secret.resolve("[github] token", secrets)).transpose()?,
        webhook_secret: github.webhook_secret.map(|secret| secret.resolve("[github] webhook_secret", secrets)).transpose()?,
        login,
    })
}

fn web_limits(web: &file::Web) -> Result<WebLimits, ConfigError> {
    let usual = WebLimits::default();
    let longest = web.longest.unwrap_or(usual.longest);
    let idle = web.idle.unwrap_or_else(|| usual.idle.min(longest));
    if idle.is_zero() || idle > longest {
        let why = format!("[web] idle {idle} has to be longer than nothing and no longer than longest, which is {longest}");
        return Err(ConfigError::senseless(why));
    }
    Ok(WebLimits { idle, longest })
}

fn oidc_settings(oidc: file::Oidc, server: &ServerSettings, secrets: &Secrets<'_>) -> Result<OidcSettings, ConfigError> {
    // As its tokens name it, to the letter: with a slash at its end, if it has one.
    let issuer = oidc.issuer;
    read_url("[oidc] issuer", &issuer, UrlUse::Secret, "https://login.example.com, as the issuer itself writes it")?;
    let host = issuer.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or(rest)).unwrap_or_default().to_owned();
    if !server.keeps_sign_ins() {
        let why = format!(
            "[oidc] needs HTTPS: browsers keep no sign-in over {}; serve EntryGuard behind HTTPS, and say so in [server] public_url",
            server.public_url
        );
        return Err(ConfigError::senseless(why));
    }
    let client_secret = oidc.client_secret.resolve("[oidc] client_secret", secrets)?;
    let file::Oidc { client_id, scopes, allowed_audience, match_email, .. } = oidc;
    Ok(OidcSettings { issuer, host, client_id, client_secret, scopes, allowed_audience, match_email })
}

/// Who holds a role that cannot be looked up could never be known.
fn roles_can_be_looked_up(
    roles: &[file::Role],
    discord: Option<&DiscordSettings>,
    github: Option<&GithubSettings>,
) -> Result<(), ConfigError> {
    for (role, identity) in roles.iter().flat_map(|role| role.identities.iter().map(move |identity| (role, identity))) {
        let why = match identity {
            RoleIdentity::Discord { guild, .. } if discord.is_none_or(|discord| discord.guild_id != *guild) => {
                "is of another guild than [discord] guild_id; nobody can be looked up there"
            }
            RoleIdentity::GithubTeam { .. } if github.is_none_or(|github| github.token.is_none()) => {
                "takes a `token` in [github], with which the organization's teams can be read"
            }
            RoleIdentity::Discord { .. } | RoleIdentity::GithubTeam { .. } => continue,
        };
        return Err(ConfigError::senseless(format!("role {}: {identity} {why}", role.name)));
    }
    Ok(())
}

/// One secret, or two while one is exchanged for the other. Only Socket Mode needs none: nothing comes in by HTTP then.
fn signing_secrets(
    written: Option<&file::OneOrTwo>,
    has_app_token: bool,
    secrets: &Secrets<'_>,
) -> Result<Vec<SecretString>, ConfigError> {
    let sources = match written {
        None if has_app_token => return Ok(Vec::new()),
        None => return Err(ConfigError::senseless("[slack] needs `signing_secret`, or `app_token` for Socket Mode".to_owned())),
        Some(file::OneOrTwo::One(source)) => std::slice::from_ref(source),
        Some(file::OneOrTwo::Two(sources)) => sources.as_slice(),
    };
    if !(1..=2).contains(&sources.len()) {
        return Err(ConfigError::senseless(
            "[slack] signing_secret is one secret, or a list of two while one is replaced".to_owned(),
        ));
    }
    sources.iter().map(|source| source.resolve("[slack] signing_secret", secrets)).collect()
}

fn later_reads(after: Option<Vec<Span>>) -> Result<LaterReads, ConfigError> {
    let Some(after) = after else { return Ok(LaterReads::default()) };
    LaterReads::new(after).map_err(|error| ConfigError::senseless(format!("[removal] read_again_after: {error}")))
}

impl SweepSchedule {
    fn parse(text: &str) -> Result<Self, ConfigError> {
        Ticks::new(text, Zone::UTC).map(Self).map_err(|error| ConfigError::senseless(format!("[sweep] schedule: {error}")))
    }

    /// The next time to sweep.
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        self.0.next_after(now)
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
