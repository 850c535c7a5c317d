//! What we publish for GitHub to run is judged by those who know: the schemas of actions and workflows, and zizmor.

use std::path::{Path, PathBuf};

use entryguard_tests::{guide_workflows, readme_workflows, search_path};
use tokio::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

async fn finds_nothing(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).current_dir(root()).env("PATH", search_path()).output().await.unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{program} {arguments:?}:\n{out}{err}");
}

#[tokio::test]
async fn the_action_and_the_workflows_are_what_github_takes_and_zizmor_finds_nothing() {
    finds_nothing("check-jsonschema", &["--builtin-schema", "vendor.github-actions", "action.yml"]).await;
    finds_nothing("check-jsonschema", &["--builtin-schema", "vendor.github-workflows", ".github/workflows/release.yml"]).await;
    finds_nothing("zizmor", &["--offline", "--no-progress", "action.yml", ".github/workflows/release.yml"]).await;
}

#[tokio::test]
async fn the_workflows_of_the_readme_and_the_guide_are_what_github_takes() {
    let place = tempfile::tempdir().unwrap();
    let all = [readme_workflows(), guide_workflows()].concat();
    assert_eq!(all.len(), 4);
    for (number, workflow) in all.iter().enumerate() {
        let file = place.path().join(format!("{number}.yml"));
        // Some leave to the reader what starts them.
        let start = if workflow.starts_with("on:") { "" } else { "on: push\npermissions: {}\n" };
        std::fs::write(&file, format!("{start}{workflow}")).unwrap();
        let file = file.to_str().unwrap();
        finds_nothing("check-jsonschema", &["--builtin-schema", "vendor.github-workflows", file]).await;
        // Tags stand there, as in the quick start of every action.
        let policy = place.path().join("zizmor.yml");
        std::fs::write(&policy, "rules: { unpinned-uses: { config: { policies: { \"*\": ref-pin } } } }\n").unwrap();
        finds_nothing("zizmor", &["--offline", "--no-progress", "--config", policy.to_str().unwrap(), file]).await;
    }
}

#[tokio::test]
async fn the_judges_can_tell() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("bad.yml");
    std::fs::write(
        &file,
        "on: push\njobs: { x: { runs-on: ubuntu-latest, steps: [{ run: 'echo ${{ github.event.issue.title }}', wrong: 1 }] } }\n",
    )
    .unwrap();
    for (program, arguments) in
        [("check-jsonschema", ["--builtin-schema", "vendor.github-workflows"]), ("zizmor", ["--offline", "--no-progress"])]
    {
        let refused = Command::new(program).args(arguments).arg(&file).env("PATH", search_path()).output().await.unwrap();
        assert!(!refused.status.success(), "{program} takes it");
    }
}
