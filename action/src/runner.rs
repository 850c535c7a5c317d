//! The runner, as a step talks to it: commands on standard output, and files that it reads afterwards.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::http::random_hex;

/// The files of the runner's protocol, and what came back from the main step.
#[derive(Debug, Default)]
pub struct Runner {
    output: Option<PathBuf>,
    state: Option<PathBuf>,
    summary: Option<PathBuf>,
}

/// Lines of the log that can be folded. Whatever ends them, what comes after stands for itself.
#[derive(Debug)]
pub struct Group(());

impl Drop for Group {
    fn drop(&mut self) {
        say("::endgroup::");
    }
}

impl Runner {
    /// The runner that started this step.
    pub fn from_environment() -> Self {
        let file = |name| env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self { output: file("GITHUB_OUTPUT"), state: file("GITHUB_STATE"), summary: file("GITHUB_STEP_SUMMARY") }
    }

    /// Keeps a value out of the log from now on.
    pub fn mask(&self, secret: &str) {
        say(&format!("::add-mask::{}", escaped(secret)));
    }

    /// A line for whoever reads the log.
    pub fn tell(&self, line: &str) {
        say(&harmless(line));
    }

    /// Lines that can be folded, until it is dropped.
    #[must_use]
    pub fn group(&self, title: &str) -> Group {
        say(&format!("::group::{}", escaped(title)));
        Group(())
    }

    /// What the job's page shows as a note.
    pub fn notice(&self, message: &str) {
        say(&format!("::notice title=EntryGuard::{}", escaped(message)));
    }

    /// What the job's page shows as a warning.
    pub fn warning(&self, message: &str) {
        say(&format!("::warning title=EntryGuard::{}", escaped(message)));
    }

    /// What the job's page shows as an error.
    pub fn error(&self, message: &str) {
        say(&format!("::error title=EntryGuard::{}", escaped(message)));
    }

    /// Sets an output of the step.
    pub fn output(&self, name: &str, value: &str) -> io::Result<()> {
        append(self.output.as_ref(), &assignment(name, value))
    }

    /// Keeps a value for the post step.
    pub fn save(&self, name: &str, value: &str) -> io::Result<()> {
        append(self.state.as_ref(), &assignment(name, value))
    }

    /// What the main step kept.
    pub fn saved(&self, name: &str) -> Option<String> {
        env::var(format!("STATE_{name}")).ok().filter(|value| !value.is_empty())
    }

    /// Adds Markdown to the job's summary.
    pub fn summary(&self, markdown: &str) -> io::Result<()> {
        append(self.summary.as_ref(), &format!("{markdown}\n"))
    }
}

/// Says a line to the runner, which reads its commands on standard output.
fn say(line: &str) {
    // A runner that does not listen any more is no reason to stop before the session is closed.
    let _ = writeln!(io::stdout(), "{line}");
}

/// A line of the server's as one line that does not pass for a command: neither `::…`, nor `##[…` in the midst of it, as runners took
/// them before.
fn harmless(line: &str) -> String {
    let line = line.replace(['\n', '\r'], " ").replace("##[", "##\u{200b}[");
    line.replacen("::", "\u{200b}::", usize::from(line.trim_start().starts_with("::")))
}

/// A name with a value, which may have several lines: the end is marked by what no value can have guessed.
fn assignment(name: &str, value: &str) -> String {
    let end = format!("end-{}", random_hex::<16>());
    format!("{name}<<{end}\n{value}\n{end}\n")
}

/// As the runner's commands take text.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn append(file: Option<&PathBuf>, text: &str) -> io::Result<()> {
    let Some(path) = file else { return Ok(()) };
    OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_several_lines_cannot_set_another() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let runner = Runner { output: Some(file.path().to_owned()), ..Runner::default() };
        runner.output("status", "x\nadmin=true").unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("status<<end-") && lines[0].ends_with(lines[3]), "{text}");
        assert_eq!(&lines[1..3], ["x", "admin=true"]);
    }

    #[test]
    fn a_line_of_the_servers_is_no_command() {
        assert_eq!(harmless("APPLIED db ::1"), "APPLIED db ::1");
        assert_eq!(harmless(" ::error::x"), " \u{200b}::error::x");
        assert_eq!(harmless("x\r::error::x\n::stop-commands::y"), "x ::error::x ::stop-commands::y");
        assert_eq!(harmless("no such group ##[error]x"), "no such group ##\u{200b}[error]x");
    }

    #[test]
    fn a_message_is_one_line_for_the_runner() {
        assert_eq!(escaped("100%\r\n::error::x"), "100%25%0D%0A::error::x");
    }
}
