//! Who runs a command, as far as the system says; the audit log keeps it.

/// Their name.
pub fn operator() -> String {
    ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok()).unwrap_or_else(|| "operator".to_owned())
}
