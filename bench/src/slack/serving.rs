//! The two programs that are compared, each a process of its own on one core.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use entryguard_tests::{SlackDouble, free_port};
use tempfile::TempDir;

use crate::database::{Database, Kind};
use crate::process::{cpu_time_of, on_core};

/// A server of slash commands; killed when it is dropped.
pub struct Serving {
    /// For tables.
    pub name: &'static str,
    /// Where it listens.
    pub address: String,
    child: Child,
    database: Option<Database>,
    _folder: Option<TempDir>,
}

/// How Slack names the member of this number.
pub fn user(number: usize) -> String {
    format!("U{number:03}")
}

impl Serving {
    /// The release build of `entryguard serve`.
    pub async fn entryguard(kind: &Kind, slack: &str, members: usize) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?.with_file_name("entryguard");
        ensure!(program.exists(), "{} is missing: ./x bench builds it", program.display());
        let (database, folder, port) = (kind.make().await?, tempfile::tempdir()?, free_port());
        let config = folder.path().join("entryguard.toml");
        std::fs::write(&config, configuration(port, &database.url, slack, folder.path(), members))?;
        let mut command = on_core(0, &program);
        command.args(["serve", "--config"]).arg(&config).env_clear().env("NO_PROXY", "*").env("ENTRYGUARD_LOG", "warn");
        command.env("SLACK_SIGNING_SECRET", SlackDouble::SIGNING_SECRET).env("SLACK_BOT_TOKEN", SlackDouble::BOT_TOKEN);
        let name = match kind {
            Kind::Sqlite => "EntryGuard, SQLite",
            Kind::Postgres(_) => "EntryGuard, Postgres",
        };
        Self::start(name, port, command, Some(database), Some(folder)).await
    }

    /// `@slack/bolt` on Node.js.
    pub async fn bolt() -> anyhow::Result<Self> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("bolt");
        ensure!(folder.join("node_modules").exists(), "Bolt is not installed: ./x bench installs it");
        let port = free_port();
        let mut command = on_core(0, Path::new("node"));
        command.arg("server.js").current_dir(folder);
        command.env("PORT", port.to_string()).env("SLACK_SIGNING_SECRET", SlackDouble::SIGNING_SECRET);
        command.env("NODE_ENV", "production");
        Self::start("Bolt, nothing stored", port, command, None, None).await
    }

    async fn start(
        name: &'static str,
        port: u16,
        mut command: Command,
        database: Option<Database>,
        folder: Option<TempDir>,
    ) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().with_context(|| format!("{command:?}"))?;
        let address = format!("http://127.0.0.1:{port}");
        let mut serving = Self { name, address, child, database, _folder: folder };
        for _ in 0..300 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Ok(serving);
            }
            if let Some(status) = serving.child.try_wait()? {
                bail!("{name} ended at its start, {status}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("{name} does not listen after 30 s")
    }

    /// The time that it has spent on a processor.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        cpu_time_of(&self.child.id().to_string())
    }

    /// Ends it.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        match self.database.take() {
            Some(database) => database.drop_it().await,
            None => Ok(()),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Both fail where it has ended already, and that is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A team of a usual shape: everybody may reach ten resources.
fn configuration(port: u16, database: &str, slack: &str, folder: &Path, members: usize) -> String {
    let team = SlackDouble::TEAM;
    let head = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\npublic_url = \"http://127.0.0.1:{port}\"\n[database]\nurl = {database:?}\n\
         [organization]\nname = \"Acme\"\ntier = \"team\"\n[[tier]]\nname = \"team\"\ndurations = [\"1h\", \"2h\"]\n\
         default_duration = \"1h\"\nmax_duration = \"2h\"\n\
         [slack]\nsigning_secret = {{ env = \"SLACK_SIGNING_SECRET\" }}\nbot_token = {{ env = \"SLACK_BOT_TOKEN\" }}\n\
         team_id = {team:?}\napi_url = {slack:?}\n"
    );
    let resources: Vec<_> = (0..10).map(|number| format!("host-{number}")).collect();
    let resource = |name: &String| {
        let path = folder.join(name);
        format!("[[resource]]\nname = {name:?}\nprovider = \"file\"\ntype = \"allowlist\"\nid = {path:?}\nformat = \"plain\"\n")
    };
    let member = |number| {
        let user = user(number);
        format!("[[member]]\nname = \"m{number}\"\nemail = \"m{number}@example.com\"\nidentities = [\"slack:{team}/{user}\"]\n")
    };
    let names: Vec<_> = (0..members).map(|number| format!("m{number}")).collect();
    let role = format!("[[role]]\nname = \"developers\"\nmembers = {names:?}\nresources = {resources:?}\n");
    let (resources, members): (String, String) = (resources.iter().map(resource).collect(), (0..members).map(member).collect());
    [head, resources, members, role].concat()
}
