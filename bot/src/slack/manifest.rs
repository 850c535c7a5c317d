//! `entryguard slack-manifest`: what to paste into Slack to make the app.

use std::process::ExitCode;

use entryguard_core::config::Settings;

use crate::cli::ManifestOptions;

/// Prints the manifest.
#[expect(clippy::print_stdout, reason = "this is what the command is for")]
pub fn run(options: &ManifestOptions) -> anyhow::Result<ExitCode> {
    // Of the file, only this: the manifest is made before Slack has given any secret, and maybe before there is a file.
    let file = Settings::read_for_manifest(&options.config.config);
    let has_channel = file.as_ref().is_ok_and(|(_, has_channel)| *has_channel);
    let reached = match &options.public_url {
        _ if options.socket_mode => Reached::OverSocket,
        Some(url) => Reached::At(url.trim_end_matches('/').to_owned()),
        None => Reached::At(file?.0),
    };
    print!("{}", manifest(&reached, has_channel));
    Ok(ExitCode::SUCCESS)
}

/// How Slack reaches the server.
enum Reached {
    At(String),
    OverSocket,
}

/// What the app may do: the least.
pub const SCOPES: [&str; 4] = ["commands", "chat:write", "chat:write.public", "users:read"];
/// What it may do besides where it reports to a channel: `entryguard check` looks whether it reaches it, public or private.
pub const CHANNEL_SCOPES: [&str; 2] = ["channels:read", "groups:read"];

fn manifest(reached: &Reached, has_channel: bool) -> String {
    let of_channel = CHANNEL_SCOPES.iter().filter(|_| has_channel);
    let scopes: String = SCOPES.iter().chain(of_channel).map(|scope| format!("      - {scope}\n")).collect();
    let is_socket = matches!(reached, Reached::OverSocket);
    // Over its own connection, an app has no addresses.
    let line = |indent: &str, key: &str, path: &str| match reached {
        Reached::At(url) => format!("{indent}{key}: \"{url}{path}\"\n"),
        Reached::OverSocket => String::new(),
    };
    let command = line("      ", "url", "/slack/commands");
    let [events, interactions] = ["/slack/events", "/slack/interactions"].map(|path| line("    ", "request_url", path));

    format!(
        r##"display_information:
  name: EntryGuard
  description: Opens your resources for your address, for a few hours
  background_color: "#1a56c4"
features:
  app_home:
    home_tab_enabled: true
    messages_tab_enabled: true
    messages_tab_read_only_enabled: true
  bot_user:
    display_name: EntryGuard
    always_online: true
  shortcuts:
    - name: Start a session
      type: global
      callback_id: entryguard_start
      description: Open your resources for your address, for a few hours
  slash_commands:
    - command: /entryguard
{command}      description: Open your resources for your address, for a few hours
      usage_hint: start 2h | extend | stop | list | help
      should_escape: false
oauth_config:
  scopes:
    bot:
{scopes}settings:
  event_subscriptions:
{events}    bot_events:
      - app_home_opened
      - user_change
  interactivity:
    is_enabled: true
{interactions}  org_deploy_enabled: false
  socket_mode_enabled: {is_socket}
  token_rotation_enabled: false
"##
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_names_the_routes_that_the_server_has() {
        let text = manifest(&Reached::At("https://entryguard.example.com".to_owned()), false);
        assert!(text.contains("https://entryguard.example.com/slack/commands"));
        assert!(text.contains("https://entryguard.example.com/slack/interactions"));
        assert!(text.contains("https://entryguard.example.com/slack/events"));
        assert!(text.contains(&format!("callback_id: {}", crate::slack::form::SHORTCUT)));
        assert!(!text.contains("channels:read"));
        let with_channel = manifest(&Reached::OverSocket, true);
        assert!(
            with_channel.contains("      - users:read\n      - channels:read\n      - groups:read\nsettings:"),
            "{with_channel}"
        );
    }
}
