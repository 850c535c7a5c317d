//! `entryguard`: the server and the command-line program.

mod api;
mod api_key;
mod audit;
mod chat;
mod check;
mod claims;
mod cli;
mod client;
mod clock;
mod demo;
mod discord;
mod github;
mod health;
mod http;
mod iam_policy;
mod operator;
mod panic;
mod reload;
mod serve;
mod slack;
mod surfaces;
mod sweep;
mod telemetry;
mod vigil;
mod web;
mod webhook;
mod wiring;
mod workers;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Verb};

fn main() -> ExitCode {
    // Wrong usage ends here, with exit code 2.
    let cli = Cli::parse();
    // A server knows only from its configuration where its traces go.
    if !matches!(cli.verb, Verb::Serve(_)) {
        telemetry::start();
    }
    match run(cli.verb) {
        Ok(code) => code,
        Err(error) => {
            // One line: what happened, and its causes.
            eprintln!("entryguard: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    // Several crates bring rustls; without a default it would not know whose cryptography to take.
    rustls::crypto::ring::default_provider().install_default().ok();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match verb {
            Verb::Demo(options) => demo::run(options).await,
            Verb::Serve(options) => serve::run(&options.config).await,
            Verb::Health(options) => health::run(&options).await,
            Verb::Check(options) => check::run(options).await,
            Verb::Sweep(options) => sweep::run(options).await,
            Verb::Panic(verb) => panic::run(verb).await,
            Verb::Clock(verb) => clock::run(verb).await,
            Verb::Audit(verb) => audit::run(verb).await,
            Verb::ApiKey(verb) => api_key::run(verb).await,
            Verb::IamPolicy(options) => iam_policy::run(&options),
            Verb::SlackManifest(options) => slack::manifest::run(&options),
            Verb::DiscordRegister(options) => discord::register::run(&options).await,
            Verb::Client(verb) => client::run(verb).await,
            Verb::Configure(options) => client::configure(options).await,
            Verb::Completions { shell } => Ok(client::completions(shell)),
            Verb::Man { folder } => client::man(folder.as_deref()),
        }
    })
}
