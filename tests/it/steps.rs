//! The action's two steps, started one by one as a runner does: what they leave, what cancels them, and what they do about mistakes.

use std::time::{Duration, Instant};

use entryguard_tests::{GithubDouble, Ingress, Job, WorldBuilder};
use serde_json::json;

use crate::site::{AUDIENCE, RUNNER, RUNNER_CIDR, Site};

const RUNNER_V6: &str = "2606:2800:220:1:248:1893:25c8:1946";

/// A site whose workflows have a role with this in it.
async fn with_role(more: &str) -> Site {
    let role = |world: WorldBuilder| {
        let world = world.with_groups(1).workflow_member("deploy", "repository_id=42");
        world.role("deployers", &["deploy"], &["group-1"], more)
    };
    Site::of(role).await
}

async fn started_once(site: &Site) {
    let audit = site.audit().await;
    assert_eq!(audit.matches("session.started").count(), 1, "{audit}");
}

#[tokio::test]
async fn a_job_cancelled_before_it_hears_of_its_session_closes_it_at_once() {
    for signal in ["INT", "TERM"] {
        let site = Site::with_groups(1).await;
        site.ingress.lose_answers_to_starts();
        let job = site.job();
        let main = job.start("main");
        site.ingress.wait_for_a_start().await;
        site.world.wait_until_group_allows(&site.world.groups[0], &[RUNNER_CIDR]).await;
        main.signal(signal).await;
        let main = main.ended().await;
        assert!(main.code == Some(1) && main.log.contains("The job was cancelled; the session is being closed."), "{}", main.log);
        site.nothing_is_open().await;
        started_once(&site).await;
        assert_eq!(job.run("post").await.code, Some(0));
        site.world.finish().await;
    }
}

#[tokio::test]
async fn a_start_that_reaches_the_server_after_the_cancelling_is_closed_all_the_same() {
    let site = Site::with_groups(1).await;
    // The second and last question for it comes three seconds after the first.
    site.ingress.delay_starts(Duration::from_secs(1));
    let job = site.job();
    let main = job.start("main");
    site.ingress.wait_for_a_start().await;
    let cancelled = Instant::now();
    main.signal("INT").await;
    let main = main.ended().await;
    let took = cancelled.elapsed();
    assert!(main.code == Some(1) && main.log.contains("The job was cancelled; the session is being closed."), "{}", main.log);
    assert!(took < Duration::from_millis(7500), "the runner asks again, less politely, after 7.5 s: {took:?}");
    site.nothing_is_open().await;
    started_once(&site).await;
    site.world.finish().await;
}

#[tokio::test]
async fn post_closes_what_a_killed_main_step_had_only_just_asked_for() {
    let site = Site::with_groups(1).await;
    // The second and last question for it comes three seconds after the first.
    site.ingress.delay_starts(Duration::from_secs(1));
    let job = site.job();
    let main = job.start_bare("main");
    site.ingress.wait_for_a_start().await;
    main.signal("KILL").await;
    assert_eq!(main.ended().await.code, None);
    let post = job.run("post").await;
    assert!(post.code == Some(0) && post.log.contains("is closed."), "{}", post.log);
    site.nothing_is_open().await;
    started_once(&site).await;
    site.world.finish().await;
}

#[tokio::test]
async fn a_job_cancelled_while_it_waits_closes_its_session_at_once() {
    for signal in ["INT", "TERM"] {
        let site = Site::with_groups(1).await;
        site.world.proxy.slow_down(Duration::from_secs(2));
        let job = site.job();
        let main = job.start("main");
        main.until("EntryGuard opens 1 resources").await;
        main.signal(signal).await;
        let main = main.ended().await;
        assert!(main.code == Some(1) && main.log.contains("The job was cancelled; the session is being closed."), "{}", main.log);
        let (group, error) = (main.log.find("::endgroup::"), main.log.find("::error"));
        assert!(group.is_some() && group < error, "the error stands for itself: {}", main.log);
        site.world.proxy.slow_down(Duration::ZERO);
        site.nothing_is_open().await;
        site.world.finish().await;
    }
}

#[tokio::test]
async fn an_interrupt_does_not_keep_post_from_closing_and_fails_no_job() {
    let site = Site::with_groups(1).await;
    let job = site.job();
    assert_eq!(job.run("main").await.code, Some(0));
    // The server is away: post says what it can before the runner kills it, ten seconds after the interrupt.
    site.ingress.set_down(true);
    let post = job.start("post");
    // What it says first, it says once no signal ends it any more.
    post.until("::add-mask::").await;
    let cancelled = Instant::now();
    post.signal("INT").await;
    let post = post.ended().await;
    let took = cancelled.elapsed();
    assert_eq!(post.code, Some(0), "{}", post.log);
    assert!(
        post.log.contains("::warning title=EntryGuard::The job was cancelled") && post.log.contains("is closed at 20"),
        "{}",
        post.log
    );
    assert!(took < Duration::from_millis(9500), "{took:?}");
    site.ingress.set_down(false);
    site.world.proxy.slow_down(Duration::from_secs(1));
    let post = job.start("post");
    post.until("::add-mask::").await;
    post.signal("INT").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    post.signal("TERM").await;
    assert_eq!(post.ended().await.code, Some(0));
    site.nothing_is_open().await;
    site.world.finish().await;
}

