//! What we publish for GitHub to run is judged by those who know: the schemas of actions and workflows, actionlint and zizmor.

use std::path::{Path, PathBuf};

use entryguard_tests::{guide_workflows, readme_workflows, search_path};
use tokio::process::Command;

/// Nothing of what else may be installed on this machine.
const ACTIONLINT: [&str; 3] = ["-no-color", "-shellcheck=", "-pyflakes="];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// What a judge says, and whether it is content.
async fn judged(program: &str, arguments: &[&str], place: &Path) -> (bool, String) {
    let output = Command::new(program).args(arguments).current_dir(place).env("PATH", search_path()).output().await.unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.success(), out + &err)
}

async fn finds_nothing(program: &str, arguments: &[&str]) {
    let (content, said) = judged(program, arguments, &root()).await;
    assert!(content, "{program} {arguments:?}:\n{said}");
}

#[tokio::test]
async fn the_action_and_the_workflows_are_what_github_takes_and_nobody_finds_anything() {
    finds_nothing("check-jsonschema", &["--builtin-schema", "vendor.github-actions", "action.yml"]).await;
    finds_nothing("check-jsonschema", &["--builtin-schema", "vendor.github-workflows", ".github/workflows/release.yml"]).await;
    finds_nothing("actionlint", &[&ACTIONLINT[..], &[".github/workflows/release.yml"]].concat()).await;
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
        finds_nothing("actionlint", &[&ACTIONLINT[..], &[file]].concat()).await;
        // Tags stand there, as in the quick start of every action.
        let policy = place.path().join("zizmor.yml");
        std::fs::write(&policy, "rules: { unpinned-uses: { config: { policies: { \"*\": ref-pin } } } }\n").unwrap();
        finds_nothing("zizmor", &["--offline", "--no-progress", "--config", policy.to_str().unwrap(), file]).await;
    }
}

#[test]
fn the_quick_start_takes_ten_lines() {
    assert_eq!(readme_workflows()[0].lines().count(), 10);
}

/// What actionlint says of an action of ours and of a workflow that uses it so. It reads actions only where one is used.
async fn actionlint_says(inputs: &str, output: &str, change: (&str, &str)) -> (bool, String) {
    let place = tempfile::tempdir().unwrap();
    let workflows = place.path().join(".github/workflows");
    std::fs::create_dir_all(&workflows).unwrap();
    std::fs::create_dir_all(place.path().join(".git")).unwrap();
    std::fs::create_dir_all(place.path().join("action/js")).unwrap();
    for script in ["main.js", "post.js"] {
        std::fs::copy(root().join("action/js").join(script), place.path().join("action/js").join(script)).unwrap();
    }
    let action = std::fs::read_to_string(root().join("action.yml")).unwrap();
    assert!(action.contains(change.0));
    std::fs::write(place.path().join("action.yml"), action.replace(change.0, change.1)).unwrap();
    let workflow = format!(
        "on: push\njobs:\n  x:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: ./\n        id: guard\n        with:\n{inputs}\
         \n      - run: echo \"$STATUS\"\n        env:\n          STATUS: ${{{{ steps.guard.outputs.{output} }}}}\n"
    );
    std::fs::write(workflows.join("x.yml"), workflow).unwrap();
    judged("actionlint", &[&ACTIONLINT[..], &[".github/workflows/x.yml"]].concat(), place.path()).await
}

#[tokio::test]
async fn actionlint_takes_the_action_with_its_inputs_and_outputs_and_no_others() {
    let (same, inputs) = (("main.js", "main.js"), "          url: https://guard.example.com\n          wait: false");
    let (content, said) = actionlint_says(inputs, "expires-at", same).await;
    assert!(content, "{said}");
    for (inputs, output, change, why) in [
        ("          uri: x", "status", same, "input \"uri\" is not defined"),
        (inputs, "state", same, "property \"state\" is not defined"),
        (inputs, "status", ("js/post.js", "js/after.js"), "\"action/js/after.js\" does not exist"),
        (inputs, "status", ("node24", "node12"), "node12"),
    ] {
        let (content, said) = actionlint_says(inputs, output, change).await;
        assert!(!content && said.contains(why), "{why}: {said}");
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
    for (program, arguments) in [
        ("check-jsonschema", &["--builtin-schema", "vendor.github-workflows"][..]),
        ("actionlint", &ACTIONLINT),
        ("zizmor", &["--offline", "--no-progress"]),
    ] {
        let (content, _) = judged(program, &[arguments, &[file.to_str().unwrap()]].concat(), place.path()).await;
        assert!(!content, "{program} takes it");
    }
}
