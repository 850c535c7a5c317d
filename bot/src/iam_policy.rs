//! `entryguard iam-policy`: the least AWS policy for the configured resources.

use std::path::Path;
use std::process::ExitCode;

use entryguard_core::config::Settings;
use entryguard_core::domain::ResourceKind;

/// Prints the policy.
#[expect(clippy::print_stdout, reason = "this is what the command is for")]
pub fn run(config: &Path) -> anyhow::Result<ExitCode> {
    let directory = Settings::read_directory(config)?;
    let groups = directory.resources.values().filter_map(|resource| match &resource.kind {
        ResourceKind::SecurityGroup(group) => Some(group),
        ResourceKind::AllowlistFile(_) => None,
    });
    println!("{}", serde_json::to_string_pretty(&crate::wiring::iam_policy(groups))?);
    Ok(ExitCode::SUCCESS)
}
