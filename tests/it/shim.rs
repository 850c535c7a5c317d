//! The action's few lines of JavaScript: which program they run, and that they run no other.

use std::path::{Path, PathBuf};

use axum::Router;
use entryguard_tests::{Listener, search_path};
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
        let mut command = Command::new("node");
        command.arg(self.place.path().join(format!("{phase}.js"))).env("PATH", search_path());
        command
            .env("RUNNER_TOOL_CACHE", self.place.path().join("cache"))
            .env("NO_PROXY", "*")
            .env_remove("ENTRYGUARD_ACTION_BIN");
        let output = command.envs(environment.iter().copied()).output().await.expect("Node.js starts");
        Ran { code: output.status.code(), stdout: String::from_utf8_lossy(&output.stdout).into_owned() }
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
    assert_eq!(checkout.run("post").await.stdout, "ran post\n");
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
    let own = checkout.place.path().join("own");
    std::fs::write(&own, PROGRAM).unwrap();
    Command::new("chmod").arg("+x").arg(&own).status().await.unwrap();
    let ran = checkout.run_with("main", &[("ENTRYGUARD_ACTION_BIN", own.to_str().unwrap())]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(7), "ran main\n"));
}
