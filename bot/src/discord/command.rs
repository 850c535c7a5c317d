//! `/entryguard …`: from Discord's typed options to the chat language, which is the same everywhere, and what to offer meanwhile.

use entryguard_core::command::{Command, Conversation};
use entryguard_core::domain::Span;
use entryguard_core::engine::Engine;
use entryguard_core::reply::Reply;
use serenity::model::application::{CommandData, ResolvedOption, ResolvedValue};

/// The command in the chat language.
pub fn text(data: &CommandData) -> String {
    let options = data.options();
    let Some(ResolvedOption { name, value: ResolvedValue::SubCommand(options), .. }) = options.first() else {
        return "help".to_owned();
    };
    let given = |wanted: &str| {
        options.iter().find(|option| option.name == wanted).and_then(|option| match &option.value {
            ResolvedValue::String(text) => Some((*text).to_owned()),
            ResolvedValue::Boolean(true) => Some(String::new()),
            _ => None,
        })
    };
    let mut words = vec![(*name).to_owned()];
    words.extend(given("session"));
    words.extend(given("code"));
    words.extend(given("identity"));
    words.extend(given("duration"));
    words.extend(given("ip").map(|addresses| format!("ip {addresses}")));
    words.extend(given("break-glass").map(|_| "--break-glass".to_owned()));
    // The reason is the last, because it is the rest of the line.
    words.extend(given("reason").map(|reason| format!("for {reason}")));
    words.join(" ")
}

/// What fits the option that somebody is typing: name and value.
pub async fn suggest(engine: &Engine, conversation: &Conversation, data: &CommandData) -> Vec<(String, String)> {
    let Some(typing) = data.autocomplete() else { return Vec::new() };
    let all = match typing.name {
        "duration" => durations(engine, conversation).into_iter().map(|span| (span.to_string(), span.to_string())).collect(),
        "session" => sessions(engine, conversation).await,
        _ => Vec::new(),
    };
    let typed = typing.value.trim().to_ascii_lowercase();
    all.into_iter().filter(|(name, _)| name.to_ascii_lowercase().contains(&typed)).collect()
}

fn durations(engine: &Engine, conversation: &Conversation) -> Vec<Span> {
    let caller = engine.caller(&conversation.identity, conversation.surface);
    caller.map(|caller| engine.directory().durations_for(caller.name())).unwrap_or_default()
}

async fn sessions(engine: &Engine, conversation: &Conversation) -> Vec<(String, String)> {
    let Reply::Sessions(cards) = engine.answer(conversation, Command::List).await else { return Vec::new() };
    let live = cards.iter().filter(|card| card.status.is_live());
    let named = live.map(|card| {
        let name = format!("{} · {} · {}", card.session.short(), card.status.as_str(), card.addresses);
        (name.chars().take(100).collect(), card.session.short().to_owned())
    });
    named.collect()
}
