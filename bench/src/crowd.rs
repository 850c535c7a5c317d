//! Many live sessions at once, the same in the database and in the cloud: each has one rule on one group.
//!
//! They are written as SQL on the tables, which nothing but the store does elsewhere: through the use cases 100,000 of them would
//! take an hour. Where a migration changes a table, the statements below fail and say so.

use anyhow::Context;
use entryguard_core::domain::{DeploymentId, OpeningId, ProviderRuleId, RulePart, Span, Timestamp};
use entryguard_core::provider::{Mark, SeenRule};
use ipnet::{IpNet, Ipv4Net};

use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};

use crate::cloud::PART;
use crate::world::group_name;

/// Ids have eight digits, the first of them a one.
const BASE: usize = 10_000_000;

/// Sessions of one kind.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// The number of the first one; no two crowds share numbers.
    pub first: usize,
    /// How many.
    pub count: usize,
    /// On how many groups, in turn.
    pub groups: usize,
    /// When they started.
    pub started_at: Timestamp,
    /// When the first one ends.
    pub first_end: Timestamp,
    /// How much later each next one ends, in milliseconds.
    pub apart: usize,
}

impl Crowd {
    /// Sessions that are far from their end.
    pub fn far_from_the_end(count: usize, groups: usize, now: Timestamp) -> Self {
        let (started_at, first_end) = (now.minus(Span::from_hours(1)), now.plus(Span::from_hours(6)));
        Self { first: 0, count, groups, started_at, first_end, apart: 10 }
    }

    /// Writes them all.
    pub async fn insert(&self, url: &str) -> anyhow::Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(url).await?;
        let mut tx = connection.begin().await?;
        for sql in self.statements() {
            let done = tx.execute(sqlx::query(AssertSqlSafe(sql.clone()))).await;
            done.with_context(|| format!("the crowd could not be written; the tables may have changed: {sql}"))?;
        }
        tx.commit().await?;
        // Postgres would know by itself after a while; SQLite would not.
        if url.starts_with("postgres") {
            connection.execute("ANALYZE").await?;
        }
        Ok(connection.close().await?)
    }

    /// When the rule of each ends, by the cloud's name of it.
    pub fn ends(&self) -> impl Iterator<Item = (ProviderRuleId, Timestamp)> {
        (self.first..self.first + self.count).map(|i| (rule_id(i), self.end(i)))
    }

    /// How many rules they have on a group.
    pub fn count_on(&self, group: usize) -> usize {
        if group < self.groups { (self.count + self.groups - 1 - group) / self.groups } else { 0 }
    }

    /// The rules that they have on a group.
    pub fn rules_on(&self, group: usize, owner: &DeploymentId) -> impl Iterator<Item = SeenRule> {
        (0..self.count_on(group)).map(move |nth| self.rule(self.first + nth * self.groups + group, owner))
    }

    fn rule(&self, i: usize, owner: &DeploymentId) -> SeenRule {
        let mark = Mark { owner: owner.clone(), openings: vec![opening_id(i)], expires_at: Some(self.end(i)) };
        SeenRule { id: rule_id(i), source: source(i), part: RulePart(PART.to_owned()), mark: Some(mark) }
    }

    fn end(&self, i: usize) -> Timestamp {
        let later = i64::try_from((i - self.first) * self.apart).unwrap_or(i64::MAX);
        self.first_end.plus(Span::from_millis(later))
    }

    /// Both databases read them. An id is the number behind a UUID's first digits, as below.
    fn statements(&self) -> Vec<String> {
        let Self { first, count, groups, apart, .. } = self;
        let (start, end, last) = (self.started_at.as_millis(), self.first_end.as_millis(), first + count);
        let crowd = format!("WITH RECURSIVE crowd(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM crowd WHERE i + 1 < {last})");
        let address = "'45.' || (i / 65536) || '.' || (i / 256 % 256) || '.' || (i % 256)";
        let id = |kind: &str| format!("'{}' || ({BASE} + i)", id_prefix(kind));
        let (session, opening, rule) = (id("session"), id("opening"), id("rule"));
        let group = format!("'{}' || ((i - {first}) % {groups})", group_name(""));
        let held = format!(r#"'[{{"id":"sgr-' || ({BASE} + i) || '","part":"{PART}","owner":"ours"}}]'"#);
        let ends = format!("{end} + (i - {first}) * {apart}");
        let event = |nth: usize, action: &str| {
            let seq = format!("(SELECT seq FROM audit_head) + (i - {first}) * 2 + {nth}");
            let id = format!("'{}' || ({BASE} + i)", id_prefix(action));
            format!(
                "INSERT INTO audit_events (id, seq, at, actor, surface, action, session, details) {crowd}
                 SELECT {id}, {seq}, {start}, 'user', 'slack', '{action}', {session}, '{{}}' FROM crowd"
            )
        };
        vec![
            format!(
                "INSERT INTO sessions (id, member, surface, ipv4, started_at, expires_at) {crowd}
                 SELECT {session}, 'user-' || (i % 500), 'slack', {address}, {start}, {ends} FROM crowd"
            ),
            format!(
                "INSERT INTO openings (id, resource, address, state, rules, marked_until, created_at, present_at) {crowd}
                 SELECT {opening}, {group}, {address}, 'PRESENT', {held}, {ends}, {start}, {start} FROM crowd"
            ),
            format!(
                "INSERT INTO session_rules (id, session, resource, address, opening, status, applied_at) {crowd}
                 SELECT {rule}, {session}, {group}, {address}, {opening}, 'APPLIED', {start} FROM crowd"
            ),
            event(1, "session.started"),
            event(2, "rule.applied"),
            format!("UPDATE audit_head SET seq = seq + {}", 2 * count),
        ]
    }
}

/// The first 28 characters of a UUID, another one for each kind.
fn id_prefix(kind: &str) -> &'static str {
    match kind {
        "session" => "01900000-0000-7000-8000-1000",
        "opening" => "01900000-0000-7000-8000-2000",
        "rule" => "01900000-0000-7000-8000-3000",
        "session.started" => "01900000-0000-7000-8000-4000",
        _ => "01900000-0000-7000-8000-5000",
    }
}

fn opening_id(i: usize) -> OpeningId {
    OpeningId::from_stored(format!("{}{}", id_prefix("opening"), BASE + i))
}

fn rule_id(i: usize) -> ProviderRuleId {
    ProviderRuleId::from_stored(format!("sgr-{}", BASE + i))
}

fn source(i: usize) -> IpNet {
    let [_, a, b, c] = u32::try_from(i).unwrap_or(u32::MAX).to_be_bytes();
    IpNet::V4(Ipv4Net::from(std::net::Ipv4Addr::new(45, a, b, c)))
}
