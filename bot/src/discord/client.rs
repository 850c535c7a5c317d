//! Discord's REST API: the few things that we do there.

use std::time::Duration;

use axum::body::Bytes;
use entryguard_core::config::DiscordSettings;
use entryguard_core::domain::{Identity, Surface};
use entryguard_core::reply::message::{Markup, Message};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use serenity::builder::{CreateAllowedMentions, CreateMessage, CreateThread, EditInteractionResponse, EditMessage, EditThread};
use serenity::http::{Http, HttpBuilder, LightMethod, Route};
use serenity::model::channel::{AutoArchiveDuration, MessageReference, MessageReferenceKind};
use serenity::model::id::{ApplicationId, ChannelId, GuildId, MessageId, RoleId, UserId};

use super::calls::{CALL, Calls, Failed, code};
use super::components::{Content, Markdown, content};
use crate::chat::{Chat, ChatError, Sent};

/// Discord's answers where there can be no thread, or not one more.
const NO_THREAD: [isize; 4] =
    [code::WRONG_CHANNEL_TYPE, code::MISSING_PERMISSIONS, code::TOO_MANY_THREADS, code::TOO_MANY_ANNOUNCEMENT_THREADS];

/// Discord's REST API, as our app.
pub struct DiscordApi {
    calls: Calls,
    http: Http,
    application: ApplicationId,
    guild: GuildId,
}

/// What we need to know of a person of the guild.
#[derive(Deserialize)]
struct Person {
    roles: Vec<RoleId>,
    user: PersonsUser,
}

#[derive(Deserialize)]
struct PersonsUser {
    #[serde(default)]
    bot: bool,
}

#[derive(Deserialize)]
struct Channel {
    id: ChannelId,
}

#[derive(Deserialize)]
struct Posted {
    id: MessageId,
    channel_id: ChannelId,
}

/// serenity's client for the app of the configuration: the Gateway's, and that of commands at a terminal.
pub fn http(settings: &DiscordSettings) -> Http {
    let http = HttpBuilder::new(settings.bot_token.expose_secret());
    let http = http.application_id(ApplicationId::new(settings.application_id));
    // serenity's own pace would go past a proxy.
    http.proxy(&settings.api_url).ratelimiter_disabled(true).build()
}

impl DiscordApi {
    /// A client for the app of the configuration.
    pub fn new(settings: &DiscordSettings) -> std::io::Result<Self> {
        let (application, guild) = (ApplicationId::new(settings.application_id), GuildId::new(settings.guild_id));
        Ok(Self { calls: Calls::new(settings)?, http: http(settings), application, guild })
    }

    /// serenity's client, for what has only one caller.
    pub const fn http(&self) -> &Http {
        &self.http
    }

    /// The roles of a user, if they are a person of our guild now.
    pub async fn roles_of(&self, user: UserId, patience: Duration) -> Result<Option<Vec<RoleId>>, ChatError> {
        let route = Route::GuildMember { guild_id: self.guild, user_id: user };
        match self.calls.get::<Person>(patience, route).await {
            Ok(person) => Ok(Some(person.roles).filter(|_| !person.user.bot)),
            Err(Failed { code: Some(code::UNKNOWN_MEMBER | code::UNKNOWN_USER), .. }) => Ok(None),
            Err(failed) => Err(failed.error),
        }
    }

    /// Replaces the answer to an interaction that was deferred.
    pub async fn finish(&self, token: &str, content: Content) -> Result<(), ChatError> {
        let edit = EditInteractionResponse::new().embed(content.embed).components(content.rows);
        let route = Route::WebhookOriginalInteractionResponse { application_id: self.application, token };
        Ok(self.calls.send::<IgnoredAny>(LightMethod::Patch, route, &edit).await.map(drop)?)
    }

    /// Takes back the promise of an answer.
    pub async fn withdraw(&self, token: &str) -> Result<(), ChatError> {
        let route = Route::WebhookOriginalInteractionResponse { application_id: self.application, token };
        Ok(self.calls.call::<IgnoredAny>(CALL, LightMethod::Delete, route, Bytes::new()).await.map(drop)?)
    }

