//! `entryguard discord-register`: tells Discord which commands there are, and first what that changes.

use std::process::ExitCode;

use anyhow::Context;
use entryguard_core::config::Settings;
use serde_json::{Value, json};
use serenity::builder::{CreateCommand, CreateCommandOption};
use serenity::http::Http;
use serenity::model::Permissions;
use serenity::model::application::{Command, CommandOptionType, InstallationContext, InteractionContext};
use serenity::model::id::GuildId;

use super::client::http;
use super::command::BREAK_GLASS;
use crate::cli::RegisterOptions;

/// The language that texts have besides English.
const GERMAN: &str = "de";
/// What counts of a command and its options; Discord adds the rest.
const FIELDS: [&str; 19] = [
    "name",
    "type",
    "name_localizations",
    "description",
    "description_localizations",
    "default_member_permissions",
    "contexts",
    "integration_types",
    "nsfw",
    "required",
    "autocomplete",
    "choices",
    "value",
    "min_value",
    "max_value",
    "min_length",
    "max_length",
    "channel_types",
    "options",
];
/// What is a set of those: Discord gives it back in an order of its own, and for the commands of one server decides it by itself.
const SETS: [&str; 2] = ["contexts", "integration_types"];
const NOTHING_TO_DO: &str = "Nothing to do: Discord has these commands.";

/// Registers the commands.
#[expect(clippy::print_stdout, reason = "this is what the command is for")]
pub async fn run(options: &RegisterOptions) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(&options.config.config)?.discord.context("the configuration has no [discord]")?;
    let (http, guild) = (http(&settings), GuildId::new(settings.guild_id));
    let wanted = command(options.global);
    let failed = "Discord did not answer as it should; see the cause, and check application_id and bot_token";
    let present = registered(&http, (!options.global).then_some(guild)).await.context(failed)?;
    let difference = difference(&serde_json::to_value(&present)?, &serde_json::to_value(&wanted)?, options.global);
    if !options.json {
        println!("{}", if difference.is_empty() { NOTHING_TO_DO.to_owned() } else { difference.join("\n") });
    }
    let mut commands = Vec::new();
    if !options.dry_run && !difference.is_empty() {
        let all = [wanted];
        let done =
            if options.global { http.create_global_commands(&all).await } else { http.create_guild_commands(guild, &all).await };
        commands.extend(done.context(failed)?.iter().map(|command| format!("/{}", command.name)));
    }
    match (options.json, commands.as_slice()) {
        (true, commands) => println!("{:#}", json!({ "changes": difference, "registered": commands })),
        (false, []) => {}
        (false, commands) => println!("Registered {}.", commands.join(", ")),
    }
    Ok(ExitCode::SUCCESS)
}

/// The commands that Discord has: those of a server, or those of everywhere. It leaves the languages out where nobody asks for them.
pub async fn registered(http: &Http, guild: Option<GuildId>) -> serenity::Result<Vec<Command>> {
    match guild {
        Some(guild) => http.get_guild_commands_with_localizations(guild).await,
        None => http.get_global_commands_with_localizations().await,
    }
}

/// What registering changes, one line a command, one line for what the command itself is, and one a subcommand.
fn difference(present: &Value, wanted: &Value, global: bool) -> Vec<String> {
    let (ours, others): (Vec<_>, Vec<_>) =
        present.as_array().into_iter().flatten().partition(|command| command["name"] == wanted["name"]);
    let mut lines: Vec<_> = others.iter().map(|command| format!("- /{}", name(command))).collect();
    let Some(ours) = ours.first() else {
        lines.push(format!("+ /{}", name(wanted)));
        return lines;
    };
    let (ours, wanted) = (what_counts(ours, global), what_counts(wanted, global));
    let changed: Vec<_> = FIELDS.into_iter().filter(|field| *field != "options" && ours[*field] != wanted[*field]).collect();
    if !changed.is_empty() {
        lines.push(format!("~ /{} ({})", name(&wanted), changed.join(", ")));
    }
    let options = |command: &Value| command["options"].as_array().cloned().unwrap_or_default();
    let (ours, wanted) = (options(&ours), options(&wanted));
    for option in &wanted {
        match ours.iter().find(|other| other["name"] == option["name"]) {
            None => lines.push(format!("+ {}", name(option))),
            Some(other) if other != option => lines.push(format!("~ {}", name(option))),
            Some(_) => {}
        }
    }
    let gone = ours.iter().filter(|option| wanted.iter().all(|wanted| wanted["name"] != option["name"]));
    lines.extend(gone.map(|option| format!("- {}", name(option))));
    let order = |options: &[Value]| options.iter().map(|option| option["name"].clone()).collect::<Vec<_>>();
    if lines.is_empty() && order(&ours) != order(&wanted) {
        lines.push("~ the order of the subcommands".to_owned());
    }
    lines
}

