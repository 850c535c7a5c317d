//! What may be asked for at a terminal.

use clap::{Args, Subcommand};
use entryguard_core::domain::{HostAddress, Span, SpanError};

/// What people do at their own terminals, at the server that ENTRYGUARD_URL or `configure` names.
#[derive(Subcommand)]
pub enum ClientVerb {
    /// Open what your roles give you, for the address that the server sees: `start 2h for the deploy`.
    Start(StartOptions),
    /// Close sessions before their time.
    Stop(StopOptions),
    /// Give a session more time: `extend`, `extend 2h`, `extend 1a2b3c4d 2h`.
    Extend(ExtendOptions),
    /// List your sessions.
    List(ListOptions),
    /// Show one session with its resources.
    Show(ShowOptions),
    /// Show whom the server takes you for.
    Whoami {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

impl ClientVerb {
    /// Whether a program reads what is said.
    pub const fn json(&self) -> bool {
        match self {
            Self::Start(StartOptions { json, .. })
            | Self::Stop(StopOptions { json, .. })
            | Self::Extend(ExtendOptions { json, .. })
            | Self::List(ListOptions { json, .. })
            | Self::Show(ShowOptions { json, .. })
            | Self::Whoami { json } => *json,
        }
    }
}

/// What to open.
#[derive(Args)]
pub struct StartOptions {
    /// As in chat: for how long, and why (`2h for the deploy`).
    #[arg(value_name = "DURATION")]
    pub words: Vec<String>,
    /// An address given by hand, where your roles allow it: one IPv4, one IPv6.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub ip: Vec<HostAddress>,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Do without the approval that it takes, where your role allows it. Everybody concerned is told.
    #[arg(long)]
    pub break_glass: bool,
    /// Wait until it is open, and show each resource's progress.
    #[arg(long)]
    pub wait: bool,
    /// How long to wait.
    #[arg(long, value_name = "DURATION", default_value = "5m", requires = "wait", value_parser = span)]
    pub timeout: Span,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What to close.
#[derive(Args)]
pub struct StopOptions {
    /// The sessions, by their ids' first characters, or `all`; without one, the only one that is running.
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// All of yours.
    #[arg(long, conflicts_with = "ids")]
    pub all: bool,
    /// Wait until nothing is open any more.
    #[arg(long)]
    pub wait: bool,
    /// How long to wait. What is not closed by then is closed all the same.
    #[arg(long, value_name = "DURATION", default_value = "5m", requires = "wait", value_parser = span)]
    pub timeout: Span,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What to extend.
#[derive(Args)]
pub struct ExtendOptions {
    /// Which session, if there is more than one, and by how much (2h where nothing is said).
    #[arg(value_name = "ID|DURATION")]
    pub words: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What to list.
#[derive(Args)]
pub struct ListOptions {
    /// Those that are over, too.
    #[arg(long)]
    pub all: bool,
    /// Everybody's, for administrators.
    #[arg(long)]
    pub everybody: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What to show.
#[derive(Args)]
pub struct ShowOptions {
    /// The session, by its id's first characters; without it, the only one that is running.
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Which server to ask.
#[derive(Args)]
pub struct ConfigureOptions {
    /// The server: its public_url. Without it, the one that is written down already. The key is asked for, or read from a pipe.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
}

fn address(text: &str) -> Result<HostAddress, String> {
    HostAddress::parse(text).map_err(|error| error.to_string())
}

fn span(text: &str) -> Result<Span, String> {
    text.parse().map_err(|error: SpanError| error.to_string())
}
