//! The GitHub Action in a runner that we did not write: a workflow that says `uses: entryguard/session-action@v1`.

use entryguard_tests::{Act, ActRan, GithubDouble, SOON, eventually, guide_workflows, readme_workflows};

use crate::site::{AUDIENCE, RUNNER_CIDR, Site};

fn says(ran: &ActRan, words: &[&str]) {
    for words in words {
        assert!(ran.log.contains(words), "{words:?} is not in:\n{}", ran.log);
    }
}

#[tokio::test]
async fn a_job_reaches_what_it_may_while_it_runs_and_nothing_afterwards() {
    let site = Site::with_groups(2).await;
    let outputs = "      - run: echo \"got ${{ steps.guard.outputs.status }} ${{ steps.guard.outputs.ipv4 }} ${{ steps.guard.outputs.session-id }}\"\n";
    let workflow = site.workflow("          reason: deploy 42\n", &format!("{outputs}{}", site.pause()));
    let mut acting = site.act(&workflow).await.begin();
    acting.until("reached the middle").await;
    for group in &site.world.groups {
        site.world.wait_until_group_allows(group, &[RUNNER_CIDR]).await;
    }
    site.go_on();
    let ran = acting.ended().await;
    assert!(ran.succeeded, "{}", ran.log);
    says(
        &ran,
        &[
            "EntryGuard opens 2 resources for 93.184.216.34",
            "APPLIED group-1 93.184.216.34",
            "got ACTIVE 93.184.216.34 ",
            "is ended. Waiting until EntryGuard has seen twice",
            "is closed.",
        ],
    );
    assert!(!ran.log.contains("egs_"), "the session's key is in the log:\n{}", ran.log);
    site.nothing_is_open().await;
    assert!(site.audit().await.contains("deploy 42"));
    site.world.finish().await;
}

#[tokio::test]
async fn a_step_that_fails_closes_the_session_all_the_same() {
    let site = Site::with_groups(1).await;
    let ran = site.act(&site.workflow("", "      - run: exit 3\n")).await.run().await;
    assert!(!ran.succeeded, "{}", ran.log);
    says(&ran, &["APPLIED group-1", "is closed."]);
    site.nothing_is_open().await;
    site.world.finish().await;
}

#[tokio::test]
async fn what_the_server_refuses_fails_the_step_with_the_reason_and_opens_nothing() {
    let site = Site::with_groups(1).await;
    let ran = site.act(&site.workflow("          duration: 9d\n", "      - run: echo never\n")).await.run().await;
    assert!(!ran.succeeded && !ran.log.contains("| never"), "{}", ran.log);
    says(&ran, &["Duration exceeds maximum allowed", "No session was started, so there is nothing to close."]);
    assert!(!site.audit().await.contains("session.started"));
    site.world.finish().await;
}

#[tokio::test]
async fn without_a_token_the_step_says_which_permission_is_missing() {
    let site = Site::with_groups(1).await;
    let ran = Act::of(&site.workflow("", "")).await.run().await;
    assert!(!ran.succeeded, "{}", ran.log);
    says(&ran, &["permissions: id-token: write"]);
    let fork = Act::of(&site.workflow("", "").replace("on: push", "on: pull_request")).await.for_pull_request_of("eve/api");
    says(&fork.run().await, &["a pull request from a fork"]);
    site.world.finish().await;
}

