//! What is left of the providers' limits, shared by all replicas.

use sqlx::any::AnyRow;

use super::rows::Reader;
use super::{StoreError, Tx};
use crate::domain::{ApiLimit, Bucket, Timestamp};

impl Tx {
    /// What is left of a limit by now, locked until the transaction ends.
    pub async fn bucket(&mut self, limit: &ApiLimit) -> Result<Bucket, StoreError> {
        let sql = self.dialect.pick(
            "SELECT api, tokens_milli, rate_milli, refilled_at FROM buckets WHERE api = $1",
            "SELECT api, tokens_milli, rate_milli, refilled_at FROM buckets WHERE api = $1 FOR UPDATE",
        );
        if let Some(row) = sqlx::query(sql).bind(&limit.api).fetch_optional(&mut *self.inner).await? {
            return Ok(stored(&row)?.refilled(limit, self.now));
        }
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
        let row = sqlx::query(sql).bind(&limit.api).fetch_one(&mut *self.inner).await?;
        Ok(stored(&row)?.refilled(limit, self.now))
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
