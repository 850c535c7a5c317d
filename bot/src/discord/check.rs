//! Is the Discord app as it has to be? Asked of Discord itself: whose token it is, its key, and what is registered in the guild.

use entryguard_core::config::DiscordSettings;
use serenity::model::id::GuildId;

use super::DiscordApi;
use super::client::asked;
use crate::chat::{AppHealth, ChatError};

/// Asks Discord.
pub async fn verify(settings: &DiscordSettings, public_url: &str) -> AppHealth {
    let api = DiscordApi::new(settings);
    let app = match asked(api.http().get_current_application_info()).await {
        Ok(app) => app,
        Err(error @ (ChatError::Unreachable(_) | ChatError::RateLimited(_))) => {
            return AppHealth::Unverified(format!("Discord could not be asked: {error}"));
        }
        Err(error) => {
            return AppHealth::Invalid(format!("Discord refuses bot_token: {error}; copy it again from the app's page"));
        }
    };
    if app.id.get() != settings.application_id {
        return AppHealth::Invalid(format!(
            "bot_token belongs to app {}, and application_id says {}",
            app.id, settings.application_id
        ));
    }
    if settings.public_key.as_ref().is_some_and(|key| !app.verify_key.eq_ignore_ascii_case(key)) {
        return AppHealth::Invalid("public_key is another app's; copy it again from General Information".to_owned());
    }
    let registered = match asked(api.http().get_guild_commands(GuildId::new(settings.guild_id))).await {
        Ok(commands) => commands.iter().any(|command| command.name == "entryguard"),
        Err(error) => {
            return AppHealth::Invalid(format!("the app is not in guild {}: {error}; install it there", settings.guild_id));
        }
    };
    let mut warnings = Vec::new();
    if !registered {
        warnings.push("/entryguard is not registered in the guild; run `entryguard discord-register`".to_owned());
    }
    let endpoint = format!("{public_url}/discord/interactions");
    match (&app.interactions_endpoint_url, &settings.public_key) {
        (None, _) if settings.gateway => {}
        (Some(url), None) => warnings.push(format!(
            "the app's Interactions Endpoint URL is {url}, so Discord sends nothing over the Gateway; remove it there"
        )),
        (Some(url), Some(_)) if *url == endpoint => {}
        _ => warnings.push(format!("the app's Interactions Endpoint URL is not {endpoint}")),
    }
    AppHealth::Valid(app.name, warnings)
}
