//! axe-core, which judges whether everybody can use a page.

use std::path::Path;

use crate::chromium::Chromium;

/// What a person would stumble over on the page: each violation that axe calls serious or critical, in a line.
pub async fn what_axe_finds(browser: &Chromium) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("axe/node_modules/axe-core/axe.min.js");
    let script = std::fs::read_to_string(&script)
        .unwrap_or_else(|error| panic!("{}: {error}; run the tests with ./x test, which installs it", script.display()));
    browser.evaluate(&format!("{script}\nreturn typeof axe")).await;
    let found = browser
        .evaluate_later(
            "const done = arguments[arguments.length - 1];
             const grave = (violation) => ['serious', 'critical'].includes(violation.impact);
             const told = (violation) => violation.nodes.map((node) => `${violation.id}: ${node.failureSummary} ${node.html}`);
             axe.run(document).then((all) => done(all.violations.filter(grave).flatMap(told)), (error) => done([`${error}`]));",
        )
        .await;
    serde_json::from_value(found).expect("a list of texts")
}
