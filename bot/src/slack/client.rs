//! Slack's Web API: the few calls that we make, and what their errors mean for us.

use std::time::Duration;

use entryguard_core::config::SlackSettings;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use secrecy::ExposeSecret;
use slack_morphism::errors::SlackClientError;
use slack_morphism::prelude::{
    SlackApiAppsConnectionOpenRequest, SlackApiChatPostEphemeralRequest, SlackApiChatPostMessageRequest,
    SlackApiChatUpdateRequest, SlackApiConversationsInfoRequest, SlackApiPostWebhookMessageRequest, SlackApiToken,
    SlackApiTokenValue, SlackApiUsersInfoRequest, SlackApiViewsOpenRequest, SlackApiViewsPublishRequest, SlackClient,
    SlackClientHyperConnector, SlackClientHyperHttpsConnector, SlackMessageContent, SlackView,
};

/// How long one call may take.
const CALL: Duration = Duration::from_secs(5);
/// How long one may take while Slack waits for an acknowledgement: three seconds are all there is.
const WHILE_ASKED: Duration = Duration::from_millis(1500);

/// Slack's Web API, as our app.
pub struct SlackApi {
    client: SlackClient<SlackClientHyperHttpsConnector>,
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

/// Why Slack did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SlackError {
    /// Too fast.
    #[error("Slack asks to wait {} s", .0.as_secs())]
    RateLimited(Duration),
    /// The app cannot write there.
    #[error("the app cannot write to the channel ({0})")]
    NoAccess(String),
    /// The message is not there any more.
    #[error("the message is gone ({0})")]
    MessageGone(String),
    /// Refused for another reason.
    #[error("Slack refused ({0})")]
    Refused(String),
    /// No answer that made sense.
    #[error("Slack did not answer ({0})")]
    Unreachable(String),
}

impl SlackApi {
    /// A client for the app of the configuration.
    pub fn new(settings: &SlackSettings) -> std::io::Result<Self> {
        let connector = connector(settings)?;
        let connector = SlackClientHyperConnector::with_connector(connector).with_slack_api_url(&settings.api_url);
        let token = SlackApiToken::new(SlackApiTokenValue(settings.bot_token.expose_secret().to_owned()));
        let app_token = settings.app_token.as_ref();
        let app_token = app_token.map(|token| SlackApiToken::new(SlackApiTokenValue(token.expose_secret().to_owned())));
        Ok(Self { client: SlackClient::new(connector), token, app_token })
    }

    /// Posts a message, in a thread where one is given; the channel and the message's id.
    pub async fn post(
        &self,
        channel: &str,
        thread: Option<&str>,
        content: SlackMessageContent,
    ) -> Result<(String, String), SlackError> {
        let mut request = SlackApiChatPostMessageRequest::new(channel.into(), content);
        // A one-time link must not be fetched by a preview, and ours need none.
        request.unfurl_links = Some(false);
        request.unfurl_media = Some(false);
        request.thread_ts = thread.map(Into::into);
        let session = self.client.open_session(&self.token);
        let posted = within(CALL, session.chat_post_message(&request)).await?;
        Ok((posted.channel.0, posted.ts.0))
    }

    /// Replaces a message.
    pub async fn update(&self, channel: &str, message: &str, content: SlackMessageContent) -> Result<(), SlackError> {
        let request = SlackApiChatUpdateRequest::new(channel.into(), content, message.into());
        let session = self.client.open_session(&self.token);
        within(CALL, session.chat_update(&request)).await.map(drop)
    }

    /// Shows a message to one person.
    pub async fn post_ephemeral(&self, channel: &str, user: &str, content: SlackMessageContent) -> Result<(), SlackError> {
        let request = SlackApiChatPostEphemeralRequest::new(channel.into(), user.into(), content);
        let session = self.client.open_session(&self.token);
        within(CALL, session.chat_post_ephemeral(&request)).await.map(drop)
    }
}

impl SlackApi {
    /// Answers a press or a command after the fact, to whoever made it.
    pub async fn respond(&self, response_url: &str, content: SlackMessageContent) -> Result<(), SlackError> {
        let url = response_url.parse().map_err(|_| SlackError::Refused("not a response URL".to_owned()))?;
        let mut request = SlackApiPostWebhookMessageRequest::new(content);
        request.replace_original = Some(false);
        within(CALL, self.client.post_webhook_message(&url, &request)).await.map(drop)
    }

    /// Opens a modal.
    pub async fn open_view(&self, trigger: &str, view: SlackView) -> Result<(), SlackError> {
        let request = SlackApiViewsOpenRequest::new(trigger.into(), view);
        let session = self.client.open_session(&self.token);
        within(CALL, session.views_open(&request)).await.map(drop)
    }

    /// Replaces somebody's home.
    pub async fn publish_home(&self, user: &str, view: SlackView) -> Result<(), SlackError> {
        let request = SlackApiViewsPublishRequest::new(user.into(), view);
        let session = self.client.open_session(&self.token);
        within(CALL, session.views_publish(&request)).await.map(drop)
    }

    /// Where the next socket is to be opened: an address with a ticket, good for once.
    pub async fn open_connection(&self) -> Result<String, SlackError> {
        let token = self.app_token.as_ref().ok_or_else(|| SlackError::Refused("no app_token".to_owned()))?;
        let session = self.client.open_session(token);
        let opened = within(CALL, session.apps_connections_open(&SlackApiAppsConnectionOpenRequest::new())).await?;
        Ok(opened.url.0.to_string())
    }

    /// Whether the app is in a channel that it can see.
    pub async fn sees_channel(&self, channel: &str) -> Result<bool, SlackError> {
        let request = SlackApiConversationsInfoRequest::new(channel.into());
        let session = self.client.open_session(&self.token);
        let info = within(CALL, session.conversations_info(&request)).await?.channel;
        Ok(info.flags.is_member.unwrap_or(false))
    }

    /// What Slack says of a user. Asked while somebody waits, so not for long.
    pub async fn user(&self, user: &str) -> Result<SlackUser, SlackError> {
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

/// The way to Slack.
pub(super) fn connector(settings: &SlackSettings) -> std::io::Result<HttpsConnector<HttpConnector>> {
    let builder = HttpsConnectorBuilder::new().with_native_roots()?;
    // Plain HTTP only where the configuration says so itself: a Slack of a test's.
    let plain = settings.api_url.starts_with("http://");
    Ok(if plain { builder.https_or_http() } else { builder.https_only() }.enable_all_versions().build())
}

async fn within<T>(patience: Duration, call: impl Future<Output = Result<T, SlackClientError>>) -> Result<T, SlackError> {
    match tokio::time::timeout(patience, call).await {
        Ok(answer) => answer.map_err(SlackError::from),
        Err(_) => Err(SlackError::Unreachable(format!("nothing within {} s", patience.as_secs()))),
    }
}

impl From<SlackClientError> for SlackError {
    fn from(error: SlackClientError) -> Self {
        match error {
            SlackClientError::RateLimitError(limit) => Self::RateLimited(limit.retry_after.unwrap_or(Duration::from_secs(1))),
            SlackClientError::ApiError(error) => match error.code.as_str() {
                "not_in_channel" | "channel_not_found" | "is_archived" | "restricted_action" => Self::NoAccess(error.code),
                "message_not_found" | "cant_update_message" | "edit_window_closed" => Self::MessageGone(error.code),
                "ratelimited" => Self::RateLimited(Duration::from_secs(1)),
                _ => Self::Refused(error.code),
            },
            other => Self::Unreachable(other.to_string()),
        }
    }
}
