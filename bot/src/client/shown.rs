//! Sessions as tables that fit the terminal, and as JSON for programs.

use std::io::IsTerminal;

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use entryguard_core::reply::{Likeness, gathered, in_a_word};

use super::session::{Rule, Session, said_of_all};

/// Sessions, one a row.
pub fn sessions(sessions: &[Session], with_members: bool) -> String {
    let mut header = vec!["SESSION", "STATUS", "ADDRESS", "RESOURCES", "EXPIRES"];
    if with_members {
        header.insert(1, "MEMBER");
    }
    let mut table = table(&header);
    for session in sessions {
        let mut row = vec![
            Cell::new(session.short()),
            status(&session.status),
            Cell::new(session.addresses().join("\n")),
            Cell::new(session.resources()),
            Cell::new(until(session)),
        ];
        if with_members {
            row.insert(1, Cell::new(&session.user_name));
        }
        table.add_row(row);
    }
    table.trim_fmt()
}

/// One session with its rules.
pub fn session(session: &Session) -> String {
    let mut lines = vec![format!("Session {}  {}  {}", session.short(), session.status, until(session))];
    lines.push(format!("Member    {}", session.user_name));
    lines.push(format!("Started   {}", session.started_at.ago()));
    if let Some(reason) = &session.reason {
        lines.push(format!("Reason    {reason}"));
    }
    if session.resource_ips.is_empty() {
        return lines.join("\n");
    }
    let groups = gathered(&session.resource_ips, Rule::likeness);
    let said: Vec<_> = groups.iter().filter_map(|group| said_of_all(group)).collect();
    lines.extend(said.iter().map(|(_, words)| format!("Waiting   {words}")));
    let mut table = table(&["RESOURCE", "ADDRESS", "STATUS", "ERROR"]);
    for rule in &session.resource_ips {
        let said_above = said.iter().find(|(cause, _)| rule.likeness().1 == Likeness::Cause(*cause));
        let error = match said_above {
            Some((cause, _)) => in_a_word(*cause),
            None => rule.error_message.as_deref().unwrap_or_default(),
        };
        table.add_row(vec![Cell::new(&rule.resource_name), Cell::new(&rule.ip_address), status(&rule.status), Cell::new(error)]);
    }
    lines.extend([String::new(), table.trim_fmt()]);
    lines.join("\n")
}

fn until(session: &Session) -> String {
    match &session.ended_at {
        Some(at) => format!("ended {}", at.ago()),
        None => format!("until {}", session.expires_at.ahead()),
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    let bold = |text: &&str| if in_colour() { Cell::new(text).add_attribute(Attribute::Bold) } else { Cell::new(text) };
    table.set_header(header.iter().map(bold));
    table
}

fn status(word: &str) -> Cell {
    let colour = match word {
        "ACTIVE" | "APPLIED" => Color::Green,
        "PARTIAL" => Color::Yellow,
        "FAILED" | "DENIED" => Color::Red,
        "REQUESTED" | "PENDING" | "EXPIRING" | "REMOVING" => Color::Blue,
        _ => Color::Grey,
    };
    if in_colour() { Cell::new(word).fg(colour) } else { Cell::new(word) }
}

/// Whether colours help: on a terminal whose owner did not ask for none.
fn in_colour() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !unwanted
}
