//! The pull request that a job is for: one comment there says how its session is, edited in place, however often the job runs.

use std::env;

use octocrab::Octocrab;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::runner::Runner;
use crate::session::{Session, Status};

/// What our comment is known by. People do not see it.
const MARK: &str = "<!-- entryguard/session-action -->";
/// How many comments are looked through for it.
const PAGES: u32 = 10;
const PAGE: usize = 100;

/// A pull request, as the job's token may change it.
pub struct PullRequest {
    github: Octocrab,
    repository: String,
    number: u64,
    head: String,
}

#[derive(Deserialize)]
struct Comment {
    id: u64,
    #[serde(default)]
    body: Option<String>,
    user: Author,
}

#[derive(Deserialize)]
struct Author {
    #[serde(rename = "type")]
    kind: String,
}

impl PullRequest {
    /// The pull request that this job is for, if it is for one.
    pub fn of_this_job(token: &SecretString) -> Option<Self> {
        let event: Value = serde_json::from_str(&std::fs::read_to_string(env::var_os("GITHUB_EVENT_PATH")?).ok()?).ok()?;
        let (number, head) =
            (event["pull_request"]["number"].as_u64()?, event["pull_request"]["head"]["sha"].as_str()?.to_owned());
        let api = env::var("GITHUB_API_URL").ok().filter(|url| !url.is_empty());
        let github = Octocrab::builder().base_uri(api.unwrap_or_else(|| "https://api.github.com".to_owned())).ok()?;
        let github = github.personal_token(token.expose_secret().to_owned()).build().ok()?;
        Some(Self { github, repository: env::var("GITHUB_REPOSITORY").ok()?, number, head })
    }

    /// Says how the session is, in the one comment.
    pub async fn tell(&self, session: &Session, runner: &Runner) {
        if let Err(error) = self.comment(&format!("{MARK}\n{}", session.summary())).await {
            runner.warning(&format!(
                "The pull request could not be commented on ({}). The job needs `pull-requests: write`.",
                why(&error)
            ));
        }
    }

    /// Says it as a check, where the token allows one.
    pub async fn check(&self, session: &Session, runner: &Runner) {
        let conclusion = match session.status {
            Status::Active => "success",
            Status::Requested | Status::Pending | Status::Partial => "neutral",
            Status::Failed | Status::Denied | Status::Expiring | Status::Expired | Status::Cancelled => "failure",
        };
        let title = format!("{} for {}", session.status.as_str(), session.addresses());
        let check = json!({
            "name": "EntryGuard", "head_sha": self.head, "status": "completed", "conclusion": conclusion,
            "output": { "title": title, "summary": session.summary() },
        });
        let made: Result<Value, _> = self.github.post(format!("/repos/{}/check-runs", self.repository), Some(&check)).await;
        if let Err(error) = made {
            runner.tell(&format!("No check was made ({}); that takes `checks: write`.", why(&error)));
        }
    }

    /// Two runs may look at once and both find nothing: the older comment stays.
    async fn comment(&self, body: &str) -> octocrab::Result<()> {
        if let Some(ours) = self.ours().await?.first() {
            return self.edit(*ours, body).await;
        }
        let path = format!("/repos/{}/issues/{}/comments", self.repository, self.number);
        let made: Comment = self.github.post(path, Some(&json!({ "body": body }))).await?;
        match self.ours().await?.first() {
            Some(older) if *older < made.id => {
                self.edit(*older, body).await?;
                let path = format!("/repos/{}/issues/comments/{}", self.repository, made.id);
                self.github._delete(path, None::<&()>).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    async fn edit(&self, comment: u64, body: &str) -> octocrab::Result<()> {
        let path = format!("/repos/{}/issues/comments/{comment}", self.repository);
        let _: Value = self.github.patch(path, Some(&json!({ "body": body }))).await?;
        Ok(())
    }

    /// Our comments, the oldest first. Anybody can write our mark, so only what a bot wrote is taken for ours.
    async fn ours(&self) -> octocrab::Result<Vec<u64>> {
        let mut ours = Vec::new();
        for page in 1..=PAGES {
            let path = format!("/repos/{}/issues/{}/comments?per_page={PAGE}&page={page}", self.repository, self.number);
            let comments: Vec<Comment> = self.github.get(path, None::<&()>).await?;
            let is_ours =
                |comment: &&Comment| comment.user.kind == "Bot" && comment.body.as_deref().unwrap_or_default().starts_with(MARK);
            ours.extend(comments.iter().filter(is_ours).map(|comment| comment.id));
            if comments.len() < PAGE {
                break;
            }
        }
        ours.sort_unstable();
        Ok(ours)
    }
}

/// What GitHub says, without where in our program it was heard.
fn why(error: &octocrab::Error) -> String {
    match error {
        octocrab::Error::GitHub { source, .. } => source.message.clone(),
        _ => "GitHub does not answer".to_owned(),
    }
}
