//! Slack's Web API: the few calls that we make, and what their errors mean for us.

use std::time::Duration;

use entryguard_core::config::SlackSettings;
use entryguard_core::domain::{Identity, Surface};
use entryguard_core::reply::message::{Markup, Message};
use secrecy::ExposeSecret;
use serde::Deserialize;
use slack_morphism::errors::SlackClientError;
use slack_morphism::prelude::{
    SlackApiAppsConnectionOpenRequest, SlackApiChatPostEphemeralRequest, SlackApiChatPostMessageRequest,
    SlackApiChatUpdateRequest, SlackApiConversationsInfoRequest, SlackApiPostWebhookMessageRequest, SlackApiToken,
    SlackApiTokenValue, SlackApiViewsOpenRequest, SlackApiViewsPublishRequest, SlackApiViewsUpdateRequest, SlackClient,
    SlackClientHyperConnector, SlackMessageContent, SlackView,
};

use crate::chat::{Chat, ChatError, Limit, Limited, Sent};

use super::blocks::{self, Mrkdwn};
use super::standing::NOT_ALLOWED;
use super::user::SlackUser;

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
/// Slack's answers where it is in trouble itself, with HTTP's 200: what it was asked for is tried again. A workspace or a channel that is
/// being moved is as good as away.
const AWAY: [&str; 9] = [
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "team_added_to_org",
    "org_login_required",
    "external_channel_migrating",
    "update_failed",
    "accesslimited",
];
/// Slack's answers where the app may write, but not there.
const NO_ACCESS: [&str; 12] = [
    "not_in_channel",
    "user_not_in_channel",
    "channel_not_found",
    "is_archived",
    "is_inactive",
    "channel_is_limited_access",
    "channel_type_not_supported",
    "method_not_supported_for_channel_type",
    "posting_to_general_channel_denied",
    "ekm_access_denied",
    "team_access_not_granted",
    "team_not_found",
];
/// Two more of them, where it is asked to write something: said of anything else, they are about the token.
const NO_ACCESS_TO_WRITE: [&str; 2] = ["no_permission", "access_denied"];
/// How Slack's answers begin where what is written is at fault, wherever it goes.
const OF_CONTENT: [&str; 12] = [
    "invalid_",
    "msg_",
    "no_text",
    "too_many_",
    "metadata_",
    "markdown_text_conflict",
    "attachment_payload_limit_exceeded",
    "as_user_not_supported",
    "block_mismatch",
    "json_not_object",
    "missing_",
    "unknown_method",
];
/// Slack's answers where too much was written: the first two are said of the app, the last one of the whole workspace.
const TOO_FAST: [&str; 3] = ["ratelimited", "rate_limited", "message_limit_exceeded"];

/// Slack's Web API, as our app.
pub struct SlackApi {
    client: SlackClient<SlackClientHyperConnector<entryguard_outgoing::Connector>>,
    token: SlackApiToken,
    // Only Socket Mode has one.
    app_token: Option<SlackApiToken>,
}

/// The answer to a question about a user.
#[derive(Deserialize)]
struct UserInfo {
    user: SlackUser,
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
        let posted = within(CALL, session.chat_post_message(&request)).await.map_err(|error| match thread {
            None => at_a_place(error),
            Some(_) => written(error),
        })?;
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
        let session = self.client.open_session(&self.token);
        let about = [("user", Some(user))];
        let info = session.http_session_api.http_get::<UserInfo, _, _>("users.info", &about, None);
        Ok(within(WHILE_ASKED, info).await?.user)
    }
}

impl Chat for SlackApi {
    type Content = SlackMessageContent;
    const SURFACE: Surface = Surface::Slack;

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
        within(CALL, session.chat_update(&request)).await.map(drop).map_err(written)
    }
}

async fn within<T>(patience: Duration, call: impl Future<Output = Result<T, SlackClientError>>) -> Result<T, ChatError> {
    match tokio::time::timeout(patience, call).await {
        Ok(answer) => answer.map_err(ChatError::from),
        Err(_) => Err(too_slow(patience)),
    }
}

