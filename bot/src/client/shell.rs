//! What shells and `man` want to know of the commands.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;

/// Prints a shell's completions.
pub fn completions(shell: Shell) -> ExitCode {
    clap_complete::generate(shell, &mut Cli::command(), "entryguard", &mut std::io::stdout());
    ExitCode::SUCCESS
}

/// Writes the manual's pages into a folder, one for each command; without a folder prints the first of them.
pub fn man(folder: Option<&Path>) -> anyhow::Result<ExitCode> {
    match folder {
        Some(folder) => {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            clap_mangen::generate_to(Cli::command(), folder).with_context(|| format!("cannot write to {}", folder.display()))?;
        }
        None => clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout()).context("cannot print the page")?,
    }
    Ok(ExitCode::SUCCESS)
}
