//! Who is gone, and who is back. On SQLite, which has one connection.

use std::time::Duration;

use crate::domain::{Identity, Surface};
use crate::engine::testing::OnSqlite;

const CONFIG: &str = r#"
[[member]]
name = "ana"
identities = ["slack:T/ANA"]
"#;
/// Less than anybody waits for a connection.
const AT_ONCE: Duration = Duration::from_secs(10);

fn ana() -> Identity {
    "slack:T/ANA".parse().unwrap()
}

#[tokio::test]
async fn two_who_hear_at_once_that_somebody_is_back_do_not_wait_for_each_other() {
    let on = OnSqlite::with(CONFIG).await;
    let (engine, ana) = (&on.engine, ana());
    engine.identity_left(&ana, Surface::Slack, "deactivated").await.unwrap();
    assert!(engine.known().departed.contains(&ana));
    let both = async { tokio::join!(engine.identity_returned(&ana), engine.identity_returned(&ana)) };
    let (one, other) = tokio::time::timeout(AT_ONCE, both).await.expect("nobody holds the connection that they wait for");
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    assert!(engine.known().departed.is_empty());
}
