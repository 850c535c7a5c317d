//! Those who know a format better than we do: programs of the test tools, run on our files.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::services::tools;

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// A file of the repository.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What a program of the tools says, run in the root: whether it is content, and its words.
pub fn judge(program: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program).args(arguments).current_dir(root()).env("PATH", tools()).output().expect(program);
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.success(), out + &err)
}

/// The documents of YAML.
pub fn yaml(text: &str) -> Vec<Value> {
    python("import json, sys, yaml; json.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout)", text)
}

/// The families of metrics, as Prometheus' own client reads them: `name`, `type`, `help`, `samples`.
pub fn metrics(text: &str) -> Vec<Value> {
    let script = "import json, sys\n\
        from prometheus_client.parser import text_string_to_metric_families as families\n\
        json.dump([{'name': f.name, 'type': f.type, 'help': f.documentation, 'samples': [[s.name, s.labels, '%g' % s.value] for s in f.samples]}\n\
        for f in families(sys.stdin.read())], sys.stdout)";
    python(script, text)
}

fn python(script: &str, input: &str) -> Vec<Value> {
    let mut python = Command::new("python3");
    python.args(["-c", script]).env("PATH", tools()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = python.spawn().expect("python3 is among the tools");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}
