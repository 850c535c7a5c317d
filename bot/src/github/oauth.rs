//! Who has signed in at GitHub: the authorization code of the web flow for a token, and the token for a login. The token has no scope,
//! and is forgotten at once.

use std::time::Duration;

use entryguard_core::config::GithubLoginSettings;
use entryguard_core::domain::foreign_text::one_line;
use entryguard_outgoing::{GithubClient, NoClient};
use octocrab::auth::ExchangeWebFlowCodeBuilder;
use secrecy::SecretString;
use serde::Deserialize;

/// How long one call may take.
const CALL: Duration = Duration::from_secs(10);

/// Somebody's login.
#[derive(Debug, Deserialize)]
pub struct Login {
    /// The id, which stays theirs.
    pub id: u64,
    /// The name, which can be changed.
    pub login: String,
}

/// Why GitHub does not say who has signed in.
#[derive(Debug, thiserror::Error)]
pub enum NoLogin {
    /// There is no way to ask.
    #[error(transparent)]
    Client(#[from] NoClient),
    /// It does not say.
    #[error(transparent)]
    Github(#[from] octocrab::Error),
}

/// Where to sign in. `state` comes back with the answer.
pub fn authorize_url(settings: &GithubLoginSettings, public_url: &str, state: &str) -> String {
    let redirect = callback(public_url);
    let query = [("client_id", settings.client_id.as_str()), ("redirect_uri", &redirect), ("state", state), ("scope", "")];
    let query = serde_urlencoded::to_string(query).unwrap_or_default();
    format!("{}/login/oauth/authorize?{query}", settings.login_url)
}

/// Who has signed in.
pub async fn login_of(settings: &GithubLoginSettings, public_url: &str, code: &str) -> Result<Login, NoLogin> {
    // GitHub answers forms otherwise.
    let accept = Some("application/json");
    let client = GithubClient { url: &settings.login_url, token: None, accept, patience: CALL }.build()?;
    let id = SecretString::from(settings.client_id.clone());
    let redirect = callback(public_url);
    let exchange = ExchangeWebFlowCodeBuilder::new(&client, &id, &settings.client_secret, code).redirect_uri(&redirect);
    let token = exchange.send().await?.access_token;
    let client = GithubClient { url: &settings.api_url, token: Some(&token), accept: None, patience: CALL }.build()?;
    let Login { id, login } = client.get("/user", None::<&()>).await?;
    Ok(Login { id, login: one_line(&login) })
}

fn callback(public_url: &str) -> String {
    format!("{public_url}/link/github/callback")
}
