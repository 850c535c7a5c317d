//! I6, from outside: the real program dies at each step that it can die at, is started again, and ends where it would have ended.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use entryguard_core::crash::CrashPoint;
use entryguard_tests::{Browser, Database, Fate, Rule, Thread, World, busy, eventually, link_in};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet, spawn_local};

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";
const CAFE: &str = "93.184.216.35";
const ORPHAN: &str = "93.184.216.99/32";
const ANA: &str = "U111";
const BO: &str = "U222";
const CY: &str = "U333";
const SIGABRT: i32 = 6;

/// Histories at once, of both databases together: most of one is waiting for a clock, and the tests beside these need the machine too.
static PLACES: Semaphore = Semaphore::const_new(12);
/// With Postgres, a dead server's leases run out first; and what was never seen is looked for more than once.
const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test]
async fn i6_dead_at_any_step_on_sqlite_and_started_again_it_converges() {
    LocalSet::new().run_until(die_at_every_step(Database::Sqlite)).await;
}

#[tokio::test]
async fn i6_dead_at_any_step_on_postgres_and_started_again_it_converges() {
    LocalSet::new().run_until(die_at_every_step(Database::Postgres)).await;
}

async fn die_at_every_step(database: Database) {
    let _busy = busy().await;
    let mut histories = JoinSet::new();
    for point in CrashPoint::ALL {
        histories.spawn_local(async move {
            let _place = PLACES.acquire().await.unwrap();
            // A task of its own, so that the name of the step is known whatever becomes of it.
            (point.as_str(), spawn_local(history(database, point.as_str())).await)
        });
    }
    let told = histories.join_all().await;
    let failed: Vec<_> = told.iter().filter(|(_, outcome)| outcome.is_err()).map(|(point, _)| *point).collect();
    assert!(failed.is_empty(), "on {database:?}, dead at {failed:?}: see above");
    assert_eq!(told.len(), CrashPoint::ALL.len());
}

/// A history that comes to every step: an orphan to sweep, a shared rule, an extension, a stop, and a session that runs out.
async fn history(database: Database, point: &'static str) {
    let world = World::on(database).with_groups(1).member("ana", ANA).member("bo", BO).member("cy", CY);
    let mut mortal = Mortal { world: world.sweeping("*/5 * * * * *").start().await, point, died: false };
    mortal.begin_with_an_orphan().await;
    mortal.until_allows(&[]).await;

    mortal.start(1, ANA, "1h", HOME).await;
    mortal.until_reads(ANA, "ACTIVE").await;
    let made = mortal.until_allows(&[HOME_CIDR]).await;
    mortal.start(2, BO, "2h", HOME).await;
    mortal.until_reads(BO, "ACTIVE").await;
    mortal.until_marked_after(&made).await;
    let shared = mortal.until_allows(&[HOME_CIDR]).await;
    mortal.ask("session.extended", 1, ANA, "extend 4h").await;
    mortal.until_marked_after(&shared).await;
    mortal.until_reads(ANA, "ACTIVE").await;

    mortal.ask("session.stopped", 1, BO, "stop").await;
    mortal.until_over("*bo*", "CANCELLED").await;
    mortal.start(3, CY, "3s", CAFE).await;
    mortal.until_recorded("session.expired", 1).await;
    let kept = mortal.until_allows(&[HOME_CIDR]).await;
    assert_eq!(kept[0].id, made[0].id, "what ana's live session wants was cut, and made again");
    mortal.until_reads(ANA, "ACTIVE").await;

    mortal.ask("session.stopped", 2, ANA, "stop").await;
    mortal.until_allows(&[]).await;
    mortal.until_over("*ana*", "CANCELLED").await;
    mortal.until_over("*cy*", "EXPIRED").await;
    mortal.end().await;
}

/// A world whose server dies once, at one step, and is started again.
struct Mortal {
    world: World,
    point: &'static str,
    died: bool,
}

impl Mortal {
    /// Starts the server that is to die, with a rule before it that bears its mark and that nobody wants.
    async fn begin_with_an_orphan(&mut self) {
        let world = &mut self.world;
        // Its first sweep is over: killed during it, it would leave a lease behind.
        world.proxy.wait_for("DescribeSecurityGroupRules", 1).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.server.kill_9();
        let owner = world.records().await.deployment().await;
        let tags = [
            ("entryguard:owner", owner.as_str()),
            ("entryguard:opening", "of-nobody"),
            ("entryguard:expires-at", "2100-01-01T00:00:00Z"),
        ];
        world.ec2.authorize_tagged(&world.groups[0], 22, ORPHAN, &tags).await;
        world.server.start_over(&[("ENTRYGUARD_CRASH", &format!("{}:1", self.point))]);
    }

