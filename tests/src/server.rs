//! The real program, `entryguard`, as a process of its own.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::eventually::{SOON, eventually};
use crate::loopback;

/// Where the program finds the name of its credentials.
pub const ACCESS_KEY: &str = "AWS_ACCESS_KEY_ID";

/// What the program is started with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The configuration file.
    pub config: PathBuf,
    /// The port that the file names.
    pub port: u16,
    /// Where its output goes.
    pub log: PathBuf,
    /// The secrets that the file names.
    pub environment: Vec<(String, String)>,
}

/// A running server, or one that a test has ended; it is killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    setup: Setup,
    child: Child,
}

impl Setup {
    /// `entryguard` with these arguments and this environment and no other.
    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).env_clear().envs(self.environment.iter().cloned()).stdin(Stdio::null());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }
}

impl Server {
    /// Starts it and waits until it is ready.
    pub async fn start(setup: Setup) -> Self {
        let child = spawn(&setup);
        let mut server = Self { setup, child };
        server.wait_until_ready().await;
        server
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.setup.port)
    }

    /// How much memory it has, in MiB, besides what is only read from the program's file: of that a debug build has a multiple.
    pub fn resident_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.setup.log).unwrap_or_default()
    }

    /// SIGKILL: it gets to do nothing more.
    pub fn kill_9(&mut self) {
        self.child.kill().expect("a process can be killed");
        self.child.wait().expect("a killed process ends");
    }

    /// SIGSTOP: it stands still, and the world goes on.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT: it goes on as if no time had passed.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// SIGHUP: it reads its configuration again.
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    /// How it ended, where it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// SIGTERM, and waits until it has ended.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("-TERM");
        let child = &mut self.child;
        let ended = async || child.try_wait().expect("a child can be waited for").ok_or_else(|| "still running".to_owned());
        eventually("the server ended after SIGTERM", SOON, ended).await
    }

    /// Starts it again with the same configuration, killing it first where it still runs.
    pub async fn restart(&mut self) {
        self.kill_9();
        self.child = spawn(&self.setup);
        self.wait_until_ready().await;
    }

    /// Starts it again with this on top of its environment, and waits until it is ready.
    pub async fn restart_with(&mut self, environment: &[(&str, &str)]) {
        self.start_over(environment);
        self.wait_until_ready().await;
    }

    /// Has this in its environment from its next start on.
    pub fn always_with(&mut self, name: &str, value: &str) {
        self.setup.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts it again, killing it first where it still runs, with this on top of its environment, and does not wait for anything:
    /// it may not live so long.
    pub fn start_over(&mut self, environment: &[(&str, &str)]) {
        self.kill_9();
        let mut setup = self.setup.clone();
        setup.environment.extend(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.child = spawn(&setup);
    }

    /// The access key that it shows the cloud, which tells the proxy one replica from another.
    pub fn access_key(&self) -> &str {
        let named = self.setup.environment.iter().rfind(|(name, _)| name == ACCESS_KEY);
        named.map(|(_, key)| key.as_str()).expect("every server has credentials")
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill is installed");
        assert!(sent.success(), "the server had ended before {signal}");
    }

    async fn wait_until_ready(&mut self) {
        let client = loopback::client();
        let url = format!("{}/readyz", self.address());
        let (child, setup) = (&mut self.child, &self.setup);
        eventually("the server is ready", Duration::from_secs(60), async || {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                panic!("the server ended at its start, {status}:\n{}", tail(&setup.log));
            }
            match client.get(&url).send().await {
                Ok(answer) if answer.status().is_success() => Ok(()),
                Ok(answer) => Err(format!("{} from {url}\n{}", answer.status(), tail(&setup.log))),
                Err(error) => Err(format!("{error}\n{}", tail(&setup.log))),
            }
        })
        .await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail where it has ended already, and that is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the end of the server's log ---\n{}", tail(&self.setup.log));
        }
    }
}

fn spawn(setup: &Setup) -> Child {
    let output = OpenOptions::new().create(true).append(true).open(&setup.log).expect("the log can be written");
    let errors: File = output.try_clone().expect("a file can be shared");
    let config = setup.config.to_str().expect("a readable path");
    let mut command = setup.program(&["serve", "--config", config]);
    command.stdout(output).stderr(errors).spawn().unwrap_or_else(|error| panic!("{}: {error}", program().display()))
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(80)..].join("\n")
}

/// Where the program is that the tests run: Cargo puts the test into `target/debug/deps`, and the program one folder up.
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("ENTRYGUARD_TEST_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("this test's own path");
    let path = test.ancestors().nth(2).expect("target/debug").join("entryguard");
    assert!(path.exists(), "{} is missing: run the tests with ./x test, which builds it", path.display());
    path
}
