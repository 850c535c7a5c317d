//! What all chats have in common: where a session is shown, what is posted next, and how a chat is kept up to date.
//!
//! A chat brings its markup, its content and its calls as a [`Chat`]; what is said, and when, is decided here and in core.

mod digest;
mod outbox;
mod place;
mod promise;
mod recent;
mod reconnect;
mod round;
mod slots;
mod step;
mod told;

use std::time::Duration;

use entryguard_core::domain::{Identity, Surface};
use entryguard_core::reply::message::{Markup, Message};
use serde::Serialize;

pub use digest::DigestWorker;
pub use outbox::OutboxWorker;
pub use place::Place;
pub use promise::{FAILED, NotTaken, Promise, Taking, at_once};
pub use recent::Recent;
pub use reconnect::Reconnect;
pub use round::Round;
pub use step::key;

/// A chat that sessions are shown in.
pub trait Chat: Send + Sync + 'static {
    /// A message as the chat takes it.
    type Content: Serialize + Clone + Send + Sync;

    /// Which chat it is.
    const SURFACE: Surface;

    /// How it writes.
    fn markup(&self) -> &dyn Markup;

    /// A message as it takes it.
    fn content(&self, message: &Message) -> Self::Content;

    /// What to say where the app cannot write to a channel, and so wrote to the person.
    fn elsewhere(&self, channel: &str) -> String;

    /// How the chat names the person, if it knows them.
    fn person(&self, identity: &Identity) -> Option<String>;

    /// Posts to a channel.
    fn post(&self, channel: &str, content: Self::Content) -> impl Future<Output = Result<Sent, ChatError>> + Send;

    /// Posts to a person directly.
    fn post_to(&self, person: &str, content: Self::Content) -> impl Future<Output = Result<Sent, ChatError>> + Send;

    /// Posts below a message: in its thread, where that is a channel of its own and known.
    fn reply(
        &self,
        parent: &Sent,
        thread: Option<&str>,
        content: Self::Content,
    ) -> impl Future<Output = Result<Sent, ChatError>> + Send;

    /// Replaces a message.
    fn edit(&self, message: &Sent, content: Self::Content) -> impl Future<Output = Result<(), ChatError>> + Send;
}

/// Where a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The channel that took it.
    pub channel: String,
    /// Its name there.
    pub id: String,
}

/// A limit of a chat's that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What may not be written to.
    pub of: Limited,
    /// For how long, if the chat says so.
    pub wait: Option<Duration>,
}

/// What a limit concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// The edits of one message.
    Message,
    /// One channel.
    Channel,
    /// The whole chat, or an unknown part of it.
    Chat,
}

/// Why a chat did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// Too fast.
    #[error("it asks to wait{}", .0.wait.map(|wait| format!(" {} s", wait.as_secs())).unwrap_or_default())]
    RateLimited(Limit),
    /// The app cannot write there.
    #[error("the app cannot write to the channel ({0})")]
    NoAccess(String),
    /// There is no thread below the message, or none that takes anything.
    #[error("the thread takes nothing ({0})")]
    NoThread(String),
    /// The message is not there any more.
    #[error("the message is gone ({0})")]
    MessageGone(String),
    /// Refused for another reason.
    #[error("refused ({0})")]
    Refused(String),
    /// No answer that made sense.
    #[error("no answer ({0})")]
    Unreachable(String),
}

/// What a chat says of our app there.
#[derive(Debug, PartialEq, Eq)]
pub enum AppHealth {
    /// All is well, with what is worth knowing.
    Valid(String, Vec<String>),
    /// It cannot work so, and why.
    Invalid(String),
    /// The chat could not be asked.
    Unverified(String),
}
