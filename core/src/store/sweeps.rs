//! What sweeps ended with, and what they found that people should be told of.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;

use super::rows::Reader;
use super::{StoreError, Tx};
use crate::domain::foreign_text::one_line;
use crate::domain::{AuditId, Drift, DriftKind, ProviderRuleId, ResourceName, Span, Timestamp};
use crate::random::Random;

/// What the last sweep of a resource ended with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastSweep {
    /// When it was.
    pub at: Option<Timestamp>,
    /// Why the resource could not be swept.
    pub error: Option<String>,
    /// Rules that it left for the next one to confirm.
    pub held_back: BTreeSet<ProviderRuleId>,
    /// Rules of ours without our mark.
    pub unmarked: BTreeSet<ProviderRuleId>,
}

#[derive(Serialize, Deserialize)]
struct StoredRules {
    held_back: Vec<String>,
    unmarked: Vec<String>,
}

impl Tx {
    /// What the last sweep of a resource ended with.
    pub async fn last_sweep(&mut self, resource: &ResourceName) -> Result<Option<LastSweep>, StoreError> {
        let row = sqlx::query("SELECT resource, at, error, held_back FROM sweeps WHERE resource = $1")
            .bind(resource.as_str())
            .fetch_optional(&mut *self.inner)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let read = Reader::new(&row, "sweeps", "resource")?;
        let rules: StoredRules = read.parsed("held_back", |text| serde_json::from_str(text).ok())?;
        let ids = |ids: Vec<String>| ids.into_iter().map(ProviderRuleId::from_stored).collect();
        let (held_back, unmarked) = (ids(rules.held_back), ids(rules.unmarked));
        Ok(Some(LastSweep { at: read.optional_time("at")?, error: read.optional_text("error")?, held_back, unmarked }))
    }

    /// When each resource was swept last, and why it could not be, if it could not.
    pub async fn last_sweeps(&mut self) -> Result<BTreeMap<ResourceName, (Timestamp, Option<String>)>, StoreError> {
        let rows = sqlx::query("SELECT resource, at, error FROM sweeps").fetch_all(&mut *self.inner).await?;
        let swept = |row: &AnyRow| {
            let read = Reader::new(row, "sweeps", "resource")?;
            Ok((read.resource("resource")?, (read.time("at")?, read.optional_text("error")?)))
        };
        rows.iter().map(swept).collect()
    }

    /// Writes what a sweep ended with.
    pub async fn save_sweep(&mut self, resource: &ResourceName, sweep: &LastSweep) -> Result<(), StoreError> {
        let texts = |ids: &BTreeSet<ProviderRuleId>| ids.iter().map(|id| id.as_str().to_owned()).collect();
        let rules = StoredRules { held_back: texts(&sweep.held_back), unmarked: texts(&sweep.unmarked) };
        sqlx::query(
            "INSERT INTO sweeps (resource, at, error, held_back) VALUES ($1, $2, $3, $4)
             ON CONFLICT (resource) DO UPDATE SET at = excluded.at, error = excluded.error, held_back = excluded.held_back",
        )
        .bind(resource.as_str())
        .bind(sweep.at.unwrap_or(self.now).as_millis())
        .bind(sweep.error.as_deref())
        .bind(serde_json::json!(rules).to_string())
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Writes down something that is not as it should be.
    pub async fn note_drift(&mut self, drift: &Drift, random: &dyn Random) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO drifts (id, at, kind, resource, what) VALUES ($1, $2, $3, $4, $5)")
            .bind(AuditId::new(drift.at, random).as_str())
            .bind(drift.at.as_millis())
            .bind(drift.kind.as_str())
            .bind(drift.resource.as_ref().map(ResourceName::as_str))
            .bind(one_line(&drift.what))
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Takes what people have not been told of yet, for `hold`: if it is not told by then, somebody else takes it. The oldest first.
    pub async fn take_untold_drifts(&mut self, at_most: u32, hold: Span) -> Result<Vec<Drift>, StoreError> {
        let rows = sqlx::query(
            "UPDATE drifts SET taken_at = $1 WHERE id IN
               (SELECT id FROM drifts WHERE told_at IS NULL AND (taken_at IS NULL OR taken_at <= $2) ORDER BY at, id LIMIT $3)
             RETURNING id, at, kind, resource, what",
        )
        .bind(self.now.as_millis())
        .bind(self.now.minus(hold).as_millis())
        .bind(i64::from(at_most))
        .fetch_all(&mut *self.inner)
        .await?;
        let mut drifts = rows.iter().map(drift_from).collect::<Result<Vec<_>, _>>()?;
        drifts.sort_by_key(|drift| drift.at);
        Ok(drifts)
    }

    /// What was found lately, the newest first.
    pub async fn newest_drifts(&mut self, at_most: u32) -> Result<Vec<Drift>, StoreError> {
        let rows = sqlx::query("SELECT id, at, kind, resource, what FROM drifts ORDER BY at DESC, id DESC LIMIT $1")
            .bind(i64::from(at_most))
            .fetch_all(&mut *self.inner)
            .await?;
        rows.iter().map(drift_from).collect()
    }

    /// People have been told of what was taken then.
    pub async fn drifts_told(&mut self, taken_at: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE drifts SET told_at = $1 WHERE told_at IS NULL AND taken_at = $2")
            .bind(self.now.as_millis())
            .bind(taken_at.as_millis())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }
}

fn drift_from(row: &AnyRow) -> Result<Drift, StoreError> {
    let read = Reader::new(row, "drifts", "id")?;
    Ok(Drift {
        at: read.time("at")?,
        kind: read.parsed("kind", DriftKind::parse)?,
        resource: read.optional_parsed("resource", |text| ResourceName::new(text).ok())?,
        what: read.text("what")?,
    })
}
