//! The action's few lines of JavaScript: which program they run, and that they run no other.

use std::path::{Path, PathBuf};

use axum::Router;
use entryguard_tests::{Listener, SOON, eventually, search_path};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::process::Command;

/// A program that says that it was run, for which phase.
const PROGRAM: &str = "#!/bin/sh\necho \"ran $1\"\nexit 7\n";

/// A checkout of the action whose release is on loopback.
struct Checkout {
    place: tempfile::TempDir,
    _release: Listener,
}

struct Ran {
    code: Option<i32>,
    stdout: String,
}

impl Checkout {
    /// A release that serves these bytes, and pins these.
    async fn with_release(served: &'static str, pinned: Option<&str>) -> Self {
        let release = Listener::serve(Router::new().fallback(async move || served)).await;
        let place = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("action/js");
        for name in ["main.js", "post.js", "start.js"] {
            std::fs::copy(source.join(name), place.path().join(name)).unwrap();
        }
        let pins = pinned.map_or(json!({}), |pinned| json!({ platform(): hex::encode(Sha256::digest(pinned)) }));
        let release_file = json!({ "version": "1.2.3", "url": release.address, "sha256": pins });
        std::fs::write(place.path().join("release.json"), release_file.to_string()).unwrap();
        Self { place, _release: release }
    }

    async fn run(&self, phase: &str) -> Ran {
        self.run_with(phase, &[]).await
    }

    async fn run_with(&self, phase: &str, environment: &[(&str, &str)]) -> Ran {
        let output = self.command(phase, environment).output().await.expect("Node.js starts");
        Ran { code: output.status.code(), stdout: String::from_utf8_lossy(&output.stdout).into_owned() }
    }

    fn command(&self, phase: &str, environment: &[(&str, &str)]) -> Command {
        let mut command = Command::new("node");
        command.arg(self.place.path().join(format!("{phase}.js"))).env("PATH", search_path());
        command
            .env("RUNNER_TOOL_CACHE", self.place.path().join("cache"))
            .env("NO_PROXY", "*")
            .env_remove("ENTRYGUARD_ACTION_BIN");
        command.envs(environment.iter().copied());
        command
    }

    /// A program of one's own: a shell script.
    fn own(&self, script: &str) -> String {
        let own = self.place.path().join("own");
        std::fs::write(&own, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&own, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        own.to_str().unwrap().to_owned()
    }

    fn cached(&self) -> PathBuf {
        let architecture = if cfg!(target_arch = "x86_64") { "x64" } else { "arm64" };
        self.place.path().join("cache/entryguard-action/1.2.3").join(architecture).join("entryguard-action")
    }
}

fn platform() -> String {
    let system = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    format!("{system}-{}", if cfg!(target_arch = "x86_64") { "x64" } else { "arm64" })
}

#[tokio::test]
async fn the_program_of_the_release_is_fetched_once_and_its_exit_code_is_the_steps() {
    let checkout = Checkout::with_release(PROGRAM, Some(PROGRAM)).await;
    for _ in 0..2 {
        let ran = checkout.run("main").await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(7), "ran main\n"));
    }
    assert!(checkout.cached().is_file());
}

#[tokio::test]
async fn a_post_step_whose_program_fails_or_is_killed_says_so_and_fails_no_job() {
    for (ending, why) in [("exit 2", "ended with 2"), ("kill -9 $$", "ended with SIGKILL")] {
        let checkout = Checkout::with_release(PROGRAM, None).await;
        let own = checkout.own(&format!("echo \"ran $1\"\n{ending}"));
        let named = [("ENTRYGUARD_ACTION_BIN", own.as_str())];
        let post = checkout.run_with("post", &named).await;
        let said = format!("ran post\n::warning title=EntryGuard::The program {why}. What is open ends by itself.\n");
        assert_eq!((post.code, post.stdout), (Some(0), said));
        assert_ne!(checkout.run_with("main", &named).await.code, Some(0), "main does fail");
    }
}

#[tokio::test]
async fn signals_reach_the_program_except_on_windows_where_it_gets_them_itself() {
    let checkout = Checkout::with_release(PROGRAM, None).await;
    let own = checkout
        .own("trap 'echo interrupted; exit 5' INT\necho begun\nfor i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.2; done\necho went on");
    let pretend = checkout.place.path().join("windows.js");
    std::fs::write(&pretend, "Object.defineProperty(process, 'platform', { value: 'win32' });").unwrap();
    let pretend = format!("--require={}", pretend.display());
    for (options, said, code) in [("", "begun\ninterrupted\n", 5), (pretend.as_str(), "begun\nwent on\n", 0)] {
        let log = checkout.place.path().join("log");
        let mut command = checkout.command("main", &[("ENTRYGUARD_ACTION_BIN", &own), ("NODE_OPTIONS", options)]);
        let mut child = command.stdout(std::fs::File::create(&log).unwrap()).spawn().unwrap();
        let read = || std::fs::read_to_string(&log).unwrap();
        eventually("the program has begun", SOON, async || if read().is_empty() { Err(String::new()) } else { Ok(()) }).await;
        let id = child.id().unwrap().to_string();
        Command::new("kill").args(["-INT", &id]).status().await.unwrap();
        assert_eq!((child.wait().await.unwrap().code(), read().as_str()), (Some(code), said), "{options}");
    }
}

#[tokio::test]
async fn a_program_that_is_not_the_one_of_this_version_is_not_run() {
    let checkout = Checkout::with_release("#!/bin/sh\necho evil\n", Some(PROGRAM)).await;
    let ran = checkout.run("main").await;
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stdout.contains("is not the one of this version; it was not run") && !ran.stdout.contains("evil"),
        "{}",
        ran.stdout
    );
    // Nor where another step has put it where the right one is looked for.
    let checkout = Checkout::with_release(PROGRAM, Some(PROGRAM)).await;
    std::fs::create_dir_all(checkout.cached().parent().unwrap()).unwrap();
    std::fs::write(checkout.cached(), "#!/bin/sh\necho evil\n").unwrap();
    assert_eq!(checkout.run("main").await.stdout, "ran main\n");
}

#[tokio::test]
async fn where_there_is_no_program_main_says_what_to_do_and_post_fails_nothing() {
    let checkout = Checkout::with_release(PROGRAM, None).await;
    let ran = checkout.run("main").await;
    assert!(ran.code == Some(1) && ran.stdout.contains("name it in ENTRYGUARD_ACTION_BIN"), "{}", ran.stdout);
    let post = checkout.run("post").await;
    assert!(post.code == Some(0) && post.stdout.starts_with("::warning title=EntryGuard::"), "{}", post.stdout);
    let own = checkout.own("echo \"ran $1\"\nexit 7");
    let ran = checkout.run_with("main", &[("ENTRYGUARD_ACTION_BIN", &own)]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(7), "ran main\n"));
}