#[tokio::test]
async fn with_an_api_key_a_job_needs_no_token_and_nobody_reads_the_key() {
    let site = Site::with_groups(1).await;
    let key = site.world.api_key("deploy", "sessions:write", &["--name", "job"]).await;
    let said = format!("      - run: echo \"the key is $GUARD_KEY\"\n        env:\n          GUARD_KEY: {key}\n");
    let workflow = site.workflow(&format!("          api-key: {key}\n"), &format!("{said}{}", site.pause()));
    let workflow = workflow.replace("    permissions:\n      id-token: write\n", "");
    let mut acting = Act::of(&workflow).await.begin();
    acting.until("reached the middle").await;
    site.world.wait_until_group_allows(&site.world.groups[0], &[RUNNER_CIDR]).await;
    site.go_on();
    let ran = acting.ended().await;
    assert!(ran.succeeded, "{}", ran.log);
    says(&ran, &["APPLIED group-1", "the key is ***", "is closed."]);
    assert!(!ran.log.contains(&key), "the key is in the log:\n{}", ran.log);
    site.nothing_is_open().await;
    assert!(site.audit().await.contains("api-key:job") && !site.world.server.log().contains(&key));
    // What is taken back opens nothing, and the step says why.
    site.world.entryguard(&["api-key", "revoke", "job"]).await;
    let refused = Act::of(&workflow).await.run().await;
    assert!(!refused.succeeded, "{}", refused.log);
    says(&refused, &["This API key was revoked at"]);
    site.world.finish().await;
}

#[tokio::test]
async fn a_cancelled_job_leaves_nothing_open() {
    let site = Site::with_groups(1).await;
    let mut acting = site.act(&site.workflow("", &site.pause())).await.begin();
    acting.until("reached the middle").await;
    site.world.wait_until_group_allows(&site.world.groups[0], &[RUNNER_CIDR]).await;
    acting.interrupt().await;
    let ran = acting.ended().await;
    assert!(!ran.succeeded, "{}", ran.log);
    site.nothing_is_open().await;
    site.world.finish().await;
}

#[tokio::test]
async fn jobs_of_a_matrix_that_share_an_address_share_the_opening() {
    let site = Site::with_groups(1).await;
    let matrix = "  deploy:\n    strategy:\n      matrix:\n        part: [1, 2, 3]\n";
    let workflow = site.workflow("", &site.pause()).replace("  deploy:\n", matrix);
    let mut acting = site.act(&workflow).await.begin();
    acting.until("reached the middle").await;
    eventually("three sessions share one rule", SOON, async || {
        let (rules, sessions) =
            (site.world.rules_of(&site.world.groups[0]).await.len(), site.audit().await.matches("session.started").count());
        if (rules, sessions) == (1, 3) { Ok(()) } else { Err(format!("{rules} rules, {sessions} sessions")) }
    })
    .await;
    site.go_on();
    let ran = acting.ended().await;
    assert!(ran.succeeded, "{}", ran.log);
    assert_eq!(ran.log.matches("is closed.").count(), 3, "{}", ran.log);
    site.nothing_is_open().await;
    site.world.finish().await;
}

#[tokio::test]
async fn a_session_of_which_only_a_part_opens_fails_the_step_unless_told_otherwise() {
    let site = Site::with_groups(2).await;
    site.world.ec2.delete_group(&site.world.groups[1]).await;
    let ran = site.act(&site.workflow("", "      - run: echo never\n")).await.run().await;
    assert!(!ran.succeeded && !ran.log.contains("| never"), "{}", ran.log);
    says(&ran, &["Only a part is open. group-2: ", "is closed."]);
    let lenient =
        site.workflow("          fail-on-partial: false\n", "      - run: echo reached ${{ steps.guard.outputs.status }}\n");
    let ran = site.act(&lenient).await.run().await;
    assert!(ran.succeeded, "{}", ran.log);
    says(&ran, &["Only a part is open. group-2: ", "reached PARTIAL"]);
    site.world.wait_until_group_allows(&site.world.groups[0], &[]).await;
    site.world.finish().await;
}

#[tokio::test]
async fn where_the_server_is_away_at_the_end_the_job_says_when_the_session_ends_by_itself() {
    let site = Site::with_groups(1).await;
    let mut acting = site.act(&site.workflow("", &site.pause())).await.begin();
    acting.until("reached the middle").await;
    site.ingress.set_down(true);
    site.go_on();
    let ran = acting.ended().await;
    assert!(ran.succeeded, "post never fails a job: {}", ran.log);
    says(&ran, &["The session could not be closed now", "The server closes it by itself at 20"]);
    site.world.finish().await;
}

