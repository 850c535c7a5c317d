//! From rows to values: a column that makes no sense is an error that names it, never a default.
//!
//! Whoever reads rows names their columns. A replica of the version before goes on for a while after a newer one has added some, and
//! Postgres refuses every statement that it prepared before and that would have another result now.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::StoreError;
use crate::domain::{HostAddress, ResourceName, Timestamp};

/// A row of a table, with its id for errors.
pub(super) struct Reader<'a> {
    row: &'a AnyRow,
    table: &'static str,
    id: String,
}

impl<'a> Reader<'a> {
    pub(super) fn new(row: &'a AnyRow, table: &'static str, key: &'static str) -> Result<Self, StoreError> {
        Ok(Self { row, table, id: row.try_get(key)? })
    }

    pub(super) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    pub(super) fn optional_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    pub(super) fn number(&self, column: &'static str) -> Result<i64, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    pub(super) fn time(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        Ok(Timestamp::from_millis(self.row.try_get(column)?))
    }

    pub(super) fn optional_time(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_millis))
    }

    /// A column whose text has to mean something.
    pub(super) fn parsed<T>(&self, column: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        parse(&self.text(column)?).ok_or_else(|| self.unreadable(column))
    }

    pub(super) fn optional_parsed<T>(
        &self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        self.optional_text(column)?.map(|text| parse(&text).ok_or_else(|| self.unreadable(column))).transpose()
    }

    pub(super) fn address(&self, column: &'static str) -> Result<HostAddress, StoreError> {
        self.parsed(column, |text| HostAddress::parse(text).ok())
    }

    pub(super) fn resource(&self, column: &'static str) -> Result<ResourceName, StoreError> {
        self.parsed(column, |text| ResourceName::new(text).ok())
    }

    pub(super) fn unreadable(&self, column: &'static str) -> StoreError {
        StoreError::Unreadable { table: self.table, column, row: self.id.clone() }
    }
}

/// So many rows are named in one statement: SQLite takes 32,766 parameters, Postgres 65,535.
pub(super) const AT_ONCE: usize = 1000;

/// `($1, $2), ($3, $4)`: the places of so many rows in one statement.
pub(super) fn placeholders(rows: usize, columns: usize) -> String {
    let row = |row: usize| (1..=columns).map(|column| format!("${}", row * columns + column)).collect::<Vec<_>>().join(", ");
    (0..rows).map(|at| format!("({})", row(at))).collect::<Vec<_>>().join(", ")
}
