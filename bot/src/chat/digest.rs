//! Tells people of drift: one message of what has changed, in every chat, to the channel of the configuration or to the
//! administrators whom the chat knows.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use entryguard_core::domain::{Drift, Span, Surface};
use entryguard_core::engine::{Engine, EngineError};
use entryguard_core::reply::digest;
use entryguard_core::reply::message::Message;
use entryguard_core::store::EVERYWHERE;

use super::outbox::PACE;
use super::told::{Heard, Readers};
use super::{Chat, ChatError, Limit, Limited};

/// How often to look for news: what comes within this time is one message.
const LOOK: Duration = Duration::from_secs(5);
/// How long a digest is another replica's to tell.
const HOLD: Span = Span::from_minutes(1);
/// How long one of its messages waits for its turn.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const HEADING: &str = "EntryGuard found that something was not as it should be";

/// Tells people of drift.
pub struct DigestWorker {
    engine: Arc<Engine>,
    chats: Vec<Box<dyn Readers>>,
    heard: Heard,
}

/// A chat, and its channel for such news, if it has one.
struct Told<C> {
    engine: Arc<Engine>,
    chat: Arc<C>,
    channel: Option<String>,
}

impl DigestWorker {
    /// A worker that tells nobody yet.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine, chats: Vec::new(), heard: Heard::default() }
    }

    /// Tells `channel` of a chat, too, or the administrators whom it knows.
    pub fn tell<C: Chat>(&mut self, chat: &Arc<C>, channel: Option<String>) {
        self.chats.push(Box::new(Told { engine: Arc::clone(&self.engine), chat: Arc::clone(chat), channel }));
    }

    /// Works for ever.
    pub async fn run(mut self) {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Err(error) = self.tell_news().await {
                tracing::error!(error = ?error, "the findings could not be read; trying again");
            }
        }
    }

    /// Tells everybody who is to know. Where nobody is, the log and the audit log have it. Whoever could not be told is told in a minute.
    async fn tell_news(&mut self) -> Result<(), EngineError> {
        let Some(untold) = self.engine.take_untold(HOLD).await? else { return Ok(()) };
        if self.heard.tell(&self.chats, &untold.drifts, self.engine.now()).await {
            self.engine.told(&untold).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl<C: Chat> Readers for Told<C> {
    fn names(&self) -> Vec<String> {
        if let Some(channel) = &self.channel {
            return vec![channel.clone()];
        }
        let directory = self.engine.directory();
        let admins = directory.members.values().filter(|member| member.admin);
        admins.flat_map(|admin| admin.identities.iter().filter_map(|identity| self.chat.person(identity))).collect()
    }

    async fn tell(&self, reader: &str, found: &[Drift]) -> Result<(), ChatError> {
        let markup = self.chat.markup();
        let lines = digest(found);
        let lines = std::iter::once(markup.bold(HEADING)).chain(lines.iter().map(|line| markup.text(line))).collect();
        let content = self.chat.content(&Message::of_lines(HEADING, lines));
        in_turn::<C>(&self.engine, reader).await?;
        let posted = match self.channel {
            Some(_) => self.chat.post(reader, content).await,
            None => self.chat.post_to(reader, content).await,
        };
        kept(&self.engine, C::SURFACE, reader, posted.map(drop)).await
    }
}

/// Waits for the channel's next turn, as everything does that is posted there.
async fn in_turn<C: Chat>(engine: &Engine, channel: &str) -> Result<(), ChatError> {
    loop {
        let turn =
            engine.take_turn(C::SURFACE, channel, PACE).await.map_err(|error| ChatError::Unreachable(error.to_string()))?;
        let Err(free_at) = turn else { return Ok(()) };
        let wait = free_at.since(engine.now()).as_duration();
        // The digest is ours for a while only.
        if wait > LONGEST_WAIT {
            return Err(ChatError::RateLimited(Limit { of: Limited::Channel, wait: Some(wait) }));
        }
        tokio::time::sleep(wait.max(Duration::from_millis(50))).await;
    }
}

/// Keeps everybody from a channel, or from the chat, for as long as it has asked for.
async fn kept(engine: &Engine, surface: Surface, channel: &str, posted: Result<(), ChatError>) -> Result<(), ChatError> {
    if let Err(ChatError::RateLimited(Limit { of, wait: Some(wait) })) = &posted {
        let channel = if *of == Limited::Chat { EVERYWHERE } else { channel };
        let wait = Span::from_millis(i64::try_from(wait.as_millis()).unwrap_or(60_000));
        if let Err(error) = engine.hold_channel(surface, channel, wait).await {
            tracing::warn!(error = ?error, "a channel that asks to wait could not be held");
        }
    }
    posted
}
