//! Session rules: what each session wants of each opening, and what it shows.

use std::collections::BTreeMap;

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::rows::{Reader, batches, placeholders};
use super::{StoreError, Tx};
use crate::domain::{BlockCause, OpeningId, RuleStatus, SessionId, SessionRule, SessionRuleId, Timestamp};

/// What is read of a session rule, and of its opening.
const COLUMNS: &str = "session_rules.id AS id, session_rules.session AS session, session_rules.resource AS resource,
     session_rules.address AS address, session_rules.opening AS opening, session_rules.status AS status,
     session_rules.applied_at AS applied_at, session_rules.removed_at AS removed_at, session_rules.error AS error,
     openings.rules AS held, blocks.cause AS waits_for";

/// Where it is read: what waits for a blocked resource says so.
const TABLES: &str = "session_rules JOIN openings ON openings.id = session_rules.opening
     LEFT JOIN blocks ON blocks.resource = openings.resource AND blocks.family = openings.family
     AND openings.state = 'ADDING' AND openings.closing = 0";

impl Tx {
    /// Adds a session rule.
    pub async fn insert_rule(&mut self, rule: &SessionRule) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO session_rules (id, session, resource, address, opening, status, applied_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(rule.id.as_str())
        .bind(rule.session.as_str())
        .bind(rule.resource.as_str())
        .bind(rule.address.to_string())
        .bind(rule.opening.as_str())
        .bind(rule.status.as_str())
        .bind(rule.applied_at.map(Timestamp::as_millis))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// A session's rules, by resource and address.
    pub async fn rules_of(&mut self, session: &SessionId) -> Result<Vec<SessionRule>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM {TABLES}
             WHERE session_rules.session = $1 AND session_rules.quarantined_at IS NULL
             ORDER BY session_rules.resource, session_rules.address"
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(session.as_str()).fetch_all(&mut *self.inner).await?;
        rows.iter().map(rule_from).collect()
    }

    /// What the rules of these sessions show, in no order.
    pub async fn rule_statuses<'a>(
        &mut self,
        sessions: impl Iterator<Item = &'a SessionId>,
    ) -> Result<BTreeMap<SessionId, Vec<RuleStatus>>, StoreError> {
        let mut statuses = BTreeMap::<_, Vec<_>>::new();
        for some in batches(sessions.map(SessionId::as_str)) {
            // Grouped, because a session may have hundreds of rules, and each pass reads them twice.
            let sql = format!(
                "SELECT MIN(id) AS id, session, status, COUNT(*) AS rules FROM session_rules
                 WHERE session IN {} AND quarantined_at IS NULL GROUP BY session, status",
                placeholders(1, some.len())
            );
            let query = sqlx::query(AssertSqlSafe(sql));
            let query = some.iter().fold(query, |query, session| query.bind(*session));
            for row in &query.fetch_all(&mut *self.inner).await? {
                let read = Reader::new(row, "session_rules", "id")?;
                let (status, rules) = (read.parsed("status", RuleStatus::parse)?, read.number("rules")?);
                let rules = std::iter::repeat_n(status, usize::try_from(rules).unwrap_or_default());
                statuses.entry(SessionId::from_stored(read.text("session")?)).or_default().extend(rules);
            }
        }
        Ok(statuses)
    }

    /// The rules that hang on an opening and are not removed, by session.
    pub async fn rules_on(&mut self, opening: &OpeningId) -> Result<Vec<SessionRule>, StoreError> {
        Ok(self.rules_on_each(&[opening]).await?.remove(opening).unwrap_or_default())
    }

    /// The same of many openings; none where an opening has none.
    pub async fn rules_on_each(&mut self, openings: &[&OpeningId]) -> Result<BTreeMap<OpeningId, Vec<SessionRule>>, StoreError> {
        let mut rules = BTreeMap::<_, Vec<_>>::new();
        for some in batches(openings.iter().map(|opening| opening.as_str())) {
            let sql = format!(
                "SELECT {COLUMNS} FROM {TABLES}
                 WHERE session_rules.opening IN {} AND session_rules.status <> 'REMOVED' AND session_rules.quarantined_at IS NULL
                 ORDER BY session_rules.session, session_rules.id",
                placeholders(1, some.len())
            );
            let query = sqlx::query(AssertSqlSafe(sql));
            let query = some.iter().fold(query, |query, opening| query.bind(*opening));
            for row in &query.fetch_all(&mut *self.inner).await? {
                let rule = rule_from(row)?;
                rules.entry(rule.opening.clone()).or_default().push(rule);
            }
        }
        Ok(rules)
    }

    /// Writes what a rule shows now. The times are those of the first news and stay.
    pub async fn set_rule(&mut self, rule: &SessionRule, opening: &OpeningId, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE session_rules SET opening = $1, status = $2, error = $3,
             applied_at = CASE WHEN $2 = 'APPLIED' THEN COALESCE(applied_at, $4) ELSE applied_at END,
             removed_at = CASE WHEN $2 = 'REMOVED' THEN COALESCE(removed_at, $4) ELSE removed_at END
             WHERE id = $5",
        )
        .bind(opening.as_str())
        .bind(rule.status.as_str())
        .bind(rule.error.as_deref())
        .bind(now.as_millis())
        .bind(rule.id.as_str())
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// The earliest expiry that those of a session's own openings bear in the cloud which it still wants; nothing where one bears none yet
    /// or is foreign.
    pub(super) async fn marked_until(&mut self, session: &SessionId) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query(
            "SELECT MIN(openings.marked_until) AS marked FROM session_rules
             JOIN openings ON openings.id = session_rules.opening
             WHERE session_rules.session = $1 AND session_rules.quarantined_at IS NULL
             AND session_rules.status NOT IN ('REMOVING', 'REMOVED')",
        )
        .bind(session.as_str())
        .fetch_one(&mut *self.inner)
        .await?;
        Ok(row.try_get::<Option<i64>, _>("marked")?.map(Timestamp::from_millis))
    }
}

fn rule_from(row: &AnyRow) -> Result<SessionRule, StoreError> {
    let read = Reader::new(row, "session_rules", "id")?;
    Ok(SessionRule {
        id: SessionRuleId::from_stored(read.text("id")?),
        session: SessionId::from_stored(read.text("session")?),
        resource: read.resource("resource")?,
        address: read.address("address")?,
        opening: OpeningId::from_stored(read.text("opening")?),
        status: read.parsed("status", RuleStatus::parse)?,
        applied_at: read.optional_time("applied_at")?,
        removed_at: read.optional_time("removed_at")?,
        error: read.optional_text("error")?,
        waits_for: read.optional_parsed("waits_for", BlockCause::parse)?,
        // The opening's own column: whoever reads the opening says where it makes no sense.
        held: super::openings::held_rules(&read.text("held")?).unwrap_or_default(),
    })
}
