//! The only way out is a proxy: server, client, action and the clouds' SDK go through it, and this machine is reached without.

use entryguard_tests::{Database, ForwardProxy, Job, SOON, World, eventually};

use crate::site::Site;

#[tokio::test]
async fn what_goes_out_goes_through_the_proxy_of_the_environment_and_loopback_does_not() {
    let proxy = ForwardProxy::to_nowhere().await;
    let mut world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").start().await;
    // The tests' own environment sends everything directly.
    let url = proxy.url();
    let through = [("https_proxy", url.as_str()), ("HTTP_PROXY", url.as_str()), ("NO_PROXY", "")];
    let here = world.entryguard_with(&["check"], &through, "").await;
    assert!(here.code == Some(0) && proxy.asked().is_empty(), "{here:?}: {:?}", proxy.asked());
    let value = |key: &str| world.config().split(&format!("\n{key} = \"")).nth(1).unwrap().split('"').next().unwrap().to_owned();
    let (slack, ec2) = (value("api_url"), value("endpoint_url"));
    world.rewrite_config(&slack, "https://slack.example.invalid");
    world.rewrite_config(&ec2, "https://ec2.example.invalid");
    world.entryguard_with(&["check"], &through, "").await;
    assert!(proxy.was_asked_for("slack.example.invalid"), "{:?}", proxy.asked());
    assert!(proxy.was_asked_for("ec2.example.invalid"), "{:?}", proxy.asked());
    let client = [through[0], through[2], ("ENTRYGUARD_URL", "https://guard.example.invalid"), ("ENTRYGUARD_API_KEY", "egk_x")];
    world.entryguard_with(&["whoami"], &client, "").await;
    assert!(proxy.was_asked_for("guard.example.invalid"), "{:?}", proxy.asked());
    let direct = [client[0], client[2], client[3], ("NO_PROXY", "*.example.invalid")];
    let many = proxy.asked().len();
    world.entryguard_with(&["whoami"], &direct, "").await;
    assert_eq!(proxy.asked().len(), many);
    let unusable = world.entryguard_with(&["check"], &[("HTTPS_PROXY", "socks5://127.0.0.1:1"), ("NO_PROXY", "")], "").await;
    assert!(unusable.code != Some(0) && unusable.stderr.contains("HTTPS_PROXY has to be like http://"), "{unusable:?}");
    world.rewrite_config("https://slack.example.invalid", &slack);
    world.rewrite_config("https://ec2.example.invalid", &ec2);
    world.finish().await;
}

/// A job that goes out through a proxy, less what `NO_PROXY` names.
fn job_through(proxy: &ForwardProxy, direct: &str) -> Job {
    Job::begin().with("HTTPS_PROXY", &proxy.url()).with("HTTP_PROXY", &proxy.url()).with("NO_PROXY", direct)
}

/// With a token to ask for, and a server, both far away.
fn with_a_far_server(job: Job) -> Job {
    let job = job.with("ACTIONS_ID_TOKEN_REQUEST_URL", "https://token.example.invalid/token?api-version=2.0");
    job.with("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "x").input("url", "https://guard.example.invalid")
}

/// Starts a step of the action's program, and waits until it has asked the proxy for a tunnel to each of these.
async fn the_step_asks_for(proxy: &ForwardProxy, job: &Job, phase: &str, hosts: &[&str]) {
    let step = job.start_bare(phase);
    eventually(&format!("{phase} goes through the proxy to {hosts:?}"), SOON, async || {
        let all = hosts.iter().all(|host| proxy.was_asked_for(host));
        if all { Ok(()) } else { Err(format!("{:?}", proxy.asked_for())) }
    })
    .await;
    drop(step);
}

#[tokio::test]
async fn the_action_asks_for_its_token_its_session_and_its_rules_through_the_proxy() {
    let proxy = ForwardProxy::to_nowhere().await;
    let with_token = with_a_far_server(job_through(&proxy, "")).run("main").await;
    assert!(with_token.code == Some(1) && proxy.was_asked_for("token.example.invalid"), "{}", with_token.log);
    let with_key = with_a_far_server(job_through(&proxy, "")).input("api-key", "egk_x");
    the_step_asks_for(&proxy, &with_key, "main", &["guard.example.invalid"]).await;
    let held = job_through(&proxy, "").with("STATE_url", "https://held.example.invalid").with("STATE_key", "egs_x");
    the_step_asks_for(&proxy, &held, "post", &["held.example.invalid"]).await;

    let serverless = || {
        let job = job_through(&proxy, "").input("security-groups", "sg-0123456789abcdef0").input("ports", "22");
        let job = job.input("region", World::REGION).with("AWS_ACCESS_KEY_ID", "test").with("AWS_SECRET_ACCESS_KEY", "test");
        job.with("AWS_EC2_METADATA_DISABLED", "true").with("AWS_CONFIG_FILE", "/dev/null")
    };
    let services = serverless().input("address-services", "https://one.example.invalid https://two.example.invalid");
    the_step_asks_for(&proxy, &services, "main", &["one.example.invalid", "two.example.invalid"]).await;
    let by_hand = serverless().input("ip", "93.184.216.34").with("AWS_ENDPOINT_URL", "https://ec2.example.invalid");
    the_step_asks_for(&proxy, &by_hand, "main", &["ec2.example.invalid"]).await;
}

#[tokio::test]
async fn the_action_reaches_without_the_proxy_what_no_proxy_names_and_takes_no_proxy_that_it_cannot_use() {
    let proxy = ForwardProxy::to_nowhere().await;
    for direct in ["example.invalid", "*.example.invalid", "other.example, token.example.invalid:443", "*"] {
        let ran = with_a_far_server(job_through(&proxy, direct)).run("main").await;
        assert!(ran.code == Some(1) && ran.log.contains("https://token.example.invalid does not answer"), "{}", ran.log);
        assert_eq!(proxy.asked_for(), [""; 0], "{direct}");
    }
    let unusable = with_a_far_server(Job::begin().with("HTTPS_PROXY", "socks5://127.0.0.1:1").with("NO_PROXY", ""));
    let ran = unusable.run("main").await;
    assert!(ran.code == Some(1) && ran.log.contains("HTTPS_PROXY has to be like http://"), "{}", ran.log);
    // A server on this machine is reached without the proxy.
    let site = Site::with_groups(1).await;
    let job = site.job().with("https_proxy", &proxy.url()).with("http_proxy", &proxy.url()).with("NO_PROXY", "");
    for phase in ["main", "post"] {
        let ran = job.run(phase).await;
        assert_eq!(ran.code, Some(0), "{}", ran.log);
    }
    assert_eq!(proxy.asked_for(), [""; 0]);
    site.nothing_is_open().await;
    site.world.finish().await;
}
