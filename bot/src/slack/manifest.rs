//! `entryguard slack-manifest`: what to paste into Slack to make the app.

use std::process::ExitCode;

use entryguard_core::config::Settings;

use crate::cli::ManifestOptions;

/// Prints the manifest.
#[expect(clippy::print_stdout, reason = "this is what the command is for")]
pub fn run(options: &ManifestOptions) -> anyhow::Result<ExitCode> {
    let reached = match &options.public_url {
        _ if options.socket_mode => Reached::OverSocket,
        Some(url) => Reached::At(url.trim_end_matches('/').to_owned()),
        // Of the file, only this: the manifest is made before Slack has given any secret.
        None => Reached::At(Settings::read_public_url(&options.config.config)?),
    };
    print!("{}", manifest(&reached));
    Ok(ExitCode::SUCCESS)
}

/// How Slack reaches the server.
enum Reached {
    At(String),
    OverSocket,
}

/// What the app may do: the least.
pub const SCOPES: [&str; 4] = ["commands", "chat:write", "chat:write.public", "users:read"];

fn manifest(reached: &Reached) -> String {
    let scopes: String = SCOPES.iter().map(|scope| format!("      - {scope}\n")).collect();
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
        let text = manifest(&Reached::At("https://entryguard.example.com".to_owned()));
        assert!(text.contains("https://entryguard.example.com/slack/commands"));
        assert!(text.contains("https://entryguard.example.com/slack/interactions"));
        assert!(text.contains("https://entryguard.example.com/slack/events"));
        assert!(text.contains(&format!("callback_id: {}", crate::slack::form::SHORTCUT)));
    }
}
