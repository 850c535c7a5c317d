//! A double of Discord: it signs interactions as Discord does, answers the REST calls that a bot makes, and notes each thing that
//! Discord would not have accepted.

mod gateway;
mod judge;
mod pace;
mod rest;
mod sender;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use crate::loopback::Listener;
use crate::services::slack_models_address;
pub use judge::text_as_sent;
pub use sender::{DiscordAnswer, FromDiscord};

/// Discord, with one guild, one application and its users.
#[derive(Debug)]
pub struct DiscordDouble {
    listener: Listener,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    server: String,
    next_id: u64,
    messages: Vec<DiscordMessage>,
    // Threads by their id, which is their first message's.
    threads: BTreeMap<u64, u64>,
    direct: BTreeMap<u64, u64>,
    gone: BTreeSet<u64>,
    closed: BTreeSet<u64>,
    // How many calls get 429, and what each of them says of how long to wait.
    limited: (u32, u64),
    // Until when a call of this kind is too early.
    too_early: BTreeMap<String, Instant>,
    // How many calls of a kind there may be in how many milliseconds, where that is narrow; when each began, and how many there were.
    narrow: Option<(u32, u64)>,
    windows: BTreeMap<String, (Instant, u32)>,
    // Messages that take no edits until then, and how often an edit of each message was tried.
    old_until: BTreeMap<u64, Instant>,
    edits_tried: BTreeMap<u64, u32>,
    // Threads that nobody wrote in for long, and those of them that were locked.
    archived: BTreeSet<u64>,
    locked: BTreeSet<u64>,
    deleted: BTreeSet<u64>,
    moderated: BTreeSet<u64>,
    left: bool,
    global_commands: Vec<Value>,
    roles: BTreeMap<u64, BTreeSet<u64>>,
    // What became of promised answers, by their interaction's token: what is shown, or nothing where the promise was taken back.
    followed: BTreeMap<String, Option<Value>>,
    tokens_lapsed: bool,
    gateway: gateway::Gateway,
    commands: Vec<Value>,
    registrations: usize,
    violations: Vec<String>,
    // Every body that the app sent, with the call in the words of Discord's description.
    sent: Vec<(&'static str, Value)>,
}

/// A message as the double keeps it.
#[derive(Debug, Clone)]
pub struct DiscordMessage {
    /// The channel or the thread that it is in.
    pub channel: u64,
    /// Its id.
    pub id: u64,
    /// What it says by now.
    pub content: Value,
    /// How often it was edited.
    pub edits: usize,
}

impl DiscordMessage {
    /// What people read: text, then the buttons' labels.
    pub fn text(&self) -> String {
        judge::text_of(&self.content)
    }

    /// Whether people can read this in it.
    pub fn says(&self, words: &str) -> bool {
        self.text().contains(words)
    }
}

impl DiscordDouble {
    /// The application.
    pub const APPLICATION: u64 = 700;
    /// The guild.
    pub const GUILD: u64 = 800;
    /// The channel that people talk in.
    pub const CHANNEL: u64 = 900;
    /// What the bot shows.
    pub const BOT_TOKEN: &'static str = "discord-bot-token-of-the-tests";

    /// Opens.
    pub async fn open() -> Self {
        let shared = Arc::<Shared>::default();
        shared.state().next_id = 10_000;
        let listener = Listener::serve(rest::router(Arc::clone(&shared))).await;
        gateway::listen(&shared).await;
        Self { listener, shared }
    }

    /// What Discord signs with, in hexadecimal.
    pub fn public_key() -> String {
        hex::encode(signing_key().verifying_key().as_bytes())
    }

    /// The value of `api_url`.
    pub fn api_url(&self) -> String {
        self.listener.address.clone()
    }

    /// Tells Discord where the app lives.
    pub fn install(&self, server: &str) {
        server.clone_into(&mut self.shared.state().server);
    }

    /// How Discord signs.
    pub fn signature_of(timestamp: &str, body: &str) -> String {
        hex::encode(signing_key().sign(format!("{timestamp}{body}").as_bytes()).to_bytes())
    }

    /// Whether Discord's own library takes this for a request of Discord's.
    pub async fn sdk_accepts(timestamp: &str, body: &str, signature: &str) -> bool {
        let request = json!({ "key": Self::public_key(), "timestamp": timestamp, "body": body, "signature": signature });
        let url = format!("{}/discord-signature", slack_models_address());
        let answer = crate::loopback::client().post(url).json(&request).send().await.expect("Discord's library answers");
        answer.json().await.expect("Discord's library answers with JSON")
    }

    /// Discord towards the server.
    pub fn to_server(&self) -> FromDiscord<'_> {
        FromDiscord::new(&self.shared)
    }

    /// Somebody left the guild.
    pub fn leave(&self, user: u64) {
        self.shared.state().gone.insert(user);
    }

    /// And is there again.
    pub fn come_back(&self, user: u64) {
        self.shared.state().gone.remove(&user);
    }

    /// Gives somebody a role of the guild.
    pub fn give_role(&self, user: u64, role: u64) {
        self.shared.state().roles.entry(user).or_default().insert(role);
    }

    /// Takes it from them.
    pub fn take_role(&self, user: u64, role: u64) {
        self.shared.state().roles.entry(user).or_default().remove(&role);
    }

    /// How many connections to the Gateway are open, how often the app identified, and how often it resumed.
    pub fn gateway(&self) -> (u32, u32, u32) {
        let gateway = &self.shared.state().gateway;
        (gateway.open, gateway.identified, gateway.resumed)
    }

