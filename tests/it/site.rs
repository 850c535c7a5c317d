//! A server, a workflow that it knows, and the way from the one to the other.

use std::path::Path;

use entryguard_tests::{Act, Database, Ingress, Issuer, Job, World, WorldBuilder};

/// Where the runner's requests come from.
pub const RUNNER: &str = "93.184.216.34";
/// The same, as a rule has it.
pub const RUNNER_CIDR: &str = "93.184.216.34/32";
/// Whom tokens are for.
pub const AUDIENCE: &str = "https://guard.example.com";

/// A server that knows the workflows of one repository, and the way from the runner to it.
pub struct Site {
    pub world: World,
    pub issuer: Issuer,
    pub ingress: Ingress,
    place: tempfile::TempDir,
}

impl Site {
    pub async fn with_groups(groups: usize) -> Self {
        Self::of(|world| world.with_groups(groups).workflow_member("deploy", "repository_id=42")).await
    }

    pub async fn of(described: impl FnOnce(WorldBuilder) -> WorldBuilder) -> Self {
        let issuer = Issuer::open().await;
        let github = format!("[github]\noidc_issuer = \"{}\"\naudience = \"{AUDIENCE}\"\n", issuer.url());
        let world = described(World::on(Database::Sqlite)).sessions_at_once(5).configured(&github).start().await;
        let ingress = Ingress::before(&world.server.address(), RUNNER).await;
        Self { world, issuer, ingress, place: tempfile::tempdir().unwrap() }
    }

    /// A workflow with the action, and these steps after it; `more` is further lines of the action's inputs.
    pub fn workflow(&self, more: &str, steps: &str) -> String {
        format!(
            "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    permissions:\n      id-token: write\n    steps:\n      \
             - uses: entryguard/session-action@v1\n        id: guard\n        with:\n          url: {}\n          audience: {AUDIENCE}\n{more}{steps}",
            self.ingress.url()
        )
    }

    pub async fn act(&self, workflow: &str) -> Act {
        let [url, token] = self.issuer.for_a_job();
        Act::of(workflow).await.with(url.0, &url.1).with(token.0, &token.1)
    }

    /// The same job's two steps, one by one.
    pub fn job(&self) -> Job {
        let [url, token] = self.issuer.for_a_job();
        let job = Job::begin().with(url.0, &url.1).with(token.0, &token.1);
        job.input("url", self.ingress.url()).input("audience", AUDIENCE)
    }

    /// A step that says a word, and waits until the test lets it go on.
    pub fn pause(&self) -> String {
        format!(
            "      - run: |\n          echo reached the middle\n          until [ -e {} ]; do sleep 0.2; done\n",
            self.signal().display()
        )
    }

    pub fn go_on(&self) {
        std::fs::write(self.signal(), "").unwrap();
    }

    fn signal(&self) -> std::path::PathBuf {
        Path::new(self.place.path()).join("go-on")
    }

    pub async fn nothing_is_open(&self) {
        for group in &self.world.groups {
            self.world.wait_until_group_allows(group, &[]).await;
        }
    }

    /// How the server answers whoever shows this token.
    pub async fn status_for(&self, token: &str) -> u16 {
        let browser = self.world.browser(RUNNER);
        let url = format!("{}/api/v1/sessions", self.world.server.address());
        let request = browser.request("POST".parse().unwrap(), &url).header("Authorization", format!("Bearer {token}"));
        browser.send(request.json(&serde_json::json!({}))).await.status
    }

    pub async fn audit(&self) -> String {
        self.world.entryguard(&["audit", "export"]).await.stdout
    }
}
