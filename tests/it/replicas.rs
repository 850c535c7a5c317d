//! Several replicas on one Postgres, some of which die, or stand still for longer than their leases last.

use std::time::Duration;

use entryguard_tests::{Database, Server, World};

const HOME: &str = "93.184.216.34";
const CAFE: &str = "93.184.216.35";
const LAB: &str = "93.184.216.36";
const HOME_CIDR: &str = "93.184.216.34/32";
const LAB_CIDR: &str = "93.184.216.36/32";

/// A call that takes so long is met under way.
const FAR_AWAY: Duration = Duration::from_secs(2);
/// A lease lasts 15 s; whoever takes over then has calls of its own to make.
const TAKEN_OVER: Duration = Duration::from_secs(60);
/// What a thawed replica does it does at once.
const A_WHILE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_a_replica_that_thaws_after_its_lease_records_nothing() {
    let mut world = World::on(Database::Postgres).with_groups(1).member("ana", "U111").start().await;
    world.patience = TAKEN_OVER;
    let other = world.another_server().await;
    world.proxy.slow_down(FAR_AWAY);
    world.start_session("U111", "1h", HOME).await;
    let adding = world.proxy.wait_for_one_under_way("AuthorizeSecurityGroupIngress").await;
    let (frozen, awake) = who(&adding.caller, &world.server, &other);
    frozen.freeze();
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
    world.proxy.slow_down(Duration::ZERO);
    world.slack.to_server().at_server(&awake.address()).command("U111", "stop").await;
    world.wait_until_group_allows(&world.groups[0], &[]).await;

    frozen.thaw();
    wait_until_dropped(frozen).await;
    world.wait_until_over(&["CANCELLED"]).await;
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    let audit = world.records().await.audit().await;
    assert!(audit.iter().all(|entry| entry.action != "rule.applied"), "it recorded what it was told too late: {audit:#?}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_a_replica_that_thaws_between_two_calls_opens_nothing_for_a_session_that_is_over() {
    let members = World::on(Database::Postgres).with_groups(1).member("ana", "U111").member("bo", "U222").member("cy", "U333");
    let mut world = members.start().await;
    (world.patience, world.until_over) = (TAKEN_OVER, world.until_over.max(TAKEN_OVER));
    let group = &world.groups[0];
    let other = world.another_server().await;
    world.start_session("U111", "1h", HOME).await;
    world.wait_until_thread_says("ACTIVE").await;
    // One pass is under way while ana's session ends and bo's begins: the next one has to remove a rule, and then to add one.
    world.proxy.slow_down(FAR_AWAY);
    world.start_session("U333", "1h", LAB).await;
    world.proxy.wait_for_one_under_way("AuthorizeSecurityGroupIngress").await;
    world.slack.command("U111", "stop").await;
    world.start_session("U222", "1h", CAFE).await;
    let removing = world.proxy.wait_for_one_under_way("RevokeSecurityGroupIngress").await;
    let (frozen, awake) = who(&removing.caller, &world.server, &other);
    frozen.freeze();
    world.slack.to_server().at_server(&awake.address()).command("U222", "stop").await;
    world.wait_until_group_allows(group, &[LAB_CIDR]).await;
    world.proxy.slow_down(Duration::ZERO);
    world.wait_until_over_where("bo's thread", &["CANCELLED"], |thread| thread.says("*bo*")).await;

    frozen.thaw();
    wait_until_dropped(frozen).await;
    tokio::time::sleep(A_WHILE).await;
    world.wait_until_group_allows(group, &[LAB_CIDR]).await;
    world.slack.command("U333", "stop").await;
    world.wait_until_group_allows(group, &[]).await;
    world.finish().await;
}

/// The server that called, and the other one.
fn who<'a>(caller: &str, one: &'a Server, other: &'a Server) -> (&'a Server, &'a Server) {
    if one.access_key() == caller { (one, other) } else { (other, one) }
}

/// Waits until a thawed server has found out that its lease is lost.
async fn wait_until_dropped(server: &Server) {
    entryguard_tests::eventually("the thawed server finds its lease lost", A_WHILE, async || {
        let log = server.log();
        if log.contains("the lease was lost") { Ok(()) } else { Err("no word of it in its log".to_owned()) }
    })
    .await;
}
