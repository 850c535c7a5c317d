//! A job's two steps as a runner starts them: Node.js with the shim, inputs and files in its environment, and its signals.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::eventually::eventually;
use crate::server::program;
use crate::services::tools;

/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// A job with the action in it.
#[derive(Debug)]
pub struct Job {
    place: TempDir,
    environment: BTreeMap<String, String>,
}

/// A step that goes on.
#[derive(Debug)]
pub struct Step<'job> {
    child: Child,
    log: PathBuf,
    // Its files are there as long as it runs.
    _job: &'job Job,
    began: Instant,
}

/// What a step came to.
#[derive(Debug)]
pub struct StepRan {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Everything that it printed.
    pub log: String,
    /// How long it took.
    pub took: Duration,
}

impl Job {
    /// A job of a push to `acme/api`.
    pub fn begin() -> Self {
        let place = tempfile::tempdir().unwrap();
        let job = Self { place, environment: BTreeMap::new() };
        let built = program().with_file_name("entryguard-action");
        let files = ["OUTPUT", "STATE", "STEP_SUMMARY"].map(|name| (format!("GITHUB_{name}"), job.file(name)));
        let job = files.into_iter().fold(job, |job, (name, file)| job.with(&name, file.to_str().unwrap()));
        job.with("ENTRYGUARD_ACTION_BIN", built.to_str().unwrap())
            .with("PATH", &tools())
            .with("NO_PROXY", "*")
            .with("GITHUB_REPOSITORY", "acme/api")
            .with("GITHUB_WORKFLOW", "CI")
            .with("GITHUB_JOB", "deploy")
            .with("GITHUB_RUN_ID", "1001")
            .with("GITHUB_RUN_ATTEMPT", "1")
    }

    /// With a variable in the environment of both steps.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With an input of the action.
    pub fn input(self, name: &str, value: &str) -> Self {
        let name = format!("INPUT_{}", name.to_uppercase());
        self.with(&name, value)
    }

    /// For a pull request of the repository's own.
    pub fn for_pull_request(self) -> Self {
        let event = self.file("event.json");
        std::fs::write(
            &event,
            r#"{ "pull_request": { "number": 7, "head": { "sha": "5ad", "repo": { "full_name": "acme/api" } } } }"#,
        )
        .unwrap();
        self.with("GITHUB_EVENT_PATH", event.to_str().unwrap())
    }

    /// Starts a step, `main` or `post`.
    pub fn start(&self, phase: &str) -> Step<'_> {
        let shim = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("action/js").join(format!("{phase}.js"));
        self.spawn("node", shim.to_str().unwrap(), phase)
    }

    /// Starts a step without its shim, so that it can be killed alone.
    pub fn start_bare(&self, phase: &str) -> Step<'_> {
        self.spawn(&self.environment["ENTRYGUARD_ACTION_BIN"], phase, phase)
    }

    fn spawn(&self, program: &str, argument: &str, phase: &str) -> Step<'_> {
        let log = self.file(&format!("{phase}.log"));
        let output = std::fs::File::create(&log).unwrap();
        let mut command = Command::new(program);
        command.arg(argument).env_clear().envs(&self.environment).stdin(Stdio::null()).kill_on_drop(true);
        command.envs(self.state().into_iter().map(|(name, value)| (format!("STATE_{name}"), value)));
        command.stdout(output.try_clone().unwrap()).stderr(output);
        Step { child: command.spawn().expect("the step starts"), log, _job: self, began: Instant::now() }
    }

    /// Runs a step to its end.
    pub async fn run(&self, phase: &str) -> StepRan {
        self.start(phase).ended().await
    }

    /// The outputs that were set.
    pub fn outputs(&self) -> BTreeMap<String, String> {
        assignments(&self.read("OUTPUT"))
    }

    /// What the main step kept for the post step.
    pub fn state(&self) -> BTreeMap<String, String> {
        assignments(&self.read("STATE"))
    }

    /// What was added to the job's summary.
    pub fn summary(&self) -> String {
        self.read("STEP_SUMMARY")
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }
}

impl Step<'_> {
    /// Sends a signal to what the runner has started, and to nothing else: `INT`, `TERM`.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let done = Command::new("kill").args([&format!("-{name}"), &id]).status().await.unwrap();
        assert!(done.success());
    }

    /// Waits until it has said this.
    pub async fn until(&self, words: &str) {
        eventually(&format!("the step says {words:?}"), PATIENCE, async || {
            let log = self.said();
            if log.contains(words) { Ok(()) } else { Err(log) }
        })
        .await;
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> StepRan {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("the step goes on for ever:\n{}", self.said())).unwrap();
        StepRan { code: status.code(), took: self.began.elapsed(), log: self.said() }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// The values of one of the runner's files, `NAME<<END`, lines, `END`.
fn assignments(text: &str) -> BTreeMap<String, String> {
    let (mut values, mut lines) = (BTreeMap::new(), text.lines());
    while let Some((name, end)) = lines.next().and_then(|line| line.split_once("<<")) {
        let value: Vec<_> = lines.by_ref().take_while(|line| *line != end).collect();
        values.insert(name.to_owned(), value.join("\n"));
    }
    values
}
