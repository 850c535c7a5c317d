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
    Document::parse(text.as_bytes(), &intranet()).unwrap()
}

#[test]
fn a_new_block_stands_before_everything_and_reads_back() {
    let mut document = parse("allow 10.0.0.1;\ndeny all;\n");
    document.entries.push(entry("one", "93.184.216.34"));
    let text = text_of(&document);
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
    assert_eq!(parse(&text_of(&Document { entries: vec![later.clone()], ..document })).entries, [later]);
}

#[test]
fn a_damaged_block_is_refused_with_its_line() {
    let good = text_of(&Document { entries: vec![entry("one", "93.184.216.34")], ..parse("") });
    let lines: Vec<_> = good.lines().collect();
    for (left_out, line) in [(0, 1), (1, 2), (2, 3), (3, 3)] {
        let damaged: Vec<_> = lines.iter().enumerate().filter(|(index, _)| *index != left_out).map(|(_, line)| *line).collect();
        let refused = Document::parse(damaged.join("\n").as_bytes(), &intranet()).unwrap_err();
        assert!(refused.line >= line, "without line {left_out}: {refused}");
    }
    for damaged in [good.replace("opening=one", "opening"), format!("{good}{good}")] {
        assert!(Document::parse(damaged.as_bytes(), &intranet()).is_err(), "{damaged}");
    }
    let broken = good.into_bytes().into_iter().map(|byte| if byte == b'9' { 0xff } else { byte }).collect::<Vec<_>>();
    assert!(Document::parse(&broken, &intranet()).is_err(), "what is not UTF-8 could not be written back");
}

#[test]
fn another_resources_block_in_the_same_file_is_not_ours() {
    let theirs = good_block_of("other");
    assert_eq!(parse(&theirs).entries, []);
    assert!(text_of(&parse(&theirs)).ends_with(&theirs));
}

fn good_block_of(name: &str) -> String {
    let block = Document { entries: vec![entry("one", "93.184.216.34")], ..parse("") };
    String::from_utf8(block.render(&ResourceName::new(name).unwrap())).unwrap()
}

fn text_of(document: &Document) -> String {
    String::from_utf8(document.render(&intranet())).unwrap()
}

/// Lines of any bytes; none of them starts as a marker does, and the last may lack its end.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let line = (prop::collection::vec(any::<u8>().prop_filter("no end of line", |byte| *byte != b'\n'), 0..20), any::<bool>());
    prop::collection::vec(line, 0..4)
        .prop_map(|lines| {
            lines.into_iter().flat_map(|(line, crlf)| [line, if crlf { b"\r\n".into() } else { b"\n".into() }].concat())
        })
        .prop_map(Iterator::collect)
}

proptest! {
    #[test]
    fn i3_what_is_outside_of_the_block_stays_as_it_is(above in bytes(), below in bytes(), unended in "[a-z]{0,5}") {
        let (below, empty) = ([below, unended.into_bytes()].concat(), parse("").render(&intranet()));
        let content = [&above[..], &empty, &below].concat();
        let mut document = Document::parse(&content, &intranet()).unwrap();
        prop_assert_eq!(document.render(&intranet()), &content[..]);
        document.entries.push(entry("one", "93.184.216.34"));
        let changed = document.render(&intranet());
        prop_assert!(changed.starts_with(&above) && changed.ends_with(&below));
        document.entries.clear();
        prop_assert_eq!(document.render(&intranet()), content);
    }

    #[test]
    fn i3_a_new_block_leaves_all_that_was_there_behind_itself(content in bytes(), unended in "[a-z]{0,5}") {
        let content = [content, unended.into_bytes()].concat();
        let mut document = Document::parse(&content, &intranet()).unwrap();
        document.entries.push(entry("one", "93.184.216.34"));
        let mut again = Document::parse(&document.render(&intranet()), &intranet()).unwrap();
        prop_assert_eq!(&again.entries, &document.entries);
        again.entries.clear();
        prop_assert_eq!(again.render(&intranet()), [parse("").render(&intranet()), content].concat());
    }
}
