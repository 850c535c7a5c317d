//! What the configuration has of surfaces: each brings its routes, and the loops that keep it up to date.

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::http::Uri;
use axum::response::Response;
use entryguard_core::config::{ApiSettings, DiscordSettings, GithubSettings, OidcSettings, SlackSettings};
use entryguard_core::domain::SharedExit;
use entryguard_core::provider::Verify;
use secrecy::SecretString;
use tokio::task::JoinSet;

use crate::api::{self, ApiState};
use crate::chat::{Chat, DigestWorker, OutboxWorker};
use crate::discord::{self, DiscordApi, DiscordState, GatewayWorker, LeaversWorker};
use crate::github::{self, GithubState, Teams, Verifier, WebhookState};
use crate::http::{self, Shared, Unanswered};
use crate::slack::{self, HomesWorker, SlackApi, SlackState, SocketWorker};
use crate::web::oidc::{self, Oidc};
use crate::web::seen::SealKey;
use crate::web::sign_in::{self, WaysIn};
use crate::web::visitor::{Recognition, WebState, carry_cookies};
use crate::web::{self, member_routes, not_like_this, nothing_here, sign_out};
use crate::wiring::Wired;

/// Posts brought up to date at once: a slow answer of a chat's holds up no more than its own.
const OUTBOX_WORKERS: usize = 4;

/// The apps of the configuration.
pub struct Apps {
    /// Slack's.
    pub slack: Option<SlackSettings>,
    /// Discord's.
    pub discord: Option<DiscordSettings>,
    /// GitHub's.
    pub github: Option<GithubSettings>,
    /// The issuer's, through which people sign in to the pages.
    pub oidc: Option<OidcSettings>,
    /// What callers of the API may ask of it.
    pub api: ApiSettings,
    /// The part of the pages' seals that is not in the database, if the configuration has it.
    pub seal_secret: Option<SecretString>,
    /// Ways out that many people share, which the pages warn of.
    pub shared_exits: Vec<SharedExit>,
}

/// Starts the loops of all that there are; their routes, with those that are always there.
pub async fn start(wired: &Wired, shared: Shared, apps: Apps, workers: &mut JoinSet<()>) -> anyhow::Result<Router> {
    let server = Arc::clone(&shared.server);
    let mut digest = DigestWorker::new(Arc::clone(&wired.engine));
    let mut router = http::base_routes(&server).with_state(shared.clone()).merge(pages(wired, &shared, &apps).await?);
    if let Some(slack) = apps.slack {
        router = router.merge(start_slack(wired, shared.clone(), slack, &mut digest, workers)?);
    }
    if let Some(discord) = apps.discord {
        router = router.merge(start_discord(wired, shared.clone(), discord, &mut digest, workers)?);
    }
    let verifier = |github: &GithubSettings| Verifier::new(github.oidc_issuer.clone(), github.audience.clone());
    let workflows = apps.github.as_ref().map(verifier);
    router = router.merge(api::routes(ApiState::new(shared.clone(), apps.api, workflows)));
    if let Some(github) = apps.github {
        router = router.merge(start_github(wired, shared, github, workers)?);
    }
    workers.spawn(digest.run());
    Ok(http::observed(router.fallback(nothing_here), &server, unanswered))
}

/// What is answered where a request took too long, or there is no room for it: a problem by the API, a page by everything else.
pub fn unanswered(uri: &Uri, why: Unanswered) -> Response {
    match (api::has(uri.path()), why) {
        (true, Unanswered::TooLate) => api::too_late(),
        (true, Unanswered::TooMuch) => api::too_much(),
        (false, Unanswered::TooLate) => web::too_late(),
        (false, Unanswered::TooMuch) => web::too_much(),
    }
}

