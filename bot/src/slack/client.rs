//! Slack's Web API: the few calls that we make, and what their errors mean for us.

use std::time::Duration;

use entryguard_core::config::SlackSettings;
use entryguard_core::domain::{Identity, Surface};
use entryguard_core::reply::message::{Markup, Message};
use secrecy::ExposeSecret;
use slack_morphism::errors::SlackClientError;
use slack_morphism::prelude::{
    SlackApiAppsConnectionOpenRequest, SlackApiChatPostEphemeralRequest, SlackApiChatPostMessageRequest,
    SlackApiChatUpdateRequest, SlackApiConversationsInfoRequest, SlackApiPostWebhookMessageRequest, SlackApiToken,
    SlackApiTokenValue, SlackApiUsersInfoRequest, SlackApiViewsOpenRequest, SlackApiViewsPublishRequest,
    SlackApiViewsUpdateRequest, SlackClient, SlackClientHyperConnector, SlackMessageContent, SlackView,
};

use crate::chat::{Chat, ChatError, Sent};

use super::blocks::{self, Mrkdwn};
use super::standing::{NOT_ALLOWED, Standing};

/// How long one call may take.
const CALL: Duration = Duration::from_secs(5);
/// How long one may take while Slack waits for an acknowledgement: three seconds are all there is.
const WHILE_ASKED: Duration = Duration::from_millis(1500);

/// Slack's answers to a reply in a channel that takes messages all the same.
const NO_THREAD: [&str; 4] = [
    "restricted_action_non_threadable_channel",
    "restricted_action_thread_locked",
    "thread_not_found",
    "cannot_reply_to_message",
];
/// Slack's answers where it is in trouble itself, with HTTP's 200: what it was asked for is tried again.
const AWAY: [&str; 6] =
    ["internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org", "accesslimited"];

/// Slack's Web API, as our app.
pub struct SlackApi {
    client: SlackClient<SlackClientHyperConnector<entryguard_outgoing::Connector>>,
    token: SlackApiToken,
    // Only Socket Mode has one.
    app_token: Option<SlackApiToken>,
}

/// What Slack says of a user.
#[derive(Debug)]
pub struct SlackUser {
    /// Their workspace.
    pub team: Option<String>,
    /// Whether their account was deactivated.
    pub deleted: bool,
    /// Whether they are a program.
    pub bot: bool,
}

impl SlackUser {
    /// What they are to a workspace. Whoever Slack names no workspace for is not taken for one of ours.
    pub fn standing(&self, our_team: &str) -> Standing {
        Standing::of(self.team.as_deref() == Some(our_team), self.deleted, self.bot)
    }
}

impl SlackApi {
    /// A client for the app of the configuration.
    pub fn new(settings: &SlackSettings) -> std::io::Result<Self> {
        let connector = entryguard_outgoing::connector(settings.api_url.starts_with("http://"))?;
        let connector = SlackClientHyperConnector::with_connector(connector).with_slack_api_url(&settings.api_url);
        let token = SlackApiToken::new(SlackApiTokenValue(settings.bot_token.expose_secret().to_owned()));
        let app_token = settings.app_token.as_ref();
        let app_token = app_token.map(|token| SlackApiToken::new(SlackApiTokenValue(token.expose_secret().to_owned())));
        Ok(Self { client: SlackClient::new(connector), token, app_token })
    }

    /// Posts a message, in a thread where one is given.
    async fn post_message(&self, channel: &str, thread: Option<&str>, content: SlackMessageContent) -> Result<Sent, ChatError> {
        let mut request = SlackApiChatPostMessageRequest::new(channel.into(), content);
        // A one-time link must not be fetched by a preview, and ours need none.
        request.unfurl_links = Some(false);
        request.unfurl_media = Some(false);
        request.thread_ts = thread.map(Into::into);
        let session = self.client.open_session(&self.token);
        let posted = within(CALL, session.chat_post_message(&request)).await.map_err(locked_out)?;
        Ok(Sent { channel: posted.channel.0, id: posted.ts.0 })
    }

