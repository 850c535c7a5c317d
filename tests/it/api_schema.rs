//! The API's description is judged by those who know, and its answers by the description: schemathesis asks whatever it can think of.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use entryguard_tests::{Database, World, search_path};
use serde_json::Value;
use tokio::process::Command;

const HERE: &str = "93.184.216.34";
/// How long schemathesis may ask.
const PATIENCE: Duration = Duration::from_secs(180);

async fn run(program: &str, arguments: &[&str], place: &Path) -> (bool, String) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(place).env("PATH", search_path()).env("NO_PROXY", "*").stdin(Stdio::null());
    let output = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output()).await.expect("it ends in time").unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.success(), format!("{out}{err}"))
}

#[tokio::test]
async fn the_description_is_openapi_and_the_server_answers_as_it_says() {
    let place = tempfile::tempdir().unwrap();
    let world = World::on(Database::Sqlite).with_file("intranet").admin("bo", "U222").sessions_at_once(1000);
    let world = world.configured("[api]\nrequests_per_minute = 100000").start().await;
    let key = world.api_key("bo", "sessions:read,sessions:write,resources:read,audit:read", &[]).await;
    let nobody = world.browser(HERE);
    let url = format!("{}/api/v1/openapi.json", world.server.address());
    let description = nobody.open(&url).await;
    assert_eq!(serde_json::from_str::<Value>(&description.body).unwrap()["openapi"], "3.1.0");
    let file = place.path().join("openapi.json");
    std::fs::write(&file, &description.body).unwrap();
    let (sound, said) = run("openapi-spec-validator", &[file.to_str().unwrap()], place.path()).await;
    assert!(sound, "{said}");
    let page = nobody.open(&format!("{}/api/v1/docs", world.server.address())).await;
    assert!(page.status == 200 && page.says("POST /api/v1/sessions") && !page.says("<script"), "{}", page.body);
    assert!(page.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));

    // A session that goes on would keep its events open, so they are asked for elsewhere.
    let authorization = format!("Authorization: Bearer {key}");
    let from = format!("X-Forwarded-For: {HERE}");
    let arguments = [
        "run",
        &url,
        "-H",
        &authorization,
        "-H",
        &from,
        "--seed",
        "7",
        "--max-examples",
        "10",
        "--phases",
        "examples,coverage,fuzzing",
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance",
        "--exclude-path-regex",
        "/events$",
        "--request-timeout",
        "70",
        "--no-color",
        "--generation-database",
        "none",
    ];
    let (clean, said) = run("schemathesis", &arguments, place.path()).await;
    assert!(clean, "{said}");
    println!("{said}");
    assert!(world.server.log().contains("serving") && !world.server.log().contains("panicked"), "{}", world.server.log());
    world.finish().await;
}
