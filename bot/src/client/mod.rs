//! The command-line client of the API: it asks the server, and shows what it answers. It decides nothing.

mod access;
mod api;
mod configure;
mod failure;
mod options;
mod progress;
mod session;
mod shell;
mod shown;
mod stop;
mod time;
mod verbs;
mod waiting;

pub use configure::run as configure;
pub use options::{ClientVerb, ConfigureOptions};
pub use shell::{completions, man};
pub use verbs::run;