    /// Shows a message to one person.
    pub async fn post_ephemeral(
        &self,
        channel: &str,
        thread: Option<&str>,
        user: &str,
        content: SlackMessageContent,
    ) -> Result<(), ChatError> {
        let mut request = SlackApiChatPostEphemeralRequest::new(channel.into(), user.into(), content);
        request.thread_ts = thread.map(Into::into);
        let session = self.client.open_session(&self.token);
        within(CALL, session.chat_post_ephemeral(&request)).await.map(drop)
    }
}

impl SlackApi {
    /// Answers a press or a command after the fact, to whoever made it.
    pub async fn respond(&self, response_url: &str, thread: Option<&str>, content: SlackMessageContent) -> Result<(), ChatError> {
        let url = response_url.parse().map_err(|_| ChatError::Refused("not a response URL".to_owned()))?;
        let mut request = SlackApiPostWebhookMessageRequest::new(content);
        request.replace_original = Some(false);
        request.thread_ts = thread.map(Into::into);
        match tokio::time::timeout(CALL, self.client.post_webhook_message(&url, &request)).await {
            // It was used too often, or too long ago.
            Ok(Err(SlackClientError::HttpError(error))) if matches!(error.status_code.as_u16(), 403 | 404 | 410) => {
                Err(ChatError::MessageGone(error.status_code.to_string()))
            }
            Ok(answer) => Ok(answer.map(drop)?),
            Err(_) => Err(too_slow(CALL)),
        }
    }

    /// Opens a modal.
    pub async fn open_view(&self, trigger: &str, view: SlackView) -> Result<(), ChatError> {
        let request = SlackApiViewsOpenRequest::new(trigger.into(), view);
        let session = self.client.open_session(&self.token);
        within(CALL, session.views_open(&request)).await.map(drop)
    }

    /// Replaces what a modal shows; one that was closed meanwhile is gone.
    pub async fn update_view(&self, modal: &str, view: SlackView) -> Result<(), ChatError> {
        let request = SlackApiViewsUpdateRequest::new(view).with_view_id(modal.into());
        let session = self.client.open_session(&self.token);
        within(CALL, session.views_update(&request)).await.map(drop)
    }

    /// Replaces somebody's home.
    pub async fn publish_home(&self, user: &str, view: SlackView) -> Result<(), ChatError> {
        let request = SlackApiViewsPublishRequest::new(user.into(), view);
        let session = self.client.open_session(&self.token);
        within(CALL, session.views_publish(&request)).await.map(drop)
    }

    /// Where the next socket is to be opened: an address with a ticket, good for once.
    pub async fn open_connection(&self) -> Result<String, ChatError> {
        let token = self.app_token.as_ref().ok_or_else(|| ChatError::Refused("no app_token".to_owned()))?;
        let session = self.client.open_session(token);
        let opened = within(CALL, session.apps_connections_open(&SlackApiAppsConnectionOpenRequest::new())).await?;
        Ok(opened.url.0.to_string())
    }

    /// Whether the app is in a channel that it can see.
    pub async fn sees_channel(&self, channel: &str) -> Result<bool, ChatError> {
        let request = SlackApiConversationsInfoRequest::new(channel.into());
        let session = self.client.open_session(&self.token);
        let info = within(CALL, session.conversations_info(&request)).await?.channel;
        Ok(info.flags.is_member.unwrap_or(false))
    }

    /// What Slack says of a user. Asked while somebody waits, so not for long.
    pub async fn user(&self, user: &str) -> Result<SlackUser, ChatError> {
        let request = SlackApiUsersInfoRequest::new(user.into());
        let session = self.client.open_session(&self.token);
        let user = within(WHILE_ASKED, session.users_info(&request)).await?.user;
        let flags = user.flags;
        Ok(SlackUser {
            team: user.team_id.map(|team| team.0),
            deleted: user.deleted.unwrap_or(false),
            bot: flags.is_bot.unwrap_or(false),
        })
    }
}

