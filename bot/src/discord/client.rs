//! Discord's REST API: the few calls that we make, and what their errors mean for us. serenity keeps each bucket's pace.

use std::time::Duration;

use entryguard_core::config::DiscordSettings;
use entryguard_core::domain::{Identity, Surface};
use entryguard_core::reply::message::{Markup, Message};
use secrecy::ExposeSecret;
use serenity::builder::{CreateAllowedMentions, CreateMessage, CreateThread, EditInteractionResponse, EditMessage};
use serenity::http::{Http, HttpBuilder, HttpError};
use serenity::model::id::{ApplicationId, ChannelId, GuildId, MessageId, RoleId, UserId};

use super::components::{Content, Markdown, content};
use crate::chat::{Chat, ChatError, Sent};

/// How long one call may take, waiting for its bucket included.
const CALL: Duration = Duration::from_secs(5);
/// How long one may take while Discord waits for an answer: three seconds are all there is.
const WHILE_ASKED: Duration = Duration::from_millis(1500);

/// Where Discord is, where nothing stands between.
const DISCORD: &str = "https://discord.com";

/// Codes of Discord's errors that say something to us.
mod code {
    pub const UNKNOWN_CHANNEL: isize = 10003;
    pub const UNKNOWN_MEMBER: isize = 10007;
    pub const UNKNOWN_MESSAGE: isize = 10008;
    pub const UNKNOWN_USER: isize = 10013;
    pub const UNKNOWN_WEBHOOK: isize = 10015;
    pub const UNKNOWN_INTERACTION: isize = 10062;
    pub const MISSING_ACCESS: isize = 50001;
    pub const CANNOT_MESSAGE_USER: isize = 50007;
    pub const MISSING_PERMISSIONS: isize = 50013;
    pub const WRONG_CHANNEL_TYPE: isize = 50024;
    pub const INVALID_WEBHOOK_TOKEN: isize = 50027;
    pub const THREAD_EXISTS: isize = 160_004;
}

/// Discord's REST API, as our app.
pub struct DiscordApi {
    http: Http,
    guild: GuildId,
}

/// serenity's client for the app of the configuration.
pub fn http(settings: &DiscordSettings) -> Http {
    let http = HttpBuilder::new(settings.bot_token.expose_secret());
    let http = http.application_id(ApplicationId::new(settings.application_id));
    // serenity keeps the buckets' pace with Discord itself alone; whoever stands between has to.
    let http = match settings.api_url.as_str() {
        DISCORD => http,
        proxy => http.proxy(proxy).ratelimiter_disabled(true),
    };
    http.build()
}

impl DiscordApi {
    /// A client for the app of the configuration.
    pub fn new(settings: &DiscordSettings) -> Self {
        Self { http: http(settings), guild: GuildId::new(settings.guild_id) }
    }

    /// serenity's client, for what has only one caller.
    pub const fn http(&self) -> &Http {
        &self.http
    }

    /// The roles of a user, if they are a person of our guild now. Asked while somebody waits, so not for long.
    pub async fn roles_of(&self, user: UserId) -> Result<Option<Vec<RoleId>>, ChatError> {
        match within(WHILE_ASKED, self.guild.member(&self.http, user)).await {
            Ok(member) => Ok(Some(member.roles).filter(|_| !member.user.bot)),
            Err(Failed { code: Some(code::UNKNOWN_MEMBER | code::UNKNOWN_USER), .. }) => Ok(None),
            Err(failed) => Err(failed.error),
        }
    }

    /// Replaces the answer to an interaction that was deferred.
    pub async fn finish(&self, token: &str, content: Content) -> Result<(), ChatError> {
        let edit = EditInteractionResponse::new().embed(content.embed).components(content.rows);
        within(CALL, self.http.edit_original_interaction_response(token, &edit, Vec::new())).await.map(drop).map_err(Into::into)
    }

    /// Takes back the promise of an answer.
    pub async fn withdraw(&self, token: &str) -> Result<(), ChatError> {
        within(CALL, self.http.delete_original_interaction_response(token)).await.map_err(Into::into)
    }

    /// The thread below a message: a new one, or the one that is there. None where there cannot be any: in direct messages, and
    /// inside a thread.
    async fn thread(&self, parent: &Sent) -> Result<Option<ChannelId>, ChatError> {
        let (channel, message) = (channel(&parent.channel)?, message(&parent.id)?);
        let made = channel.create_thread_from_message(&self.http, message, CreateThread::new("Status"));
        match within(CALL, made).await {
            Ok(thread) => Ok(Some(thread.id)),
            // A message's thread has the message's own id.
            Err(Failed { code: Some(code::THREAD_EXISTS), .. }) => Ok(Some(ChannelId::new(message.get()))),
            Err(Failed { code: Some(code::WRONG_CHANNEL_TYPE | code::MISSING_PERMISSIONS), .. }) => Ok(None),
            Err(failed) => Err(failed.into()),
        }
    }

