//! The action's few lines of JavaScript: which program they run, and that they run no other.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use axum::Router;
use entryguard_tests::{ForwardProxy, Listener, SOON, eventually, search_path};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A program that says that it was run, for which phase.
const PROGRAM: &str = "#!/bin/sh\necho \"ran $1\"\nexit 7\n";

/// A checkout of the action whose release is on loopback.
struct Checkout {
    place: tempfile::TempDir,
    _release: Option<Listener>,
}

struct Ran {
    code: Option<i32>,
    stdout: String,
}

impl Checkout {
    /// A release that serves these bytes, and pins these.
    async fn with_release(served: &'static str, pinned: Option<&str>) -> Self {
        let release = Listener::serve(Router::new().fallback(async move || served)).await;
        let checkout = Self::of_release_at(&release.address, pinned);
        Self { _release: Some(release), ..checkout }
    }

    /// A release at this address, which pins these bytes.
    fn of_release_at(url: &str, pinned: Option<&str>) -> Self {
        let place = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(root().join("action/js")).unwrap().map(|entry| entry.unwrap().path()) {
            std::fs::copy(&file, place.path().join(file.file_name().unwrap())).unwrap();
        }
        let pins = pinned.map_or(json!({}), |pinned| json!({ platform(): hex::encode(Sha256::digest(pinned)) }));
        let release_file = json!({ "version": "1.2.3", "url": url, "sha256": pins });
        std::fs::write(place.path().join("release.json"), release_file.to_string()).unwrap();
        Self { place, _release: None }
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
            .env_remove("no_proxy")
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

/// A release over TLS, and a proxy that is reached over TLS: see `tests/tls`.
struct TlsRelease {
    port: u16,
    _node: Child,
}

impl TlsRelease {
    /// One whose program is this.
    async fn serve(program: &str) -> Self {
        let mut command = Command::new("node");
        command.arg(root().join("tests/tls/release.js")).arg(program).env("PATH", search_path());
        let mut node = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("Node.js starts");
        let line = BufReader::new(node.stdout.take().unwrap()).lines().next_line().await.unwrap();
        Self { port: line.expect("a port").parse().unwrap(), _node: node }
    }

    /// Whom Node.js is to trust for it.
    fn certificate() -> String {
        root().join("tests/tls/release.pem").to_str().unwrap().to_owned()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
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

const RELEASE: &str = "https://release.example.invalid";

#[tokio::test]
async fn the_program_is_fetched_through_a_tunnel_of_the_proxy_which_reads_no_more_than_where_to() {
    let release = TlsRelease::serve(PROGRAM).await;
    let trusted = TlsRelease::certificate();
    // GitHub, too, leads from one host to another. Node.js may have been told to use the proxy by its own rules.
    let hosts = ["CONNECT release.example.invalid:443 HTTP/1.1", "CONNECT assets.example.invalid:443 HTTP/1.1"];
    for (name, path, asked, by_node) in [
        ("HTTPS_PROXY", "", &hosts[..1], "0"),
        ("https_proxy", "/moved", &hosts[..], "0"),
        ("HTTPS_PROXY", "/moved", &hosts[..], "1"),
    ] {
        let proxy = ForwardProxy::to(release.port).await;
        let checkout = Checkout::of_release_at(&format!("{RELEASE}{path}"), Some(PROGRAM));
        let url = proxy.url_for("ana:hunter%2F2");
        let by_node = ("NODE_USE_ENV_PROXY", by_node);
        let environment = [(name, url.as_str()), ("NO_PROXY", ""), ("NODE_EXTRA_CA_CERTS", &trusted), by_node];
        let ran = checkout.run_with("main", &environment).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(7), "ran main\n"), "{path}");
        assert_eq!(proxy.asked_for(), asked);
        for head in proxy.asked() {
            // ana:hunter/2
            assert!(head.to_ascii_lowercase().contains("proxy-authorization: basic yw5homh1bnrlci8y\r\n"), "{head}");
            assert!(!head.contains("entryguard-action-"), "{head}");
        }
    }
    // A proxy that is reached over TLS itself.
    let checkout = Checkout::of_release_at(RELEASE, Some(PROGRAM));
    let url = format!("https://127.0.0.1:{}", release.port);
    let ran = checkout.run_with("main", &[("HTTPS_PROXY", &url), ("NO_PROXY", ""), ("NODE_EXTRA_CA_CERTS", &trusted)]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(7), "ran main\n"));
}

#[tokio::test]
async fn a_program_that_cannot_be_fetched_through_the_proxy_is_not_fetched_and_the_step_says_why() {
    let release = TlsRelease::serve(PROGRAM).await;
    let (proxy, nowhere) = (ForwardProxy::to(release.port).await, ForwardProxy::to_nowhere().await);
    let (through, refused) = (proxy.url(), nowhere.url_for("ana:hunter2"));
    let trusted = TlsRelease::certificate();
    let host = refused.rsplit('@').next().unwrap();
    let plain = RELEASE.replace("https", "http");
    for (url, name, proxy, certificate, why) in [
        (RELEASE, "HTTPS_PROXY", refused.as_str(), trusted.as_str(), format!("the proxy {host} answered 502")),
        (&plain, "HTTP_PROXY", &refused, &trusted, "release.example.invalid answered 502".to_owned()),
        (RELEASE, "HTTPS_PROXY", "socks5://ana:hunter2@127.0.0.1:1", &trusted, "HTTPS_PROXY has to be like http://".to_owned()),
        (RELEASE, "HTTPS_PROXY", "127.0.0.1:1", &trusted, "connect ECONNREFUSED 127.0.0.1:1".to_owned()),
        (RELEASE, "HTTPS_PROXY", &through, "", "self-signed certificate".to_owned()),
        (&format!("{RELEASE}/plain"), "HTTPS_PROXY", &through, &trusted, "leads from https:// to http://".to_owned()),
        (&format!("{RELEASE}/round"), "HTTPS_PROXY", &through, &trusted, "more than 5 redirects".to_owned()),
    ] {
        let checkout = Checkout::of_release_at(url, Some(PROGRAM));
        let ran = checkout.run_with("main", &[(name, proxy), ("NO_PROXY", ""), ("NODE_EXTRA_CA_CERTS", certificate)]).await;
        let said = &ran.stdout;
        assert!(ran.code == Some(1) && said.contains("cannot be fetched (") && said.contains(&why), "{why}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    // What is read on the way names the whole address, and shows the proxy its password.
    let asked = nowhere.asked().pop().unwrap();
    assert!(asked.starts_with(&format!("GET {plain}/v1.2.3/entryguard-action-{} HTTP/1.1\r\n", platform())), "{asked}");
    let asked = asked.to_ascii_lowercase();
    assert!(
        asked.contains("\r\nproxy-authorization: basic yw5homh1bnrlcji=\r\n") && !asked.contains("\r\nauthorization:"),
        "{asked}"
    );
}

#[tokio::test]
async fn the_proxies_of_the_download_are_those_of_the_program_itself() {
    let by_no_proxy =
        |named: &str| json!({ "HTTPS_PROXY": "http://p.example:1", "HTTP_PROXY": "p.example:2", "no_proxy": named });
    let named = |named: &str, url: &str, is_direct: bool| {
        let proxy = if url.starts_with("https") { "p.example:1" } else { "p.example:2" };
        (by_no_proxy(named), url.to_owned(), if is_direct { "direct" } else { proxy })
    };
    let mut cases = vec![
        (json!({}), "https://github.com".to_owned(), "direct"),
        (json!({ "HTTP_PROXY": "p.example:2" }), "https://github.com".to_owned(), "direct"),
        (json!({ "HTTPS_PROXY": " ", "https_proxy": "p.example:3" }), "https://github.com".to_owned(), "p.example:3"),
        (json!({ "HTTPS_PROXY": "p.example:4", "https_proxy": "p.example:5" }), "https://github.com".to_owned(), "p.example:4"),
    ];
    for (no_proxy, url, is_direct) in [
        ("corp.example", "https://corp.example", true),
        ("CORP.example", "https://guard.corp.EXAMPLE", true),
        ("corp.example", "https://acorp.example", false),
        (".corp.example", "https://guard.corp.example", true),
        ("*.corp.example", "https://guard.corp.example", true),
        ("*.corp.example", "https://other.example", false),
        ("a.example, corp.example", "https://corp.example", true),
        ("a.example corp.example", "https://corp.example", true),
        ("corp.example:8443", "https://corp.example:8443", true),
        ("10.0.0.0/8", "https://10.1.2.3", true),
        ("10.0.0.0/8", "https://11.1.2.3", false),
        ("10.0.0.0/99", "https://10.1.2.3", false),
        ("10.0.0.0/", "https://10.1.2.3", false),
        ("10.0.0.5", "https://10.0.0.5:8443", true),
        ("10.0.0.5:8443", "https://10.0.0.5:8443", true),
        ("2001:db8::/32", "https://[2001:db8::1]", true),
        ("2001:db8::/32", "https://[2001:db9::1]", false),
        ("[2001:db8::1]", "https://[2001:db8::1]:8443", true),
        ("*", "https://github.com", true),
        ("", "https://github.com", false),
        ("", "http://10.0.0.1", false),
        ("", "http://localhost:8080", true),
        ("", "https://127.1.2.3", true),
        ("", "http://[::1]:8080", true),
        ("", "http://169.254.169.254/latest/meta-data", true),
        ("", "http://[fd00:ec2::254]/latest", true),
        ("", "http://metadata.google.internal/computeMetadata", true),
    ] {
        cases.push(named(no_proxy, url, is_direct));
    }
    let asked: Vec<_> = cases.iter().map(|(environment, url, _)| json!([environment, url])).collect();
    let script = "const { proxyTo } = require(process.argv[1]);\
                  const ways = JSON.parse(process.argv[2]).map(([env, url]) => proxyTo(new URL(url), env)?.host ?? 'direct');\
                  console.log(JSON.stringify(ways));";
    let mut command = Command::new("node");
    command.args(["-e", script]).arg(root().join("action/js/proxies.js")).arg(Value::from(asked).to_string());
    let output = command.env("PATH", search_path()).output().await.expect("Node.js starts");
    let ways: Vec<String> = serde_json::from_slice(&output.stdout).expect("the ways");
    for ((environment, url, wanted), way) in cases.iter().zip(&ways) {
        assert_eq!(way, wanted, "{url} with {environment}");
    }
    assert_eq!(ways.len(), cases.len());
}
