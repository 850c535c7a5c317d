//! Keeps the homes that people look at up to date: each is drawn again when a session of its owner's has changed.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use entryguard_core::command::Conversation;
use entryguard_core::domain::{MemberName, Span, Timestamp};
use entryguard_core::engine::EngineError;

use super::{SlackState, home};
use crate::chat::ChatError;

/// How long a home is kept up to date after its owner has opened it.
const LOOKED_AT: Span = Span::from_hours(12);
/// Homes kept up to date at the most.
const KEPT: usize = 1_000;
/// How long changes are gathered.
const GATHER: Duration = Duration::from_secs(1);
/// How long the worker sleeps at the most: hints may be missing.
const POLL: Duration = Duration::from_secs(5);
/// Slack takes about a hundred homes a minute.
const PACE: Duration = Duration::from_millis(700);

/// Whoever has looked at their home lately.
#[derive(Debug, Default)]
pub struct Homes {
    looked: Mutex<HashMap<String, Looked>>,
}

/// A home that somebody has looked at.
#[derive(Debug)]
struct Looked {
    conversation: Conversation,
    at: Timestamp,
    // Whether it is to be drawn again.
    due: bool,
    // What it shows by now.
    shown: Option<String>,
}

impl Homes {
    /// Somebody has opened their home.
    pub fn looked(&self, user: &str, conversation: &Conversation, now: Timestamp) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.retain(|_, home| now.since(home.at) < LOOKED_AT);
        if looked.len() < KEPT || looked.contains_key(user) {
            looked.insert(user.to_owned(), Looked { conversation: conversation.clone(), at: now, due: false, shown: None });
        }
    }

    /// Whether somebody's home shows this already.
    pub fn shows(&self, user: &str, key: Option<&str>) -> bool {
        let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        key.is_some() && looked.get(user).is_some_and(|home| home.shown.as_deref() == key)
    }

    /// What somebody's home shows now, where it was drawn; and whether it is to be drawn again.
    pub fn drawn(&self, user: &str, shown: Option<String>, due: bool) {
        if let Some(home) = self.looked.lock().unwrap_or_else(PoisonError::into_inner).get_mut(user) {
            home.due = due;
            home.shown = shown;
        }
    }

    /// All that are to be drawn again, these among them.
    fn due(&self, changed: impl Fn(&Conversation) -> bool) -> Vec<(String, Conversation)> {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.values_mut().for_each(|home| home.due |= changed(&home.conversation));
        let due = looked.iter().filter(|(_, home)| home.due);
        due.map(|(user, home)| (user.clone(), home.conversation.clone())).collect()
    }
}

/// Keeps homes up to date.
pub struct HomesWorker {
    state: SlackState,
}

impl HomesWorker {
    /// A worker for the app of the configuration.
    pub fn new(state: SlackState) -> Self {
        Self { state }
    }

    /// Works for ever.
    pub async fn run(self) {
        let mut changes = self.state.shared.engine.changes();
        // Nobody has looked at anything yet, so what has happened so far is news to nobody.
        let mut seen = i64::MAX;
        loop {
            match self.redraw(seen).await {
                Ok(by_now) => seen = by_now,
                Err(error) => tracing::warn!(error = ?error, "homes could not be brought up to date; trying again"),
            }
            let _ = tokio::time::timeout(POLL, changes.changed()).await;
            tokio::time::sleep(GATHER).await;
        }
    }

    async fn redraw(&self, seen: i64) -> Result<i64, EngineError> {
        let (changed, by_now) = self.state.shared.engine.changed_since(seen).await?;
        // What Slack did not take in an earlier round is among them.
        for (user, conversation) in self.state.homes.due(|conversation| self.belongs_to(conversation, &changed)) {
            self.draw(&user, &conversation).await;
            tokio::time::sleep(PACE).await;
        }
        Ok(by_now)
    }

    fn belongs_to(&self, conversation: &Conversation, members: &BTreeSet<MemberName>) -> bool {
        let directory = self.state.shared.engine.directory();
        directory.member_of(&conversation.identity).is_some_and(|member| members.contains(&member.name))
    }

    async fn draw(&self, user: &str, conversation: &Conversation) {
        if let Err(ChatError::RateLimited(limit)) = home::publish(&self.state, conversation, user).await {
            tokio::time::sleep(limit.wait.unwrap_or(GATHER)).await;
            let _ = home::publish(&self.state, conversation, user).await;
        }
    }
}
