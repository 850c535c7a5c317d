//! Who runs a command, as far as the system says; the audit log keeps it.

use entryguard_core::domain::foreign_text::one_line;

/// Their name.
pub fn operator() -> String {
    let mut named = ["SUDO_USER", "USER", "LOGNAME"].iter().filter_map(|name| std::env::var(name).ok());
    named.find_map(|name| Some(one_line(&name)).filter(|name| !name.is_empty())).unwrap_or_else(|| "operator".to_owned())
}
