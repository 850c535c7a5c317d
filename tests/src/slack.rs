//! The double of Slack: a workspace held in memory, its Web API, and the requests that Slack sends to us.
//!
//! It is as strict as Slack: what Slack would refuse it refuses, and remembers, so that a test can end with "nothing was refused".

mod answer;
mod block_kit;
mod link;
mod message;
mod sdk;
mod sender;
mod socket;
mod text;
mod weather;
mod web_api;
mod workspace;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::Value;

pub use answer::SlackAnswer;
pub use block_kit::what_slack_refuses;
pub use link::{button, buttons, link_in};
pub use message::{Edit, Message, Thread};
pub use sender::ToServer;
pub use text::text_of;
use weather::Weather;
use workspace::Workspace;

use crate::loopback::{self, Listener};

/// Slack, for one test; it ends when it is dropped.
#[derive(Debug)]
pub struct SlackDouble {
    listener: Listener,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    workspace: Workspace,
    weather: Weather,
    server: String,
    violations: Vec<String>,
    sockets: socket::Sockets,
    // What the double signed and sent.
    signed: Vec<sender::SignedRequest>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl SlackDouble {
    /// The workspace's id.
    pub const TEAM: &str = "T0123456";
    /// The channel in which people give commands.
    pub const CHANNEL: &str = "C0DEPLOYS";
    /// The secret behind the signatures.
    pub const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    /// The secret that is being exchanged for it, and still counts.
    pub const OLD_SECRET: &str = "0d0dc0ffee0d0dc0ffee0d0dc0ffee00";
    /// The bot's token.
    pub const BOT_TOKEN: &str = "xoxb-0123456-of-a-test";

    /// The app's token, for Socket Mode.
    pub const APP_TOKEN: &str = "xapp-1-AAPP-of-a-test";

    /// Opens an empty workspace with one channel.
    pub async fn open() -> Self {
        let shared = Arc::new(Shared { http: loopback::client(), state: Mutex::default() });
        let url = socket::listen(Arc::clone(&shared)).await;
        shared.state().sockets.url = url;
        let listener = Listener::serve(web_api::router(Arc::clone(&shared))).await;
        Self { listener, shared }
    }

    /// The value of `api_url`.
    pub fn api_url(&self) -> String {
        format!("{}/api", self.listener.address)
    }

    /// Tells Slack where the app lives.
    pub fn install(&self, server: &str) {
        server.clone_into(&mut self.shared.state().server);
    }

    /// The bot was not invited to this channel, or was removed.
    pub fn not_in_channel(&self, channel: &str) {
        self.close_channel(channel, "not_in_channel");
    }

    /// The app cannot write to this channel any more, and Slack says this: `is_archived`, `restricted_action_read_only_channel`.
    pub fn close_channel(&self, channel: &str, error: &'static str) {
        self.shared.state().weather.closed.insert(channel.to_owned(), error);
    }

    /// This channel takes no replies, and Slack says this: `restricted_action_thread_locked`, `thread_not_found`.
    pub fn refuse_replies_in(&self, channel: &str, error: &'static str) {
        self.shared.state().weather.threadless.insert(channel.to_owned(), error);
    }

    /// It takes them again.
    pub fn take_replies_in(&self, channel: &str) {
        self.shared.state().weather.threadless.remove(channel);
    }

    /// Somebody deletes a message.
    pub fn delete(&self, message: &Message) {
        let mut state = self.shared.state();
        state.workspace.standing(&message.channel, &message.ts).expect("a message that is there").deleted = true;
    }

    /// The bot is invited.
    pub fn invite_to(&self, channel: &str) {
        let mut state = self.shared.state();
        state.workspace.channel(channel);
        state.weather.closed.remove(channel);
    }

    /// The app was installed without this scope.
    pub fn take_scope(&self, scope: &str) {
        self.shared.state().weather.lacks.insert(scope.to_owned());
    }

    /// The app was installed with this scope, too.
    pub fn grant_scope(&self, scope: &str) {
        let mut state = self.shared.state();
        state.weather.lacks.remove(scope);
        state.weather.granted.insert(scope.to_owned());
    }

    /// Slack says that a user belongs to this workspace, or does not say to which.
    pub fn move_to_team(&self, user: &str, team: Option<&str>) {
        self.shared.state().weather.teams.insert(user.to_owned(), team.map(str::to_owned));
    }

    /// A user is of several workspaces of one Enterprise Grid organization: Slack names the first of them, and lists them all.
    pub fn put_into_grid(&self, user: &str, teams: &[&str]) {
        let teams: Vec<_> = teams.iter().map(|team| (*team).to_owned()).collect();
        let mut state = self.shared.state();
        state.weather.teams.insert(user.to_owned(), teams.first().cloned());
        state.weather.grid.insert(user.to_owned(), teams);
    }

    /// Slack shows a user to nobody, and says this instead: `user_not_found`, `user_not_visible`.
    pub fn hide(&self, user: &str, error: &'static str) {
        self.shared.state().weather.hidden.insert(user.to_owned(), error);
    }

    /// The next call of a method is refused with this error.
    pub fn refuse_next(&self, method: &str, error: &'static str) {
        self.shared.state().weather.refusals.insert(method.to_owned(), error);
    }

    /// The next `times` calls of a method that say this are refused with this error.
    pub fn refuse_what_says(&self, method: &str, words: &str, error: &'static str, times: u32) {
        let (method, words) = (method.to_owned(), words.to_owned());
        self.shared.state().weather.refusals_of.push(weather::Refused { method, words, error, times });
    }

    /// The next call of a method is answered so late.
    pub fn slow_next(&self, method: &str, by: Duration) {
        self.shared.state().weather.slow.insert(method.to_owned(), by);
    }

    /// When a method was refused because it came too often.
    pub fn limited_at(&self, method: &str) -> Option<Instant> {
        self.shared.state().weather.limited_at.iter().rfind(|(limited, _)| limited == method).map(|(_, at)| *at)
    }

    /// Somebody's account is deactivated. Slack says so when it is asked, and [`ToServer::user_change`] tells of it.
    pub fn deactivate(&self, user: &str) {
        self.shared.state().weather.deactivated.insert(user.to_owned());
    }

    /// A user is a program.
    pub fn make_bot(&self, user: &str) {
        self.shared.state().weather.bots.insert(user.to_owned());
    }

    /// The home that somebody sees.
    pub fn home_of(&self, user: &str) -> Option<Value> {
        self.views().into_iter().rev().find(|(seen_by, view)| seen_by == user && view["type"] == "home").map(|(_, view)| view)
    }

    /// The modal that somebody sees.
    pub fn modal_of(&self, user: &str) -> Option<Value> {
        self.views().into_iter().rev().find(|(seen_by, view)| seen_by == user && view["type"] == "modal").map(|(_, view)| view)
    }

    /// Slack shows them again.
    pub fn show(&self, user: &str) {
        self.shared.state().weather.hidden.remove(user);
    }

    /// The next `times` calls of a method get 429 with this `Retry-After`.
    pub fn rate_limit_next(&self, method: &str, retry_after_secs: u64, times: u32) {
        self.shared.state().weather.limits.insert(method.to_owned(), (retry_after_secs, times));
    }

    /// Slack answers 503 to everything, until it comes back.
    pub fn go_down(&self) {
        self.shared.state().weather.down = true;
    }

    /// The outage is over.
    pub fn come_back(&self) {
        self.shared.state().weather.down = false;
    }

    /// The messages of a channel, oldest first, without the deleted ones.
    pub fn messages_in(&self, channel: &str) -> Vec<Message> {
        let all = self.shared.state().workspace.messages.clone();
        all.into_iter().filter(|message| message.channel == channel && !message.is_ephemeral() && !message.deleted).collect()
    }

    /// What one person was shown in passing: ephemeral messages, newest last.
    pub fn whispers_to(&self, user: &str) -> Vec<Message> {
        let all = self.shared.state().workspace.messages.clone();
        all.into_iter().filter(|message| message.ephemeral_to.as_deref() == Some(user)).collect()
    }

    /// The messages that the bot sent to one person directly.
    pub fn direct_messages_to(&self, user: &str) -> Vec<Message> {
        self.messages_in(&workspace::direct_channel_of(user))
    }

    /// Every thread of a channel, oldest first; a message without replies is a thread of one.
    pub fn threads_of(&self, channel: &str) -> Vec<Thread> {
        let (parents, replies): (Vec<_>, Vec<_>) = self.messages_in(channel).into_iter().partition(Message::is_parent);
        let with_replies = |parent: Message| {
            let replies = replies.iter().filter(|reply| reply.thread_ts.as_ref() == Some(&parent.ts)).cloned().collect();
            Thread { parent, replies }
        };
        parents.into_iter().map(with_replies).collect()
    }

    /// The newest thread of a channel.
    pub fn thread_of(&self, channel: &str) -> Option<Thread> {
        self.threads_of(channel).pop()
    }

    /// From now on no `response_url` takes anything any more.
    pub fn lapse_response_urls(&self) {
        self.shared.state().weather.lapsed = true;
    }

    /// What was posted to the `response_url` of this command or press.
    pub fn follow_ups_of(&self, answer: &SlackAnswer) -> Vec<Value> {
        self.shared.state().workspace.follow_ups.get(&answer.response_url).cloned().unwrap_or_default()
    }

    /// The views that were opened or published, newest last, with the person who sees them.
    pub fn views(&self) -> Vec<(String, Value)> {
        self.shared.state().workspace.views.clone()
    }

    /// How often a Web API method was called, refused calls included.
    pub fn calls_of(&self, method: &str) -> usize {
        self.shared.state().workspace.calls.get(method).copied().unwrap_or_default()
    }

    /// What the app did that Slack would not have accepted.
    pub fn violations(&self) -> Vec<String> {
        self.shared.state().violations.clone()
    }

    /// Slack towards the server, with the right secret: sends commands, presses and views.
    pub fn to_server(&self) -> ToServer<'_> {
        ToServer::new(&self.shared, &self.listener.address)
    }

