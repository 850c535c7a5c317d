//! What is to be closed is never a part of a list.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::config::Settings;
use crate::domain::{Addresses, HostAddress, Surface};
use crate::engine::StartRequest;
use crate::random::SystemRandom;
use crate::reconcile::{Nudges, Pulse};
use crate::store::{Store, StoreUrl};

const CONFIG: &str = r#"
[organization]
name = "Acme"
tier = "team"
[[tier]]
name = "team"
durations = ["1h"]
default_duration = "1h"
max_duration = "1h"
[[resource]]
name = "intranet"
provider = "file"
type = "allowlist"
id = "/nowhere/intranet.allow"
[[member]]
name = "ci"
identities = ["slack:T/CI"]
[[role]]
name = "jobs"
members = ["ci"]
resources = ["intranet"]
"#;

#[tokio::test]
async fn i1_whoever_has_more_sessions_than_a_list_shows_loses_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let time: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
    let directory = Arc::new(Settings::parse(CONFIG, Path::new("test"), &|_| None).unwrap().directory);
    let url = StoreUrl::parse(&format!("sqlite://{}", folder.path().join("test.db").display())).unwrap();
    let (store, _) = Store::open_for(&url, &directory, Arc::clone(&time), &SystemRandom).await.unwrap();
    let (nudges, pulse) = (Arc::new(Nudges::default()), Arc::new(Pulse::default()));
    let engine = Engine::new(Arc::new(store), directory, time, Arc::new(SystemRandom), nudges, pulse);
    let caller = engine.caller(&"slack:T/CI".parse().unwrap(), Surface::Slack).unwrap();
    let home = Addresses::new(&[HostAddress::parse("93.184.216.34").unwrap()]).unwrap();
    for _ in 0..=PAGE {
        engine.start(&caller, StartRequest::seen(None, home)).await.unwrap();
    }
    let stopped = engine.stop(&caller, &Which::AllOwn).await.unwrap();
    assert_eq!(stopped.len(), PAGE as usize + 1);
    let mut tx = engine.store.begin().await.unwrap();
    assert!(engine.live_of(&mut tx, caller.name()).await.unwrap().is_empty());
}
