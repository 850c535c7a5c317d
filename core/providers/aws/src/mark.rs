//! Our mark on a rule: the tags that say whose it is, which opening it is of, and until when it is wanted.

use aws_sdk_ec2::types::Tag;
use entryguard_core::domain::{DeploymentId, OpeningId, SessionId, Timestamp};
use entryguard_core::provider::{Addition, Holder, Mark, Note, NoteName};

pub(crate) const OWNER: &str = "entryguard:owner";
const OPENING: &str = "entryguard:opening";
pub(crate) const EXPIRES_AT: &str = "entryguard:expires-at";
/// What begins the key of a tag that says who holds a rule; the value says until when.
const HOLDER: &str = "entryguard:holder:";
/// What begins the key of a tag that says who is about to remove a rule.
const CLOSING: &str = "entryguard:closing:";

/// What AWS takes in a description.
const DESCRIPTION: usize = 255;

/// The tags for rules that one call makes: EC2 puts the same on all of them, so the openings' ids stand there together.
pub(crate) fn tags(owner: &DeploymentId, additions: &[&Addition], until: Timestamp) -> Vec<Tag> {
    let openings: Vec<_> = additions.iter().map(|addition| addition.opening.as_str()).collect();
    [(OWNER, owner.to_string()), (OPENING, openings.join(" ")), (EXPIRES_AT, until.to_string())]
        .into_iter()
        .map(|(key, value)| tag(key, &value))
        .collect()
}

pub(crate) fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

/// The mark that a rule's tags make; nothing where they are not ours.
pub(crate) fn mark(tags: &[Tag]) -> Option<Mark> {
    let value = |key| tags.iter().find(|tag| tag.key() == Some(key)).and_then(Tag::value);
    Some(Mark {
        owner: DeploymentId::from_stored(value(OWNER)?),
        openings: value(OPENING).unwrap_or_default().split_whitespace().map(OpeningId::from_stored).collect(),
        expires_at: value(EXPIRES_AT).and_then(Timestamp::parse),
    })
}

/// A note as a tag.
pub(crate) fn note(note: &Note) -> Tag {
    match note {
        Note::Holder(holder) => tag(&format!("{HOLDER}{}", holder.session), &holder.until.to_string()),
        Note::Closing(session) => tag(&format!("{CLOSING}{session}"), ""),
        Note::Until(until) => tag(EXPIRES_AT, &until.to_string()),
    }
}

/// The key of a note's tag, whatever it says.
pub(crate) fn note_key(name: &NoteName) -> Tag {
    let key = match name {
        NoteName::Holder(session) => format!("{HOLDER}{session}"),
        NoteName::Closing(session) => format!("{CLOSING}{session}"),
    };
    Tag::builder().key(key).build()
}

/// Who holds a rule. A time that cannot be read is no hold: nothing stays open for it.
pub(crate) fn holders(tags: &[Tag]) -> Vec<Holder> {
    let holders = with_key(tags, HOLDER).filter_map(|(session, until)| {
        Some(Holder { session: SessionId::from_stored(session), until: Timestamp::parse(until)? })
    });
    holders.collect()
}

/// Who is about to remove a rule.
pub(crate) fn closing(tags: &[Tag]) -> Vec<SessionId> {
    with_key(tags, CLOSING).map(|(session, _)| SessionId::from_stored(session)).collect()
}

/// Of the tags whose keys begin so, what follows in the key, and the value.
fn with_key<'a>(tags: &'a [Tag], beginning: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    tags.iter().filter_map(move |tag| Some((tag.key()?.strip_prefix(beginning)?, tag.value().unwrap_or_default())))
}

/// What people read in AWS's console.
pub(crate) fn description(addition: &Addition) -> String {
    let text = format!("entryguard {} {} until {}", addition.member, addition.session.short(), addition.until);
    let allowed = |c: &char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(*c);
    text.chars().filter(allowed).take(DESCRIPTION).collect()
}

#[cfg(test)]
mod tests {
    use entryguard_core::domain::{HostAddress, MemberName, RulePart, SessionId};

    use super::*;

    fn addition(opening: &str) -> Addition {
        Addition {
            opening: OpeningId::from_stored(opening),
            address: HostAddress::parse("93.184.216.34").unwrap(),
            parts: vec![RulePart("tcp 22".into())],
            until: Timestamp::from_millis(1_700_000_000_000),
            member: MemberName::new("ana").unwrap(),
            session: SessionId::from_stored("0a1b2c3d-rest"),
        }
    }

    #[test]
    fn a_mark_reads_back_from_the_tags_that_it_was_written_in() {
        let (a, b) = (addition("one"), addition("two"));
        let owner = DeploymentId::from_stored("owner");
        let mark = mark(&tags(&owner, &[&a, &b], a.until)).unwrap();
        assert_eq!((mark.owner, mark.openings, mark.expires_at), (owner, vec![a.opening, b.opening], Some(a.until)));
    }

    #[test]
    fn i3_a_rule_without_our_owner_tag_is_not_ours() {
        assert_eq!(mark(&[tag("Name", "office"), tag(OPENING, "one")]), None);
    }

    #[test]
    fn notes_read_back_from_the_tags_that_they_were_written_in() {
        let (session, until) = (SessionId::from_stored("0a1b2c3d-rest"), Timestamp::from_millis(1_700_000_000_000));
        let holder = Holder { session: session.clone(), until };
        let tags = [Note::Holder(holder.clone()), Note::Closing(session.clone()), Note::Until(until)].map(|it| note(&it));
        assert_eq!((holders(&tags), closing(&tags)), (vec![holder], vec![session.clone()]));
        let keys = [NoteName::Holder(session.clone()), NoteName::Closing(session)].map(|name| note_key(&name));
        assert_eq!(keys.each_ref().map(Tag::key), [tags[0].key(), tags[1].key()]);
        assert!(
            keys.iter().all(|key| key.value().is_none()),
            "a key with a value takes a tag away only where the value is the same"
        );
        assert_eq!(holders(&[tag("entryguard:holder:x", "soon")]), []);
    }

    #[test]
    fn a_description_says_who_and_until_when() {
        insta::assert_snapshot!(description(&addition("one")), @"entryguard ana 0a1b2c3d until 2023-11-14T22:13:20Z");
    }
}
