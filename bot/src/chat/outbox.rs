//! Keeps what a chat shows up to date: at least once, the newest state wins, at most one message or edit a second for a channel, and
//! a chat being away delays no rule.

use std::sync::Arc;
use std::time::Duration;

use entryguard_core::domain::{PostKind, Span, Timestamp};
use entryguard_core::engine::{Engine, EngineError, ViewWithTurns};
use entryguard_core::reconcile::Nudges;
use entryguard_core::reply::Card;
use entryguard_core::store::{ChatPost, EVERYWHERE};

use super::place::{Place, Posted, Shown};
use super::slots::Slots;
use super::step::{self, Step, Wanted};
use super::{Chat, ChatError, Limit, Limited, Sent};

/// How long a worker sleeps at the most.
const POLL: Duration = Duration::from_secs(1);
/// Chats take about one message a second for a channel.
pub(super) const PACE: Span = Span::from_seconds(1);
/// How long a post is ours while we make one call for it; another worker or replica may take it over after that.
const HOLD: Span = Span::from_seconds(16);
/// The longest wait after failures.
const LONGEST_WAIT: Span = Span::from_minutes(5);

/// Tries of what the chat refuses: at the longest wait between them, the last is some six hours after the first.
const TRIES: u32 = 80;
/// Failures of a chat that is away after which the rest no longer waits for the table. Until then they come in their order.
const IN_ORDER: u32 = 3;

/// When to come back to a post.
enum Next {
    /// Then; when its session changes, if there is no time.
    At(Option<Timestamp>),
    /// At once, for the table of a parent that was just posted, in a turn of the channel until then.
    Table { turn: Timestamp },
}

/// Keeps what a chat shows up to date. Several may run beside each other.
pub struct OutboxWorker<C> {
    engine: Arc<Engine>,
    chat: Arc<C>,
    nudges: Arc<Nudges>,
    // Where announcements go, if anywhere.
    announcements: Option<String>,
    slots: Arc<Slots>,
}

impl<C> Clone for OutboxWorker<C> {
    fn clone(&self) -> Self {
        let Self { engine, chat, nudges, announcements, slots } = self;
        Self {
            engine: Arc::clone(engine),
            chat: Arc::clone(chat),
            nudges: Arc::clone(nudges),
            announcements: announcements.clone(),
            slots: Arc::clone(slots),
        }
    }
}

impl<C: Chat> OutboxWorker<C> {
    /// A worker over a chat's API.
    pub fn new(engine: Arc<Engine>, chat: Arc<C>, nudges: Arc<Nudges>, announcements: Option<String>) -> Self {
        Self { engine, chat, nudges, announcements, slots: Arc::default() }
    }