/// The pages, for whoever has signed in.
async fn pages(wired: &Wired, shared: &Shared, apps: &Apps) -> anyhow::Result<Router> {
    let oidc = apps.oidc.clone().map(|oidc| Oidc::new(oidc, &shared.server.public_url)).transpose();
    let oidc = oidc.context("[oidc] issuer or [server] public_url makes no sense")?.map(Arc::new);
    let chats = [("Slack", apps.slack.is_some()), ("Discord", apps.discord.is_some())];
    let chats = chats.into_iter().filter_map(|(name, is_there)| is_there.then_some(name)).collect();
    let ways = WaysIn { works: shared.server.keeps_sign_ins(), chats, oidc };
    let state = WebState {
        shared: shared.clone(),
        recognition: Recognition::SignedIn(Arc::new(ways)),
        seal_key: SealKey::shared(&wired.engine.seal_key(apps.seal_secret.as_ref()).await?),
        shared_exits: apps.shared_exits.clone().into(),
        verify: Arc::clone(&wired.reconciler) as Arc<dyn Verify>,
    };
    let routes = member_routes().merge(sign_in::routes()).merge(sign_out::routes()).merge(oidc::routes());
    let routes = routes.method_not_allowed_fallback(not_like_this);
    Ok(routes.layer(axum::middleware::from_fn(carry_cookies)).with_state(state))
}

fn start_slack(
    wired: &Wired,
    shared: Shared,
    slack: SlackSettings,
    digest: &mut DigestWorker,
    workers: &mut JoinSet<()>,
) -> anyhow::Result<Router> {
    let api = Arc::new(SlackApi::new(&slack).context("the system's TLS certificates cannot be read")?);
    show(workers, wired, &api, slack.report_channel.clone());
    digest.tell(&api, slack.report_channel.clone());
    let over_socket = slack.app_token.is_some();
    let state = SlackState { shared, settings: Arc::new(slack), api, standings: Arc::default(), homes: Arc::default() };
    workers.spawn(slack::LeaversWorker::new(state.clone()).run());
    workers.spawn(HomesWorker::new(state.clone()).run());
    if over_socket {
        workers.spawn(SocketWorker::new(state.clone()).run());
    }
    Ok(slack::routes(state))
}

fn start_discord(
    wired: &Wired,
    shared: Shared,
    discord: DiscordSettings,
    digest: &mut DigestWorker,
    workers: &mut JoinSet<()>,
) -> anyhow::Result<Router> {
    let api = Arc::new(DiscordApi::new(&discord).context("[discord]: the way to Discord cannot be made")?);
    show(workers, wired, &api, discord.report_channel.clone());
    digest.tell(&api, discord.report_channel.clone());
    workers.spawn(LeaversWorker::new(Arc::clone(&wired.engine), Arc::clone(&api), discord.guild_id).run());
    let over_gateway = discord.gateway;
    let state = DiscordState::new(shared, discord, api)?;
    if over_gateway {
        workers.spawn(GatewayWorker::new(state.clone()).run());
    }
    Ok(discord::routes(state))
}

fn start_github(wired: &Wired, shared: Shared, github: GithubSettings, workers: &mut JoinSet<()>) -> anyhow::Result<Router> {
    let teams = Teams::new(Arc::clone(&wired.engine), &github).context("[github] api_url makes no sense")?.map(Arc::new);
    if let Some(teams) = &teams {
        workers.spawn(Arc::clone(teams).run());
    }
    let router = match github.webhook_secret {
        Some(secret) => github::webhook_routes(WebhookState::new(shared.clone(), secret)),
        None => Router::new(),
    };
    Ok(match github.login {
        Some(login) => router.merge(github::routes(GithubState::new(shared, login, teams))),
        None => router,
    })
}

/// Keeps what a chat shows up to date.
fn show<C: Chat>(workers: &mut JoinSet<()>, wired: &Wired, chat: &Arc<C>, announcements: Option<String>) {
    let outbox = OutboxWorker::new(Arc::clone(&wired.engine), Arc::clone(chat), Arc::clone(&wired.nudges), announcements);
    for _ in 0..OUTBOX_WORKERS {
        workers.spawn(outbox.clone().run());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_that_is_not_answered_gets_a_problem_or_a_page_instead() {
        for (path, kind) in [
            ("/api/v1/sessions", "application/problem+json"),
            ("/api/v1/", "application/problem+json"),
            ("/sessions", "text/html; charset=utf-8"),
            ("/api/v12", "text/html; charset=utf-8"),
        ] {
            for (why, status) in [(Unanswered::TooLate, 408), (Unanswered::TooMuch, 503)] {
                let answer = unanswered(&Uri::from_static(path), why);
                assert_eq!(
                    (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()),
                    (status, kind),
                    "{path}"
                );
            }
        }
        let body = axum::body::to_bytes(api::too_late().into_body(), 10_000).await.unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&body).unwrap()["code"], "timed_out");
    }
}
