//! `/entryguard …`: from Discord's typed options to the chat language, which is the same everywhere, and what to offer meanwhile.

use entryguard_core::command::{Command, CommandError, Conversation, reason_from};
use entryguard_core::domain::foreign_text::one_line;
use entryguard_core::domain::{HostAddress, Span};
use entryguard_core::engine::Engine;
use entryguard_core::reply::{Card, Reply};
use serenity::model::application::{CommandData, ResolvedOption, ResolvedValue};

/// Discord shows no more suggestions.
const SUGGESTIONS: usize = 25;
/// The switch that does without the approval.
pub const BREAK_GLASS: &str = "break-glass";

/// The command, or what is wrong with it.
pub fn read(data: &CommandData) -> Result<Command, CommandError> {
    let options = data.options();
    let Some(ResolvedOption { name, value: ResolvedValue::SubCommand(options), .. }) = options.first() else {
        return Ok(Command::Help);
    };
    match *name {
        "start" => start(options),
        name => text(name, options).parse(),
    }
}

/// Each option is what it says, whatever somebody writes in it: a reason is a reason from its first word to its last.
fn start(options: &[ResolvedOption<'_>]) -> Result<Command, CommandError> {
    let duration = given(options, "duration").map(|text| text.parse()).transpose()?;
    let addresses = given(options, "ip").unwrap_or_default();
    let words = addresses.split([' ', ',', ';']).filter(|word| !word.is_empty());
    let addresses = words.map(HostAddress::parse).collect::<Result<_, _>>()?;
    let reason = given(options, "reason").map(|text| reason_from(&text)).transpose()?.flatten();
    let break_glass =
        options.iter().any(|option| matches!(option.value, ResolvedValue::Boolean(true)) && option.name == BREAK_GLASS);
    Ok(Command::Start { duration, addresses, reason, break_glass })
}

/// In the other commands, options are in the order of the chat language, and none of them is free text.
fn text(name: &str, options: &[ResolvedOption<'_>]) -> String {
    let options =
        ["whose", "what", "session", "code", "identity", "duration"].into_iter().filter_map(|option| given(options, option));
    std::iter::once(name.to_owned()).chain(options).collect::<Vec<_>>().join(" ")
}

fn given(options: &[ResolvedOption<'_>], wanted: &str) -> Option<String> {
    options.iter().find(|option| option.name == wanted).and_then(|option| match option.value {
        ResolvedValue::String(text) => Some(one_line(text)),
        _ => None,
    })
}

/// What fits the option that somebody is typing: name and value.
pub async fn suggest(engine: &Engine, conversation: &Conversation, data: &CommandData) -> Vec<(String, String)> {
    let Some(typing) = data.autocomplete() else { return Vec::new() };
    let verb = data.options.first().map_or("", |subcommand| subcommand.name.as_str());
    let all = match (typing.name, verb) {
        ("duration", _) => durations(engine, conversation).into_iter().map(|span| (span.to_string(), span.to_string())).collect(),
        ("session", "approve" | "deny") => requests(engine, conversation).await,
        ("session", _) => sessions(engine, conversation).await,
        _ => Vec::new(),
    };
    let typed = typing.value.trim().to_ascii_lowercase();
    all.into_iter().filter(|(name, _)| name.to_ascii_lowercase().contains(&typed)).take(SUGGESTIONS).collect()
}

fn durations(engine: &Engine, conversation: &Conversation) -> Vec<Span> {
    let caller = engine.caller(&conversation.identity, conversation.surface);
    caller.map(|caller| engine.directory().durations_for(caller.name())).unwrap_or_default()
}

async fn sessions(engine: &Engine, conversation: &Conversation) -> Vec<(String, String)> {
    let Reply::Sessions(cards) = engine.answer(conversation, Command::List).await else { return Vec::new() };
    cards.iter().filter(|card| card.status.is_live()).map(|card| named(card, card.status.as_str())).collect()
}

async fn requests(engine: &Engine, conversation: &Conversation) -> Vec<(String, String)> {
    let Ok(caller) = engine.caller(&conversation.identity, conversation.surface) else { return Vec::new() };
    let asked = engine.requests_for(&caller).await.unwrap_or_default();
    let cards = asked.iter().map(|view| Card::new(view, &engine.directory(), engine.now()));
    cards.map(|card| named(&card, card.member.as_str())).collect()
}

/// A session as a suggestion: what it is, and what is written where it is chosen.
fn named(card: &Card, what: &str) -> (String, String) {
    let name = format!("{} · {what} · {}", card.session.short(), card.addresses);
    (name.chars().take(100).collect(), card.session.short().to_owned())
}
