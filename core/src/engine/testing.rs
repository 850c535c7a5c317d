//! An engine of the tests': on SQLite, by a clock of theirs.

use std::path::Path;
use std::sync::Arc;

use super::Engine;
use crate::clock::{Clock, ManualClock};
use crate::config::Settings;
use crate::domain::{Directory, Timestamp};
use crate::random::SystemRandom;
use crate::store::{Store, StoreUrl};

/// What every test's organization begins with.
const ORGANIZATION: &str = r#"
[organization]
name = "Acme"
tier = "team"
[[tier]]
name = "team"
durations = ["1h"]
default_duration = "1h"
max_duration = "1h"
"#;

/// An engine, for as long as its folder is there.
pub(super) struct OnSqlite {
    /// The engine.
    pub engine: Engine,
    /// What it takes the time from.
    pub clock: Arc<ManualClock>,
    /// Where its database is.
    pub url: String,
    _folder: tempfile::TempDir,
}

impl OnSqlite {
    /// One that goes by this configuration.
    pub async fn with(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
        let time = Arc::clone(&clock) as Arc<dyn Clock>;
        let directory = directory(config);
        let url = format!("sqlite://{}", folder.path().join("test.db").display());
        let store_url = StoreUrl::parse(&url).unwrap();
        let (store, _) = Store::open_for(&store_url, &directory, Arc::clone(&time), &SystemRandom).await.unwrap();
        let engine = Engine::new(Arc::new(store), directory, time, Arc::new(SystemRandom), Arc::default(), Arc::default());
        Self { engine, clock, url, _folder: folder }
    }
}

/// What a configuration says of people.
pub(super) fn directory(config: &str) -> Arc<Directory> {
    Arc::new(Settings::parse(&format!("{ORGANIZATION}{config}"), Path::new("test"), &|_| None).unwrap().directory)
}
