//! Keeps what Slack shows up to date: at least once, the newest state wins, at most one message or edit a second for a channel, and
//! Slack being away delays no rule.

use std::sync::Arc;
use std::time::Duration;

use entryguard_core::domain::{Span, Surface, Timestamp};
use entryguard_core::engine::{Engine, EngineError};
use entryguard_core::reconcile::Nudges;
use entryguard_core::reply::Card;
use entryguard_core::store::ChatPost;

use super::client::{SlackApi, SlackError};
use super::place::{Place, Posted, Shown};
use super::step::{self, Step};

/// How long a worker sleeps at the most.
const POLL: Duration = Duration::from_secs(1);
/// Slack takes about one message a second for a channel.
const PACE: Span = Span::from_seconds(1);
/// How long a post is ours while we make one call for it; another worker or replica may take it over after that.
const HOLD: Span = Span::from_seconds(16);
/// The longest wait after failures.
const LONGEST_WAIT: Span = Span::from_minutes(5);

/// Keeps what Slack shows up to date. Several may run beside each other.
#[derive(Clone)]
pub struct OutboxWorker {
    engine: Arc<Engine>,
    api: Arc<SlackApi>,
    nudges: Arc<Nudges>,
    // Where announcements go, if anywhere.
    announcements: Option<String>,
}

impl OutboxWorker {
    /// A worker over Slack's API.
    pub fn new(engine: Arc<Engine>, api: Arc<SlackApi>, nudges: Arc<Nudges>, announcements: Option<String>) -> Self {
        Self { engine, api, nudges, announcements }
    }

    /// Works for ever.
    pub async fn run(self) {
        loop {
            let shown = self.show_due().await.unwrap_or_else(|error| {
                tracing::error!(error = ?error, "what Slack shows could not be read; trying again");
                false
            });
            if !shown {
                tokio::select! {
                    () = self.nudges.chat.notified() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
        }
    }

    /// Takes one step for the post that is due; whether there was one.
    async fn show_due(&self) -> Result<bool, EngineError> {
        let Some(mut post) = self.engine.take_due_post(Surface::Slack, HOLD).await? else { return Ok(false) };
        post.due_at = self.show(&mut post).await?;
        self.engine.save_post(&post).await?;
        Ok(true)
    }

    /// Takes one step for one post; when to come back to it.
    async fn show(&self, post: &mut ChatPost) -> Result<Option<Timestamp>, EngineError> {
        let Some(place) = Place::of(post, self.announcements.as_deref()) else {
            tracing::debug!(session = %post.session, "a post has no place in Slack; it is passed over");
            return Ok(None);
        };
        let mut posted: Posted = read(post.posted.as_deref());
        let mut shown: Shown = read(post.shown.as_deref());
        let Some((view, turns)) = self.engine.view_with_turns(&post.session, posted.told).await? else { return Ok(None) };
        let card = Card::new(&view, self.engine.directory(), self.engine.now());
        let Some(step) = step::next(post.kind, &place, &posted, &shown, &card, &turns) else {
            post.attempts = 0;
            return Ok(None);
        };
        let channel = posted.channel.clone().unwrap_or_else(|| place.channel.clone());
        // The table follows its parent at once, so that nobody sees one without the other; all else keeps the pace.
        let follows = matches!(step, Step::PostTable(_)) && post.attempts == 0;
        let turn = self.engine.take_turn(Surface::Slack, &channel, PACE).await?;
        if let Some(free_at) = turn.err().filter(|_| !follows) {
            return Ok(Some(free_at));
        }
        let done = self.take(step, &place, &mut posted, &mut shown).await;
        // Whatever was posted before a failure is posted.
        post.posted = serde_json::to_string(&posted).ok();
        post.shown = serde_json::to_string(&shown).ok();
        match done {
            Ok(()) => {
                post.attempts = 0;
                let left = step::next(post.kind, &place, &posted, &shown, &card, &turns).is_some();
                let soon = if posted.table.is_none() && posted.parent.is_some() { Span::from_millis(0) } else { PACE };
                Ok(left.then(|| self.engine.now().plus(soon)))
            }
            Err(error) => self.come_back(post, &channel, &error).await.map(Some),
        }
    }

    async fn take(&self, step: Step, place: &Place, posted: &mut Posted, shown: &mut Shown) -> Result<(), SlackError> {
        let channel = posted.channel.clone().unwrap_or_else(|| place.channel.clone());
        match step {
            Step::PostParent(content) => {
                let key = step::key(&content);
                let (channel, ts, elsewhere) = self.post_parent(place, content).await?;
                posted.channel = Some(channel);
                posted.parent = Some(ts);
                posted.elsewhere = elsewhere;
                // Where it went elsewhere, it has to say so: that is the next edit.
                shown.parent = key.filter(|_| !elsewhere);
            }
            Step::PostTable(content) => {
                let (_, ts) = self.api.post(&channel, posted.parent.as_deref(), content.clone()).await?;
                posted.table = Some(ts);
                shown.table = step::key(&content);
            }
            Step::EditTable(ts, content) => {
                self.edit(&channel, &ts, &content).await?;
                shown.table = step::key(&content);
            }
            Step::EditParent(ts, content) => {
                self.edit(&channel, &ts, &content).await?;
                shown.parent = step::key(&content);
            }
            Step::Tell(through, content) => {
                if let Some(content) = content {
                    self.api.post(&channel, posted.parent.as_deref(), content).await?;
                }
                posted.told = through;
            }
        }
        Ok(())
    }

    async fn come_back(&self, post: &mut ChatPost, channel: &str, error: &SlackError) -> Result<Timestamp, EngineError> {
        post.attempts = post.attempts.saturating_add(1);
        let wait = match error {
            SlackError::RateLimited(wait) => Span::from_millis(i64::try_from(wait.as_millis()).unwrap_or(60_000)),
            _ => Span::from_seconds(1_i64 << post.attempts.min(8)).min(LONGEST_WAIT),
        };
        tracing::warn!(session = %post.session, %error, wait = %wait, "Slack could not be brought up to date");
        // One post that cannot be shown must not hold up the others of its channel, unless Slack says that it does.
        if matches!(error, SlackError::RateLimited(_)) {
            return self.engine.hold_channel(Surface::Slack, channel, wait).await;
        }
        Ok(self.engine.now().plus(wait))
    }

    /// Posts to the channel; where the app is not in it, to whoever gave the command.
    async fn post_parent(
        &self,
        place: &Place,
        content: slack_morphism::prelude::SlackMessageContent,
    ) -> Result<(String, String, bool), SlackError> {
        match self.api.post(&place.channel, None, content.clone()).await {
            Err(SlackError::NoAccess(why)) if place.channel != place.user => {
                tracing::info!(channel = place.channel, why, "the app cannot write to the channel; sending a direct message");
                let (channel, ts) = self.api.post(&place.user, None, content).await?;
                Ok((channel, ts, true))
            }
            other => other.map(|(channel, ts)| (channel, ts, false)),
        }
    }

    async fn edit(
        &self,
        channel: &str,
        ts: &str,
        content: &slack_morphism::prelude::SlackMessageContent,
    ) -> Result<(), SlackError> {
        match self.api.update(channel, ts, content.clone()).await {
            // Somebody deleted it: there is nothing left to keep up to date.
            Err(SlackError::MessageGone(why)) => {
                tracing::info!(why, "a message of a thread is gone");
                Ok(())
            }
            other => other,
        }
    }
}

fn read<T: Default + serde::de::DeserializeOwned>(text: Option<&str>) -> T {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}
