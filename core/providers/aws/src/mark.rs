//! Our mark on a rule: the tags that say whose it is, which opening it is of, and until when it is wanted.

use aws_sdk_ec2::types::Tag;
use entryguard_core::domain::{DeploymentId, OpeningId, Timestamp};
use entryguard_core::provider::{Addition, Mark};

pub(crate) const OWNER: &str = "entryguard:owner";
const OPENING: &str = "entryguard:opening";
pub(crate) const EXPIRES_AT: &str = "entryguard:expires-at";

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
    fn a_description_says_who_and_until_when() {
        insta::assert_snapshot!(description(&addition("one")), @"entryguard ana 0a1b2c3d until 2023-11-14T22:13:20Z");
    }
}
