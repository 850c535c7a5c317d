//! `entryguard iam-policy`: the least AWS policy for the configured resources, or for jobs without a server.

use std::process::ExitCode;

use entryguard_core::config::Settings;
use entryguard_core::domain::{CredentialName, ResourceKind, SecurityGroup};
use serde_json::Value;

use crate::cli::IamPolicyOptions;
use crate::wiring;

/// Prints the policy.
#[expect(clippy::print_stdout, reason = "this is what the command is for")]
pub fn run(options: &IamPolicyOptions) -> anyhow::Result<ExitCode> {
    let policy = if options.security_group.is_empty() { of_the_server(options)? } else { of_jobs(options)? };
    println!("{}", serde_json::to_string_pretty(&policy)?);
    Ok(ExitCode::SUCCESS)
}

fn of_the_server(options: &IamPolicyOptions) -> anyhow::Result<Value> {
    let directory = Settings::read_directory(&options.config.config)?;
    let groups = directory.resources.values().filter_map(|resource| match &resource.kind {
        ResourceKind::SecurityGroup(group) => Some(group),
        ResourceKind::AllowlistFile(_) => None,
    });
    Ok(wiring::iam_policy(groups))
}

fn of_jobs(options: &IamPolicyOptions) -> anyhow::Result<Value> {
    let (region, credential) = (options.region.clone().unwrap_or_default(), CredentialName::new("environment")?);
    let group =
        |id: &String| SecurityGroup { id: id.clone(), region: region.clone(), credential: credential.clone(), ports: Vec::new() };
    Ok(wiring::serverless_policy(options.security_group.iter().map(group).collect::<Vec<_>>().iter()))
}
