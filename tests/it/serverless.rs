//! The GitHub Action without a server: it opens security groups itself, and jobs that share an address count each other.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use entryguard_tests::{
    Act, ActRan, Ec2, GroupId, Job, Listener, Proxy, Rule, SOON, World, eventually, guide_workflows, moto_address, program,
    readme_workflows, unique,
};
use tokio::process::Command;

const RUNNER: &str = "93.184.216.34";
const RUNNER_CIDR: &str = "93.184.216.34/32";
const CREDENTIALS: [(&str, &str); 6] = [
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
    ("AWS_CONFIG_FILE", "/dev/null"),
    ("AWS_REGION", World::REGION),
    ("NO_PROXY", "*"),
];

/// Security groups, and two services that say where a caller comes from.
struct Site {
    ec2: Ec2,
    proxy: Proxy,
    groups: Vec<GroupId>,
    services: [Listener; 2],
    place: tempfile::TempDir,
}

impl Site {
    async fn with_groups(groups: usize) -> Self {
        Self::where_services_see(groups, [RUNNER, RUNNER]).await
    }

    async fn where_services_see(groups: usize, seen: [&'static str; 2]) -> Self {
        let ec2 = Ec2::at(&moto_address(), World::REGION);
        let mut made = Vec::new();
        for _ in 0..groups {
            made.push(ec2.create_group(&unique("serverless")).await);
        }
        let service = async |address| Listener::serve(Router::new().fallback(async move || format!("{address}\n"))).await;
        let services = [service(seen[0]).await, service(seen[1]).await];
        let (proxy, place) = (Proxy::before(&moto_address()).await, tempfile::tempdir().unwrap());
        Self { ec2, proxy, groups: made, services, place }
    }

    fn services(&self) -> String {
        self.services.each_ref().map(|service| service.address.clone()).join(" ")
    }

    fn workflow(&self, more: &str, steps: &str) -> String {
        format!(
            "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: entryguard/session-action@v1\n        \
             id: guard\n        with:\n          security-groups: {}\n          ports: 22, 5432\n          address-services: {}\n{more}{steps}",
            self.groups.join(", "),
            self.services(),
        )
    }

    async fn act(&self, workflow: &str) -> Act {
        let act = Act::of(workflow).await.with("AWS_ENDPOINT_URL", self.proxy.address());
        CREDENTIALS.iter().fold(act, |act, (name, value)| act.with(name, value))
    }

    /// A program of ours with the job's credentials, outside of any runner.
    async fn run(&self, program: PathBuf, arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
        let mut command = Command::new(program);
        command.args(arguments).env("AWS_ENDPOINT_URL", self.proxy.address()).envs(CREDENTIALS);
        let output = command.envs(environment.iter().copied()).current_dir(self.place.path()).output().await.unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        (output.status.code(), said.concat())
    }

    /// A job that opens for this long, and is lost before its post step.
    async fn lost_job(&self, duration: &str) {
        let action = program().with_file_name("entryguard-action");
        let (groups, services) = (self.groups.join(" "), self.services());
        let inputs =
            [("security-groups", groups.as_str()), ("ports", "22"), ("address-services", &services), ("duration", duration)];
        let arguments: Vec<_> = inputs.into_iter().map(|(name, value)| format!("--{name}={value}")).collect();
        let arguments: Vec<_> = ["main"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        let (code, said) = self.run(action, &arguments, &[]).await;
        assert_eq!(code, Some(0), "{said}");
    }

    async fn rules(&self) -> Vec<Rule> {
        self.ec2.rules_of_all(&self.groups).await
    }

    fn pause(&self) -> String {
        let signal = self.place.path().join("go-on");
        format!(
            "      - run: |\n          echo reached the middle\n          until [ -e {} ]; do sleep 0.2; done\n",
            signal.display()
        )
    }

    fn go_on(&self) {
        std::fs::write(self.place.path().join("go-on"), "").unwrap();
    }

    async fn finish(self) {
        for group in &self.groups {
            self.ec2.try_ask("DeleteSecurityGroup", &[("GroupId", group)]).await;
        }
    }
}

fn says(ran: &ActRan, words: &[&str]) {
    for words in words {
        assert!(ran.log.contains(words), "{words:?} is not in:\n{}", ran.log);
    }
}

fn holders(rule: &Rule) -> usize {
    rule.tags.keys().filter(|key| key.starts_with("entryguard:holder:")).count()
}

fn ends(rules: &[Rule]) -> BTreeSet<&str> {
    rules.iter().map(|rule| rule.tags["entryguard:expires-at"].as_str()).collect()
}

#[tokio::test]
async fn a_job_opens_the_groups_itself_and_closes_them_afterwards() {
    let site = Site::with_groups(2).await;
    site.ec2.authorize_by_hand(&site.groups[0], 22, "198.51.100.7/32", "the office").await;
    let outputs = "      - run: echo \"got ${{ steps.guard.outputs.status }} ${{ steps.guard.outputs.ipv4 }}\"\n";
    let mut acting = site.act(&site.workflow("", &format!("{outputs}{}", site.pause()))).await.begin();
    acting.until("reached the middle").await;
    let rules: Vec<_> = site.rules().await.into_iter().filter(Rule::is_ours).collect();
    let shape: BTreeSet<_> = rules.iter().map(|rule| (rule.group.clone(), rule.cidr.as_str(), rule.from)).collect();
    let wanted = site.groups.iter().flat_map(|group| [22, 5432].map(|port| (group.clone(), RUNNER_CIDR, port)));
    assert_eq!(shape, wanted.collect());
    for rule in &rules {
        assert_eq!((rule.tags["entryguard:owner"].as_str(), holders(rule)), ("serverless", 1));
        assert!(!rule.tags["entryguard:opening"].is_empty() && rule.tags["entryguard:expires-at"].ends_with('Z'), "{rule:?}");
        assert!(rule.description.contains(&rule.tags["entryguard:expires-at"]), "{rule:?}");
    }
    site.go_on();
    let ran = acting.ended().await;
    assert!(ran.succeeded, "{}", ran.log);
    says(&ran, &["EntryGuard opens 2 security groups for 93.184.216.34", "got ACTIVE 93.184.216.34", "is closed."]);
    let left: Vec<_> = site.rules().await.into_iter().map(|rule| rule.cidr).collect();
    assert_eq!(left, ["198.51.100.7/32"], "what somebody else made is left alone");
    site.finish().await;
}

#[tokio::test]
async fn jobs_of_a_matrix_count_each_other_and_the_last_one_closes() {
    let site = Site::with_groups(1).await;
    let matrix = "  deploy:\n    strategy:\n      matrix:\n        part: [1, 2, 3]\n";
    let workflow = site.workflow("", &site.pause()).replace("  deploy:\n", matrix);
    let mut acting = site.act(&workflow).await.begin();
    acting.until("reached the middle").await;
    eventually("three jobs hold one rule", SOON, async || {
        let held: Vec<_> = site.rules().await.iter().map(holders).collect();
        if held == [3, 3] { Ok(()) } else { Err(format!("{held:?}")) }
    })
    .await;
    site.go_on();
    let ran = acting.ended().await;
    assert!(ran.succeeded, "{}", ran.log);
    assert_eq!(ran.log.matches("is closed.").count(), 3, "{}", ran.log);
    assert_eq!(site.rules().await, []);
    site.finish().await;
}

#[tokio::test]
async fn what_a_lost_job_left_is_closed_by_the_next_one_or_by_a_sweep_once_its_time_is_over() {
    let site = Site::with_groups(1).await;
    site.lost_job("1h").await;
    let sweep = ["sweep", "--expired", "--security-group", &site.groups[0]];
    let (code, said) = site.run(program(), &sweep, &[]).await;
    assert_eq!((code, site.rules().await.len()), (Some(0), 1), "its time is not over: {said}");
    // Another job comes and goes, and leaves it to the lost one, which holds it to its own end.
    let before = site.rules().await[0].tags["entryguard:expires-at"].clone();
    let ran = site.act(&site.workflow("          duration: 2h\n", "      - run: echo fine\n")).await.run().await;
    says(&ran, &["for other jobs at this address"]);
    let rules = site.rules().await;
    assert_eq!((ends(&rules), holders(&rules[0])), (BTreeSet::from([before.as_str()]), 1));
    site.ec2.revoke_by_hand(&site.groups[0], &rules[0].id).await;

    site.lost_job("3s").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (code, said) = site.run(program(), &sweep, &[]).await;
    assert_eq!((code, site.rules().await.len()), (Some(0), 0), "{said}");
    assert!(said.contains(&format!("{}: removed {RUNNER_CIDR} (overdue)", site.groups[0])), "{said}");

    site.lost_job("3s").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let ran = site.act(&site.workflow("", "      - run: echo fine\n")).await.run().await;
    says(&ran, &[&format!("REMOVED {} {RUNNER_CIDR}, which was to be closed by", site.groups[0])]);
    assert_eq!((ran.succeeded, site.rules().await.len()), (true, 0), "{}", ran.log);
    site.finish().await;
}

#[tokio::test]
async fn a_group_that_cannot_be_opened_fails_the_step_and_the_rest_is_closed() {
    let site = Site::with_groups(2).await;
    site.ec2.delete_group(&site.groups[1]).await;
    let ran = site.act(&site.workflow("", "      - run: echo never\n")).await.run().await;
    assert!(!ran.succeeded && !ran.log.contains("| never"), "{}", ran.log);
    says(&ran, &["Only a part is open.", "does not exist"]);
    assert_eq!(site.ec2.rules(&site.groups[0]).await, []);
    site.finish().await;
}

#[tokio::test]
async fn a_job_that_is_cancelled_while_it_opens_leaves_nothing_open() {
    let site = Site::with_groups(1).await;
    site.proxy.hold_answer_of("AuthorizeSecurityGroupIngress");
    let acting = site.act(&site.workflow("", "      - run: echo never\n")).await.begin();
    site.proxy.wait_for("AuthorizeSecurityGroupIngress", 1).await;
    assert_eq!(site.rules().await.len(), 2);
    acting.interrupt().await;
    let ran = acting.ended().await;
    assert!(!ran.succeeded, "{}", ran.log);
    eventually("nothing is open", SOON, async || {
        let rules = site.rules().await;
        if rules.is_empty() { Ok(()) } else { Err(format!("{rules:?}\n{}", ran.log)) }
    })
    .await;
    site.finish().await;
}

#[tokio::test]
async fn a_post_step_without_aws_does_not_fail_the_job_and_says_when_the_rules_end() {
    let site = Site::with_groups(1).await;
    let mut acting = site.act(&site.workflow("", &site.pause())).await.begin();
    acting.until("reached the middle").await;
    site.proxy.keep_refusing("DescribeSecurityGroupRules", "ExpiredToken");
    site.go_on();
    let ran = acting.ended().await;
    assert!(ran.succeeded, "post never fails a job: {}", ran.log);
    says(&ran, &["could not be closed now", "ExpiredToken", "Their rules say that they end at 20"]);
    site.finish().await;
}

#[tokio::test]
async fn where_two_services_disagree_or_one_alone_is_asked_nothing_is_opened() {
    let site = Site::where_services_see(1, [RUNNER, "93.184.216.35"]).await;
    let ran = site.act(&site.workflow("", "      - run: echo never\n")).await.run().await;
    assert!(!ran.succeeded && !ran.log.contains("| never"), "{}", ran.log);
    says(&ran, &["the runner's address is not certain", "sees 93.184.216.34", "sees 93.184.216.35"]);
    let alone = site.workflow("", "").replace(&site.services(), &site.services[0].address);
    says(&site.act(&alone).await.run().await, &["needs two services at least"]);
    assert_eq!((site.proxy.calls().len(), site.rules().await.len()), (0, 0), "AWS is not even asked");
    site.finish().await;
}

#[tokio::test]
async fn the_guides_workflow_without_a_server_and_the_readmes_sweep_run() {
    let site = Site::with_groups(1).await;
    let (guide, readme) = (guide_workflows().remove(1), readme_workflows().remove(1));
    let mut acting = site.act(&format!("on: push\n{}", here(&site, &guide))).await.begin();
    acting.until("reached the middle").await;
    assert_eq!(site.rules().await.len(), 2);
    site.go_on();
    let ran = acting.ended().await;
    assert!(ran.succeeded, "{}", ran.log);
    assert_eq!(site.rules().await, []);

    site.lost_job("1s").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let sweep = here(&site, &readme).replace("on:\n  schedule:\n    - cron: \"*/15 * * * *\"\n", "on: push\n");
    let ran = site.act(&sweep).await.with_program("gh", &github_cli()).run().await;
    assert!(ran.succeeded, "{}", ran.log);
    says(&ran, &[&format!("removed {RUNNER_CIDR}")]);
    assert_eq!(site.rules().await, []);
    site.finish().await;
}

/// A workflow of ours on this machine: what it says, less what takes GitHub and AWS themselves.
fn here(site: &Site, workflow: &str) -> String {
    let role = "      - uses: aws-actions/configure-aws-credentials@v6\n        with:\n          \
                role-to-assume: arn:aws:iam::123456789012:role/entryguard-action\n          aws-region: eu-west-1\n";
    assert!(workflow.contains(role), "{workflow}");
    let services = format!("          ports: 22, 5432\n          address-services: {}\n", site.services());
    workflow
        .replace(role, "")
        .replace("sg-0123456789abcdef0", &site.groups[0])
        .replace("          ports: 22, 5432\n", &services)
        .replace("      - run: ./migrate.sh\n", &site.pause())
}

/// GitHub's command line, where the release is the program that was just built.
fn github_cli() -> String {
    format!(
        "case \"$*\" in\n\
         \"release download --repo entryguard/entryguard --pattern entryguard-linux-x64\") cp {} entryguard-linux-x64 ;;\n\
         \"attestation verify entryguard-linux-x64 --repo entryguard/entryguard\") test -f entryguard-linux-x64 ;;\n\
         *) echo \"gh $*?\" >&2; exit 1 ;;\nesac",
        program().display()
    )
}

/// What measures has the machine to itself.
mod speed {
    use entryguard_tests::{quiet, show_figure};

    use super::*;
    use crate::steps::speed::MOST;

    #[tokio::test]
    async fn the_steps_without_a_server_cost_less_than_a_second_beside_the_cloud() {
        let _quiet = quiet().await;
        let site = Site::with_groups(1).await;
        let mut quickest = [Duration::MAX; 2];
        for _ in 0..3 {
            let job = CREDENTIALS.iter().fold(Job::begin(), |job, (name, value)| job.with(name, value));
            let job = job.with("AWS_ENDPOINT_URL", site.proxy.address()).input("security-groups", &site.groups[0]);
            let job = job.input("ports", "22").input("address-services", &site.services());
            for (quickest, phase) in quickest.iter_mut().zip(["main", "post"]) {
                site.proxy.forget_calls();
                let ran = job.run(phase).await;
                assert_eq!(ran.code, Some(0), "{phase}: {}", ran.log);
                *quickest = ran.took.saturating_sub(site.proxy.time_under_way()).min(*quickest);
            }
        }
        for (phase, own) in ["main", "post"].into_iter().zip(quickest) {
            let figure =
                format!("the action's {phase} step without a server, less the cloud's time: {} ms of 1,000", own.as_millis());
            show_figure(&figure);
            assert!(own < MOST, "{phase} took {own:?}");
        }
        assert_eq!(site.rules().await, []);
        site.finish().await;
    }
}