    async fn send(&self, channel: ChannelId, create: CreateMessage) -> Result<Sent, ChatError> {
        let create = create.allowed_mentions(CreateAllowedMentions::new());
        let sent = within(CALL, channel.send_message(&self.http, create)).await?;
        Ok(Sent { channel: sent.channel_id.to_string(), id: sent.id.to_string() })
    }
}

impl Chat for DiscordApi {
    type Content = Content;
    const SURFACE: Surface = Surface::Discord;

    fn markup(&self) -> &dyn Markup {
        &Markdown
    }

    fn content(&self, message: &Message) -> Content {
        content(message)
    }

    fn elsewhere(&self, channel: &str) -> String {
        format!("Sent to you directly: EntryGuard may not write in <#{channel}>. Give it the permission to send messages there.")
    }

    fn person(&self, identity: &Identity) -> Option<String> {
        match identity {
            Identity::Discord { guild, user } if *guild == self.guild.to_string() => Some(user.clone()),
            _ => None,
        }
    }

    async fn post(&self, to: &str, content: Content) -> Result<Sent, ChatError> {
        self.send(channel(to)?, create(content)).await
    }

    async fn post_to(&self, person: &str, content: Content) -> Result<Sent, ChatError> {
        let user = UserId::new(number(person)?);
        let direct = within(CALL, user.create_dm_channel(&self.http)).await?;
        self.send(direct.id, create(content)).await
    }

    async fn reply(&self, parent: &Sent, content: Content) -> Result<Sent, ChatError> {
        match self.thread(parent).await? {
            Some(thread) => self.send(thread, create(content)).await,
            None => {
                let at = (channel(&parent.channel)?, message(&parent.id)?);
                self.send(at.0, create(content).reference_message(at)).await
            }
        }
    }

    async fn edit(&self, sent: &Sent, content: Content) -> Result<(), ChatError> {
        let edit = EditMessage::new().embed(content.embed).components(content.rows);
        let edit = edit.allowed_mentions(CreateAllowedMentions::new());
        within(CALL, channel(&sent.channel)?.edit_message(&self.http, message(&sent.id)?, edit)).await?;
        Ok(())
    }
}

fn create(content: Content) -> CreateMessage {
    CreateMessage::new().embed(content.embed).components(content.rows)
}

fn channel(id: &str) -> Result<ChannelId, ChatError> {
    number(id).map(ChannelId::new)
}

fn message(id: &str) -> Result<MessageId, ChatError> {
    number(id).map(MessageId::new)
}

/// An id of Discord's: zero is none.
fn number(id: &str) -> Result<u64, ChatError> {
    id.parse().ok().filter(|id| *id > 0).ok_or_else(|| ChatError::Refused(format!("`{id}` is no id")))
}

/// A call for somebody who waits at a terminal.
pub async fn asked<T>(call: impl Future<Output = serenity::Result<T>>) -> Result<T, ChatError> {
    within(CALL, call).await.map_err(Into::into)
}

/// A call that failed, and Discord's own code for it.
struct Failed {
    code: Option<isize>,
    error: ChatError,
}

impl From<Failed> for ChatError {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

async fn within<T>(patience: Duration, call: impl Future<Output = serenity::Result<T>>) -> Result<T, Failed> {
    let error = match tokio::time::timeout(patience, call).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => error,
        Err(_) => {
            let error = ChatError::Unreachable(format!("nothing within {} ms", patience.as_millis()));
            return Err(Failed { code: None, error });
        }
    };
    let serenity::Error::Http(HttpError::UnsuccessfulRequest(answer)) = &error else {
        return Err(Failed { code: None, error: ChatError::Unreachable(error.to_string()) });
    };
    let (code, why) = (answer.error.code, format!("{}: {}", answer.error.code, answer.error.message));
    let error = match (answer.status_code.as_u16(), code) {
        // serenity does not say for how long, and waits by itself where it knows the buckets.
        (429, _) => ChatError::RateLimited(None),
        (_, code::UNKNOWN_CHANNEL | code::MISSING_ACCESS | code::MISSING_PERMISSIONS | code::CANNOT_MESSAGE_USER) => {
            ChatError::NoAccess(why)
        }
        (_, code::UNKNOWN_MESSAGE | code::UNKNOWN_WEBHOOK | code::UNKNOWN_INTERACTION | code::INVALID_WEBHOOK_TOKEN) => {
            ChatError::MessageGone(why)
        }
        (500.., _) => ChatError::Unreachable(why),
        _ => ChatError::Refused(why),
    };
    Err(Failed { code: Some(code), error })
}
