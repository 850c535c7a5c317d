//! What is left of the providers' limits, shared by all replicas.

use std::collections::BTreeMap;

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::rows::{Reader, batches, places_after};
use super::{StoreError, Tx};
use crate::domain::{ApiLimit, Bucket, Timestamp};

impl Tx {
    /// What is left of limits by now, locked until the transaction ends, by the names of their APIs.
    pub async fn buckets(&mut self, limits: &BTreeMap<String, ApiLimit>) -> Result<BTreeMap<String, Bucket>, StoreError> {
        let mut found = self.locked_buckets(limits).await?;
        if found.len() < limits.len() {
            // In order of name, as they are locked.
            for limit in limits.values().filter(|limit| !found.contains_key(&limit.api)) {
                self.fill_bucket(limit).await?;
            }
            found = self.locked_buckets(limits).await?;
        }
        Ok(found)
    }

    async fn locked_buckets(&mut self, limits: &BTreeMap<String, ApiLimit>) -> Result<BTreeMap<String, Bucket>, StoreError> {
        let mut found = BTreeMap::new();
        for some in batches(limits.keys().map(String::as_str)) {
            let sql = format!(
                "SELECT api, tokens_milli, rate_milli, refilled_at FROM buckets WHERE api IN {} ORDER BY api{}",
                places_after(0, some.len()),
                self.dialect.pick("", " FOR UPDATE")
            );
            let query = some.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, api| query.bind(*api));
            for row in query.fetch_all(&mut *self.inner).await? {
                let (api, bucket) = (row.try_get::<String, _>("api")?, stored(&row)?);
                found.extend(limits.get(&api).map(|limit| (api, bucket.refilled(limit, self.now))));
            }
        }
        Ok(found)
    }

    async fn fill_bucket(&mut self, limit: &ApiLimit) -> Result<(), StoreError> {
        let full = Bucket::full(limit, self.now);
        sqlx::query(
            "INSERT INTO buckets (api, tokens_milli, rate_milli, refilled_at) VALUES ($1, $2, $3, $4) ON CONFLICT (api) DO NOTHING",
        )
        .bind(&limit.api)
        .bind(full.tokens_milli)
        .bind(full.rate_milli)
        .bind(full.refilled_at.as_millis())
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// What is left of a limit by now, as far as anybody has called: for those who watch, without a lock.
    pub async fn look_into_bucket(&mut self, limit: &ApiLimit) -> Result<Bucket, StoreError> {
        let sql = "SELECT api, tokens_milli, rate_milli, refilled_at FROM buckets WHERE api = $1";
        let row = sqlx::query(sql).bind(&limit.api).fetch_optional(&mut *self.inner).await?;
        Ok(match row {
            Some(row) => stored(&row)?.refilled(limit, self.now),
            None => Bucket::full(limit, self.now),
        })
    }

    /// Writes what is left of a limit.
    pub async fn save_bucket(&mut self, limit: &ApiLimit, bucket: &Bucket) -> Result<(), StoreError> {
        sqlx::query("UPDATE buckets SET tokens_milli = $1, rate_milli = $2, refilled_at = $3 WHERE api = $4")
            .bind(bucket.tokens_milli)
            .bind(bucket.rate_milli)
            .bind(bucket.refilled_at.as_millis())
            .bind(&limit.api)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }
}

fn stored(row: &AnyRow) -> Result<Bucket, StoreError> {
    let read = Reader::new(row, "buckets", "api")?;
    Ok(Bucket {
        tokens_milli: read.number("tokens_milli")?,
        rate_milli: read.number("rate_milli")?,
        refilled_at: Timestamp::from_millis(read.number("refilled_at")?),
    })
}
