//! What a benchmark prints: a table for people, or JSON; and whether its target was met.

use serde_json::{Map, Value, json};

/// The outcome of one benchmark.
#[derive(Debug)]
pub struct Report {
    name: &'static str,
    target: String,
    columns: Vec<&'static str>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    cells: Vec<Cell>,
    // Nothing where the row is there for comparison alone.
    met: Option<bool>,
}

/// One figure, or the name of what it is of.
#[derive(Debug)]
pub enum Cell {
    /// A name.
    Text(String),
    /// A number without a fraction.
    Count(usize),
    /// A number, and how many digits of its fraction are worth printing.
    Figure(f64, usize),
}

impl Report {
    /// An empty table.
    pub fn new(name: &'static str, target: impl Into<String>, columns: &[&'static str]) -> Self {
        Self { name, target: target.into(), columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a measurement, and tells whoever waits for the rest.
    pub fn row(&mut self, cells: Vec<Cell>, met: Option<bool>) {
        self.rows.push(Row { cells, met });
        eprintln!("{}: {} measured", self.name, self.rows.len());
    }

    /// Whether no row misses its target.
    pub fn is_met(&self) -> bool {
        self.rows.iter().all(|row| row.met != Some(false))
    }

    /// As a table: the columns aligned, numbers to the right.
    pub fn to_table(&self) -> String {
        let head: Vec<_> = self.columns.iter().map(|column| (*column).to_owned()).chain(["target".to_owned()]).collect();
        let words = |met| match met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        let texts = |row: &Row| row.cells.iter().map(Cell::text).chain([words(row.met).to_owned()]).collect::<Vec<_>>();
        let lines: Vec<_> = std::iter::once(head).chain(self.rows.iter().map(texts)).collect();
        let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|text| text.chars().count()).max();
        let aligned = |line: &Vec<String>| {
            let cells = line.iter().enumerate().map(|(column, text)| {
                let width = width(column).unwrap_or(0);
                // The first column and the verdict are words.
                let is_figure = (1..self.columns.len()).contains(&column);
                if is_figure { format!("{text:>width$}") } else { format!("{text:<width$}") }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let lines: Vec<_> = lines.iter().map(aligned).collect();
        format!("{}: {}\n{}\n", self.name, self.target, lines.join("\n"))
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let row = |row: &Row| {
            let cells = self.columns.iter().zip(&row.cells).map(|(column, cell)| ((*column).to_owned(), cell.json()));
            let mut object: Map<String, Value> = cells.collect();
            object.insert("met".into(), json!(row.met));
            Value::Object(object)
        };
        let rows: Vec<_> = self.rows.iter().map(row).collect();
        json!({ "benchmark": self.name, "target": self.target, "met": self.is_met(), "rows": rows })
    }
}

impl Cell {
    /// A name.
    pub fn text_of(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Figure(figure, digits) => format!("{figure:.digits$}"),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Count(count) => json!(count),
            Self::Figure(figure, _) => json!(figure),
        }
    }
}

/// The value that this part of the sorted ones does not exceed.
pub fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let nth = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(nth).or(sorted.last()).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_misses_makes_the_benchmark_fail_and_is_marked() {
        let mut report = Report::new("active", "ratio ≤ 1.1", &["database", "groups", "ratio"]);
        report.row(vec![Cell::text_of("SQLite"), Cell::Count(1), Cell::Figure(1.0, 2)], Some(true));
        report.row(vec![Cell::text_of("SQLite"), Cell::Count(1000), Cell::Figure(1.25, 2)], Some(false));
        assert!(!report.is_met());
        let table = "active: ratio ≤ 1.1\ndatabase  groups  ratio  target\nSQLite         1   1.00  met\nSQLite      1000   1.25  MISSED\n";
        assert_eq!(report.to_table(), table);
        assert_eq!(report.to_json()["rows"][1]["groups"], 1000);
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<_> = (1..=200).map(f64::from).collect();
        assert_eq!([50, 99, 100].map(|percent| percentile(&values, percent)), [100.0, 198.0, 200.0]);
        assert_eq!(percentile(&[3.0], 99), 3.0);
    }
}