/// What an error means for what was to be written. A revoked token refuses no message: a message waits until there is a new
/// one, as for a Slack that is away.
fn written(error: ChatError) -> ChatError {
    match error {
        ChatError::Refused(why) if NO_ACCESS_TO_WRITE.contains(&why.as_str()) => ChatError::NoAccess(why),
        ChatError::Refused(why) if NOT_ALLOWED.contains(&why.as_str()) => ChatError::Unreachable(why),
        other => other,
    }
}

/// What it means for a message to a channel: one that takes none, for whatever reason that Slack finds, is left for direct messages.
fn at_a_place(error: ChatError) -> ChatError {
    match written(error) {
        ChatError::Refused(why) if !OF_CONTENT.iter().any(|of_content| why.starts_with(of_content)) => ChatError::NoAccess(why),
        other => other,
    }
}

fn too_slow(patience: Duration) -> ChatError {
    ChatError::Unreachable(format!("nothing within {} s", patience.as_secs()))
}

impl From<SlackClientError> for ChatError {
    fn from(error: SlackClientError) -> Self {
        match error {
            // Slack's limits are a method's in the workspace, and some are a channel's as well: it does not say which.
            SlackClientError::RateLimitError(limit) => Self::RateLimited(Limit { of: Limited::Chat, wait: limit.retry_after }),
            SlackClientError::ApiError(error) => match error.code.as_str() {
                code if NO_THREAD.contains(&code) => Self::NoThread(error.code),
                code if NO_ACCESS.contains(&code) => Self::NoAccess(error.code),
                // Channels for announcements, and whatever else an administrator keeps apps from writing to.
                code if code.starts_with("restricted_action") => Self::NoAccess(error.code),
                "message_not_found" | "cant_update_message" | "edit_window_closed" => Self::MessageGone(error.code),
                code if TOO_FAST.contains(&code) => Self::RateLimited(Limit { of: Limited::Chat, wait: None }),
                code if AWAY.contains(&code) => Self::Unreachable(error.code),
                _ => Self::Refused(error.code),
            },
            other => Self::Unreachable(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use slack_morphism::errors::SlackClientApiError;

    use super::*;

    fn refused(code: &str) -> ChatError {
        SlackClientError::ApiError(SlackClientApiError::new(code.to_owned())).into()
    }

    // What Slack's reference of chat.postMessage and chat.update lists, and what has been met besides.
    #[test]
    fn a_channel_that_takes_no_message_is_left_for_direct_messages_whatever_slack_calls_it() {
        for code in NO_ACCESS.into_iter().chain(NO_ACCESS_TO_WRITE).chain([
            "restricted_action",
            "restricted_action_read_only_channel",
            "restricted_action_thread_only_channel",
            "messages_tab_disabled",
            "slack_connect_file_link_sharing_blocked",
            "an_error_of_tomorrow",
        ]) {
            assert!(matches!(at_a_place(refused(code)), ChatError::NoAccess(_)), "{code}");
        }
        for code in NO_ACCESS.into_iter().chain(NO_ACCESS_TO_WRITE) {
            assert!(matches!(written(refused(code)), ChatError::NoAccess(_)), "{code}, of an edit");
        }
    }

    #[test]
    fn what_no_other_place_would_take_is_tried_again_or_given_up() {
        let of_content = ["invalid_blocks", "msg_too_long", "msg_blocks_too_long", "no_text", "too_many_attachments"];
        for code in of_content {
            assert!(matches!(at_a_place(refused(code)), ChatError::Refused(_)), "{code}");
        }
        for code in AWAY.into_iter().chain(["token_revoked", "account_inactive", "missing_scope", "not_authed"]) {
            assert!(matches!(at_a_place(refused(code)), ChatError::Unreachable(_)), "{code}");
        }
        for code in TOO_FAST {
            assert!(matches!(at_a_place(refused(code)), ChatError::RateLimited(Limit { of: Limited::Chat, .. })), "{code}");
        }
        for code in NO_THREAD {
            assert!(matches!(written(refused(code)), ChatError::NoThread(_)), "{code}");
        }
        // Asked of a user, these are about the token.
        for code in NO_ACCESS_TO_WRITE {
            assert!(matches!(refused(code), ChatError::Refused(_)), "{code}");
        }
    }
}
