//! One life of the server, as `wiring` would put it together: it dies, and another one starts on the same database and cloud.

use std::path::Path;
use std::sync::Arc;

use entryguard_core::clock::{Clock, ManualClock};
use entryguard_core::config::Settings;
use entryguard_core::domain::{DeploymentId, LaterReads, ResourceName};
use entryguard_core::engine::Engine;
use entryguard_core::provider::{Allowlist, Allowlists, SimCloud};
use entryguard_core::random::SharedRandom;
use entryguard_core::reconcile::{Nudges, Pulse, Reconciler, ReconcilerParts, SweepPace};
use entryguard_core::store::{Store, StoreUrl};

/// The parts of each resource.
pub const PARTS: [(&str, &[&str]); 2] = [("bastion", &["tcp 22"]), ("database", &["tcp 5432", "tcp 6432"])];
/// The longest that a session may be.
pub const LONGEST_HOURS: i64 = 8;

const CONFIG: &str = r#"
[organization]
name = "Acme"
tier = "team"
[[tier]]
name = "team"
durations = ["1h", "2h"]
default_duration = "2h"
max_duration = "24h"
max_sessions_per_member = 1000
[[credential]]
name = "prod"
provider = "aws"
[[resource]]
name = "bastion"
provider = "aws"
type = "security_group"
id = "sg-1"
region = "eu-west-1"
credential = "prod"
ports = [{ protocol = "tcp", from = 22, to = 22 }]
[[resource]]
name = "database"
provider = "aws"
type = "security_group"
id = "sg-2"
region = "eu-west-1"
credential = "prod"
ports = [{ protocol = "tcp", from = 5432, to = 5432 }, { protocol = "tcp", from = 6432, to = 6432 }]
[[member]]
name = "ana"
identities = ["slack:T/ANA"]
[[member]]
name = "bo"
identities = ["slack:T/BO"]
[[member]]
name = "cy"
identities = ["slack:T/CY"]
[[role]]
name = "developers"
members = ["ana", "bo"]
resources = ["bastion", "database"]
max_duration = "8h"
[[role]]
name = "visitors"
members = ["cy"]
resources = ["bastion"]
max_duration = "8h"
"#;

/// What a process holds in memory, and loses when it dies.
pub struct Process {
    pub engine: Engine,
    pub reconciler: Arc<Reconciler>,
    pub store: Arc<Store>,
    pub deployment: DeploymentId,
    pub pulse: Arc<Pulse>,
}

impl Process {
    pub async fn start(url: &str, cloud: &Arc<SimCloud>, clock: &Arc<ManualClock>, random: &SharedRandom) -> Self {
        let directory = Arc::new(Settings::parse(CONFIG, Path::new("test"), &|_| None).unwrap().directory);
        let time = || Arc::clone(clock) as Arc<dyn Clock>;
        let url = StoreUrl::parse(url).unwrap();
        let store = Store::open(&url, time()).await.unwrap().on_the_tests_time();
        let deployment = store.know(&directory, random.as_ref()).await.unwrap();
        let store = Arc::new(store);
        let allowlists: Allowlists = PARTS
            .iter()
            .map(|(name, parts)| {
                let name = ResourceName::new(*name).unwrap();
                let allowlist = cloud.allowlist(name.clone(), deployment.clone(), parts);
                (name, Arc::new(allowlist) as Arc<dyn Allowlist>)
            })
            .collect();
        let (nudges, pulse) = (Arc::new(Nudges::default()), Arc::new(Pulse::default()));
        let reconciler = Arc::new(Reconciler::new(ReconcilerParts {
            store: Arc::clone(&store),
            allowlists: Arc::new(allowlists),
            deployment: deployment.clone(),
            random: Arc::clone(random),
            nudges: Arc::clone(&nudges),
            pulse: Arc::clone(&pulse),
            later_reads: LaterReads::default(),
            sweep_pace: SweepPace::STEP_BY_STEP,
        }));
        let engine = Engine::new(Arc::clone(&store), directory, time(), Arc::clone(random), nudges, Arc::clone(&pulse));
        Self { engine, reconciler, store, deployment, pulse }
    }
}
