//! Several replicas on one Postgres, some of which die, or stand still for longer than their leases last.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use entryguard_tests::{Call, Chance, Crowd, Database, GroupId, Proxy, Records, SOON, Server, World, eventually};

const HOME: &str = "93.184.216.34";
const CAFE: &str = "93.184.216.35";
const LAB: &str = "93.184.216.36";
const HOME_CIDR: &str = "93.184.216.34/32";
const LAB_CIDR: &str = "93.184.216.36/32";

/// A call that takes so long is met under way.
const FAR_AWAY: Duration = Duration::from_secs(2);
/// A lease lasts 15 s; whoever takes over then has calls of its own to make.
const TAKEN_OVER: Duration = Duration::from_secs(60);
/// Longer than a lease.
const STANDSTILL: Duration = Duration::from_secs(18);
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

#[tokio::test]
async fn i1_a_replica_goes_on_closing_after_one_of_a_later_version_has_added_columns() {
    let world = World::on(Database::Postgres).with_groups(1).admin("ana", "U111").start().await;
    let life = async || {
        let group = &world.groups[0];
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_group_allows(group, &[HOME_CIDR]).await;
        for command in ["extend 1h", "list all", "status"] {
            world.slack.command("U111", command).await;
        }
        world.slack.command("U111", "stop").await;
        world.wait_until_group_allows(group, &[]).await;
    };
    // Its statements are prepared by then.
    life().await;
    world.records().await.add_columns().await;
    life().await;
    assert!(!world.server.log().contains("cached plan"), "{}", world.server.log());
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_three_replicas_that_die_and_stand_still_at_random_act_one_at_a_time() {
    let mut chance = Chance::seeded(3);
    let mut world = Crowd::members(World::on(Database::Postgres).with_groups(3)).sweeping("*/10 * * * * *").start().await;
    let mut others = [world.another_server().await, world.another_server().await];
    world.proxy.slow_down(Duration::from_millis(250));
    let watch = world.watch(TAKEN_OVER).await;
    let mut replicas: Vec<_> = [&mut world.server].into_iter().chain(&mut others).collect();
    let awake = RefCell::new(replicas.iter().map(|replica| replica.address()).collect());
    let mut crowd = Crowd::of(&world.slack, chance.split());
    tokio::select! {
        () = kill_and_freeze(&mut replicas, &world.proxy, &awake, &mut chance) => {}
        () = crowd.work(|chance| chance.pick(&awake.borrow()).clone()) => {}
    }
    world.proxy.slow_down(Duration::ZERO);
    world.wait_until_settled(TAKEN_OVER).await;
    let findings = watch.end().await;
    assert!(findings.leaked.is_empty() && findings.cut.is_empty(), "leaked: {:#?}\ncut: {:#?}", findings.leaked, findings.cut);
    let changes = changes_of(&world.proxy, &findings.rules);
    assert_eq!(overlaps_of(&changes), [""; 0], "two workers acted on one group at once");
    let callers: BTreeSet<_> = changes.iter().map(|(_, call)| call.caller.as_str()).collect();
    assert!(callers.len() > 1, "one replica did everything, so nobody could get in its way: {callers:?}");
    let mut records = world.records().await;
    assert_eq!(records.what_the_audit_log_gets_wrong().await, [""; 0]);
    assert!(records.sessions().await > 5, "so few sessions show nothing");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_a_replica_that_stands_still_inside_a_transaction_holds_nobody_up_for_long() {
    let world = Crowd::members(World::on(Database::Postgres).with_groups(1)).start().await;
    let other = world.another_server().await;
    let mut records = world.records().await;
    let mut crowd = Crowd::of(&world.slack, Chance::seeded(4));
    tokio::select! {
        () = freeze_inside_a_transaction(&world.server, &mut records) => {}
        () = crowd.work(|_| world.server.address()) => {}
    }
    let applied =
        async |records: &mut Records| records.audit().await.iter().filter(|entry| entry.action == "rule.applied").count();
    let before = applied(&mut records).await;
    let opens_again = eventually("the other replica opens something", Duration::from_secs(120), async || {
        let by_now = applied(&mut records).await;
        if by_now > before { Ok(()) } else { Err(format!("{by_now} rules opened, as before")) }
    });
    tokio::select! {
        () = opens_again => {}
        () = crowd.work(|_| other.address()) => {}
    }
    world.server.thaw();
    world.wait_until_settled(TAKEN_OVER).await;
    assert_eq!(records.what_the_audit_log_gets_wrong().await, [""; 0]);
    world.finish().await;
}

/// Stops a server again and again, until it is inside a transaction that has written something.
async fn freeze_inside_a_transaction(server: &Server, records: &mut Records) {
    for attempt in 0..200 {
        server.freeze();
        tokio::time::sleep(Duration::from_millis(300)).await;
        if records.transactions_that_stand_still().await > 0 {
            return;
        }
        server.thaw();
        // A slow machine gets nowhere in a short time, and a quick one is between two transactions after a long one.
        tokio::time::sleep(Duration::from_millis(37 + 10 * (attempt % 40))).await;
    }
    panic!("it was never inside a transaction");
}

/// Kills replicas and starts them again; meanwhile one of them stands still, in the middle of a call, for longer than its lease.
async fn kill_and_freeze(replicas: &mut [&mut Server], proxy: &Proxy, awake: &RefCell<Vec<String>>, chance: &mut Chance) {
    tokio::time::sleep(chance.between(Duration::from_secs(1), Duration::from_secs(3))).await;
    let call = proxy.wait_for_one_under_way("AuthorizeSecurityGroupIngress").await;
    let frozen = replicas.iter().position(|replica| replica.access_key() == call.caller).expect("one of ours called");
    // Whoever is sent to it by the load balancer is none of this test's people.
    awake.borrow_mut().retain(|address| *address != replicas[frozen].address());
    replicas.swap(0, frozen);
    let (still, others) = replicas.split_first_mut().expect("three replicas");
    still.freeze();
    let since = Instant::now();
    while since.elapsed() < STANDSTILL {
        kill_one(others, chance).await;
    }
    still.thaw();
    awake.borrow_mut().push(still.address());
    kill_one(replicas, chance).await;
}

/// Lets them all live for a while, and then kills one and starts it again.
async fn kill_one(replicas: &mut [&mut Server], chance: &mut Chance) {
    tokio::time::sleep(chance.between(Duration::from_millis(500), Duration::from_secs(3))).await;
    let unlucky = chance.below(replicas.len());
    replicas[unlucky].restart().await;
}

/// The calls that changed a group, in order of arrival. A call that marks names rules alone.
fn changes_of(proxy: &Proxy, groups: &BTreeMap<String, GroupId>) -> Vec<(GroupId, Call)> {
    let changes = ["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress", "CreateTags"];
    let group = |call: &Call| {
        let value = |named: &str| call.form.iter().find(|(name, _)| name == named).map(|(_, value)| value.clone());
        value("GroupId").or_else(|| groups.get(&value("ResourceId.1")?).cloned())
    };
    let calls = proxy.calls().into_iter().filter(|call| changes.contains(&call.action.as_str()));
    calls.filter_map(|call| Some((group(&call)?, call))).collect()
}

/// Changes of one group that were under way at once. One worker makes one call after the other, whoever it is.
fn overlaps_of(changes: &[(GroupId, Call)]) -> Vec<String> {
    let told = |group: &str, one: &Call, other: &Call| {
        format!("{group}: {} by {}, and {} by {}", one.action, one.caller, other.action, other.caller)
    };
    let overlaps = changes.iter().enumerate().flat_map(|(index, (group, one))| {
        let later = changes[index + 1..].iter().filter(move |(other_group, _)| other_group == group);
        let at_once = later.filter(|(_, other)| one.ended.is_none_or(|ended| other.started < ended));
        at_once.map(move |(_, other)| told(group, one, other))
    });
    overlaps.collect()
}

/// The server that called, and the other one.
fn who<'a>(caller: &str, one: &'a Server, other: &'a Server) -> (&'a Server, &'a Server) {
    if one.access_key() == caller { (one, other) } else { (other, one) }
}

/// Waits until a thawed server has found out that its lease is lost.
async fn wait_until_dropped(server: &Server) {
    eventually("the thawed server finds its lease lost", SOON, async || {
        let log = server.log();
        if log.contains("the lease was lost") { Ok(()) } else { Err("no word of it in its log".to_owned()) }
    })
    .await;
}
