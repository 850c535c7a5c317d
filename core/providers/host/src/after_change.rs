//! The command that makes a file's reader read it again.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// Runs the command. Why the change is not in force, where it fails.
pub(crate) async fn run(command: &[String], timeout: Duration) -> Result<(), String> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let shown = command.join(" ");
    let running = Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    match tokio::time::timeout(timeout, running).await {
        Err(_) => Err(format!("`{shown}` did not end within {} s", timeout.as_secs())),
        Ok(Err(error)) => Err(format!("`{shown}` could not be started: {error}")),
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let last: String =
                said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing said").chars().take(200).collect();
            Err(format!("`{shown}` ended with {}: {last}", output.status))
        }
    }
}

/// Whether the command's program can be found, and run.
pub(crate) fn can_be_found(command: &[String]) -> bool {
    let Some(program) = command.first() else { return true };
    if program.contains('/') {
        return is_program(Path::new(program));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| is_program(&folder.join(program)))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
