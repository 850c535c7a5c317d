//! Several replicas on one Postgres, some of which die, or stand still for longer than their leases last.

use std::time::{Duration, Instant};

use entryguard_tests::{Call, Chance, Crowd, Database, Server, World, eventually};

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
    eventually("the thawed server finds its lease lost", A_WHILE, async || {
        let log = server.log();
        if log.contains("the lease was lost") { Ok(()) } else { Err("no word of it in its log".to_owned()) }
    })
    .await;
}

/// Replicas in all; one at a time dies, or stands still for longer than a lease lasts.
const REPLICAS: usize = 3;
/// A rule that is there for so long after its session's end has leaked: a frozen replica's lease, and a removal that is tried again.
const LEAKED_AFTER: Duration = Duration::from_secs(60);
/// Longer than a lease.
const LONG_FROZEN: Duration = Duration::from_secs(17);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_i2_i7_three_replicas_that_die_and_freeze_at_random_leave_nothing_open_and_cut_nothing() {
    let mut chance = Chance::seeded(3);
    let mut world = Crowd::members(World::on(Database::Postgres).with_groups(3)).start().await;
    world.proxy.slow_down(Duration::from_millis(100));
    let mut replicas = vec![world.another_server().await, world.another_server().await, world.another_server().await];
    assert_eq!(replicas.len(), REPLICAS);
    world.server.kill_9();
    let addresses: Vec<_> = replicas.iter().map(Server::address).collect();
    let watch = world.watch(LEAKED_AFTER).await;
    let mut crowd = Crowd::of(&world.slack, chance.split());
    let frozen = tokio::select! {
        frozen = disturb(&mut replicas, &mut chance) => frozen,
        () = crowd.work(|chance| chance.pick(&addresses).clone()) => Vec::new(),
    };
    for group in &world.groups {
        eventually(&format!("{group} is closed"), LEAKED_AFTER, async || {
            let rules = world.rules_of(group).await;
            if rules.is_empty() { Ok(()) } else { Err(format!("{rules:#?}")) }
        })
        .await;
    }
    let findings = watch.end().await;
    let sessions = world.records().await.sessions().await;
    assert!(findings.leaked.is_empty() && findings.cut.is_empty(), "{sessions} sessions: {findings:#?}");
    assert!(sessions >= 10 && findings.looks > 100, "{sessions} sessions and {} looks show nothing", findings.looks);
    assert_eq!(world.records().await.what_the_audit_log_gets_wrong().await, [""; 0]);
    assert_eq!(who_changed_one_group_at_once(&world.proxy.calls(), &frozen), [""; 0]);
    world.finish().await;
}

/// Kills, and freezes past a lease, one replica at a time; who was frozen when.
async fn disturb(replicas: &mut [Server], chance: &mut Chance) -> Vec<(String, Instant, Instant)> {
    let mut frozen = Vec::new();
    for round in 0..4 {
        tokio::time::sleep(chance.between(Duration::from_secs(1), Duration::from_secs(3))).await;
        let replica = &mut replicas[chance.below(REPLICAS)];
        if round % 2 == 0 {
            replica.restart().await;
        } else {
            let since = Instant::now();
            replica.freeze();
            tokio::time::sleep(LONG_FROZEN).await;
            replica.thaw();
            frozen.push((replica.access_key().to_owned(), since, Instant::now()));
        }
    }
    frozen
}

/// I7: changes of one group by two replicas at the same time, but for those of a replica that stood still with its call under way.
fn who_changed_one_group_at_once(calls: &[Call], frozen: &[(String, Instant, Instant)]) -> Vec<String> {
    let changes = |call: &&Call| call.action.ends_with("SecurityGroupIngress");
    let group = |call: &Call| call.form.iter().find(|(name, _)| name == "GroupId").map(|(_, id)| id.clone());
    let stood_still = |call: &Call| {
        frozen.iter().any(|(who, since, until)| {
            *who == call.caller && call.started < *until && call.ended.is_none_or(|ended| ended > *since)
        })
    };
    let changes: Vec<_> = calls.iter().filter(changes).filter(|call| !stood_still(call)).collect();
    let mut wrong = Vec::new();
    for (index, one) in changes.iter().enumerate() {
        for other in &changes[index + 1..] {
            let overlap = one.ended.is_some_and(|ended| other.started < ended) && one.started <= other.started;
            if overlap && one.caller != other.caller && group(one) == group(other) {
                wrong.push(format!("{} by {} while {} by {}", other.action, other.caller, one.action, one.caller));
            }
        }
    }
    wrong
}