    /// How often the app's heart has beaten.
    pub fn heartbeats(&self) -> u32 {
        self.shared.state().gateway.heartbeats
    }

    /// Breaks the connections to the Gateway.
    pub fn drop_gateway(&self) {
        drop(self.shared.state().gateway.orders.send(gateway::Order::Drop));
    }

    /// Asks the app to open another connection.
    pub fn reconnect_gateway(&self) {
        drop(self.shared.state().gateway.orders.send(gateway::Order::Reconnect));
    }

    /// From now on, the tokens of interactions are too old.
    pub fn lapse_tokens(&self) {
        self.shared.state().tokens_lapsed = true;
    }

    /// What became of the promise that answered an interaction with this token: None as long as it stands.
    pub fn followed(&self, token: &str) -> Option<Option<String>> {
        self.shared.state().followed.get(token).map(|shown| shown.as_ref().map(judge::text_of))
    }

    /// The bot may not write in this channel.
    pub fn close(&self, channel: u64) {
        self.shared.state().closed.insert(channel);
    }

    /// So many of the next posts get 429, and are to wait for so many seconds.
    pub fn limit_next(&self, times: u32, seconds: u64) {
        self.shared.state().limited = (times, seconds);
    }

    /// From now on, there may be so many calls of a kind to a channel in so many milliseconds.
    pub fn narrow_buckets(&self, calls: u32, milliseconds: u64) {
        self.shared.state().narrow = Some((calls, milliseconds));
    }

    /// A message is older than an hour, and takes no edits for so long.
    pub fn limit_edits_of(&self, message: u64, wait: std::time::Duration) {
        let mut state = self.shared.state();
        state.edits_tried.remove(&message);
        state.old_until.insert(message, Instant::now() + wait);
    }

    /// How often an edit of it was tried since.
    pub fn edits_tried_of(&self, message: u64) -> u32 {
        self.shared.state().edits_tried.get(&message).copied().unwrap_or_default()
    }

    /// A thread goes into the archive, because nobody wrote in it.
    pub fn archive(&self, thread: u64) {
        self.shared.state().archived.insert(thread);
    }

    /// Somebody closes a thread for good, for all but moderators.
    pub fn lock(&self, thread: u64) {
        self.shared.state().locked.insert(thread);
        self.archive(thread);
    }

    /// Whether a thread is in the archive.
    pub fn is_archived(&self, thread: u64) -> bool {
        self.shared.state().archived.contains(&thread)
    }

    /// Somebody deletes a thread or a channel, and with it all that is in it.
    pub fn delete_channel(&self, channel: u64) {
        let mut state = self.shared.state();
        state.deleted.insert(channel);
        state.messages.retain(|message| message.channel != channel);
    }

    /// Somebody deletes a message. Its thread stays.
    pub fn delete_message(&self, message: &DiscordMessage) {
        self.shared.state().messages.retain(|kept| (kept.channel, kept.id) != (message.channel, message.id));
    }

    /// From now on, some moderator's program deletes whatever is posted in this channel.
    pub fn delete_at_once(&self, channel: u64) {
        self.shared.state().moderated.insert(channel);
    }

    /// How often the app has asked for a thread.
    pub fn threads_asked_for(&self) -> usize {
        self.shared.state().sent.iter().filter(|(call, _)| *call == rest::OPEN_THREAD).count()
    }

    /// From now on, the bot is not in the guild.
    pub fn remove_bot(&self) {
        self.shared.state().left = true;
    }

    /// The messages of a channel or thread, oldest first.
    pub fn messages_in(&self, channel: u64) -> Vec<DiscordMessage> {
        self.shared.state().messages.iter().filter(|message| message.channel == channel).cloned().collect()
    }

    /// The messages that the bot sent to one person directly.
    pub fn direct_messages_to(&self, user: u64) -> Vec<DiscordMessage> {
        let channel = self.shared.state().direct.get(&user).copied();
        channel.map(|channel| self.messages_in(channel)).unwrap_or_default()
    }

    /// Changes what is registered, as somebody else's program would.
    pub fn change_commands(&self, change: impl FnOnce(&mut Vec<Value>)) {
        change(&mut self.shared.state().commands);
    }

    /// The commands that are registered everywhere.
    pub fn global_commands(&self) -> Vec<Value> {
        self.shared.state().global_commands.clone()
    }

    /// The commands that are registered, and how often that was done.
    pub fn commands(&self) -> (Vec<Value>, usize) {
        let state = self.shared.state();
        (state.commands.clone(), state.registrations)
    }

    /// What Discord's own OpenAPI description refuses in anything that the app has sent.
    pub async fn what_discords_description_refuses(&self) -> Vec<String> {
        let sent = self.shared.state().sent.clone();
        Self::description_refuses(&sent).await
    }

    /// What it refuses in these calls, each in the description's own words, with its body.
    pub async fn description_refuses(sent: &[(&'static str, Value)]) -> Vec<String> {
        let url = format!("{}/discord-requests", slack_models_address());
        let answer = crate::loopback::client().post(url).json(sent).send().await.expect("the judge answers");
        answer.json().await.expect("the judge answers with JSON")
    }

    /// What the app did that Discord would not have accepted.
    pub fn violations(&self) -> Vec<String> {
        self.shared.state().violations.clone()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

fn signing_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}
