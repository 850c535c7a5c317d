//! Figures that people are to see. What a test prints is kept from them as long as it succeeds; this goes past that.

use std::io::Write;

/// Shows a figure to whoever runs the tests.
pub fn show_figure(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}
