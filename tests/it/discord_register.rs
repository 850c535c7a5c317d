//! What Discord knows of the app: its commands, and what `entryguard check` finds.

use entryguard_tests::{Database, DiscordDouble};
use serde_json::{Value, json};

use crate::in_discord::team;

#[tokio::test]
async fn registering_says_first_what_it_changes_and_does_nothing_twice() {
    let world = team(Database::Sqlite).start().await;
    let dry = world.entryguard(&["discord-register", "--dry-run"]).await;
    assert_eq!((dry.code, dry.stdout.as_str()), (Some(0), "+ /entryguard\n"), "{dry:?}");
    assert_eq!(world.discord.commands().1, 0);
    let told = async |arguments: &[&str]| {
        let ran = world.entryguard(arguments).await;
        serde_json::from_str::<Value>(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"))
    };
    let dry = told(&["discord-register", "--dry-run", "--json"]).await;
    assert_eq!(dry, json!({ "changes": ["+ /entryguard"], "registered": [] }));
    let done = world.entryguard(&["discord-register"]).await;
    assert_eq!(done.stdout, "+ /entryguard\nRegistered /entryguard.\n", "{done:?}");
    let again = world.entryguard(&["discord-register"]).await;
    assert!(again.stdout.starts_with("Nothing to do"), "{again:?}");
    assert_eq!(told(&["discord-register", "--json"]).await, json!({ "changes": [], "registered": [] }));
    let (commands, registrations) = world.discord.commands();
    assert_eq!((commands.len(), registrations), (1, 1));
    let subcommands = commands[0]["options"].as_array().unwrap();
    assert!(subcommands.iter().all(|each| each["description_localizations"]["de"].is_string()), "{subcommands:#?}");
    assert_eq!(subcommands.len(), 14);
    world.finish().await;
}

#[tokio::test]
async fn whatever_somebody_else_changed_is_set_right_again() {
    let world = team(Database::Sqlite).start().await;
    world.entryguard(&["discord-register"]).await;
    world.discord.change_commands(|commands| {
        commands[0]["default_member_permissions"] = json!("8");
        commands[0]["options"][0]["options"][1]["required"] = json!(true);
        commands.push(json!({
            "id": "602", "application_id": "700", "version": "1", "type": 1, "name": "old", "description": "Gone soon", "options": [],
            "default_member_permissions": null,
        }));
    });
    let done = world.entryguard(&["discord-register"]).await;
    let said = "- /old\n~ /entryguard (default_member_permissions)\n~ start\nRegistered /entryguard.\n";
    assert_eq!(done.stdout, said, "{done:?}");
    assert!(world.entryguard(&["discord-register"]).await.stdout.starts_with("Nothing to do"));
    world.finish().await;
}

#[tokio::test]
async fn registered_everywhere_the_commands_are_there_in_direct_messages_too() {
    let world = team(Database::Sqlite).start().await;
    let done = world.entryguard(&["discord-register", "--global"]).await;
    assert_eq!(done.stdout, "+ /entryguard\nRegistered /entryguard.\n", "{done:?}");
    let again = world.entryguard(&["discord-register", "--global"]).await;
    assert!(again.stdout.starts_with("Nothing to do"), "{again:?}");
    let everywhere = world.discord.global_commands();
    let mut contexts = everywhere[0]["contexts"].as_array().unwrap().clone();
    contexts.sort_by_key(|context| context.as_u64());
    assert_eq!((contexts, world.discord.commands().1), (vec![json!(0), json!(1)], 0));
    let fine = world.entryguard(&["check"]).await;
    assert!(!fine.stdout.contains("discord-register") && !fine.stdout.contains("twice"), "{fine:?}");
    world.entryguard(&["discord-register"]).await;
    let twice = world.entryguard(&["check"]).await;
    assert!(twice.code == Some(0) && twice.stdout.contains("people see it twice"), "{twice:?}");
    world.finish().await;
}

#[tokio::test]
async fn check_says_what_the_discord_app_lacks() {
    let mut world = team(Database::Sqlite).start().await;
    let unregistered = world.entryguard(&["check"]).await;
    assert!(
        unregistered.code == Some(0) && unregistered.stdout.contains("run `entryguard discord-register`"),
        "{unregistered:?}"
    );
    world.entryguard(&["discord-register"]).await;
    let fine = world.entryguard(&["check"]).await;
    assert!(
        fine.stdout.contains("[discord]")
            && !fine.stdout.contains("warning: the app's")
            && !fine.stdout.contains("discord-register"),
        "{fine:?}"
    );
    let key = DiscordDouble::public_key();
    world.rewrite_config(&key, &format!("{}{}", &key[2..], &key[..2]));
    let other = world.entryguard(&["check"]).await;
    assert!(other.code == Some(1) && other.stdout.contains("public_key is another app's"), "{other:?}");
    world.rewrite_config(&format!("application_id = \"{}\"", DiscordDouble::APPLICATION), "application_id = \"701\"");
    let stranger = world.entryguard(&["check"]).await;
    assert!(stranger.code == Some(1) && stranger.stdout.contains("application_id says 701"), "{stranger:?}");
    world.finish().await;
}

#[tokio::test]
async fn check_looks_at_the_server_and_at_the_channel_for_reports() {
    let mut world = team(Database::Sqlite).start().await;
    world.rewrite_config("[discord]\n", "[discord]\nreport_channel = \"901\"\n");
    assert_eq!(world.entryguard(&["check"]).await.code, Some(0));
    world.discord.close(901);
    let closed = world.entryguard(&["check"]).await;
    assert!(closed.code == Some(1) && closed.stdout.contains("report_channel 901: the app cannot"), "{closed:?}");
    world.discord.delete_channel(901);
    let gone = world.entryguard(&["check"]).await;
    assert!(gone.code == Some(1) && gone.stdout.contains("Unknown Channel"), "{gone:?}");
    world.discord.remove_bot();
    let out = world.entryguard(&["check"]).await;
    assert!(out.code == Some(1) && out.stdout.contains("is not in guild 800"), "{out:?}");
    world.finish().await;
}
