//! What we publish for GitHub to run is judged by those who know: the schemas of actions and workflows, and zizmor.

use std::path::{Path, PathBuf};

use entryguard_tests::{guide_workflow, search_path};
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
async fn the_guides_workflow_is_what_github_takes() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("guide.yml");
    std::fs::write(&file, format!("on: push\npermissions: {{}}\n{}", guide_workflow())).unwrap();
    finds_nothing("check-jsonschema", &["--builtin-schema", "vendor.github-workflows", file.to_str().unwrap()]).await;
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
