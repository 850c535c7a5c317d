//! A runner that we did not write: `act` runs a workflow that literally says `uses: entryguard/session-action@v1`, on this machine.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::server::program;
use crate::services::tools;

/// How long a workflow may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A repository with one workflow, and a checkout of the action beside it.
#[derive(Debug)]
pub struct Act {
    place: TempDir,
    environment: Vec<(String, String)>,
    event: &'static str,
    programs: Vec<(&'static str, String)>,
}

/// What a run of the workflow said.
#[derive(Debug)]
pub struct ActRan {
    /// Whether every job succeeded.
    pub succeeded: bool,
    /// Everything that was printed.
    pub log: String,
}

/// A run that goes on.
#[derive(Debug)]
pub struct Acting {
    child: Child,
    log: String,
    // The repositories are there as long as the run.
    _place: TempDir,
}

impl Act {
    /// A repository whose only workflow is this.
    pub async fn of(workflow: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let act = Self { place, environment: Vec::new(), event: "push", programs: Vec::new() };
        act.copy_the_action();
        for repository in [act.action(), act.repository()] {
            std::fs::create_dir_all(&repository).unwrap();
        }
        let workflows = act.repository().join(".github/workflows");
        std::fs::create_dir_all(&workflows).unwrap();
        std::fs::write(workflows.join("test.yml"), workflow).unwrap();
        for repository in [act.action(), act.repository()] {
            git(&repository, &["init", "--quiet", "--initial-branch=main"]).await;
            git(&repository, &["add", "--all"]).await;
            let identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"];
            git(&repository, &[&identity[..], &["commit", "--quiet", "--message", "Begin"]].concat()).await;
        }
        let built = program().with_file_name("entryguard-action");
        act.with("ENTRYGUARD_ACTION_BIN", built.to_str().unwrap())
    }

    /// With a variable in the environment of every step.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a program before all others of its name: a shell script.
    pub fn with_program(mut self, name: &'static str, script: &str) -> Self {
        self.programs.push((name, script.to_owned()));
        self
    }

    /// For a pull request whose branch is in this repository.
    pub fn for_pull_request_of(self, repository: &str) -> Self {
        let event = format!(
            "{{\"pull_request\": {{\"number\": 7, \"head\": {{\"sha\": \"5ad\", \"repo\": {{\"full_name\": \"{repository}\"}}}}}}}}"
        );
        std::fs::write(self.place.path().join("event.json"), event).unwrap();
        Self { event: "pull_request", ..self }
    }

    /// Runs the workflow to its end.
    pub async fn run(self) -> ActRan {
        self.begin().ended().await
    }

    /// Starts the workflow.
    pub fn begin(self) -> Acting {
        // Both streams in their order, and one process to be interrupted.
        let mut command = Command::new("sh");
        command.args(["-c", "exec act \"$@\" 2>&1", "act"]);
        let checkout = format!("entryguard/session-action@v1={}", self.action().display());
        command.args([self.event, "-P", "ubuntu-latest=-self-hosted", "--local-repository", &checkout]);
        let event = self.place.path().join("event.json");
        if event.exists() {
            command.arg("--eventpath").arg(event);
        }
        command.args(self.environment.iter().flat_map(|(name, value)| ["--env".to_owned(), format!("{name}={value}")]));
        let home = self.place.path().join("home");
        std::fs::create_dir_all(&home).unwrap();
        command
            .env("PATH", format!("{}:{}", self.make_programs().display(), tools()))
            .env("HOME", &home)
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("NO_PROXY", "*");
        command.current_dir(self.repository()).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        Acting { child: command.spawn().expect("act starts"), log: String::new(), _place: self.place }
    }

    fn make_programs(&self) -> PathBuf {
        let folder = self.place.path().join("bin");
        std::fs::create_dir_all(&folder).unwrap();
        for (name, script) in &self.programs {
            let file = folder.join(name);
            std::fs::write(&file, format!("#!/bin/sh\nset -eu\n{script}\n")).unwrap();
            std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        }
        folder
    }

    fn action(&self) -> PathBuf {
        self.place.path().join("action")
    }

    fn repository(&self) -> PathBuf {
        self.place.path().join("repository")
    }

    fn copy_the_action(&self) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        std::fs::create_dir_all(self.action().join("action/js")).unwrap();
        std::fs::copy(root.join("action.yml"), self.action().join("action.yml")).unwrap();
        for file in std::fs::read_dir(root.join("action/js")).unwrap().map(|entry| entry.unwrap().path()) {
            std::fs::copy(&file, self.action().join("action/js").join(file.file_name().unwrap())).unwrap();
        }
    }
}

impl Acting {
    /// Waits until the log says this.
    pub async fn until(&mut self, words: &str) {
        let reading = async {
            let stdout = self.child.stdout.as_mut().unwrap();
            let mut lines = BufReader::new(stdout).lines();
            while let Some(line) = lines.next_line().await.unwrap() {
                self.log.push_str(&line);
                self.log.push('\n');
                if line.contains(words) {
                    return;
                }
            }
            panic!("the workflow ended without {words:?}:\n{}", self.log);
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("{words:?} was not said in time"));
    }

    /// Cancels the workflow, as somebody at a terminal would.
    pub async fn interrupt(&self) {
        let id = self.child.id().expect("it runs").to_string();
        let done = Command::new("sh").args(["-c", "kill -INT \"$0\"", &id]).status().await.unwrap();
        assert!(done.success());
    }

    /// Waits for the end.
    pub async fn ended(mut self) -> ActRan {
        let reading = async {
            if let Some(stdout) = self.child.stdout.take() {
                let mut lines = BufReader::new(stdout).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    self.log.push_str(&line);
                    self.log.push('\n');
                }
            }
            self.child.wait().await.unwrap()
        };
        let status = tokio::time::timeout(PATIENCE, reading).await.expect("the workflow ends in time");
        ActRan { succeeded: status.success(), log: self.log }
    }
}

async fn git(repository: &Path, arguments: &[&str]) {
    let done = Command::new("git").current_dir(repository).args(arguments).output().await.expect("git is there");
    assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// The workflows of docs/github-action.md, in their order.
pub fn guide_workflows() -> Vec<String> {
    workflows_in(include_str!("../../docs/github-action.md"))
}

/// The workflows of the README, in their order.
pub fn readme_workflows() -> Vec<String> {
    workflows_in(include_str!("../../README.md"))
}

fn workflows_in(text: &str) -> Vec<String> {
    let blocks = text.split("```yaml\n").skip(1);
    blocks.map(|block| block.split_once("```").expect("the workflow's end").0.to_owned()).collect()
}
