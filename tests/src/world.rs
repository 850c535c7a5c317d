//! A world for one test: a server, its database, its cloud, its Slack, and people with browsers.

mod browser;
mod builder;
mod config;
mod form;
mod people;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use browser::{Browser, Page};
pub use builder::WorldBuilder;
pub use form::Form;
pub use people::Started;

use crate::database::{Database, OwnDatabase};
use crate::discord::DiscordDouble;
use crate::eventually::{SOON, eventually};
use crate::moto::{Ec2, GroupId, Rule};
use crate::proxy::Proxy;
use crate::records::Records;
use crate::server::{ACCESS_KEY, Server, Setup};
use crate::slack::{SlackDouble, Thread};
use crate::small_disk::SmallDisk;
use crate::tcp_proxy::TcpProxy;
use crate::unique::unique;
use crate::watch::Watch;

/// Everything around one test; the parts are there to be told to misbehave.
#[derive(Debug)]
pub struct World {
    /// The server under test.
    pub server: Server,
    /// The cloud, asked directly: no fault and no delay of the proxy applies.
    pub ec2: Ec2,
    /// What stands between the server and the cloud.
    pub proxy: Proxy,
    /// What stands between the server and its Postgres, where the world has it.
    pub tcp_proxy: Option<TcpProxy>,
    /// Slack.
    pub slack: SlackDouble,
    /// Discord, where the world has it.
    pub discord: DiscordDouble,
    /// The security groups, in the order of their resources `group-1`, `group-2`, ….
    pub groups: Vec<GroupId>,
    /// How long the world's waits last; [`crate::SOON`] unless a test expects something slow, as a dead worker's lease to run out.
    pub patience: Duration,
    /// How long a session may take from its end until its thread says so. The firewall is closed long before: its rule is looked for
    /// again and again before it is taken for gone.
    pub until_over: Duration,
    /// What the connections to the cloud come through, where the world was built with it.
    pub cloud_proxy: Option<TcpProxy>,
    /// Where SQLite's file is, where the world was built with one.
    pub disk: Option<SmallDisk>,
    setup: Setup,
    config: String,
    database: OwnDatabase,
    place: TempDir,
}

/// What a run of the command-line program gave.
#[derive(Debug)]
pub struct Ran {
    /// The exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl World {
    /// Begins to describe a world on this kind of database.
    pub fn on(database: Database) -> WorldBuilder {
        WorldBuilder::new(database)
    }

    /// The region of every group.
    pub const REGION: &str = "eu-west-1";

    /// The ingress rules of a group, as the cloud itself lists them.
    pub async fn rules_of(&self, group: &str) -> Vec<Rule> {
        self.ec2.rules(group).await
    }

    /// Waits until exactly these addresses (CIDR) are let into the group, by whomever.
    pub async fn wait_until_group_allows(&self, group: &str, expected: &[&str]) -> Vec<Rule> {
        let mut expected: Vec<_> = expected.iter().map(|cidr| (*cidr).to_owned()).collect();
        expected.sort();
        eventually(&format!("{group} allows {expected:?}"), self.patience, async || {
            let rules = self.rules_of(group).await;
            let mut seen: Vec<_> = rules.iter().map(|rule| rule.cidr.clone()).collect();
            seen.sort();
            if seen == expected { Ok(rules) } else { Err(format!("{rules:#?}")) }
        })
        .await
    }

    /// Waits until the newest thread of the channel says this.
    pub async fn wait_until_thread_says(&self, words: &str) -> Thread {
        self.wait_until_thread_says_all(&[words]).await
    }

    /// Waits until the newest thread of the channel says all of this at once: its messages are edited one after the other.
    pub async fn wait_until_thread_says_all(&self, words: &[&str]) -> Thread {
        eventually(&format!("the thread says {words:?}"), self.patience, async || {
            let thread = self.slack.thread_of(SlackDouble::CHANNEL).ok_or("no message in the channel")?;
            if words.iter().all(|words| thread.says(words)) { Ok(thread) } else { Err(thread.text()) }
        })
        .await
    }

    /// Waits until the newest thread says that its session is over, in these words: `CANCELLED`, `EXPIRED`, ….
    pub async fn wait_until_over(&self, words: &[&str]) -> Thread {
        self.wait_until_over_where("the newest thread", words, |_| true).await
    }

    /// Waits until the newest of the threads that are meant says that its session is over, in these words.
    pub async fn wait_until_over_where(&self, whose: &str, words: &[&str], is_meant: impl Fn(&Thread) -> bool) -> Thread {
        eventually(&format!("{whose} says {words:?}"), self.until_over, async || self.look_if_over(words, &is_meant)).await
    }

    /// The newest of the threads that are meant, if it says that its session is over, in these words; else what it says.
    pub fn look_if_over(&self, words: &[&str], is_meant: impl Fn(&Thread) -> bool) -> Result<Thread, String> {
        let threads = self.slack.threads_of(SlackDouble::CHANNEL);
        let thread = threads.into_iter().rfind(|thread| is_meant(thread)).ok_or("no such thread in the channel")?;
        if words.iter().all(|words| thread.says(words)) { Ok(thread) } else { Err(thread.text()) }
    }

