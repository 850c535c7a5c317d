//! The tables of the configuration that a running server cannot change: where it listens, its database, its chats.

use std::collections::BTreeSet;
use std::fmt;

/// What a reload goes by at once; everything else takes a restart.
const RELOADED: [&str; 8] = ["organization", "tier", "credential", "resource", "member", "role", "schedule", "webhook"];

/// The tables that take a restart, as they are written.
#[derive(Clone, PartialEq)]
pub struct RestartOnly(toml::Table);

impl RestartOnly {
    /// Of a file that was read already.
    pub(super) fn of(text: &str) -> Self {
        let mut tables = toml::from_str::<toml::Table>(text).unwrap_or_default();
        tables.retain(|name, _| !RELOADED.contains(&name));
        Self(tables)
    }

    /// The names of the tables that are others than before.
    pub fn changed_since(&self, old: &Self) -> BTreeSet<String> {
        let names = self.0.keys().chain(old.0.keys());
        names.filter(|name| self.0.get(*name) != old.0.get(*name)).cloned().collect()
    }
}

// A database's URL may have a password in it.
impl fmt::Debug for RestartOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::File;
    use super::*;

    /// Every table that the file may have: who gives one that is none is told them all.
    fn tables() -> BTreeSet<String> {
        let told = toml::from_str::<File>("[nonsense]").err().unwrap().to_string();
        let (_, all) = told.split_once("expected one of ").unwrap();
        all.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn the_guide_names_every_table_that_takes_a_restart() {
        let tables = tables();
        assert!(RELOADED.iter().all(|name| tables.contains(*name)), "{tables:?}");
        let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
        let guide = std::fs::read_to_string(guide).unwrap();
        let (_, named) = guide.split_once("Everything else takes a restart:").unwrap();
        let (named, _) = named.split_once("and the secrets that they name").unwrap();
        let named: BTreeSet<_> = named.split("`[").skip(1).filter_map(|rest| Some(rest.split_once("]`")?.0.to_owned())).collect();
        let restarted: BTreeSet<_> = tables.into_iter().filter(|name| !RELOADED.contains(&name.as_str())).collect();
        assert_eq!(named, restarted);
    }

    #[test]
    fn what_takes_a_restart_is_named_and_shown_to_nobody() {
        let old = RestartOnly::of(
            "[database]\nurl = \"postgres://a:hunter2@db/a\"\n[server]\nlisten = \"127.0.0.1:1\"\n[[member]]\nname = \"a\"",
        );
        let new = RestartOnly::of(
            "[database]\nurl = \"postgres://a:hunter3@db/a\"\n[slack]\nteam_id = \"T\"\n[server]\nlisten = \"127.0.0.1:1\"",
        );
        let changed: Vec<_> = new.changed_since(&old).into_iter().collect();
        assert_eq!(changed, ["database", "slack"]);
        assert!(!format!("{old:?}").contains("hunter2"));
    }
}