fn name(thing: &Value) -> &str {
    thing["name"].as_str().unwrap_or_default()
}

/// A command or an option without what Discord adds, and without what is usual.
fn what_counts(thing: &Value, global: bool) -> Value {
    let Value::Object(fields) = thing else { return thing.clone() };
    let counts = |field: &str| FIELDS.contains(&field) && (global || !SETS.contains(&field));
    let kept = fields.iter().filter(|(field, value)| counts(field) && !is_usual(field, value)).map(|(field, value)| {
        let value = match value {
            Value::Array(all) if field == "options" || field == "choices" => {
                all.iter().map(|each| what_counts(each, global)).collect()
            }
            Value::Array(all) if SETS.contains(&field.as_str()) => {
                let mut all = all.clone();
                all.sort_by_key(ToString::to_string);
                Value::Array(all)
            }
            other => other.clone(),
        };
        (field.clone(), value)
    });
    Value::Object(kept.collect())
}

fn is_usual(field: &str, value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
        // A command is typed with a slash, and an option of it a subcommand, unless it says something else.
        other => field == "type" && *other == 1,
    }
}

/// The one command, with a subcommand for each word of the chat language.
fn command(global: bool) -> CreateCommand {
    let subcommands = [
        sub("start", "Open your resources for your address", "Öffnet deine Ressourcen für deine Adresse")
            .add_sub_option(duration())
            .add_sub_option(text("reason", "Why", "Warum"))
            .add_sub_option(text(
                "ip",
                "The address, or an IPv4 and an IPv6 one, where your roles let you give it",
                "Die Adresse, oder eine für IPv4 und eine für IPv6, wo deine Rollen das erlauben",
            ))
            .add_sub_option(
                CreateCommandOption::new(CommandOptionType::Boolean, BREAK_GLASS, "Without the approval, in an emergency")
                    .description_localized(GERMAN, "Ohne Genehmigung, im Notfall"),
            ),
        sub("stop", "Close what a session opened", "Schließt, was eine Sitzung geöffnet hat").add_sub_option(session()),
        sub("extend", "Give a session more time", "Verlängert eine Sitzung").add_sub_option(session()).add_sub_option(duration()),
        sub("list", "Show your sessions", "Zeigt deine Sitzungen").add_sub_option(
            text("whose", "Whose; everybody's are for administrators", "Wessen; alle sehen nur Administratoren")
                .add_string_choice("everybody's", "all"),
        ),
        sub("status", "Show each resource of a session", "Zeigt jede Ressource einer Sitzung").add_sub_option(session()),
        sub("approve", "Agree to somebody's request", "Genehmigt eine Anfrage").add_sub_option(whose()),
        sub("deny", "Refuse somebody's request", "Lehnt eine Anfrage ab").add_sub_option(whose()),
        sub("resources", "Show what your roles let you open", "Zeigt, was deine Rollen dich öffnen lassen"),
        sub("whoami", "Show who EntryGuard thinks you are", "Zeigt, für wen EntryGuard dich hält"),
        sub("web", "Sign in to the Sessions page", "Meldet dich auf der Sitzungsseite an"),
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
        sub("panic", "For administrators: close at once", "Für Administratoren: sofort schließen").add_sub_option(text(
            "what",
            "member NAME, resource NAME, or everything if you do not say; lift before it opens it again",
            "member NAME, resource NAME, sonst alles; mit lift davor wird es wieder geöffnet",
        )),
        sub("help", "Show what can be said", "Zeigt, was man sagen kann"),
    ];
    let command = CreateCommand::new("entryguard")
        .description("Open your resources for your address, for a few hours")
        .description_localized(GERMAN, "Öffnet deine Ressourcen für deine Adresse, für ein paar Stunden")
        .default_member_permissions(Permissions::USE_APPLICATION_COMMANDS)
        .set_options(subcommands.into());
    // The command of one server is there, and nowhere else: only one of everywhere can be had in direct messages.
    match global {
        true => command
            .contexts(vec![InteractionContext::Guild, InteractionContext::BotDm])
            .integration_types(vec![InstallationContext::Guild]),
        false => command,
    }
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
    text("session", "Which request, by its short id", "Welche Anfrage, mit ihrer kurzen Id").required(true).set_autocomplete(true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted(global: bool) -> Value {
        serde_json::to_value(command(global)).unwrap()
    }

    /// What registering says where Discord has ours with a change.
    fn said(global: bool, change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut present = wanted(global);
        present["type"] = json!(1);
        change(&mut present);
        difference(&json!([present]), &wanted(global), global)
    }

    #[test]
    fn each_field_of_the_command_and_of_its_options_counts() {
        assert_eq!(said(true, |_| {}), [""; 0]);
        assert_eq!(said(true, |ours| ours["description"] = json!("Opens")), ["~ /entryguard (description)"]);
        assert_eq!(
            said(true, |ours| ours["default_member_permissions"] = json!("8")),
            ["~ /entryguard (default_member_permissions)"]
        );
        assert_eq!(said(true, |ours| ours["contexts"] = Value::Null), ["~ /entryguard (contexts)"]);
        assert_eq!(said(true, |ours| ours["integration_types"] = json!([0, 1])), ["~ /entryguard (integration_types)"]);
        assert_eq!(said(true, |ours| ours["nsfw"] = json!(true)), ["~ /entryguard (nsfw)"]);
        let german = said(true, |ours| ours["description_localizations"] = Value::Null);
        assert_eq!(german, ["~ /entryguard (description_localizations)"]);
        assert_eq!(said(true, |ours| ours["options"][0]["options"][1]["required"] = json!(true)), ["~ start"]);
        assert_eq!(said(true, |ours| ours["options"][1]["options"][0]["autocomplete"] = json!(false)), ["~ stop"]);
        assert_eq!(said(true, |ours| drop(ours["options"].as_array_mut().unwrap().remove(3))), ["+ list"]);
        let more = said(true, |ours| ours["options"].as_array_mut().unwrap().push(json!({ "name": "old", "type": 1 })));
        assert_eq!(more, ["- old"]);
        assert_eq!(said(true, |ours| ours["options"].as_array_mut().unwrap().swap(0, 1)), ["~ the order of the subcommands"]);
    }

    #[test]
    fn what_discord_orders_or_decides_by_itself_is_no_difference() {
        assert_eq!(said(true, |ours| ours["contexts"] = json!([1, 0])), [""; 0]);
        assert_eq!(said(false, |ours| ours["contexts"] = json!([0])), [""; 0]);
        assert_eq!(said(false, |ours| ours["integration_types"] = json!([0, 1])), [""; 0]);
    }

    #[test]
    fn texts_keep_to_discords_limits() {
        let mut texts = Vec::new();
        collect(&wanted(true), &mut texts);
        assert!(texts.len() > 40, "{texts:?}");
        let long: Vec<_> = texts.iter().filter(|text| !(1..=100).contains(&text.chars().count())).collect();
        assert!(long.is_empty(), "{long:?}");
    }

    fn collect(thing: &Value, texts: &mut Vec<String>) {
        texts.extend(thing["description"].as_str().map(str::to_owned));
        texts.extend(thing["description_localizations"][GERMAN].as_str().map(str::to_owned));
        thing["options"].as_array().into_iter().flatten().for_each(|option| collect(option, texts));
    }
}
