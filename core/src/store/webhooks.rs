//! How far webhooks' receivers have been told: a place in the audit log for each, and a lease on it.

use sqlx::Row;

use super::rows::Reader;
use super::{StoreError, Tx};
use crate::domain::{AuditEntry, Span, Timestamp, WebhookName};

/// Entries looked at for the next one that is wanted.
const WINDOW: i64 = 200;

/// What a receiver is to be told next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Whom it is for.
    pub webhook: WebhookName,
    /// The audit log's entry.
    pub entry: AuditEntry,
    /// What was sent before and not taken.
    pub body: Option<String>,
    /// How often that was tried.
    pub attempts: u32,
    // Until when it is ours to send; an outcome is recorded only as long as nobody else has taken it.
    lease_until: Timestamp,
}

/// What became of a delivery that was not taken.
#[derive(Clone, Debug)]
pub struct Undelivered<'a> {
    /// What was sent, to be sent again as it is.
    pub body: &'a str,
    /// Why it was not taken.
    pub error: &'a str,
    /// When to try again.
    pub due_at: Timestamp,
}

impl Tx {
    /// Makes a webhook known: it is told of what happens from here on. One whose address is another begins where it was, and anew.
    pub async fn know_webhook(&mut self, name: &WebhookName, url: &str) -> Result<(), StoreError> {
        self.write_entries().await?;
        sqlx::query(
            "INSERT INTO webhooks (name, url, next_seq) SELECT $1, $2, seq + 1 FROM audit_head WHERE TRUE
             ON CONFLICT (name) DO UPDATE SET url = excluded.url, due_at = 0, disabled_at = NULL WHERE webhooks.url <> excluded.url",
        )
        .bind(name.as_str())
        .bind(url)
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Takes the next delivery to a receiver for `hold`, if one is due and nobody else is at it. Entries that are not wanted are
    /// passed over.
    pub async fn take_delivery(
        &mut self,
        name: &WebhookName,
        wanted: impl Fn(&AuditEntry) -> bool,
        hold: Span,
    ) -> Result<Option<Delivery>, StoreError> {
        let sql = self.dialect.pick(
            "SELECT name, next_seq, body, attempts FROM webhooks WHERE name = $1 AND lease_until <= $2 AND due_at <= $2 AND disabled_at IS NULL",
            "SELECT name, next_seq, body, attempts FROM webhooks WHERE name = $1 AND lease_until <= $2 AND due_at <= $2 AND disabled_at IS NULL
             FOR UPDATE SKIP LOCKED",
        );
        let query = sqlx::query(sql).bind(name.as_str()).bind(self.now.as_millis());
        let Some(row) = query.fetch_optional(&mut *self.inner).await? else { return Ok(None) };
        let read = Reader::new(&row, "webhooks", "name")?;
        let (next, body) = (read.number("next_seq")?, read.optional_text("body")?);
        let attempts = u32::try_from(read.number("attempts")?).unwrap_or(u32::MAX);
        self.write_entries().await?;
        // Entries are in the order in which they were committed: none can still come before the head.
        let row = sqlx::query("SELECT seq FROM audit_head").fetch_one(&mut *self.inner).await?;
        let head: i64 = row.try_get("seq")?;
        if next > head {
            return Ok(None);
        }
        let entries = self.session_entries(next, head, WINDOW).await?;
        let whole = i64::try_from(entries.len()).is_ok_and(|found| found < WINDOW);
        let last = entries.last().map_or(head, |entry| entry.seq);
        let Some(entry) = entries.into_iter().find(wanted) else {
            self.pass_over(name, if whole { head } else { last }).await?;
            return Ok(None);
        };
        // What was sent before was of the entry that was next then: another is wanted where the events are others by now.
        let (body, attempts) = if entry.seq == next { (body, attempts) } else { (None, 0) };
        let lease_until = self.now.plus(hold);
        sqlx::query("UPDATE webhooks SET lease_until = $1, next_seq = $2 WHERE name = $3")
            .bind(lease_until.as_millis())
            .bind(entry.seq)
            .bind(name.as_str())
            .execute(&mut *self.inner)
            .await?;
        Ok(Some(Delivery { webhook: name.clone(), entry, body, attempts, lease_until }))
    }

    async fn pass_over(&mut self, name: &WebhookName, up_to: i64) -> Result<(), StoreError> {
        sqlx::query("UPDATE webhooks SET next_seq = $1, attempts = 0, body = NULL, error = NULL WHERE name = $2")
            .bind(up_to.saturating_add(1))
            .bind(name.as_str())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Goes on to the next entry: this one was taken, or is given up. False where somebody else has it by now.
    pub async fn delivery_done(&mut self, delivery: &Delivery) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE webhooks SET next_seq = $1, lease_until = 0, due_at = 0, attempts = 0, body = NULL, error = NULL
             WHERE name = $2 AND lease_until = $3",
        )
        .bind(delivery.entry.seq.saturating_add(1))
        .bind(delivery.webhook.as_str())
        .bind(delivery.lease_until.as_millis())
        .execute(&mut *self.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Keeps a delivery for another try. False where somebody else has it by now.
    pub async fn delivery_failed(&mut self, delivery: &Delivery, outcome: &Undelivered<'_>) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE webhooks SET lease_until = 0, due_at = $1, attempts = attempts + 1, body = $2, error = $3
             WHERE name = $4 AND lease_until = $5",
        )
        .bind(outcome.due_at.as_millis())
        .bind(outcome.body)
        .bind(outcome.error)
        .bind(delivery.webhook.as_str())
        .bind(delivery.lease_until.as_millis())
        .execute(&mut *self.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Sends nothing to a receiver any more, until its address is another. False where somebody else has said so.
    pub async fn disable_webhook(&mut self, delivery: &Delivery, error: &str) -> Result<bool, StoreError> {
        let done =
            sqlx::query("UPDATE webhooks SET lease_until = 0, disabled_at = $1, error = $2 WHERE name = $3 AND lease_until = $4")
                .bind(self.now.as_millis())
                .bind(error)
                .bind(delivery.webhook.as_str())
                .bind(delivery.lease_until.as_millis())
                .execute(&mut *self.inner)
                .await?;
        Ok(done.rows_affected() == 1)
    }
}
