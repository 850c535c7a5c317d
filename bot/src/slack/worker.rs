//! Keeps the threads up to date: the newest state wins, at most one edit a second for a channel, and Slack being away delays no rule.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use entryguard_core::domain::{Span, Surface, Timestamp};
use entryguard_core::engine::{Engine, EngineError};
use entryguard_core::reconcile::Nudges;
use entryguard_core::reply::Card;
use entryguard_core::store::ChatThread;
use slack_morphism::prelude::SlackMessageContent;

use super::client::{SlackApi, SlackError};
use super::place::{Place, Posted, Shown};
use super::thread;

/// How long the worker sleeps at the most.
const POLL: Duration = Duration::from_secs(1);
/// Slack takes about one message a second for a channel.
const PACE: Span = Span::from_seconds(1);
/// How long a thread is ours while we post it, which is three calls at the most; another replica may take it over after that.
const HOLD: Span = Span::from_seconds(16);
/// The longest wait after failures.
const LONGEST_WAIT: Span = Span::from_minutes(5);

/// Keeps the threads up to date.
pub struct ThreadWorker {
    engine: Arc<Engine>,
    api: Arc<SlackApi>,
    nudges: Arc<Nudges>,
    // When each channel may be written to again.
    paced: HashMap<String, Timestamp>,
}

impl ThreadWorker {
    /// A worker over Slack's API.
    pub fn new(engine: Arc<Engine>, api: Arc<SlackApi>, nudges: Arc<Nudges>) -> Self {
        Self { engine, api, nudges, paced: HashMap::new() }
    }

    /// Works for ever.
    pub async fn run(mut self) {
        loop {
            let shown = self.show_due().await.unwrap_or_else(|error| {
                tracing::error!(error = ?error, "the threads could not be read; trying again");
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

    /// Brings the thread that is due up to date; whether there was one.
    async fn show_due(&mut self) -> Result<bool, EngineError> {
        let Some(mut chat) = self.engine.take_due_thread(Surface::Slack, HOLD).await? else { return Ok(false) };
        chat.due_at = self.show(&mut chat).await?;
        self.engine.save_thread(&chat).await?;
        Ok(true)
    }

    /// Brings one thread up to date; when to come back to it.
    async fn show(&mut self, chat: &mut ChatThread) -> Result<Option<Timestamp>, EngineError> {
        let (Ok(place), Some(view)) = (serde_json::from_str::<Place>(&chat.place), self.engine.view(&chat.session).await?) else {
            tracing::error!(session = %chat.session, "a thread's place cannot be read; it is passed over");
            return Ok(None);
        };
        let now = self.engine.now();
        if let Some(free_at) = self.paced.get(&place.channel).filter(|free_at| **free_at > now) {
            return Ok(Some(*free_at));
        }
        self.paced.retain(|_, free_at| *free_at > now);
        self.paced.insert(place.channel.clone(), now.plus(PACE));
        let card = Card::new(&view, self.engine.directory(), now);
        match self.post(chat, &place, &card).await {
            Ok(()) => {
                chat.attempts = 0;
                Ok(None)
            }
            Err(error) => Ok(self.come_back(chat, &place, &error)),
        }
    }

    fn come_back(&mut self, chat: &mut ChatThread, place: &Place, error: &SlackError) -> Option<Timestamp> {
        chat.attempts = chat.attempts.saturating_add(1);
        let wait = match error {
            SlackError::RateLimited(wait) => Span::from_millis(i64::try_from(wait.as_millis()).unwrap_or(60_000)),
            _ => Span::from_seconds(1_i64 << chat.attempts.min(8)).min(LONGEST_WAIT),
        };
        tracing::warn!(session = %chat.session, %error, wait = %wait, "a thread could not be brought up to date");
        let at = self.engine.now().plus(wait);
        // One thread that cannot be shown must not hold up the others of its channel.
        if matches!(error, SlackError::RateLimited(_)) {
            self.paced.insert(place.channel.clone(), at);
        }
        Some(at)
    }

    async fn post(&self, chat: &mut ChatThread, place: &Place, card: &Card) -> Result<(), SlackError> {
        let mut posted: Posted = read(chat.posted.as_deref());
        let mut shown: Shown = read(chat.shown.as_deref());
        let result = self.bring_up_to_date(&mut posted, &mut shown, place, card).await;
        // Whatever was posted before a failure is posted.
        chat.posted = serde_json::to_string(&posted).ok();
        chat.shown = serde_json::to_string(&shown).ok();
        result
    }

    async fn bring_up_to_date(
        &self,
        posted: &mut Posted,
        shown: &mut Shown,
        place: &Place,
        card: &Card,
    ) -> Result<(), SlackError> {
        let parent = thread::parent(card);
        let table = thread::table(card);
        if posted.parent.is_none() {
            let (channel, ts) = self.post_parent(place, &parent).await?;
            *posted = Posted { channel: Some(channel), parent: Some(ts), table: None };
            shown.parent = content_key(&parent);
        }
        let channel = posted.channel.clone().unwrap_or_else(|| place.channel.clone());
        // The table before the parent: whoever reads a status above finds it borne out below.
        match &posted.table {
            Some(ts) => self.edit(&channel, ts, &table, &mut shown.table).await?,
            None => {
                let (_, ts) = self.api.post(&channel, posted.parent.as_deref(), table.clone()).await?;
                posted.table = Some(ts);
                shown.table = content_key(&table);
            }
        }
        match &posted.parent {
            Some(ts) => self.edit(&channel, ts, &parent, &mut shown.parent).await,
            None => Ok(()),
        }
    }

    /// Posts to the channel; where the app is not in it, to whoever gave the command.
    async fn post_parent(&self, place: &Place, content: &SlackMessageContent) -> Result<(String, String), SlackError> {
        match self.api.post(&place.channel, None, content.clone()).await {
            Err(SlackError::NoAccess(why)) => {
                tracing::info!(channel = place.channel, why, "the app cannot write to the channel; sending a direct message");
                self.api.post(&place.user, None, content.clone()).await
            }
            other => other,
        }
    }

    async fn edit(
        &self,
        channel: &str,
        ts: &str,
        content: &SlackMessageContent,
        shown: &mut Option<String>,
    ) -> Result<(), SlackError> {
        let key = content_key(content);
        if *shown == key {
            return Ok(());
        }
        match self.api.update(channel, ts, content.clone()).await {
            // Somebody deleted it: there is nothing left to keep up to date.
            Err(SlackError::MessageGone(why)) => tracing::info!(why, "a message of a thread is gone"),
            other => other?,
        }
        *shown = key;
        Ok(())
    }
}

fn read<T: Default + serde::de::DeserializeOwned>(text: Option<&str>) -> T {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// What tells one content from another, short enough to keep.
fn content_key(content: &SlackMessageContent) -> Option<String> {
    use sha2::{Digest, Sha256};
    serde_json::to_vec(content).ok().map(|json| hex::encode(Sha256::digest(json)))
}