#[tokio::test]
async fn a_mistake_in_an_input_fails_main_and_never_post() {
    let site = Site::with_groups(1).await;
    let main = site.job().input("wait", "maybe").run("main").await;
    assert!(
        main.code == Some(2)
            && main.log.starts_with("::error title=EntryGuard::invalid value 'maybe' for the input `wait`: write true or false"),
        "{}",
        main.log
    );
    // What the workflow leaves empty is as good as not named.
    let empty = ["wait", "timeout", "duration", "fail-on-partial", "comment", "ip", "matrix"];
    let job = empty.iter().fold(site.job(), |job, name| job.input(name, ""));
    let main = job.run("main").await;
    assert!(main.code == Some(0) && job.outputs()["status"] == "ACTIVE", "{}", main.log);
    let job = job.input("comment", "maybe").input("timeout", "soon").input("wait", "maybe").input("url", "");
    let post = job.run("post").await;
    assert_eq!(post.code, Some(0), "{}", post.log);
    assert!(
        post.log.contains("::warning title=EntryGuard::invalid value 'maybe' for the input `comment`: write true or false"),
        "{}",
        post.log
    );
    assert!(post.log.contains("is closed."), "{}", post.log);
    site.nothing_is_open().await;
    site.world.finish().await;
}

#[tokio::test]
async fn a_step_leaves_outputs_and_a_summary_also_for_ipv6_given_by_hand() {
    let site = with_role("explicit_ip = true").await;
    let job = site.job().input("ip", &format!("{RUNNER}, {RUNNER_V6}"));
    let main = job.run("main").await;
    assert_eq!(main.code, Some(0), "{}", main.log);
    let outputs = job.outputs();
    assert_eq!((outputs["status"].as_str(), outputs["ipv4"].as_str(), outputs["ipv6"].as_str()), ("ACTIVE", RUNNER, RUNNER_V6));
    let (id, until) = (&outputs["session-id"], &outputs["expires-at"]);
    assert!(until.starts_with("20") && until.ends_with('Z') && id.len() == 36, "{outputs:?}");
    let summary = job.summary();
    for words in [
        format!("### EntryGuard session `{}`: ACTIVE", &id[..8]),
        format!("until {until}, or until the job ends"),
        format!("| group-1 | {RUNNER} | APPLIED |"),
        format!("| group-1 | {RUNNER_V6} | APPLIED |"),
    ] {
        assert!(summary.contains(&words), "{words:?} is not in {summary}");
    }
    assert_eq!(job.run("post").await.code, Some(0));
    site.nothing_is_open().await;
    site.world.finish().await;
}

#[tokio::test]
async fn a_runner_that_has_ipv6_alone_gets_its_session_for_that() {
    let site = Site::with_groups(1).await;
    let ingress = Ingress::before(&site.world.server.address(), RUNNER_V6).await;
    let job = site.job().input("url", ingress.url());
    assert_eq!(job.run("main").await.code, Some(0));
    let outputs = job.outputs();
    assert_eq!((outputs["ipv4"].as_str(), outputs["ipv6"].as_str()), ("", RUNNER_V6));
    site.world.wait_until_group_allows(&site.world.groups[0], &[&format!("{RUNNER_V6}/128")]).await;
    assert_eq!(job.run("post").await.code, Some(0));
    site.nothing_is_open().await;
    site.world.finish().await;
}

#[tokio::test]
async fn a_session_that_is_not_open_in_time_fails_the_step_and_post_closes_it() {
    let site = Site::with_groups(1).await;
    site.world.proxy.slow_down(Duration::from_secs(4));
    let job = site.job().input("timeout", "1s");
    let main = job.run("main").await;
    assert!(
        main.code == Some(1) && main.log.contains("The session is still PENDING after 1s. The post step closes it."),
        "{}",
        main.log
    );
    assert_eq!(job.outputs()["status"], "PENDING");
    site.world.proxy.slow_down(Duration::ZERO);
    assert_eq!(job.run("post").await.code, Some(0));
    site.nothing_is_open().await;
    site.world.finish().await;
}

