//! The pull request that a job is for: one comment there says how its jobs' sessions are, edited in place, however often they run.

use std::env;
use std::time::Duration;

use entryguard_core::random::{self, SystemRandom};
use entryguard_outgoing::GithubClient;
use octocrab::Octocrab;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::comment::{Comment, Job};
use crate::runner::Runner;
use crate::session::{Session, Status};

/// How long GitHub may take for all of a comment, or of a check: what people read is not worth a job's time.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many comments are looked through for ours.
const PAGES: u32 = 10;
const PAGE: usize = 100;
/// How often to look whether another job has written over what we said.
const LOOKS: u32 = 5;
/// The least time between writing and looking: longer than another job takes from looking to writing.
const PAUSE: Duration = Duration::from_secs(1);

/// A pull request, as the job's token may change it.
pub struct PullRequest {
    github: Octocrab,
    repository: String,
    number: u64,
    head: String,
    job: Job,
}

/// Why GitHub was not told.
#[derive(Debug, thiserror::Error)]
enum Untold {
    /// It refuses, or cannot be reached.
    #[error("{}", said(.0))]
    Github(#[from] octocrab::Error),
    /// It takes too long.
    #[error("GitHub does not answer in time")]
    Late,
}

#[derive(Deserialize)]
struct Written {
    id: u64,
    #[serde(default)]
    body: Option<String>,
    user: Author,
}

#[derive(Deserialize)]
struct Author {
    id: u64,
    #[serde(rename = "type", default)]
    kind: String,
}

impl PullRequest {
    /// The pull request that this job is for, if it is for one.
    pub fn of_this_job(token: &SecretString, job: Job) -> Option<Self> {
        let event: Value = serde_json::from_str(&std::fs::read_to_string(env::var_os("GITHUB_EVENT_PATH")?).ok()?).ok()?;
        let (number, head) =
            (event["pull_request"]["number"].as_u64()?, event["pull_request"]["head"]["sha"].as_str()?.to_owned());
        let api = env::var("GITHUB_API_URL").ok().filter(|url| !url.is_empty());
        let url = api.unwrap_or_else(|| "https://api.github.com".to_owned());
        let github = GithubClient { url: &url, token: Some(token), accept: None, patience: 2 * PATIENCE }.build().ok()?;
        Some(Self { github, repository: env::var("GITHUB_REPOSITORY").ok()?, number, head, job })
    }

    /// Says how the session is, in the one comment.
    pub async fn tell(&self, session: &Session, runner: &Runner) {
        if let Err(error) = in_time(self.comment(&session.summary())).await {
            runner
                .warning(&format!("The pull request could not be commented on ({error}). The job needs `pull-requests: write`."));
        }
    }

    /// Says it as a check, where the token allows one.
    pub async fn check(&self, session: &Session, runner: &Runner) {
        let conclusion = match session.status {
            Status::Active => "success",
            Status::Requested | Status::Pending | Status::Partial => "neutral",
            Status::Failed | Status::Denied | Status::Expiring | Status::Expired | Status::Cancelled => "failure",
        };
        let check = json!({
            "name": "EntryGuard", "head_sha": self.head, "status": "completed", "conclusion": conclusion, "output": output(session),
        });
        let path = format!("/repos/{}/check-runs", self.repository);
        let made: Result<Value, _> = in_time(self.github.post(path, Some(&check))).await;
        let kept = made.map(|made| made["id"].as_u64().map(|id| runner.save("check", &id.to_string())));
        match kept {
            Ok(None | Some(Ok(()))) => {}
            Ok(Some(Err(error))) => runner.tell(&format!("The check will not say when the session is closed ({error}).")),
            Err(error) => runner.tell(&format!("No check was made ({error}); that takes `checks: write`.")),
        }
    }

    /// Says that the session is over: in the comment, and in the check that the main step made, whose verdict stays.
    pub async fn closed(&self, session: &Session, runner: &Runner) {
        self.tell(session, runner).await;
        let Some(check) = runner.saved("check") else { return };
        let path = format!("/repos/{}/check-runs/{check}", self.repository);
        let edited: Result<Value, _> = in_time(self.github.patch(path, Some(&json!({ "output": output(session) })))).await;
        if let Err(error) = edited {
            runner.tell(&format!("The check still says that the session is open ({error})."));
        }
    }