    /// Waits until no rule of ours is left in any group, for as long as `patience`, and then until every session is over.
    /// How long the rules took.
    pub async fn wait_until_settled(&self, patience: Duration) -> Duration {
        let began = Instant::now();
        eventually("nothing of ours is open", patience, async || {
            let ours: Vec<_> = self.ec2.rules_of_all(&self.groups).await.into_iter().filter(Rule::is_ours).collect();
            if ours.is_empty() { Ok(()) } else { Err(format!("{ours:#?}")) }
        })
        .await;
        let closed = began.elapsed();
        let mut records = self.records().await;
        eventually("every session is over", patience + self.until_over, async || {
            let open: Vec<_> = records.wishes().await.into_iter().filter(|wish| wish.status != "REMOVED").collect();
            if open.is_empty() { Ok(()) } else { Err(format!("{open:#?}")) }
        })
        .await;
        closed
    }

    /// Where the allowlist file of this resource is.
    pub fn file(&self, resource: &str) -> PathBuf {
        config::allowlist(self.place.path(), resource)
    }

    /// The lines of a file resource that are neither empty nor comments.
    pub fn lines_of(&self, resource: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.file(resource)).unwrap_or_default();
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
    }

    /// A folder that is removed with the world.
    pub fn folder(&self) -> &Path {
        self.place.path()
    }

    /// The `[database] url`.
    pub fn database_url(&self) -> &str {
        &self.database.url
    }

    /// The database, to be backed up and restored.
    pub const fn database(&self) -> &OwnDatabase {
        &self.database
    }

    /// Loses the database. The server must have been killed.
    pub async fn lose_the_database(&self) {
        self.database.lose().await;
    }

    /// What the program writes down.
    pub async fn records(&self) -> Records {
        Records::of(&self.database).await
    }

    /// Begins to watch the groups: a rule that is there for longer than `patience` after its last session's end has leaked.
    pub async fn watch(&self, patience: Duration) -> Watch {
        Watch::begin(self.ec2.clone(), self.groups.clone(), self.records().await, patience)
    }

    /// Changes the configuration file; the server reads it when it starts the next time.
    pub fn rewrite_config(&mut self, from: &str, to: &str) {
        assert!(self.config.contains(from), "{from:?} is not in:\n{}", self.config);
        self.config = self.config.replace(from, to);
        std::fs::write(&self.setup.config, &self.config).unwrap();
    }

    /// Lets the server read the changed configuration, and waits until it goes by it.
    pub async fn reload(&self) {
        let times = || self.server.log().matches("the configuration is gone by").count();
        let before = times();
        self.server.hang_up();
        let log = || self.server.log().lines().rev().take(10).collect::<Vec<_>>().join("\n");
        let gone_by = async || if times() > before { Ok(()) } else { Err(log()) };
        eventually("the server goes by the new configuration", SOON, gone_by).await;
    }

    /// The configuration that the server reads.
    pub fn config(&self) -> &str {
        &self.config
    }

    /// Starts a replica: the same configuration on another port, to which its links lead, with credentials of a name of its own. Only
    /// Postgres serves two.
    pub async fn another_server(&self) -> Server {
        self.replica(&self.config).await
    }

    /// The same with a proxy of its own before Postgres.
    pub async fn another_server_behind_proxy(&self) -> (Server, Option<TcpProxy>) {
        let (proxy, url) = self.database.behind_proxy().await;
        (self.replica(&self.config.replace(&self.database.url, &url)).await, proxy)
    }

    async fn replica(&self, like: &str) -> Server {
        let port = crate::loopback::free_port();
        let [config, log] = ["toml", "log"].map(|kind| self.place.path().join(format!("replica-{port}.{kind}")));
        let address = |port| format!("127.0.0.1:{port}\"");
        std::fs::write(&config, like.replace(&address(self.setup.port), &address(port))).unwrap();
        let mut setup = Setup { config, port, log, ..self.setup.clone() };
        setup.environment.push((ACCESS_KEY.to_owned(), format!("replica-{port}")));
        Server::start(setup).await
    }

    /// Runs the program with the world's configuration: `["sweep", "--expired"]`, `["audit", "verify"]`, ….
    pub async fn entryguard(&self, arguments: &[&str]) -> Ran {
        self.entryguard_with(arguments, &[], "").await
    }

    /// The same, with this on top of its environment and this on its standard input.
    pub async fn entryguard_with(&self, arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Ran {
        let mut command = self.setup.program(arguments);
        command.envs(environment.iter().copied());
        let given = self.place.path().join(unique("input"));
        std::fs::write(&given, input).expect("the world's folder can be written to");
        command.stdin(std::fs::File::open(&given).expect("it was just written"));
        // The server's own file is where the program looks by default.
        command.current_dir(self.place.path());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().expect("the program starts");
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ran { code: output.status.code(), stdout, stderr }
    }

    /// Ends the world, and fails where Slack or Discord had to refuse anything.
    pub async fn finish(mut self) {
        self.server.kill_9();
        for group in &self.groups {
            // A test may have deleted it.
            self.ec2.try_ask("DeleteSecurityGroup", &[("GroupId", group)]).await;
        }
        self.database.drop_it().await;
        let of_sdk = [self.slack.what_slacks_sdk_refuses().await, self.slack.sdk_refuses_of_what_was_sent().await].concat();
        let violations = [self.slack.violations(), of_sdk].concat();
        let refused = [self.discord.violations(), self.discord.what_discords_description_refuses().await].concat();
        assert!(refused.is_empty(), "Discord would have refused:\n{}", refused.join("\n"));
        assert!(violations.is_empty(), "Slack would have refused:\n{}", violations.join("\n"));
    }
}