#[tokio::test]
async fn the_guides_own_workflow_runs() {
    let mut site = Site::with_groups(1).await;
    // Nothing but the server's address and the step in the middle is another than in the guide.
    let url = site.ingress.url().to_owned();
    site.world.rewrite_config(&format!("audience = \"{AUDIENCE}\""), &format!("audience = \"{url}\""));
    site.world.server.restart().await;
    let guide = guide_workflows().remove(0);
    assert_eq!(guide, readme_workflows()[0], "the README has the same");
    assert!(guide.contains("https://entryguard.example.com") && guide.contains("- run: ./migrate.sh"), "{guide}");
    let middle = site.pause();
    let workflow = guide.replace("https://entryguard.example.com", &url).replace("      - run: ./migrate.sh\n", &middle);
    let mut acting = site.act(&format!("on: push\n{workflow}")).await.begin();
    acting.until("reached the middle").await;
    site.world.wait_until_group_allows(&site.world.groups[0], &[RUNNER_CIDR]).await;
    site.go_on();
    let ran = acting.ended().await;
    assert!(ran.succeeded, "{}", ran.log);
    site.nothing_is_open().await;
    site.world.finish().await;
}

#[tokio::test]
async fn a_pull_request_gets_one_comment_however_often_its_job_runs() {
    let (site, github) = (Site::with_groups(1).await, GithubDouble::open().await);
    github.comment("<!-- entryguard/session-action -->\nI can write that, too");
    let inputs = format!("          comment: true\n          github-token: {}\n", GithubDouble::JOB_TOKEN);
    let workflow = site.workflow(&inputs, "      - run: echo fine\n").replace("on: push", "on: pull_request");
    for run in 1..=2 {
        let act = site.act(&workflow).await.for_pull_request_of("acme/api").with("GITHUB_API_URL", &github.api_url());
        let ran = act.run().await;
        assert!(ran.succeeded && !ran.log.contains("could not be commented"), "{}", ran.log);
        let [theirs, ours] = <[(String, u32); 2]>::try_from(github.comments()).expect("one comment of ours");
        assert_eq!(theirs.1, 0, "somebody else's is left alone");
        assert_eq!(ours.1, 2 * run - 1, "edited when it was closed, and in the next run");
        assert!(ours.0.contains("CANCELLED") && ours.0.contains("| group-1 | 93.184.216.34 | REMOVED |"), "{}", ours.0);
    }
    assert_eq!(github.checks().len(), 2);
    assert_eq!((&github.checks()[0]["conclusion"], &github.checks()[0]["head_sha"]), (&"success".into(), &"5ad".into()));
    site.world.finish().await;
}

#[tokio::test]
async fn jobs_of_a_matrix_share_the_comment_on_their_pull_request() {
    let (site, github) = (Site::with_groups(1).await, GithubDouble::open().await);
    let inputs = format!("          comment: true\n          github-token: {}\n", GithubDouble::JOB_TOKEN);
    let matrix = "  deploy:\n    strategy:\n      matrix:\n        part: [one, two]\n";
    let workflow = site.workflow(&inputs, "      - run: echo fine\n").replace("  deploy:\n", matrix);
    let act = site.act(&workflow.replace("on: push", "on: pull_request")).await.for_pull_request_of("acme/api");
    let ran = act.with("GITHUB_API_URL", &github.api_url()).run().await;
    assert!(ran.succeeded && !ran.log.contains("could not be commented"), "{}", ran.log);
    let [(comment, _)] = <[(String, u32); 1]>::try_from(github.comments()).expect("one comment");
    for part in ["/ deploy (one)**", "/ deploy (two)**"] {
        assert_eq!(comment.matches(part).count(), 1, "{comment}");
    }
    assert_eq!(comment.matches("`: CANCELLED").count(), 2, "{comment}");
    site.world.finish().await;
}
