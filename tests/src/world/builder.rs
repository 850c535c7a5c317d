//! Describing a world, and bringing it to life.

use std::path::Path;

use super::World;
use super::config::{self, Member, Peers, Role};
use crate::database::Database;
use crate::discord::DiscordDouble;
use crate::eventually::SOON;
use crate::github::GithubDouble;
use crate::issuer::Issuer;
use crate::loopback::free_port;
use crate::moto::{Ec2, GroupId};
use crate::proxy::Proxy;
use crate::server::{ACCESS_KEY, Server, Setup};
use crate::services::moto_address;
use crate::slack::SlackDouble;
use crate::small_disk::SmallDisk;
use crate::tcp_proxy::TcpProxy;
use crate::unique::unique;

/// A world to be. Without roles of its own, one role gives every member every resource.
#[derive(Debug)]
pub struct WorldBuilder {
    database: Database,
    groups: usize,
    files: Vec<String>,
    members: Vec<Member>,
    roles: Vec<Role>,
    durations: Vec<String>,
    max_sessions: u32,
    extra: String,
    discord: bool,
    cloud_behind_proxy: bool,
    small_disk: Option<u32>,
    behind_proxy: bool,
}

impl WorldBuilder {
    pub(super) fn new(database: Database) -> Self {
        let durations = ["1h", "2h", "4h", "8h", "12h", "24h"].map(str::to_owned).to_vec();
        let (files, members, roles, extra) = (Vec::new(), Vec::new(), Vec::new(), String::new());
        Self {
            database,
            groups: 0,
            files,
            members,
            roles,
            durations,
            max_sessions: 3,
            extra,
            discord: false,
            cloud_behind_proxy: false,
            small_disk: None,
            behind_proxy: false,
        }
    }

    /// With `n` security groups in moto, the resources `group-1`, `group-2`, …, each for SSH.
    pub fn with_groups(self, n: usize) -> Self {
        Self { groups: n, ..self }
    }

    /// With a file resource, of the plain format.
    pub fn with_file(mut self, resource: &str) -> Self {
        self.files.push(resource.to_owned());
        self
    }

    /// With connections to the cloud that a test can cut.
    pub fn with_the_cloud_behind_a_proxy(self) -> Self {
        Self { cloud_behind_proxy: true, ..self }
    }

    /// With SQLite's file on a file system of this size, which a test can fill; on the usual one where none can be mounted.
    pub fn on_a_small_disk(self, megabytes: u32) -> Self {
        Self { small_disk: Some(megabytes), ..self }
    }

    /// With a member whom Slack knows as `slack_user`.
    pub fn member(mut self, name: &str, slack_user: &str) -> Self {
        let identity = format!("slack:{}/{slack_user}", SlackDouble::TEAM);
        self.members.push(Member { name: name.to_owned(), identity, admin: false });
        self
    }

    /// With a Discord app beside the Slack app.
    pub fn with_discord(self) -> Self {
        Self { discord: true, ..self }
    }

    /// With a proxy between the server and its Postgres.
    pub fn with_a_proxy_before_the_database(self) -> Self {
        Self { behind_proxy: true, ..self }
    }

    /// With a member whom Discord knows as `user`.
    pub fn discord_member(mut self, name: &str, user: u64) -> Self {
        let identity = format!("discord:{}/{user}", DiscordDouble::GUILD);
        self.members.push(Member { name: name.to_owned(), identity, admin: false });
        self
    }

    /// With a member whom the configuration names so, `oidc:ISSUER_HOST/SUB`.
    pub fn member_named(mut self, name: &str, identity: &str) -> Self {
        self.members.push(Member { name: name.to_owned(), identity: identity.to_owned(), admin: false });
        self
    }

    /// With a member that is every workflow whose token claims this, `repository_id=42;environment=production`.
    pub fn workflow_member(mut self, name: &str, claims: &str) -> Self {
        self.members.push(Member { name: name.to_owned(), identity: format!("github:{claims}"), admin: false });
        self
    }

    /// With a member who sees and stops everybody's sessions.
    pub fn admin(self, name: &str, slack_user: &str) -> Self {
        self.member(name, slack_user).administered_by(name)
    }

    /// Makes a member an administrator.
    pub fn administered_by(mut self, name: &str) -> Self {
        self.members.iter_mut().filter(|member| member.name == name).for_each(|member| member.admin = true);
        self
    }

    /// With a role; `more` is further TOML of it, as `max_duration = "4h"`.
    pub fn role(mut self, name: &str, members: &[&str], resources: &[&str], more: &str) -> Self {
        let [members, resources] = [members, resources].map(|list| list.iter().map(|each| (*each).to_owned()).collect());
        self.roles.push(Role { name: name.to_owned(), members, resources, more: more.to_owned() });
        self
    }

    /// With these durations on offer; the last is the longest session.
    pub fn offering(self, durations: &[&str]) -> Self {
        Self { durations: durations.iter().map(|duration| (*duration).to_owned()).collect(), ..self }
    }

