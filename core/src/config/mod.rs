//! The configuration file `entryguard.toml`, and what it is turned into: values that are known to make sense.

mod directory;
mod error;
mod file;
mod network;
mod restart;
mod schedule;
mod seal_secret;
mod secret;
mod settings;
mod url;
mod webhook;

pub use error::ConfigError;
pub use restart::RestartOnly;
pub use settings::{
    ApiSettings, DiscordSettings, GithubLoginSettings, GithubSettings, OidcSettings, ServerSettings, Settings, SlackSettings,
    SweepSchedule, TelemetrySettings,
};
pub use url::{is_private, is_this_machine};
pub use webhook::{EventPattern, WebhookSettings};