    /// Jobs of a matrix write at once, and GitHub keeps whichever text comes last: so each looks whether what it said is still there.
    async fn comment(&self, text: &str) -> octocrab::Result<()> {
        let author = self.author().await?;
        for look in 0..LOOKS {
            let ours = self.ours(author).await?;
            let mut wanted = Comment::default();
            ours.iter().for_each(|(_, body)| wanted.merge(Comment::read(body)));
            wanted.say(&self.job, text);
            let wanted = wanted.text();
            match ours.as_slice() {
                [] => self.write(&wanted).await?,
                [(_, body)] if look > 0 && says_the_same(body, &wanted) => return Ok(()),
                // Two jobs may both have found nothing: the older comment stays, and takes over what the other says.
                [(oldest, _), others @ ..] => {
                    self.edit(*oldest, &wanted).await?;
                    for (other, _) in others {
                        self.delete(*other).await?;
                    }
                }
            }
            if look + 1 < LOOKS {
                sleep(pause()).await;
            }
        }
        Ok(())
    }

    async fn write(&self, body: &str) -> octocrab::Result<()> {
        let path = format!("/repos/{}/issues/{}/comments", self.repository, self.number);
        self.github.post::<_, Value>(path, Some(&json!({ "body": body }))).await.map(drop)
    }

    async fn edit(&self, comment: u64, body: &str) -> octocrab::Result<()> {
        let path = format!("/repos/{}/issues/comments/{comment}", self.repository);
        self.github.patch::<Value, _, _>(path, Some(&json!({ "body": body }))).await.map(drop)
    }

    async fn delete(&self, comment: u64) -> octocrab::Result<()> {
        let path = format!("/repos/{}/issues/comments/{comment}", self.repository);
        self.github._delete(path, None::<&()>).await.map(drop)
    }

    /// Whose token it is, where it is a person's; a job's own belongs to nobody who could be asked for.
    async fn author(&self) -> octocrab::Result<Option<u64>> {
        match self.github.get::<Author, _, _>("/user", None::<&()>).await {
            Ok(user) => Ok(Some(user.id)),
            Err(octocrab::Error::GitHub { source, .. }) if source.status_code.as_u16() == 403 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Our comments, the oldest first. Anybody can write our mark, so only what this token's owner wrote is taken for ours, or a bot
    /// where the token is a job's.
    async fn ours(&self, author: Option<u64>) -> octocrab::Result<Vec<(u64, String)>> {
        let mut ours = Vec::new();
        for page in 1..=PAGES {
            let path = format!("/repos/{}/issues/{}/comments?per_page={PAGE}&page={page}", self.repository, self.number);
            let written: Vec<Written> = self.github.get(path, None::<&()>).await?;
            let is_last = written.len() < PAGE;
            let by_us = |user: &Author| author.map_or_else(|| user.kind == "Bot", |author| user.id == author);
            let by_us = written.into_iter().filter(|comment| by_us(&comment.user));
            let texts = by_us.filter_map(|comment| Some((comment.id, comment.body?)));
            ours.extend(texts.filter(|(_, body)| Comment::is_ours(body)));
            if is_last {
                break;
            }
        }
        ours.sort_unstable();
        Ok(ours)
    }
}

async fn in_time<T>(telling: impl Future<Output = octocrab::Result<T>>) -> Result<T, Untold> {
    Ok(timeout(PATIENCE, telling).await.map_err(|_| Untold::Late)??)
}

fn output(session: &Session) -> Value {
    let title = format!("{} for {}", session.status.as_str(), session.addresses());
    json!({ "title": title, "summary": session.summary() })
}

/// Line ends aside, which GitHub may keep as it likes.
fn says_the_same(one: &str, other: &str) -> bool {
    one.lines().map(str::trim_end).eq(other.trim_end().lines().map(str::trim_end))
}

/// No two jobs of a matrix keep in step.
fn pause() -> Duration {
    let [chance] = random::bytes::<1>(&SystemRandom);
    PAUSE + Duration::from_millis(u64::from(chance))
}

/// What GitHub says, without where in our program it was heard.
fn said(error: &octocrab::Error) -> String {
    match error {
        octocrab::Error::GitHub { source, .. } => source.message.clone(),
        _ => "GitHub does not answer".to_owned(),
    }
}