#[tokio::test]
async fn a_session_of_which_nothing_opens_fails_the_step() {
    let site = Site::with_groups(1).await;
    site.world.ec2.delete_group(&site.world.groups[0]).await;
    let job = site.job();
    let main = job.run("main").await;
    assert!(main.code == Some(1) && main.log.contains("Nothing could be opened. group-1: "), "{}", main.log);
    assert_eq!(job.outputs()["status"], "FAILED");
    assert_eq!(job.run("post").await.code, Some(0));
    site.world.finish().await;
}

#[tokio::test]
async fn a_server_that_is_away_for_a_moment_is_asked_again() {
    let site = Site::with_groups(1).await;
    site.ingress.fail(2);
    let job = site.job();
    let main = job.run("main").await;
    assert_eq!((main.code, main.log.matches("The server is away").count()), (Some(0), 2), "{}", main.log);
    started_once(&site).await;
    assert_eq!(job.run("post").await.code, Some(0));
    site.world.finish().await;
}

#[tokio::test]
async fn a_role_bounds_how_long_a_workflow_may_stay() {
    let site = with_role("max_duration = \"1h\"").await;
    let job = site.job().input("duration", "2h");
    let main = job.run("main").await;
    assert!(main.code == Some(1) && main.log.contains("Duration exceeds maximum allowed"), "{}", main.log);
    let post = job.run("post").await;
    assert_eq!((post.code, site.ingress.stops()), (Some(0), 1), "nothing can have begun, so it is not waited and asked again");
    assert!(post.took < Duration::from_secs(10), "{:?}", post.took);
    assert_eq!(site.job().input("duration", "1h").run("main").await.code, Some(0));
    site.world.finish().await;
}

#[tokio::test]
async fn every_claim_of_an_identity_has_to_be_there() {
    let claims = "repository_id=42;environment=production";
    let site = Site::of(|world| world.with_groups(1).workflow_member("deploy", claims)).await;
    for other in [json!({}), json!({ "environment": "staging" }), json!({ "environment": "production", "repository_id": "43" })] {
        site.issuer.claim_for_jobs(other.clone());
        let main = site.job().run("main").await;
        assert!(main.code == Some(1) && main.log.contains("EntryGuard refuses"), "{other}: {}", main.log);
    }
    assert_eq!(site.world.rules_of(&site.world.groups[0]).await, []);
    site.issuer.claim_for_jobs(json!({ "environment": "production" }));
    let main = site.job().run("main").await;
    assert_eq!(main.code, Some(0), "{}", main.log);
    site.world.finish().await;
}

/// A job for a pull request that comments on it.
fn commenting(site: &Site, github: &GithubDouble, token: &str) -> Job {
    let job = site.job().for_pull_request().with("GITHUB_API_URL", &github.api_url());
    job.input("comment", "true").input("github-token", token)
}

#[tokio::test]
async fn jobs_of_a_matrix_write_one_comment_and_not_over_each_other() {
    let (site, github) = (Site::with_groups(1).await, GithubDouble::open().await);
    let jobs = [1, 2, 3]
        .map(|part| commenting(&site, &github, GithubDouble::JOB_TOKEN).input("matrix", &format!("{{ \"part\": {part} }}")));
    for (phase, status) in [("main", "ACTIVE"), ("post", "CANCELLED")] {
        let steps: Vec<_> = jobs.iter().map(|job| job.start(phase)).collect();
        for step in steps {
            let ran = step.ended().await;
            assert!(ran.code == Some(0) && !ran.log.contains("could not be commented"), "{}", ran.log);
        }
        let [(comment, _)] = <[(String, u32); 1]>::try_from(github.comments()).expect("one comment");
        for part in 1..=3 {
            assert_eq!(comment.matches(&format!("**CI / deploy ({part})**")).count(), 1, "{comment}");
        }
        assert_eq!(comment.matches(&format!("`: {status}")).count(), 3, "{comment}");
    }
    for check in github.checks() {
        assert_eq!(
            (&check["conclusion"], &check["output"]["title"]),
            (&json!("success"), &json!(format!("CANCELLED for {RUNNER}")))
        );
    }
    assert_eq!(github.checks().len(), 3);
    site.world.finish().await;
}

#[tokio::test]
async fn with_somebodys_own_token_there_is_one_comment_too() {
    let (site, github) = (Site::with_groups(1).await, GithubDouble::open().await);
    github.comment("<!-- entryguard/session-action -->\nI can write that, too");
    for run in ["1001", "1002"] {
        let job = commenting(&site, &github, GithubDouble::PERSONAL_TOKEN).with("GITHUB_RUN_ID", run);
        for phase in ["main", "post"] {
            let ran = job.run(phase).await;
            assert!(ran.code == Some(0) && !ran.log.contains("could not be commented"), "{}", ran.log);
        }
        let [theirs, ours] = <[(String, u32); 2]>::try_from(github.comments()).expect("one comment of ours");
        assert!(theirs.1 == 0 && ours.0.contains("CANCELLED"), "{theirs:?} {ours:?}");
    }
    site.world.finish().await;
}

