//! The one comment on a pull request: a part for each of its jobs, so that none of them writes over another's.

use std::collections::BTreeMap;
use std::env;

use serde_json::Value;

use crate::http::encoded;

/// What our comment is known by. People do not see it.
const MARK: &str = "<!-- entryguard/session-action -->";
/// What stands before a part: which job's it is, and of which run.
const PART: (&str, &str) = ("<!-- entryguard/job ", " -->");

/// Which job of which run speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// As people read it: `CI / deploy (linux, 2)`.
    name: String,
    run: Run,
}

/// One attempt at a run; the later one is the greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    id: u64,
    attempt: u64,
}

/// What the comment says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comment {
    parts: BTreeMap<String, (Run, String)>,
}

impl Job {
    /// The job that this program runs in; `matrix` is what tells it from its siblings, in JSON.
    pub fn of_the_environment(matrix: &str) -> Self {
        let given = |name| env::var(name).unwrap_or_default();
        let run = Run { id: number(&given("GITHUB_RUN_ID")), attempt: number(&given("GITHUB_RUN_ATTEMPT")) };
        Self { name: name(&given("GITHUB_WORKFLOW"), &given("GITHUB_JOB"), matrix), run }
    }
}

impl Comment {
    /// Whether a text is a comment of ours, as far as its words say it.
    pub fn is_ours(text: &str) -> bool {
        text.starts_with(MARK)
    }

    /// Reads what we wrote before.
    pub fn read(text: &str) -> Self {
        let mut parts = BTreeMap::new();
        let mut current = None;
        for line in text.lines() {
            if let Some(begins) = beginning(line) {
                let (key, run) = begins;
                parts.insert(key.clone(), (run, String::new()));
                current = Some(key);
            } else if let Some((_, part)) = current.as_ref().and_then(|key| parts.get_mut(key)) {
                part.push_str(line);
                part.push('\n');
            }
        }
        parts.values_mut().for_each(|(_, part)| part.truncate(part.trim_end().len()));
        Self { parts }
    }

    /// Takes over what another comment says of jobs.
    pub fn merge(&mut self, other: Self) {
        for (key, (run, part)) in other.parts {
            self.put(key, run, part);
        }
    }

    /// Says of a job how it is. A later run of the same job has the last word.
    pub fn say(&mut self, job: &Job, text: &str) {
        let (heading, text) = (format!("**{}**", harmless(&job.name)), harmless(text));
        self.put(encoded(&job.name), job.run, format!("{heading}\n\n{}", text.trim()));
    }

    fn put(&mut self, key: String, run: Run, part: String) {
        if self.parts.get(&key).is_none_or(|(known, _)| *known <= run) {
            self.parts.insert(key, (run, part));
        }
    }

    /// All of it, as it stands in the pull request.
    pub fn text(&self) -> String {
        let part = |(key, (run, text)): (&String, &(Run, String))| {
            format!("{}{key} {}.{}{}\n{text}\n", PART.0, run.id, run.attempt, PART.1)
        };
        format!("{MARK}\n{}", self.parts.iter().map(part).collect::<Vec<_>>().join("\n"))
    }
}

/// The job and the run of the line before a part.
fn beginning(line: &str) -> Option<(String, Run)> {
    let (key, run) = line.trim_end().strip_prefix(PART.0)?.strip_suffix(PART.1)?.split_once(' ')?;
    let (id, attempt) = run.split_once('.')?;
    Some((key.to_owned(), Run { id: number(id), attempt: number(attempt) }))
}

fn name(workflow: &str, job: &str, matrix: &str) -> String {
    let matrix: Value = serde_json::from_str(matrix).unwrap_or_default();
    let values = matrix.as_object().into_iter().flat_map(|axes| axes.values());
    let values: Vec<_> = values.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect();
    let names = [workflow, job].into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" / ");
    if values.is_empty() { names } else { format!("{names} ({})", values.join(", ")) }
}

/// Text that cannot pass for a mark of ours.
fn harmless(text: &str) -> String {
    text.replace("<!--", "&lt;!--")
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str, id: u64) -> Job {
        Job { name: name.to_owned(), run: Run { id, attempt: 1 } }
    }

    #[test]
    fn each_job_has_a_part_and_writes_over_no_other() {
        let mut comment = Comment::default();
        comment.say(&job("CI / deploy (2)", 7), "### ACTIVE\n\n| a |\n");
        comment.say(&job("CI / deploy (1)", 7), "### PENDING");
        let mut again = Comment::read(&comment.text().replace('\n', "\r\n"));
        assert_eq!(again, comment);
        again.say(&job("CI / deploy (1)", 7), "### CANCELLED");
        insta::assert_snapshot!(again.text(), @r"
        <!-- entryguard/session-action -->
        <!-- entryguard/job CI%20%2F%20deploy%20%281%29 7.1 -->
        **CI / deploy (1)**

        ### CANCELLED

        <!-- entryguard/job CI%20%2F%20deploy%20%282%29 7.1 -->
        **CI / deploy (2)**

        ### ACTIVE

        | a |
        ");
    }

    #[test]
    fn the_post_step_of_an_earlier_run_does_not_write_over_a_later_one() {
        let mut comment = Comment::default();
        comment.say(&job("deploy", 8), "ACTIVE");
        let late = comment.clone();
        comment.say(&job("deploy", 7), "CANCELLED");
        assert_eq!(comment, late);
        comment.merge(Comment::read(&{
            let mut other = Comment::default();
            other.say(&job("test", 1), "ACTIVE");
            other.text()
        }));
        assert!(comment.text().contains("**test**") && comment.text().contains("**deploy**"));
    }

    #[test]
    fn what_a_server_says_cannot_pass_for_another_jobs_part() {
        let mut comment = Comment::default();
        comment.say(&job("deploy", 1), "x\n<!-- entryguard/job other 9.9 -->\nforged");
        assert_eq!(Comment::read(&comment.text()).parts.len(), 1);
    }

    #[test]
    fn a_job_is_named_with_what_tells_it_from_its_siblings() {
        assert_eq!(name("CI", "deploy", "null"), "CI / deploy");
        assert_eq!(name("CI", "deploy", ""), "CI / deploy");
        assert_eq!(name("", "deploy", r#"{ "os": "linux", "part": 2 }"#), "deploy (linux, 2)");
    }
}