    /// The thread below a message: a new one, or the one that is there. None where there cannot be any: in direct messages, and
    /// inside a thread.
    async fn thread(&self, channel_id: ChannelId, message_id: MessageId) -> Result<Option<ChannelId>, Failed> {
        let create = CreateThread::new("Status").auto_archive_duration(AutoArchiveDuration::OneDay);
        let route = Route::ChannelMessageThreads { channel_id, message_id };
        match self.calls.send::<Channel>(LightMethod::Post, route, &create).await {
            Ok(thread) => Ok(Some(thread.id)),
            // A message's thread has the message's own id.
            Err(Failed { code: Some(code::THREAD_EXISTS), .. }) => Ok(Some(ChannelId::new(message_id.get()))),
            Err(Failed { code: Some(code), .. }) if NO_THREAD.contains(&code) => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    async fn send(&self, channel_id: ChannelId, create: CreateMessage) -> Result<Sent, Failed> {
        let create = create.allowed_mentions(CreateAllowedMentions::new());
        let sent: Posted = self.calls.send(LightMethod::Post, Route::ChannelMessages { channel_id }, &create).await?;
        Ok(Sent { channel: sent.channel_id.to_string(), id: sent.id.to_string() })
    }

    /// Posts as an answer to a message, where there can be no thread.
    async fn send_below(&self, channel: ChannelId, parent: MessageId, content: Content) -> Result<Sent, Failed> {
        let below = MessageReference::new(MessageReferenceKind::Default, channel).message_id(parent).fail_if_not_exists(false);
        match self.send(channel, create(content.clone()).reference_message(below)).await {
            // Without the permission to read the history there are no replies; what has to be known is said all the same.
            Err(Failed { code: Some(code::CANNOT_REPLY), .. }) => self.send(channel, create(content)).await,
            other => other,
        }
    }

    async fn replace(&self, channel_id: ChannelId, message_id: MessageId, content: &Content) -> Result<(), Failed> {
        let edit = EditMessage::new().embed(content.embed.clone()).components(content.rows.clone());
        let edit = edit.allowed_mentions(CreateAllowedMentions::new());
        let route = Route::ChannelMessage { channel_id, message_id };
        self.calls.send::<IgnoredAny>(LightMethod::Patch, route, &edit).await.map(drop)
    }

    /// Opens a thread again that went into the archive because nobody wrote in it.
    async fn unarchive(&self, channel_id: ChannelId) -> Result<(), Failed> {
        let edit = EditThread::new().archived(false);
        self.calls.send::<IgnoredAny>(LightMethod::Patch, Route::Channel { channel_id }, &edit).await.map(drop)
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
        self.send(channel(to)?, create(content)).await.map_err(Failed::at_a_place)
    }

    async fn post_to(&self, person: &str, content: Content) -> Result<Sent, ChatError> {
        let recipient = json!({ "recipient_id": UserId::new(number(person)?) });
        let direct = self.calls.send::<Channel>(LightMethod::Post, Route::UserMeDmChannels, &recipient);
        let direct = direct.await.map_err(Failed::at_a_place)?;
        self.send(direct.id, create(content)).await.map_err(Failed::at_a_place)
    }

    async fn reply(&self, parent: &Sent, thread: Option<&str>, content: Content) -> Result<Sent, ChatError> {
        let (above, parent) = (channel(&parent.channel)?, message(&parent.id)?);
        let thread = match thread {
            Some(thread) => Some(channel(thread)?),
            None => self.thread(above, parent).await.map_err(Failed::in_the_place_of_a_message)?,
        };
        let sent = match thread {
            Some(thread) => self.send(thread, create(content)).await,
            None => self.send_below(above, parent, content).await,
        };
        sent.map_err(Failed::in_the_place_of_a_message)
    }

    async fn edit(&self, sent: &Sent, content: Content) -> Result<(), ChatError> {
        let (place, id) = (channel(&sent.channel)?, message(&sent.id)?);
        let mut edited = self.replace(place, id, &content).await;
        if let Err(Failed { code: Some(code::THREAD_ARCHIVED), .. }) = edited {
            self.unarchive(place).await.map_err(Failed::of_an_edit)?;
            edited = self.replace(place, id, &content).await;
        }
        edited.map_err(Failed::of_an_edit)
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
