//! Is the Slack app as it has to be? Asked of Slack itself: whose token it is, what it may do, and whether it reaches the channel.

use std::time::Duration;

use entryguard_core::config::SlackSettings;
use entryguard_core::domain::foreign_text::one_line;
use entryguard_outgoing::HttpClient;
use http_body_util::{BodyExt, Empty};
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::client::SlackApi;
use super::manifest::{CHANNEL_SCOPES, SCOPES};
use crate::chat::{AppHealth, ChatError};

/// How long Slack may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Identity {
    ok: bool,
    error: Option<String>,
    team_id: Option<String>,
    team: Option<String>,
    user: Option<String>,
}

/// Asks Slack.
pub async fn verify(settings: &SlackSettings) -> AppHealth {
    match tokio::time::timeout(PATIENCE, ask(settings)).await {
        Ok(Ok((identity, scopes))) => judge(settings, identity, &scopes).await,
        Ok(Err(error)) => AppHealth::Unverified(format!("Slack could not be asked: {error}")),
        Err(_) => AppHealth::Unverified(format!("Slack did not answer within {} s", PATIENCE.as_secs())),
    }
}

/// `auth.test`, with the scopes that Slack names beside its answer: the client library does not pass them on.
async fn ask(settings: &SlackSettings) -> anyhow::Result<(Identity, Vec<String>)> {
    let client = HttpClient::for_url(&settings.api_url)?;
    let request = http::Request::post(format!("{}/auth.test", settings.api_url))
        .header(http::header::AUTHORIZATION, format!("Bearer {}", settings.bot_token.expose_secret()))
        .body(Empty::<axum::body::Bytes>::new())?;
    let answer = client.request(request).await?;
    let scopes = answer.headers().get("x-oauth-scopes").and_then(|scopes| scopes.to_str().ok()).unwrap_or_default();
    let scopes = scopes.split(',').map(|scope| scope.trim().to_owned()).filter(|scope| !scope.is_empty()).collect();
    let body = answer.into_body().collect().await?.to_bytes();
    Ok((serde_json::from_slice(&body)?, scopes))
}

async fn judge(settings: &SlackSettings, identity: Identity, scopes: &[String]) -> AppHealth {
    if !identity.ok {
        let why = identity.error.unwrap_or_else(|| "no reason given".to_owned());
        return AppHealth::Invalid(format!("Slack refuses bot_token ({why}); copy it again from the app's OAuth page"));
    }
    let team = identity.team_id.unwrap_or_default();
    if team != settings.team_id {
        return AppHealth::Invalid(format!("bot_token belongs to workspace {team}, and team_id says {}", settings.team_id));
    }
    let missing: Vec<_> = SCOPES.into_iter().filter(|scope| !scopes.iter().any(|granted| granted == scope)).collect();
    if !missing.is_empty() {
        let why = "add it under OAuth & Permissions, and install the app again";
        return AppHealth::Invalid(format!("the app lacks the scope {}; {why}", missing.join(", ")));
    }
    let (user, team) = (identity.user.unwrap_or_default(), identity.team.unwrap_or_default());
    let summary = one_line(&format!("@{user} in {team}"));
    match reach(settings, scopes).await {
        Ok(warnings) => AppHealth::Valid(summary, warnings),
        Err(why) => AppHealth::Invalid(why),
    }
}

/// Whether the app reaches its socket and its channel; what is worth knowing of that, or why it does not.
async fn reach(settings: &SlackSettings, scopes: &[String]) -> Result<Vec<String>, String> {
    let api = SlackApi::new(settings).map_err(|error| error.to_string())?;
    let of_socket = socket(settings, &api).await?;
    Ok(of_socket.into_iter().chain(channel(settings, &api, scopes).await?).collect())
}

/// Whether a socket could be opened. The address that Slack gives is good for once, and is not used.
async fn socket(settings: &SlackSettings, api: &SlackApi) -> Result<Option<String>, String> {
    if settings.app_token.is_none() {
        return Ok(None);
    }
    match api.open_connection().await {
        Ok(_) => Ok(None),
        Err(ChatError::Refused(why)) => Err(format!(
            "Slack opens no socket for app_token ({why}); make one with the scope connections:write under Basic Information → \
             App-Level Tokens, and switch Socket Mode on"
        )),
        Err(error) => Ok(Some(format!("app_token was not tried: {error}"))),
    }
}

/// Whether the channel for reports can be written to.
async fn channel(settings: &SlackSettings, api: &SlackApi, scopes: &[String]) -> Result<Option<String>, String> {
    let Some(channel) = &settings.report_channel else { return Ok(None) };
    let missing: Vec<_> = CHANNEL_SCOPES.into_iter().filter(|scope| !scopes.iter().any(|granted| granted == scope)).collect();
    let unseen = || {
        let how = "add it under OAuth & Permissions, and install the app again";
        Ok(Some(format!("report_channel {channel} was not looked at: that takes the scope {}; {how}", missing.join(", "))))
    };
    if missing.len() == CHANNEL_SCOPES.len() {
        return unseen();
    }
    match api.sees_channel(channel).await {
        Ok(true) => Ok(None),
        Ok(false) => Ok(Some(format!("the app is not in report_channel {channel}; `/invite @EntryGuard` there"))),
        // A private channel takes another scope than a public one.
        Err(ChatError::Refused(why)) if why == "missing_scope" => unseen(),
        Err(ChatError::NoAccess(why)) => Err(format!(
            "report_channel {channel} is missing ({why}): it does not exist, or it is private and the app is not in it; \
             `/invite @EntryGuard` there, or name another channel"
        )),
        Err(error) => Ok(Some(format!("report_channel {channel} was not looked at: {error}"))),
    }
}