#[tokio::test]
async fn a_github_that_does_not_answer_costs_a_step_some_seconds_and_fails_nothing() {
    let (site, github) = (Site::with_groups(1).await, GithubDouble::open().await);
    github.fall_silent();
    let job = commenting(&site, &github, GithubDouble::JOB_TOKEN);
    for (phase, longest) in [("main", 45), ("post", 35)] {
        let ran = job.run(phase).await;
        assert!(
            ran.code == Some(0) && ran.log.contains("could not be commented on (GitHub does not answer in time)"),
            "{}",
            ran.log
        );
        assert!(ran.took < Duration::from_secs(longest), "{phase} took {:?}", ran.took);
    }
    site.nothing_is_open().await;
    site.world.finish().await;
}

#[tokio::test]
async fn clocks_may_be_half_a_minute_apart_and_no_more() {
    let site = Site::with_groups(1).await;
    let now = entryguard_tests::unix_seconds();
    for (claims, status) in [
        (json!({ "iat": now - 300, "exp": now - 20 }), 201),
        (json!({ "iat": now - 300, "exp": now - 40 }), 401),
        (json!({ "nbf": now + 20 }), 201),
        (json!({ "nbf": now + 45 }), 401),
        (json!({ "iat": now + 20 }), 201),
        (json!({ "iat": now + 45 }), 401),
        (json!({ "iat": (now - 300).to_string(), "exp": (now - 20).to_string() }), 201),
        (json!({ "iat": (now - 300).to_string(), "exp": (now - 40).to_string() }), 401),
        (json!({ "nbf": (now + 45).to_string() }), 401),
        (json!({ "exp": "soon" }), 401),
    ] {
        assert_eq!(site.status_for(&site.issuer.token_with(AUDIENCE, &claims)).await, status, "{claims}");
    }
    site.world.finish().await;
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_holds_up_nobody_whose_key_is_known() {
    let site = Site::with_groups(1).await;
    assert_eq!(site.status_for(&site.issuer.token(AUDIENCE)).await, 201);
    site.issuer.fall_silent();
    // Ten seconds after the last look, a stranger's token makes the server look again, and wait.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let forged =
        || site.issuer.sign_as(&site.issuer.claims(AUDIENCE, &json!({})), entryguard_tests::SigningKey::Second, "forged");
    let asked = site.issuer.asked();
    let (strangers, known) = tokio::join!(
        async {
            let all = futures_util::future::join_all((0..5).map(async |_| site.status_for(&forged()).await)).await;
            (all, Instant::now())
        },
        async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            (site.status_for(&site.issuer.token(AUDIENCE)).await, Instant::now())
        }
    );
    // The issuer is waited for five seconds, and who waits for the same look is answered with the strangers.
    let sooner = strangers.1.saturating_duration_since(known.1);
    assert!(known.0 == 201 && sooner > Duration::from_millis(500), "a known key waits for nobody: {} {sooner:?}", known.0);
    assert_eq!(strangers.0, [503; 5], "whether the issuer has such a key cannot be told");
    assert_eq!(site.issuer.asked(), asked + 1, "one look for all of them");
    site.world.finish().await;
}

/// What measures has the machine to itself.
pub mod speed {
    use entryguard_tests::{quiet, show_figure};

    use super::*;

    /// A second; the tests run a program that nobody has made quick.
    pub const MOST: Duration = if cfg!(debug_assertions) { Duration::from_secs(2) } else { Duration::from_secs(1) };

    #[tokio::test]
    async fn the_steps_themselves_cost_less_than_a_second() {
        let _quiet = quiet().await;
        let site = Site::with_groups(1).await;
        let mut quickest = [Duration::MAX; 2];
        for _ in 0..3 {
            // What does not wait for the cloud is the step's own; post finds the session over, so it does not wait either.
            let job = site.job().input("wait", "false");
            let main = job.run("main").await;
            assert_eq!(job.run("post").await.code, Some(0));
            for (quickest, ran) in quickest.iter_mut().zip([main, job.run("post").await]) {
                assert_eq!(ran.code, Some(0), "{}", ran.log);
                *quickest = ran.took.min(*quickest);
            }
        }
        for (name, took) in ["main", "post"].into_iter().zip(quickest) {
            show_figure(&format!("the action's {name} step, less the cloud's time: {} ms of 1,000", took.as_millis()));
            assert!(took < MOST, "{name} took {took:?}");
        }
        site.nothing_is_open().await;
        site.world.finish().await;
    }
}
