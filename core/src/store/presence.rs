//! Openings that are taken for present, and what reads have said of them since.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::openings::{COLUMNS, opening_from};
use super::rows::Reader;
use super::{StoreError, Tx};
use crate::domain::{Opening, OpeningId, ResourceName, Timestamp};

/// An opening that was seen, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentOpening {
    /// The opening.
    pub opening: Opening,
    /// When it was first seen since it was added last.
    pub since: Option<Timestamp>,
}

impl Tx {
    /// The openings of a resource that are taken for present.
    pub async fn present_openings(&mut self, resource: &ResourceName) -> Result<Vec<PresentOpening>, StoreError> {
        // SQLite uses a partial index only where the query repeats the index's own condition.
        let sql = format!(
            "SELECT {COLUMNS}, present_at FROM openings WHERE resource = $1 AND state <> 'GONE' AND state = 'PRESENT'
             ORDER BY created_at, id"
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(resource.as_str()).fetch_all(&mut *self.inner).await?;
        rows.iter().map(present_from).collect()
    }

    /// An opening, if it is taken for present.
    pub async fn present_opening(&mut self, id: &OpeningId) -> Result<Option<PresentOpening>, StoreError> {
        let sql = format!("SELECT {COLUMNS}, present_at FROM openings WHERE id = $1 AND state = 'PRESENT'");
        let row = sqlx::query(AssertSqlSafe(sql)).bind(id.as_str()).fetch_optional(&mut *self.inner).await?;
        row.as_ref().map(present_from).transpose()
    }

    /// An opening, if it is on its way.
    pub async fn opening_on_its_way(&mut self, id: &OpeningId) -> Result<Option<Opening>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM openings WHERE id = $1 AND state = 'ADDING'");
        let row = sqlx::query(AssertSqlSafe(sql)).bind(id.as_str()).fetch_optional(&mut *self.inner).await?;
        row.as_ref().map(opening_from).transpose()
    }

    /// The openings of a resource that are on their way and that this error keeps from being made.
    pub async fn openings_kept_out(&mut self, resource: &ResourceName, error: &str) -> Result<Vec<Opening>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM openings WHERE resource = $1 AND state <> 'GONE' AND state = 'ADDING' AND error = $2 ORDER BY created_at, id"
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(resource.as_str()).bind(error).fetch_all(&mut *self.inner).await?;
        rows.iter().map(opening_from).collect()
    }

    /// When the next opening is looked at again of which a read has made us doubt.
    pub async fn next_doubt(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT MIN(due_at) AS next FROM openings
                   WHERE due_at IS NOT NULL AND state = 'PRESENT' AND unseen_since IS NOT NULL";
        let row = sqlx::query(sql).fetch_one(&mut *self.inner).await?;
        Ok(row.try_get::<Option<i64>, _>("next")?.map(Timestamp::from_millis))
    }
}

fn present_from(row: &AnyRow) -> Result<PresentOpening, StoreError> {
    let since = Reader::new(row, "openings", "id")?.optional_time("present_at")?;
    Ok(PresentOpening { opening: opening_from(row)?, since })
}