    /// Starts the server again where it has died, and sees to it that it died of what it should.
    async fn look_after(&mut self) {
        let Some(status) = self.world.server.ended() else { return };
        assert!(!self.died, "{}: started again, it died again, {status}", self.point);
        assert_eq!(status.signal(), Some(SIGABRT), "{}: it died of something else, {status}", self.point);
        self.died = true;
        self.world.server.restart().await;
    }

    async fn until<T>(&mut self, what: &str, mut look: impl AsyncFnMut(&World) -> Result<T, String>) -> T {
        let what = format!("dead at {}: {what}", self.point);
        eventually(&what, PATIENCE + self.world.until_over, async || {
            self.look_after().await;
            look(&self.world).await
        })
        .await
    }

    /// Starts a session, asking again until the log has so many starts in all: whoever got no answer looks before asking again.
    async fn start(&mut self, in_all: usize, user: &str, duration: &str, from_ip: &str) {
        self.until(&format!("{in_all} sessions have started"), async |world| {
            if let Err(seen) = recorded(world, "session.started", in_all).await {
                let answer = world.slack.to_server().try_command(user, &format!("start {duration}")).await;
                let link = answer.ok().and_then(|answer| link_in(&answer.body)).ok_or("nobody answered with a link")?;
                Browser::at(from_ip).try_confirm(&link).await.ok_or("nobody answered the browser")?;
                return Err(seen);
            }
            Ok(())
        })
        .await;
    }

    /// Gives a command, and again until the log has so many of what it does.
    async fn ask(&mut self, action: &str, in_all: usize, user: &str, command: &str) {
        self.until(&format!("{in_all} {action}"), async |world| {
            if let Err(seen) = recorded(world, action, in_all).await {
                world.slack.to_server().try_command(user, command).await.map_err(|error| error.to_string())?;
                return Err(seen);
            }
            Ok(())
        })
        .await;
    }

    async fn until_recorded(&mut self, action: &str, times: usize) {
        self.until(&format!("{times} {action}"), async |world| recorded(world, action, times).await).await;
    }

    /// Waits until the newest session of this member reads so.
    async fn until_reads(&mut self, user: &str, status: &str) {
        self.until(&format!("{user}'s session reads {status}"), async |world| {
            let answer = world.slack.to_server().try_command(user, "status").await.map_err(|error| error.to_string())?;
            if answer.says(status) { Ok(()) } else { Err(answer.text()) }
        })
        .await;
    }

    async fn until_allows(&mut self, expected: &[&str]) -> Vec<Rule> {
        self.until(&format!("the group allows {expected:?}"), async |world| {
            let rules = world.rules_of(&world.groups[0]).await;
            let seen: Vec<_> = rules.iter().map(|rule| rule.cidr.as_str()).collect();
            if seen == expected { Ok(rules) } else { Err(format!("{seen:?}")) }
        })
        .await
    }

    /// Waits until the one rule bears a later end than it did.
    async fn until_marked_after(&mut self, before: &[Rule]) {
        let end = |rules: &[Rule]| rules[0].tags["entryguard:expires-at"].clone();
        self.until(&format!("the rule's end is after {}", end(before)), async |world| {
            let rules = world.rules_of(&world.groups[0]).await;
            assert_eq!(rules[0].id, before[0].id, "a rule that is wanted was cut, and made again");
            if end(&rules) > end(before) { Ok(()) } else { Err(end(&rules)) }
        })
        .await;
    }

    /// Waits until a member's thread says how the session ended.
    async fn until_over(&mut self, whose: &str, word: &str) {
        let is_meant = |thread: &Thread| thread.says(whose);
        self.until(&format!("{whose}'s thread says {word}"), async |world| world.look_if_over(&[word], is_meant)).await;
    }

    /// What must hold in the end, wherever it died.
    async fn end(self) {
        let Self { world, point, died } = self;
        assert!(died, "no history comes to {point}");
        for host in [HOME, CAFE] {
            let made = world.proxy.calls_of("AuthorizeSecurityGroupIngress").into_iter();
            let made = made.filter(|call| call.fate == Some(Fate::Answered(200)) && call.mentions(&format!("{host}/32"))).count();
            assert!(made <= 1, "dead at {point}: {host} was let in {made} times");
        }
        let mut records = world.records().await;
        assert_eq!(records.what_the_audit_log_gets_wrong().await, [""; 0], "dead at {point}");
        let audit = records.audit().await;
        let times = |action: &str| audit.iter().filter(|entry| entry.action == action).count();
        assert_eq!((times("session.started"), times("session.extended")), (3, 1), "dead at {point}: {audit:#?}");
        assert_eq!((times("session.stopped"), times("session.expired")), (2, 1), "dead at {point}: {audit:#?}");
        world.finish().await;
    }
}

async fn recorded(world: &World, action: &str, times: usize) -> Result<(), String> {
    let audit = world.records().await.audit().await;
    let found = audit.iter().filter(|entry| entry.action == action).count();
    if found >= times { Ok(()) } else { Err(format!("{found} of {times} {action}")) }
}
