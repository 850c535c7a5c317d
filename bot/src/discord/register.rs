//! `entryguard discord-register`: tells Discord which commands there are, and first what that changes.

use std::process::ExitCode;

use anyhow::Context;
use entryguard_core::config::Settings;
use serde_json::Value;
use serenity::builder::{CreateCommand, CreateCommandOption};
use serenity::model::Permissions;
use serenity::model::application::{CommandOptionType, InstallationContext, InteractionContext};
use serenity::model::id::GuildId;

use super::DiscordApi;
use crate::cli::RegisterOptions;

/// The language that texts have besides English.
const GERMAN: &str = "de";

/// Registers the commands.
#[expect(clippy::print_stdout, reason = "this is what the command is for")]
pub async fn run(options: &RegisterOptions) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(&options.config.config)?.discord.context("the configuration has no [discord]")?;
    let (api, guild) = (DiscordApi::new(&settings), GuildId::new(settings.guild_id));
    let (http, wanted) = (api.http(), command());
    let failed = "Discord did not answer as it should; see the cause, and check application_id and bot_token";
    let present = if options.global { http.get_global_commands().await } else { http.get_guild_commands(guild).await };
    let present = serde_json::to_value(present.context(failed)?)?;
    let difference = difference(&present, &serde_json::to_value(&wanted)?);
    if difference.is_empty() {
        println!("Nothing to do: Discord has these commands.");
        return Ok(ExitCode::SUCCESS);
    }
    println!("{}", difference.join("\n"));
    if !options.dry_run {
        let all = [wanted];
        let done =
            if options.global { http.create_global_commands(&all).await } else { http.create_guild_commands(guild, &all).await };
        let done = done.context(failed)?;
        println!("Registered {}.", done.iter().map(|command| format!("/{}", command.name)).collect::<Vec<_>>().join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

/// What registering changes, one line a command or subcommand.
fn difference(present: &Value, wanted: &Value) -> Vec<String> {
    let ours = present.as_array().into_iter().flatten().find(|command| command["name"] == wanted["name"]);
    let mut lines: Vec<_> = present.as_array().into_iter().flatten().collect();
    lines.retain(|command| command["name"] != wanted["name"]);
    let mut lines: Vec<_> = lines.iter().map(|command| format!("- /{}", command["name"].as_str().unwrap_or_default())).collect();
    let Some(ours) = ours else {
        lines.push(format!("+ /{}", wanted["name"].as_str().unwrap_or_default()));
        return lines;
    };
    let options = |command: &Value| command["options"].as_array().cloned().unwrap_or_default();
    for option in options(wanted) {
        let name = option["name"].as_str().unwrap_or_default();
        match options(ours).iter().find(|other| other["name"] == option["name"]) {
            None => lines.push(format!("+ {name}")),
            Some(other) if !covers(other, &option) => lines.push(format!("~ {name}")),
            Some(_) => {}
        }
    }
    let gone = options(ours);
    let gone = gone.iter().filter(|option| options(wanted).iter().all(|wanted| wanted["name"] != option["name"]));
    lines.extend(gone.map(|option| format!("- {}", option["name"].as_str().unwrap_or_default())));
    lines
}

/// Whether Discord has everything that is wanted; it adds fields of its own, and leaves out what is usual.
fn covers(present: &Value, wanted: &Value) -> bool {
    match (present, wanted) {
        (Value::Object(present), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| present.get(key).map_or(is_usual(value), |present| covers(present, value)))
        }
        (Value::Array(present), Value::Array(wanted)) => {
            present.len() == wanted.len() && present.iter().zip(wanted).all(|(present, wanted)| covers(present, wanted))
        }
        _ => present == wanted || (present.is_null() && is_usual(wanted)),
    }
}

fn is_usual(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
        _ => false,
    }
}

/// The one command, with a subcommand for each word of the chat language.
fn command() -> CreateCommand {
    let subcommands = [
        sub("start", "Open your resources for your address", "Öffnet deine Ressourcen für deine Adresse")
            .add_sub_option(duration())
            .add_sub_option(text("reason", "Why", "Warum"))
            .add_sub_option(text(
                "ip",
                "The address, where your roles let you give it",
                "Die Adresse, wo deine Rollen das erlauben",
            ))
            .add_sub_option(
                CreateCommandOption::new(CommandOptionType::Boolean, "break-glass", "Without the approval, in an emergency")
                    .description_localized(GERMAN, "Ohne Genehmigung, im Notfall"),
            ),
        sub("stop", "Close what a session opened", "Schließt, was eine Sitzung geöffnet hat").add_sub_option(session()),
        sub("extend", "Give a session more time", "Verlängert eine Sitzung").add_sub_option(session()).add_sub_option(duration()),
        sub("list", "Show your sessions", "Zeigt deine Sitzungen"),
        sub("status", "Show each resource of a session", "Zeigt jede Ressource einer Sitzung").add_sub_option(session()),
        sub("approve", "Agree to somebody's request", "Genehmigt eine Anfrage").add_sub_option(whose()),
        sub("deny", "Refuse somebody's request", "Lehnt eine Anfrage ab").add_sub_option(whose()),
        sub("resources", "Show what your roles let you open", "Zeigt, was deine Rollen dich öffnen lassen"),
        sub("whoami", "Show who EntryGuard thinks you are", "Zeigt, für wen EntryGuard dich hält"),
        sub("link", "Be one person in all chats", "Eine Person in allen Chats sein").add_sub_option(text(
            "code",
            "The code that EntryGuard gave you elsewhere; none to get one here",
            "Der Code, den EntryGuard dir anderswo gab; ohne ihn bekommst du hier einen",
        )),
        sub("unlink", "Take a link back", "Nimmt eine Verknüpfung zurück").add_sub_option(text(
            "identity",
            "Which of your accounts, as whoami shows it; this one if you do not say",
            "Welches deiner Konten, wie whoami es zeigt; sonst dieses",
        )),
        sub("help", "Show what can be said", "Zeigt, was man sagen kann"),
    ];
    CreateCommand::new("entryguard")
        .description("Open your resources for your address, for a few hours")
        .description_localized(GERMAN, "Öffnet deine Ressourcen für deine Adresse, für ein paar Stunden")
        .default_member_permissions(Permissions::USE_APPLICATION_COMMANDS)
        .contexts(vec![InteractionContext::Guild, InteractionContext::BotDm])
        .integration_types(vec![InstallationContext::Guild])
        .set_options(subcommands.into())
}

fn sub(name: &str, english: &str, german: &str) -> CreateCommandOption {
    CreateCommandOption::new(CommandOptionType::SubCommand, name, english).description_localized(GERMAN, german)
}

fn text(name: &str, english: &str, german: &str) -> CreateCommandOption {
    CreateCommandOption::new(CommandOptionType::String, name, english).description_localized(GERMAN, german)
}

fn duration() -> CreateCommandOption {
    text("duration", "For how long, such as 90m or 2h", "Wie lange, zum Beispiel 90m oder 2h").set_autocomplete(true)
}

fn session() -> CreateCommandOption {
    text("session", "Which session, by its short id", "Welche Sitzung, mit ihrer kurzen Id").set_autocomplete(true)
}

fn whose() -> CreateCommandOption {
    text("session", "Which request, by its short id", "Welche Anfrage, mit ihrer kurzen Id").required(true)
}