    /// With so many sessions at once for each member.
    pub fn sessions_at_once(self, max_sessions: u32) -> Self {
        Self { max_sessions, ..self }
    }

    /// With further tables of the configuration file, in TOML.
    pub fn configured(mut self, toml: &str) -> Self {
        self.extra.push_str(toml);
        self.extra.push('\n');
        self
    }

    /// With a sweep as often as this cron expression (with seconds) says.
    pub fn sweeping(self, schedule: &str) -> Self {
        self.configured(&format!("[sweep]\nschedule = \"{schedule}\""))
    }

    /// Makes the groups and the database, starts the doubles and the server, and waits until it is ready.
    pub async fn start(self) -> World {
        let place = tempfile::tempdir().unwrap();
        let ec2 = Ec2::at(&moto_address(), World::REGION);
        let groups = make_groups(&ec2, self.groups).await;
        let (proxy, slack) = (Proxy::before(&moto_address()).await, SlackDouble::open().await);
        let discord = DiscordDouble::open().await;
        let disk = self.small_disk.and_then(|megabytes| SmallDisk::at(&place.path().join("disk"), megabytes));
        let database = self.database.make(disk.as_ref().map_or(place.path(), SmallDisk::place)).await;
        let (cloud_proxy, cloud) =
            if self.cloud_behind_proxy { cut_off_by(&proxy).await } else { (None, proxy.address().to_owned()) };
        let port = free_port();
        let (tcp_proxy, url) = if self.behind_proxy { database.behind_proxy().await } else { (None, database.url.clone()) };
        let peers = Peers { port, database: &url, slack: &slack.api_url(), cloud: &cloud };
        let mut config = self.config(place.path(), &peers, &groups);
        if self.discord {
            config.push_str(&crate::world::config::discord(&discord.api_url()));
        }
        let setup = setup(place.path(), port, &config);
        let server = Server::start(setup.clone()).await;
        slack.install(&server.address());
        discord.install(&server.address());
        World {
            server,
            ec2,
            proxy,
            tcp_proxy,
            slack,
            discord,
            groups,
            patience: SOON,
            until_over: SOON,
            cloud_proxy,
            disk,
            setup,
            config,
            database,
            place,
        }
    }

    fn config(&self, place: &Path, peers: &Peers, groups: &[GroupId]) -> String {
        let resources = config::groups(groups) + &config::files(place, &self.files);
        let names: Vec<_> = (1..=groups.len()).map(config::group_name).chain(self.files.iter().cloned()).collect();
        let everything = || Role::of_everybody(&self.members, names.clone());
        let roles: Vec<_> = if self.roles.is_empty() { vec![everything()] } else { self.roles.clone() };
        [
            config::server(peers),
            config::tier(&self.durations, self.max_sessions),
            config::slack(peers),
            config::credential(peers),
            resources,
            self.members.iter().map(Member::toml).collect(),
            roles.iter().map(Role::toml).collect(),
            self.extra.clone(),
        ]
        .concat()
    }
}

/// What cuts the connections to the proxy of the cloud, and the cloud's address by that way.
async fn cut_off_by(proxy: &Proxy) -> (Option<TcpProxy>, String) {
    let upstream =
        proxy.address().strip_prefix("http://").expect("the proxy speaks HTTP").parse().expect("an address of loopback");
    let before = TcpProxy::before(upstream).await;
    let address = format!("http://{}", before.address());
    (Some(before), address)
}

async fn make_groups(ec2: &Ec2, count: usize) -> Vec<GroupId> {
    let mut groups = Vec::new();
    for _ in 0..count {
        groups.push(ec2.create_group(&unique("group")).await);
    }
    groups
}

fn setup(place: &Path, port: u16, config: &str) -> Setup {
    let file = place.join("entryguard.toml");
    std::fs::write(&file, config).unwrap();
    let environment = [
        (ACCESS_KEY, "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("SLACK_SIGNING_SECRET", SlackDouble::SIGNING_SECRET),
        ("SLACK_APP_TOKEN", SlackDouble::APP_TOKEN),
        ("SLACK_OLD_SECRET", SlackDouble::OLD_SECRET),
        ("SLACK_BOT_TOKEN", SlackDouble::BOT_TOKEN),
        ("DISCORD_BOT_TOKEN", DiscordDouble::BOT_TOKEN),
        ("GITHUB_WEBHOOK_SECRET", crate::issuer::WEBHOOK_SECRET),
        ("GITHUB_TOKEN_OF_THE_SERVER", GithubDouble::TOKEN),
        ("GITHUB_CLIENT_SECRET", GithubDouble::CLIENT_SECRET),
        ("OIDC_CLIENT_SECRET", Issuer::CLIENT_SECRET),
        ("HOOK_SECRET", crate::receiver::HOOK_SECRET),
        ("OLD_HOOK_SECRET", crate::receiver::OLD_HOOK_SECRET),
        ("NO_PROXY", "*"),
        ("RUST_BACKTRACE", "1"),
        ("RUST_LOG", "info,entryguard=debug,entryguard_core=debug"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Setup { config: file, port, log: place.join("server.log"), environment }
}
