//! What the guides say is there: commands, alerts with what to do, and a way to replace every secret.

use std::collections::BTreeSet;
use std::process::Command;

use entryguard_tests::{judges, program};

/// Everything that people read before they type.
fn guides() -> Vec<String> {
    let files =
        std::fs::read_dir(judges::root().join("docs")).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let pages = files.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}"));
    ["README.md", "SECURITY.md"].map(str::to_owned).into_iter().chain(pages).collect()
}

/// The command lines of a text that begin with the program: in blocks of the shell, and between backticks.
fn command_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, part) in text.split("```").enumerate() {
        if number % 2 == 1 {
            let (language, block) = part.split_once('\n').unwrap_or(("", part));
            let is_shell = matches!(language, "sh" | "yaml" | "bash");
            lines.extend(block.lines().filter(|_| is_shell).map(str::to_owned));
        } else {
            lines.extend(part.split('`').skip(1).step_by(2).map(|code| code.replace('\n', " ")));
        }
    }
    let begins = |line: &String| {
        // What a container is told to run; a comment is none.
        let line = line.split('#').next().unwrap_or_default();
        let line = line.rsplit(" -- ").next().unwrap_or_default().trim();
        line.strip_prefix("entryguard ").map(str::to_owned)
    };
    lines.iter().filter_map(begins).collect()
}

/// What the program says of a command; nothing where there is no such command.
fn help(words: &[&str]) -> Option<String> {
    let ran = Command::new(program()).args(words).arg("--help").output().unwrap();
    ran.status.success().then(|| String::from_utf8_lossy(&ran.stdout).into_owned())
}

/// The longest run of words that is a command, and what the program says of it.
fn command_of(line: &str) -> Option<(String, String)> {
    let words: Vec<_> =
        line.split_whitespace().take_while(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')).collect();
    let words: Vec<_> = words.into_iter().take_while(|word| !word.starts_with('-')).take(2).collect();
    (1..=words.len()).rev().find_map(|many| Some((words[..many].join(" "), help(&words[..many])?)))
}

#[test]
fn every_command_of_the_guides_exists_with_its_options() {
    let mut seen = BTreeSet::new();
    for guide in guides() {
        for line in command_lines(&judges::read(&guide)) {
            // `COMMAND` stands for any, and `help` has no help of its own.
            if line.starts_with("COMMAND") || line.starts_with("help") {
                continue;
            }
            let (command, help) = command_of(&line).unwrap_or_else(|| panic!("{guide}: there is no `entryguard {line}`"));
            for option in line.split_whitespace().filter(|word| word.starts_with("--")) {
                let option = option.split('=').next().unwrap_or(option).trim_end_matches([',', ';', '.', ')']);
                assert!(help.contains(option), "{guide}: `entryguard {command}` has no {option}");
            }
            seen.insert(command);
        }
    }
    for command in ["panic close", "sweep", "check", "audit verify", "health", "serve", "iam-policy"] {
        assert!(seen.contains(command), "{command} is in no guide: {seen:?}");
    }
}

#[test]
fn every_alert_says_what_to_do_and_where_more_is_said() {
    let anchors: BTreeSet<_> = judges::read("docs/operations.md").lines().filter_map(anchor).collect();
    let alerts = judges::yaml(&judges::read("docs/prometheus/alerts.yml")).remove(0);
    let rules: Vec<_> =
        alerts["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(rules.len() > 10);
    for rule in rules {
        let text =
            |value: &serde_json::Value| value.as_str().unwrap_or_else(|| panic!("something is missing: {rule:#}")).to_owned();
        let name = text(&rule["alert"]);
        assert!(!text(&rule["expr"]).is_empty() && text(&rule["for"]).ends_with(['m', 'h', 's']), "{name}");
        assert!(["page", "ticket", "none"].contains(&text(&rule["labels"]["severity"]).as_str()), "{name}");
        let annotations = &rule["annotations"];
        assert!(text(&annotations["summary"]).len() > 20 && text(&annotations["action"]).len() > 20, "{name}");
        let runbook = text(&annotations["runbook_url"]);
        let (page, place) = runbook.split_once('#').unwrap_or_else(|| panic!("{name}: {runbook}"));
        assert!(page.ends_with("docs/operations.md") && anchors.contains(place), "{name}: {runbook} is not among {anchors:?}");
        for line in command_lines(&text(&annotations["action"])) {
            assert!(command_of(&line).is_some(), "{name}: there is no `entryguard {line}`");
        }
    }
}

/// As GitHub makes one of a heading.
fn anchor(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
    let kept = heading
        .to_lowercase()
        .chars()
        .filter(|letter| letter.is_alphanumeric() || *letter == ' ' || *letter == '-')
        .collect::<String>();
    Some(kept.replace(' ', "-"))
}

/// What the guide says to run on the database where the seals of pages are to be others.
pub fn seals_statement() -> String {
    let guide = judges::read("docs/operations.md");
    let codes = guide.split('`').skip(1).step_by(2);
    codes.filter(|code| code.starts_with("DELETE FROM ")).last().expect("the statement").to_owned()
}

#[test]
fn there_is_a_way_to_replace_every_secret() {
    let guide = judges::read("docs/operations.md");
    let (_, replacing) = guide.split_once("## Replacing secrets").unwrap();
    let replacing = replacing.split("\n## ").next().unwrap();
    let (mut table, mut secrets) = (String::new(), 0);
    for line in judges::read("entryguard.example.toml").lines() {
        let line = line.trim_start_matches(['#', ' ']);
        if line.starts_with('[') {
            table = line.split(']').next().unwrap().trim_matches('[').to_owned();
        }
        // A key whose value, or whose default in a remark, comes from the environment or a file.
        let Some((key, value)) =
            line.split_once(" = ").filter(|(key, _)| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
        else {
            continue;
        };
        if value.contains("{ env = ") || value.contains("{ file = ") {
            secrets += 1;
            assert!(
                [format!("`[{table}] {key}`"), format!("`[[{table}]] {key}`")].iter().any(|named| replacing.contains(named)),
                "docs/operations.md does not say how to replace [{table}] {key}"
            );
        }
    }
    assert!(secrets >= 8, "{secrets}");
    // What the server makes by itself.
    assert!(replacing.contains(&seals_statement()), "the seals of pages");
}
