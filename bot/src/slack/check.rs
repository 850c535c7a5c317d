//! Is the Slack app as it has to be? Asked of Slack itself: whose token it is, what it may do, and whether it reaches the channel.

use std::time::Duration;

use entryguard_core::config::SlackSettings;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::client::{SlackApi, connector};
use super::manifest::SCOPES;
use crate::chat::AppHealth;

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
    let client = Client::builder(TokioExecutor::new()).build(connector(settings)?);
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
    let summary = format!("@{} in {}", identity.user.unwrap_or_default(), identity.team.unwrap_or_default());
    match channel(settings).await {
        Ok(warnings) => AppHealth::Valid(summary, warnings),
        Err(why) => AppHealth::Invalid(why),
    }
}

/// Whether the channel for reports can be written to.
async fn channel(settings: &SlackSettings) -> Result<Vec<String>, String> {
    let Some(channel) = &settings.report_channel else { return Ok(Vec::new()) };
    let api = SlackApi::new(settings).map_err(|error| error.to_string())?;
    let seen = api.sees_channel(channel).await;
    match seen {
        Ok(true) => Ok(Vec::new()),
        Ok(false) => Ok(vec![format!("the app is not in report_channel {channel}; `/invite @EntryGuard` there")]),
        Err(error) if error.to_string().contains("missing_scope") => {
            Ok(vec![format!("report_channel {channel} was not looked at: that takes the scope channels:read")])
        }
        Err(error) => Err(format!("report_channel {channel}: {error}; invite the app there, or name another channel")),
    }
}