    /// The app's connections: how many are open, and how many there have been.
    pub fn sockets(&self) -> (u32, u32) {
        let state = self.shared.state();
        (state.sockets.open, state.sockets.opened)
    }

    /// How many of the app's connections were open at once at the most, and when each was opened.
    pub fn sockets_opened(&self) -> (u32, Vec<Instant>) {
        let state = self.shared.state();
        (state.sockets.most, state.sockets.opened_at.clone())
    }

    /// From now on, Slack says this of each connection as soon as it is open: `too_many_websockets`, `refresh_requested`. It ends each
    /// without a word where this is nothing.
    pub fn refuse_sockets(&self, reason: &'static str) {
        self.shared.state().sockets.unwanted = Some(reason);
    }

    /// It takes connections again.
    pub fn take_sockets(&self) {
        self.shared.state().sockets.unwanted = None;
    }

    /// Slack announces that the app's connections end, and ends them.
    pub fn refresh_sockets(&self) {
        drop(self.shared.state().sockets.orders.send(socket::Order::Refresh));
    }

    /// The app's connections break.
    pub fn drop_sockets(&self) {
        drop(self.shared.state().sockets.orders.send(socket::Order::Drop));
    }

    /// Somebody types `/entryguard TEXT` in [`SlackDouble::CHANNEL`].
    pub async fn command(&self, user: &str, text: &str) -> SlackAnswer {
        self.to_server().command(user, text).await
    }

    /// Somebody presses a button of a message, or picks the first option of a menu.
    pub async fn press(&self, user: &str, message: &Message, action_id: &str) -> SlackAnswer {
        self.to_server().press(user, message, action_id).await
    }
}