    /// Works for ever.
    pub async fn run(self) {
        loop {
            let shown = self.show_due().await.unwrap_or_else(|error| {
                tracing::error!(error = ?error, "what a chat shows could not be read; trying again");
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
        let due = self.engine.take_due_post(C::SURFACE, HOLD, |post| read::<Posted>(post.posted.as_deref()).told).await?;
        let Some((mut post, session)) = due else { return Ok(false) };
        let mut next = self.show(&mut post, session, None).await?;
        if let Next::Table { turn } = next {
            // What is posted is saved first: a crash must not post it again.
            post.due_at = Some(self.engine.now().plus(HOLD));
            if !self.save(&mut post).await? {
                return Ok(true);
            }
            let told = read::<Posted>(post.posted.as_deref()).told;
            let session = self.engine.view_with_turns(&post.session, told).await?;
            next = self.show(&mut post, session, Some(turn)).await?;
        }
        post.due_at = match next {
            Next::At(due_at) => due_at,
            Next::Table { turn } => Some(turn),
        };
        self.save(&mut post).await?;
        Ok(true)
    }

    /// Saves a post, for as long as it is ours.
    async fn save(&self, post: &mut ChatPost) -> Result<bool, EngineError> {
        let saved = self.engine.save_post(post).await?;
        if !saved {
            tracing::warn!(session = %post.session, chat = C::SURFACE.as_str(), "another worker took over a message while this one stood still; what this one did is dropped");
        }
        Ok(saved)
    }

    /// Takes one step for one post, in the channel's next turn or at the end of the one that the step before was taken in.
    async fn show(
        &self,
        post: &mut ChatPost,
        session: Option<ViewWithTurns>,
        turn: Option<Timestamp>,
    ) -> Result<Next, EngineError> {
        let Some(place) = Place::of(post, self.announcements.as_deref(), |identity| self.chat.person(identity)) else {
            tracing::debug!(session = %post.session, chat = C::SURFACE.as_str(), "a post has no place; it is passed over");
            return Ok(Next::At(None));
        };
        let mut posted: Posted = read(post.posted.as_deref());
        let mut shown: Shown = read(post.shown.as_deref());
        let Some((view, turns)) = session else { return Ok(Next::At(None)) };
        let card = Card::new(&view, &self.engine.directory(), self.engine.now());
        let wanted = Wanted { kind: post.kind, place: &place, card: &card, turns: &turns };
        let Some(step) = step::next(&*self.chat, wanted, &posted, &shown, self.engine.now()) else {
            post.attempts = 0;
            return Ok(Next::At(self.comes_next(wanted, &posted, &shown)));
        };
        let channel = posted.channel.clone().unwrap_or_else(|| place.channel.clone());
        let turn = match self.engine.take_turn(C::SURFACE, &channel, PACE).await? {
            Ok(turn) => turn,
            // The channel waits for nothing but the turn that is still ours. Where the chat has asked it to wait, that is longer.
            Err(free_at) if turn.is_some_and(|turn| free_at <= turn) => free_at,
            Err(free_at) => return Ok(Next::At(Some(self.slots.next(&channel, free_at, self.engine.now())))),
        };
        // The table follows its parent at once, so that nobody sees one without the other; all else keeps the pace.
        let table_follows = matches!(step, Step::PostParent(_)) && post.kind == PostKind::Thread;
        let (table, edited) = (step.table(), step.edited());
        let in_channel = matches!(step, Step::EditParent(..) | Step::Tell(..)) && place.is_channel() && !posted.elsewhere;
        let next = match self.take(step, &place, &mut posted, &mut shown).await {
            Ok(()) if table_follows => Next::Table { turn },
            Ok(()) => {
                post.attempts = 0;
                Next::At(self.comes_next(wanted, &posted, &shown))
            }
            Err(ChatError::RateLimited(Limit { of: Limited::Message, wait: Some(wait) })) if let Some(message) = &edited => {
                tracing::info!(session = %post.session, wait = ?wait, "a message takes no edit for a while; all else goes on");
                let now = self.engine.now();
                shown.wait_for(message, now.plus(span(wait)), now);
                Next::At(self.comes_next(wanted, &posted, &shown))
            }
            Err(ChatError::NoAccess(why)) if in_channel => {
                tracing::info!(channel, why, "the app cannot write to the channel any more; going on in direct messages");
                (posted, shown) = (posted.elsewhere(), Shown::default());
                Next::At(self.comes_next(wanted, &posted, &shown))
            }
            Err(error) => match table.filter(|_| goes_on_without(post, &error)) {
                Some(table) => {
                    tracing::warn!(session = %post.session, chat = C::SURFACE.as_str(), %error, "a table could not be shown; all else goes on");
                    shown.hold(table, &error, self.engine.now());
                    Next::At(self.comes_next(wanted, &posted, &shown))
                }
                None if gives_up(post, &posted, &error) => {
                    tracing::error!(session = %post.session, chat = C::SURFACE.as_str(), %error, tries = post.attempts, "nobody could be told; giving up");
                    Next::At(None)
                }
                None => Next::At(Some(self.come_back(post, &channel, &error).await?)),
            },
        };
        // Whatever was posted before a failure is posted.
        post.posted = serde_json::to_string(&posted).ok();
        post.shown = serde_json::to_string(&shown).ok();
        Ok(next)
    }

    /// When there is more to do: at the channel's pace, or once a table that the chat did not take is tried again.
    fn comes_next(&self, wanted: Wanted<'_>, posted: &Posted, shown: &Shown) -> Option<Timestamp> {
        let now = self.engine.now();
        let left = step::next(&*self.chat, wanted, posted, shown, now).is_some();
        if left { Some(now.plus(PACE)) } else { shown.next_try(now) }
    }

    async fn take(&self, step: Step<C::Content>, place: &Place, posted: &mut Posted, shown: &mut Shown) -> Result<(), ChatError> {
        match step {
            Step::PostParent(content) => {
                let key = step::key(&content);
                let (sent, elsewhere) = self.post_parent(place, posted.elsewhere, content).await?;
                posted.channel = Some(sent.channel);
                posted.parent = Some(sent.id);
                // Where it went elsewhere, it has to say so: that is the next edit.
                shown.parent = key.filter(|_| posted.elsewhere == elsewhere);
                posted.elsewhere = elsewhere;
            }
            Step::PostTable(parent, content) => match there(self.chat.reply(&parent, None, content.clone()).await)? {
                Some(sent) => {
                    posted.table = Some(sent.id);
                    posted.thread = (sent.channel != parent.channel).then_some(sent.channel);
                    (shown.table, shown.held) = (step::key(&content), None);
                }
                None => posted.gone = true,
            },
            Step::EditTable(message, content) => {
                self.edit(&message, &content).await?;
                (shown.table, shown.held) = (step::key(&content), None);
            }
            Step::EditParent(message, content) => {
                self.edit(&message, &content).await?;
                shown.parent = step::key(&content);
            }
            Step::Tell(parent, through, content) => {
                if let Some(content) = content {
                    self.tell(&parent, posted.thread.as_deref(), content).await?;
                }
                posted.told = through;
            }
        }
        Ok(())
    }

    async fn come_back(&self, post: &mut ChatPost, channel: &str, error: &ChatError) -> Result<Timestamp, EngineError> {
        post.attempts = post.attempts.saturating_add(1);
        let wait = match error {
            ChatError::RateLimited(Limit { wait: Some(wait), .. }) => span(*wait),
            // Each time longer, from one second.
            _ => Span::from_seconds(1_i64 << (post.attempts - 1).min(8)).min(LONGEST_WAIT),
        };
        tracing::warn!(session = %post.session, chat = C::SURFACE.as_str(), %error, wait = %wait, "a chat could not be brought up to date");
        // One post that cannot be shown must not hold up the others of its channel, unless the chat says that it does.
        match error {
            ChatError::RateLimited(Limit { of: Limited::Chat, .. }) => {
                self.engine.hold_channel(C::SURFACE, EVERYWHERE, wait).await
            }
            ChatError::RateLimited(Limit { of: Limited::Channel, .. }) => {
                self.engine.hold_channel(C::SURFACE, channel, wait).await
            }
            _ => Ok(self.engine.now().plus(wait)),
        }
    }

    /// Posts to the channel; where the app cannot write to it, or could not any more, to whoever gave the command.
    async fn post_parent(&self, place: &Place, elsewhere: bool, content: C::Content) -> Result<(Sent, bool), ChatError> {
        // A request or an alarm is for one person.
        if elsewhere || place.channel == place.user {
            return Ok((self.chat.post_to(&place.user, content).await?, elsewhere));
        }
        match self.chat.post(&place.channel, content.clone()).await {
            Err(ChatError::NoAccess(why)) if !place.user.is_empty() => {
                tracing::info!(channel = place.channel, why, "the app cannot write to the channel; sending a direct message");
                Ok((self.chat.post_to(&place.user, content).await?, true))
            }
            other => other.map(|sent| (sent, false)),
        }
    }

    /// Says something in the thread. Whoever closed a thread that is a channel of its own wants to hear no more there.
    async fn tell(&self, parent: &Sent, thread: Option<&str>, content: C::Content) -> Result<(), ChatError> {
        match there(self.chat.reply(parent, thread, content).await) {
            Err(ChatError::NoThread(why)) => {
                tracing::info!(why, "there is no thread to say anything in");
                Ok(())
            }
            Err(ChatError::NoAccess(why)) if thread.is_some() => {
                tracing::info!(why, "a thread takes nothing more");
                Ok(())
            }
            other => other.map(drop),
        }
    }

    async fn edit(&self, message: &Sent, content: &C::Content) -> Result<(), ChatError> {
        there(self.chat.edit(message, content.clone()).await).map(drop)
    }
}

/// What came of a call; none where somebody deleted what it was about: there is nothing left to keep up to date.
fn there<T>(called: Result<T, ChatError>) -> Result<Option<T>, ChatError> {
    match called {
        Ok(done) => Ok(Some(done)),
        Err(ChatError::MessageGone(why)) => {
            tracing::info!(why, "a message of a thread is gone");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether the rest goes on without the table, which is tried again by itself: the parent says how the session stands, and must not wait
/// for a table that the chat will not have, or that it fails at each time.
fn goes_on_without(post: &ChatPost, error: &ChatError) -> bool {
    match error {
        ChatError::RateLimited(_) => false,
        ChatError::Unreachable(_) => post.attempts >= IN_ORDER,
        ChatError::NoAccess(_) | ChatError::NoThread(_) | ChatError::MessageGone(_) | ChatError::Refused(_) => true,
    }
}

/// Whether nothing was ever shown, and the chat refuses it as often as makes sense. A chat that is away has not refused.
fn gives_up(post: &ChatPost, posted: &Posted, error: &ChatError) -> bool {
    let refused = matches!(error, ChatError::NoAccess(_) | ChatError::Refused(_));
    refused && posted.parent.is_none() && post.attempts >= TRIES
}

fn span(wait: Duration) -> Span {
    Span::from_millis(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

fn read<T: Default + serde::de::DeserializeOwned>(text: Option<&str>) -> T {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}
