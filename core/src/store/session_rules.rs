//! Session rules: what each session wants of each opening, and what it shows.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::rows::Reader;
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

    /// What a session's rules show, in no order.
    pub async fn rule_statuses(&mut self, session: &SessionId) -> Result<Vec<RuleStatus>, StoreError> {
        // Grouped, because a session may have hundreds of rules, and each pass reads them twice.
        let rows = sqlx::query(
            "SELECT MIN(id) AS id, status, COUNT(*) AS rules FROM session_rules WHERE session = $1 AND quarantined_at IS NULL
             GROUP BY status",
        )
        .bind(session.as_str())
        .fetch_all(&mut *self.inner)
        .await?;
        let mut statuses = Vec::new();
        for row in &rows {
            let read = Reader::new(row, "session_rules", "id")?;
            let (status, rules) = (read.parsed("status", RuleStatus::parse)?, read.number("rules")?);
            statuses.extend(std::iter::repeat_n(status, usize::try_from(rules).unwrap_or_default()));
        }
        Ok(statuses)
    }

    /// The rules that hang on an opening and are not removed, by session.
    pub async fn rules_on(&mut self, opening: &OpeningId) -> Result<Vec<SessionRule>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM {TABLES}
             WHERE session_rules.opening = $1 AND session_rules.status <> 'REMOVED' AND session_rules.quarantined_at IS NULL
             ORDER BY session_rules.session, session_rules.id"
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(opening.as_str()).fetch_all(&mut *self.inner).await?;
        rows.iter().map(rule_from).collect()
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
