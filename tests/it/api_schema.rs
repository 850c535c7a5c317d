//! The API's description is judged by those who know, and its answers by the description: schemathesis asks whatever it can think of.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use entryguard_tests::{Database, World, search_path};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

const HERE: &str = "93.184.216.34";
/// What a session that goes on would keep open, and what takes another credential.
const EITHER: &str = "/(events|current.*)$";
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
    let world =
        World::on(Database::Sqlite).with_file("intranet").admin("bo", "U222").member("ana", "U111").sessions_at_once(1000);
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

    // A session that goes on would keep its events open, and whoever waits for it waiting: what is over is asked for with those.
    let asks = Asks { place: place.path(), url: &url };
    asks.answers_are_as_described(&key, &["--exclude-path-regex", EITHER], "").await;
    let narrow = world.api_key("ana", "resources:read", &[]).await;
    asks.answers_are_as_described(&narrow, &["--exclude-path-regex", EITHER], "").await;
    let sessions_key = format!("egs_{}", "5".repeat(32));
    let program = world.program(HERE, &key);
    let id = program.post("sessions", json!({ "key": sessions_key })).await.id().to_owned();
    program.get(&format!("sessions/{id}?wait=60s")).await;
    let fixed = format!("[parameters]\nid = {id:?}\n");
    asks.answers_are_as_described(&key, &["--include-path-regex", r"\{id\}(/extend)?$"], &fixed).await;
    assert_eq!(program.get(&format!("sessions/{id}")).await.body["status"], "ACTIVE", "it was live all the while");
    asks.answers_are_as_described(&key, &["--include-path-regex", r"\{id\}/stop$"], &fixed).await;
    program.post(&format!("sessions/{id}/stop"), json!({})).await;
    program.get(&format!("sessions/{id}?wait=60s")).await;
    asks.answers_are_as_described(&key, &["--include-path-regex", "/events$"], &fixed).await;
    asks.answers_are_as_described(&key, &["--include-path-regex", "/events$"], "").await;
    asks.answers_are_as_described(&sessions_key, &["--include-path-regex", "/current"], "").await;
    asks.answers_are_as_described(&sessions_key.replace('5', "6"), &["--include-path-regex", "/current"], "").await;
    nobody_is_let_in_without_a_key(&world, &serde_json::from_str(&description.body).unwrap()).await;
    asks.answers_are_as_described("", &[], "").await;
    assert!(world.server.log().contains("serving") && !world.server.log().contains("panicked"), "{}", world.server.log());
    world.finish().await;
}

/// Whoever shows nothing is refused by everything but the description and its page.
async fn nobody_is_let_in_without_a_key(world: &World, description: &Value) {
    // From an address of its own: what is refused there is counted there.
    let nobody = world.browser("93.184.216.99");
    let mut asked = 0;
    for (path, operations) in description["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else { continue };
            let url = format!("{}{}", world.server.address(), path.replace("{id}", "ffffffff"));
            let answer = nobody.send(nobody.request(method.clone(), &url)).await;
            let is_open = path.ends_with("/openapi.json") || path.ends_with("/docs");
            assert_eq!(answer.status, if is_open { 200 } else { 401 }, "{method} {path}: {}", answer.body);
            asked += 1;
        }
    }
    assert!(asked >= 12, "{asked}");
}

/// What schemathesis asks, and of whom.
struct Asks<'a> {
    place: &'a Path,
    url: &'a str,
}

impl Asks<'_> {
    async fn answers_are_as_described(&self, credential: &str, which: &[&str], fixed: &str) {
        let authorization = match credential {
            "" => "X-Nothing: shown".to_owned(),
            shown => format!("Authorization: Bearer {shown}"),
        };
        let from = format!("X-Forwarded-For: {HERE}");
        let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance";
        let configuration = self.place.join("schemathesis.toml");
        std::fs::write(&configuration, fixed).unwrap();
        let mut arguments = vec!["--config-file", configuration.to_str().unwrap(), "run", self.url];
        arguments.extend(["-H", &authorization, "-H", &from, "--checks", checks]);
        arguments.extend(["--seed", "7", "--max-examples", "10", "--phases", "examples,coverage,fuzzing"]);
        arguments.extend(["--request-timeout", "70", "--no-color", "--generation-database", "none"]);
        arguments.extend(which);
        let (clean, said) = run("schemathesis", &arguments, self.place).await;
        println!("{said}");
        assert!(clean, "{said}");
    }
}
