//! What a block keeps, and what it refuses.

use entryguard_core::domain::{MemberName, RulePart, SessionId};
use proptest::prelude::*;

use super::*;

fn intranet() -> ResourceName {
    ResourceName::new("intranet").unwrap()
}

fn entry(opening: &str, address: &str) -> Entry {
    let addition = Addition {
        opening: OpeningId::from_stored(opening),
        address: HostAddress::parse(address).unwrap(),
        parts: vec![RulePart(String::new())],
        until: Timestamp::from_millis(1_700_000_000_000),
        member: MemberName::new("ana maria").unwrap(),
        session: SessionId::from_stored("0a1b2c3d"),
    };
    Entry::new(&addition, &DeploymentId::from_stored("us"), FileFormat::Nginx)
}

fn parse(text: &str) -> Document {
    Document::parse(text, &intranet()).unwrap()
}

#[test]
fn a_new_block_stands_before_everything_and_reads_back() {
    let mut document = parse("allow 10.0.0.1;\ndeny all;\n");
    document.entries.push(entry("one", "93.184.216.34"));
    let text = document.render(&intranet());
    insta::assert_snapshot!(text, @r"
    # BEGIN ENTRYGUARD intranet: EntryGuard writes these lines; write yours outside of them
    # entryguard owner=us opening=one expires-at=2023-11-14T22:13:20Z member=ana_maria session=0a1b2c3d
    allow 93.184.216.34;
    # END ENTRYGUARD intranet
    allow 10.0.0.1;
    deny all;
    ");
    assert_eq!(parse(&text).entries, document.entries);
    let later = document.entries[0].until(Timestamp::from_millis(1_800_000_000_000));
    assert_eq!(parse(&Document { entries: vec![later.clone()], ..document }.render(&intranet())).entries, [later]);
}

#[test]
fn a_damaged_block_is_refused_with_its_line() {
    let good = Document { entries: vec![entry("one", "93.184.216.34")], ..parse("") }.render(&intranet());
    let lines: Vec<_> = good.lines().collect();
    for (left_out, line) in [(0, 1), (1, 2), (2, 3), (3, 3)] {
        let damaged: Vec<_> = lines.iter().enumerate().filter(|(index, _)| *index != left_out).map(|(_, line)| *line).collect();
        let refused = Document::parse(&damaged.join("\n"), &intranet()).unwrap_err();
        assert!(refused.line >= line, "without line {left_out}: {refused}");
    }
    assert!(Document::parse(&good.replace("opening=one", "opening"), &intranet()).is_err());
    assert!(Document::parse(&format!("{good}{good}"), &intranet()).is_err());
}

#[test]
fn another_resources_block_in_the_same_file_is_not_ours() {
    let theirs = good_block_of("other");
    assert_eq!(parse(&theirs).entries, []);
    assert!(parse(&theirs).render(&intranet()).ends_with(&theirs));
}

fn good_block_of(name: &str) -> String {
    Document { entries: vec![entry("one", "93.184.216.34")], ..parse("") }.render(&ResourceName::new(name).unwrap())
}

proptest! {
    #[test]
    fn i3_what_is_outside_of_the_block_stays_as_it_is(above in "([a-z# .;]{0,20}\r?\n){0,4}", below in "([a-z# .;]{0,20}\r?\n){0,4}[a-z]{0,5}") {
        let empty = parse("").render(&intranet());
        let text = format!("{above}{empty}{below}");
        let mut document = parse(&text);
        prop_assert_eq!(document.render(&intranet()), text.clone());
        document.entries.push(entry("one", "93.184.216.34"));
        let changed = document.render(&intranet());
        prop_assert!(changed.starts_with(&above) && changed.ends_with(&below));
        document.entries.clear();
        prop_assert_eq!(document.render(&intranet()), text);
    }
}
