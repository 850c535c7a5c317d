//! How a session comes about, a line for each resource: drawn on a terminal, told line by line elsewhere.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use entryguard_core::domain::BlockCause;
use entryguard_core::reply::{gathered, in_a_word};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::session::{Rule, Session, said_of_all};

/// How often the spinners turn.
const TURN: Duration = Duration::from_millis(100);

/// What is shown of a session while it comes about.
pub struct Progress {
    drawn: Option<MultiProgress>,
    lines: HashMap<String, Line>,
    asked: bool,
}

struct Line {
    bar: Option<ProgressBar>,
    status: String,
    since: Instant,
}

impl Progress {
    /// Drawn where somebody watches.
    pub fn new() -> Self {
        let drawn = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { drawn, lines: HashMap::new(), asked: false }
    }

    /// Shows the session as it stands.
    pub fn show(&mut self, session: &Session) {
        if session.status == "REQUESTED" && !self.asked {
            self.asked = true;
            self.say(&format!(
                "Session {} waits for somebody's approval, until {}.",
                session.short(),
                session.expires_at.ahead()
            ));
        }
        for group in gathered(&session.resource_ips, Rule::likeness) {
            let together = said_of_all(&group);
            let is_news = |rule: &Rule| self.lines.get(&rule.id).is_none_or(|line| line.status != rule.status);
            let some_are_news = group.iter().any(|rule| is_news(rule));
            for rule in group {
                self.show_rule(rule, together.as_ref().map(|(cause, _)| *cause));
            }
            if let Some((_, words)) = together.filter(|_| some_are_news) {
                self.say(&format!("✗ {words}"));
            }
        }
    }

    /// Of what is said of many together, a line of its own is drawn only where there is one to be finished.
    fn show_rule(&mut self, rule: &Rule, said_of_all: Option<BlockCause>) {
        let drawn = self.drawn.as_ref();
        let line = self.lines.entry(rule.id.clone()).or_insert_with(|| Line {
            bar: drawn.map(|drawn| drawn.add(spinner())),
            status: String::new(),
            since: Instant::now(),
        });
        if line.status == rule.status {
            return;
        }
        line.status.clone_from(&rule.status);
        let words = words(rule, line.since.elapsed(), said_of_all);
        match &line.bar {
            Some(bar) if rule.status == "PENDING" => bar.set_message(words),
            Some(bar) => {
                bar.set_style(plain());
                bar.finish_with_message(words);
            }
            None if said_of_all.is_some() => {}
            None => self.say(&words),
        }
    }

    #[expect(clippy::print_stderr, reason = "what is on its way is no output: that comes at the end")]
    fn say(&self, line: &str) {
        match &self.drawn {
            Some(drawn) => drawn.println(line).unwrap_or_default(),
            None => eprintln!("{line}"),
        }
    }
}

fn words(rule: &Rule, took: Duration, said_of_all: Option<BlockCause>) -> String {
    let what = format!("{} for {}", rule.resource_name, rule.ip_address);
    match rule.status.as_str() {
        "PENDING" => format!("{what}: being opened"),
        "APPLIED" => format!("✓ {what}: open ({:.1} s)", took.as_secs_f32()),
        "FAILED" => {
            let why = said_of_all.map(in_a_word).or(rule.error_message.as_deref());
            format!("✗ {what}: {}", why.unwrap_or("it failed, and nobody said why"))
        }
        status => format!("· {what}: {status}"),
    }
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_style(style("{spinner} {msg}"));
    bar.enable_steady_tick(TURN);
    bar
}

fn plain() -> ProgressStyle {
    style("{msg}")
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