impl Chat for SlackApi {
    type Content = SlackMessageContent;
    const SURFACE: Surface = Surface::Slack;
    // Its limits are a method's in the workspace, and some are a channel's as well: it does not say which.
    const LIMITS_EVERYWHERE: bool = true;

    fn markup(&self) -> &dyn Markup {
        &Mrkdwn
    }

    fn content(&self, message: &Message) -> SlackMessageContent {
        blocks::content(message)
    }

    fn elsewhere(&self, channel: &str) -> String {
        // Nobody can be invited to what is between two people.
        if channel.starts_with('D') {
            return "Sent to you directly: EntryGuard cannot write in that conversation.".to_owned();
        }
        format!(
            "Sent to you directly: EntryGuard cannot write in <#{channel}>. `/invite @EntryGuard` changes that, unless it is read-only."
        )
    }

    fn person(&self, identity: &Identity) -> Option<String> {
        match identity {
            Identity::Slack { user, .. } => Some(user.clone()),
            _ => None,
        }
    }

    async fn post(&self, channel: &str, content: SlackMessageContent) -> Result<Sent, ChatError> {
        self.post_message(channel, None, content).await
    }

    // A person's id is as good as the direct messages with them.
    async fn post_to(&self, person: &str, content: SlackMessageContent) -> Result<Sent, ChatError> {
        self.post_message(person, None, content).await
    }

    // A thread is its first message's, and no channel of its own.
    async fn reply(&self, parent: &Sent, _: Option<&str>, content: SlackMessageContent) -> Result<Sent, ChatError> {
        self.post_message(&parent.channel, Some(&parent.id), content).await
    }

    async fn edit(&self, message: &Sent, content: SlackMessageContent) -> Result<(), ChatError> {
        let request = SlackApiChatUpdateRequest::new(message.channel.as_str().into(), content, message.id.as_str().into());
        let session = self.client.open_session(&self.token);
        within(CALL, session.chat_update(&request)).await.map(drop).map_err(locked_out)
    }
}

async fn within<T>(patience: Duration, call: impl Future<Output = Result<T, SlackClientError>>) -> Result<T, ChatError> {
    match tokio::time::timeout(patience, call).await {
        Ok(answer) => answer.map_err(ChatError::from),
        Err(_) => Err(too_slow(patience)),
    }
}

/// A token that counts no more refuses no message: a message waits until there is another one, as for a Slack that is away.
fn locked_out(error: ChatError) -> ChatError {
    match error {
        ChatError::Refused(why) if NOT_ALLOWED.contains(&why.as_str()) => ChatError::Unreachable(why),
        other => other,
    }
}

fn too_slow(patience: Duration) -> ChatError {
    ChatError::Unreachable(format!("nothing within {} s", patience.as_secs()))
}

impl From<SlackClientError> for ChatError {
    fn from(error: SlackClientError) -> Self {
        match error {
            SlackClientError::RateLimitError(limit) => Self::RateLimited(limit.retry_after),
            SlackClientError::ApiError(error) => match error.code.as_str() {
                code if NO_THREAD.contains(&code) => Self::NoThread(error.code),
                "not_in_channel" | "channel_not_found" | "is_archived" | "is_inactive" => Self::NoAccess(error.code),
                // Channels for announcements, and whatever else an administrator keeps apps from writing to.
                code if code.starts_with("restricted_action") => Self::NoAccess(error.code),
                "message_not_found" | "cant_update_message" | "edit_window_closed" => Self::MessageGone(error.code),
                "ratelimited" | "rate_limited" => Self::RateLimited(None),
                code if AWAY.contains(&code) => Self::Unreachable(error.code),
                _ => Self::Refused(error.code),
            },
            other => Self::Unreachable(other.to_string()),
        }
    }
}
