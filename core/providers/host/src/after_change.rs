//! The command that makes a file's reader read it again. It gets none of the server's secrets, and what it says goes to the log alone.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::{ChildStderr, Command};

/// What it is told of the server's environment; everything else may be a secret.
pub(crate) const ENVIRONMENT: [&str; 9] =
    ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_RUNTIME_DIR"];
/// How much of what it said last is kept for the log.
const KEPT: usize = 2 * 1024;
/// How long to listen after it has ended: what it started may keep its output open.
const AFTERWARDS: Duration = Duration::from_millis(500);

/// Runs the command. Why the change is not in force, where it fails, in words that everybody may read.
pub(crate) async fn run(command: &[String], timeout: Duration) -> Result<(), String> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let environment = ENVIRONMENT.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let mut started = Command::new(program);
    started.args(arguments).env_clear().envs(environment).kill_on_drop(true);
    let started = started.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = started.map_err(|error| format!("the command after a change could not be started: {error}"))?;
    let said = Arc::new(Mutex::new(Vec::new()));
    let listening = child.stderr.take().map(|stderr| tokio::spawn(listen(stderr, Arc::clone(&said))));
    let ended = tokio::time::timeout(timeout, child.wait()).await;
    let succeeded = matches!(&ended, Ok(Ok(status)) if status.success());
    if !succeeded {
        // It may have ended already.
        let _ = child.start_kill();
    }
    if let Some(mut listening) = listening
        && (succeeded || tokio::time::timeout(AFTERWARDS, &mut listening).await.is_err())
    {
        listening.abort();
    }
    if succeeded {
        return Ok(());
    }
    let why = match &ended {
        Ok(Ok(status)) => format!("the command after a change failed ({status}); the server's log has what it said"),
        Ok(Err(error)) => format!("the command after a change could not be waited for: {error}"),
        Err(_) => format!("the command after a change did not end within {} s, and was stopped", timeout.as_secs()),
    };
    tell(command, ended.ok().and_then(Result::ok), &said.lock().unwrap_or_else(PoisonError::into_inner));
    Err(why)
}

/// Reads everything, so that the command is never kept from going on, and keeps the end of it.
async fn listen(mut stderr: ChildStderr, said: Arc<Mutex<Vec<u8>>>) {
    let mut part = vec![0; KEPT];
    while let Ok(length @ 1..) = stderr.read(&mut part).await {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(&part[..length]);
        let surplus = said.len().saturating_sub(KEPT);
        said.drain(..surplus);
    }
}

fn tell(command: &[String], status: Option<ExitStatus>, said: &[u8]) {
    let (program, status) = (command.first().map(String::as_str), status.map(|status| status.to_string()));
    tracing::warn!(program, status, said = printable(said), "the command after a change of an allowlist file failed");
}

/// Nothing that a terminal would act on, or that would look like another line of the log.
fn printable(said: &[u8]) -> String {
    String::from_utf8_lossy(said).trim().escape_debug().to_string()
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn ran(script: &str) -> Result<(), String> {
        run(&["sh", "-c", script].map(str::to_owned), Duration::from_secs(20)).await
    }

    #[tokio::test]
    async fn the_command_gets_the_listed_variables_and_no_other() {
        // Cargo gives every test some of its own, which stand for the server's secrets.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let folder = tempfile::tempdir().unwrap();
        let seen = folder.path().join("seen");
        ran(&format!("env > {}", seen.display())).await.unwrap();
        let seen = std::fs::read_to_string(seen).unwrap();
        let names: Vec<_> = seen.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
        assert!(names.contains(&"PATH"), "{names:?}");
        // The shell sets these itself.
        let own = ["PWD", "OLDPWD", "SHLVL", "_"];
        let others: Vec<_> = names.iter().filter(|name| !ENVIRONMENT.contains(name) && !own.contains(name)).collect();
        assert!(others.is_empty(), "{others:?}");
    }

    #[tokio::test]
    async fn what_the_command_says_is_not_said_to_members_and_what_it_leaves_running_is_not_waited_for() {
        let why = ran("echo a secret >&2; sleep 5 & exit 3").await.unwrap_err();
        assert_eq!(why, "the command after a change failed (exit status: 3); the server's log has what it said");
        let loud = ran("head -c 1000000 /dev/zero >&2; exit 0").await;
        assert_eq!(loud, Ok(()));
    }

    #[test]
    fn what_it_said_does_nothing_to_a_terminal() {
        assert_eq!(printable("\u{1b}[2Jred\u{202e}\nnext\u{7}\n".as_bytes()), "\\u{1b}[2Jred\\u{202e}\\nnext\\u{7}");
    }
}
