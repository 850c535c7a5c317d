//! Is the Discord app as it has to be? Asked of Discord itself: whose token it is, its key, its server and channel, and what is
//! registered.

use entryguard_core::config::DiscordSettings;
use entryguard_core::domain::foreign_text::one_line;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serenity::http::{Http, Route};
use serenity::model::id::{ChannelId, GuildId};

use super::calls::{CALL, Calls, asked};
use super::client::http;
use super::register::registered;
use crate::chat::{AppHealth, ChatError};

/// A channel, of a server or of direct messages.
#[derive(Deserialize)]
struct Channel {
    guild_id: Option<GuildId>,
}

/// Asks Discord.
pub async fn verify(settings: &DiscordSettings, public_url: &str) -> AppHealth {
    look(settings, public_url).await.unwrap_or_else(|unwell| unwell)
}

async fn look(settings: &DiscordSettings, public_url: &str) -> Result<AppHealth, AppHealth> {
    let (http, guild) = (http(settings), GuildId::new(settings.guild_id));
    let calls =
        Calls::new(settings).map_err(|error| AppHealth::Invalid(format!("the way to Discord cannot be made: {error}")))?;
    let refused = |why: &str, error| unwell(format!("{why}: {error}; copy it again from the app's page"), &error);
    let app = asked(http.get_current_application_info()).await.map_err(|error| refused("Discord refuses bot_token", error))?;
    if app.id.get() != settings.application_id {
        let why = format!("bot_token belongs to app {}, and application_id says {}", app.id, settings.application_id);
        return Err(AppHealth::Invalid(why));
    }
    if settings.public_key.as_ref().is_some_and(|key| !app.verify_key.eq_ignore_ascii_case(key)) {
        return Err(AppHealth::Invalid("public_key is another app's; copy it again from General Information".to_owned()));
    }
    let not_in = |error| unwell(format!("the app is not in guild {guild}: {error}; install it there"), &error);
    let found = calls.get::<IgnoredAny>(CALL, Route::Guild { guild_id: guild }).await;
    found.map_err(|failed| not_in(failed.error))?;
    report_channel(&calls, settings).await?;
    let mut warnings = commands(&http, guild).await?;
    let endpoint = format!("{public_url}/discord/interactions");
    match (&app.interactions_endpoint_url, &settings.public_key) {
        (None, _) if settings.gateway => {}
        (Some(url), None) => warnings.push(format!(
            "the app's Interactions Endpoint URL is {url}, so Discord sends nothing over the Gateway; remove it there"
        )),
        (Some(url), Some(_)) if *url == endpoint => {}
        _ => warnings.push(format!("the app's Interactions Endpoint URL is not {endpoint}")),
    }
    Ok(AppHealth::Valid(one_line(&app.name), warnings))
}

/// Whether the channel for reports is one of the server's that the app sees.
async fn report_channel(calls: &Calls, settings: &DiscordSettings) -> Result<(), AppHealth> {
    let Some(channel) = &settings.report_channel else { return Ok(()) };
    let wrong = |why: &str| AppHealth::Invalid(format!("report_channel {channel}: {why}"));
    let id = channel.parse().ok().filter(|id| *id > 0).map(ChannelId::new).ok_or_else(|| wrong("it is no id of Discord's"))?;
    let unseen = |error| {
        let why = format!("report_channel {channel}: {error}; give the app the permission to view it, or name another channel");
        unwell(why, &error)
    };
    let found: Channel = calls.get(CALL, Route::Channel { channel_id: id }).await.map_err(|failed| unseen(failed.error))?;
    match found.guild_id.is_some_and(|guild| guild.get() == settings.guild_id) {
        true => Ok(()),
        false => Err(wrong("it is not of the server that guild_id names; name another channel")),
    }
}

/// What is to be said of the commands of the server, and of those of everywhere.
async fn commands(http: &Http, guild: GuildId) -> Result<Vec<String>, AppHealth> {
    let mut there = Vec::new();
    for place in [Some(guild), None] {
        let unread =
            |error| unwell(format!("the app's commands cannot be read: {error}; install it with applications.commands"), &error);
        let commands = asked(registered(http, place)).await.map_err(unread)?;
        there.push(commands.iter().any(|command| command.name == "entryguard"));
    }
    Ok(match there.as_slice() {
        [false, false] => vec!["/entryguard is not registered; run `entryguard discord-register`".to_owned()],
        [true, true] => {
            let why = "/entryguard is registered in the guild and everywhere, so people see it twice; remove one of them";
            vec![why.to_owned()]
        }
        _ => Vec::new(),
    })
}

/// Where Discord is away, nothing is known.
fn unwell(why: String, error: &ChatError) -> AppHealth {
    match error {
        ChatError::Unreachable(_) | ChatError::RateLimited(_) => {
            AppHealth::Unverified(format!("Discord could not be asked: {error}"))
        }
        _ => AppHealth::Invalid(why),
    }
}
