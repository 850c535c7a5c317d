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

/// So many rows are named in one statement: SQLite takes 32,766 parameters, Postgres 65,535, and a row has ten at the most.
const AT_ONCE: usize = 1024;

/// The ids to name in one statement each; see [`padded`].
pub(super) fn batches<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<Vec<&'a str>> {
    padded(&ids.into_iter().collect::<Vec<_>>())
}

/// What one statement each is about. The last one is repeated up to a power of two, so that few statements differ: a statement is
/// prepared once for as long as the connection keeps it.
pub(super) fn padded<T: Copy>(all: &[T]) -> Vec<Vec<T>> {
    let padded = |some: &[T]| {
        let last = some.last().copied();
        some.iter().copied().chain(last.into_iter().cycle()).take(some.len().next_power_of_two()).collect()
    };
    all.chunks(AT_ONCE).map(padded).collect()
}

/// `($3, $4)`: places for so many values, after the first few of the statement.
pub(super) fn places_after(first: usize, values: usize) -> String {
    let places: Vec<_> = (1..=values).map(|at| format!("${}", first + at)).collect();
    format!("({})", places.join(", "))
}

/// `($1, $2), ($3, $4)`: the places of so many rows in one statement.
pub(super) fn placeholders(rows: usize, columns: usize) -> String {
    let row = |row: usize| (1..=columns).map(|column| format!("${}", row * columns + column)).collect::<Vec<_>>().join(", ");
    (0..rows).map(|at| format!("({})", row(at))).collect::<Vec<_>>().join(", ")
}

/// `(CAST($2 AS TEXT), CAST($3 AS BIGINT)), …`: the places of so many rows of these types, after the first few of the statement. Postgres
/// takes what is in a table of values for text where nothing says otherwise.
pub(super) fn cast_places_after(first: usize, rows: usize, types: &[&str]) -> String {
    let row = |row: usize| {
        let cast = |(column, kind)| format!("CAST(${} AS {kind})", first + row * types.len() + column + 1);
        format!("({})", types.iter().enumerate().map(cast).collect::<Vec<_>>().join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_named_in_batches_of_few_lengths() {
        let ids: Vec<_> = (0..AT_ONCE + 5).map(|id| id.to_string()).collect();
        let all = batches(ids.iter().map(String::as_str));
        assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [AT_ONCE, 8]);
        let named: std::collections::BTreeSet<_> = all.concat().into_iter().collect();
        assert_eq!(named, ids.iter().map(String::as_str).collect(), "each, and no other");
        assert!(batches([]).is_empty());
    }
}
