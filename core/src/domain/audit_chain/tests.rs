use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::{Actor, AuditAction, MemberName};

fn event(at: i64, details: &str) -> AuditEvent {
    let actor = if at % 2 == 0 { Actor::System } else { Actor::Member(MemberName::new("ana").unwrap(), Surface::Slack) };
    let session = (at % 3 == 0).then(|| SessionId::from_stored("0b1e"));
    AuditEvent {
        at: Timestamp::from_millis(at),
        actor,
        action: AuditAction::RuleApplied,
        session,
        details: json!({ "why": details }),
    }
}

/// A log whose first `unchained` entries are older than the chain.
fn log_of(details: &[String], unchained: usize) -> (Vec<AuditEntry>, ChainHead) {
    let mut entries: Vec<AuditEntry> = Vec::new();
    for (index, text) in details.iter().enumerate() {
        let at = 1_800_000_000_000 + index as i64;
        let prev_hash = entries.last().and_then(|entry| entry.hash.clone());
        let id = AuditId::from_stored(format!("id-{index}"));
        let mut entry = AuditEntry::chained(&event(at, text), &id, index as i64 + 1, prev_hash);
        if index < unchained {
            (entry.prev_hash, entry.hash) = (None, None);
        }
        entries.push(entry);
    }
    let hash = entries.last().and_then(|entry| entry.hash.clone());
    let head = ChainHead { seq: entries.len() as i64, hash, chained_from: unchained as i64 + 1 };
    (entries, head)
}

fn log(length: usize) -> (Vec<AuditEntry>, ChainHead) {
    log_of(&vec!["deploy".to_owned(); length], 0)
}

fn checked(mut check: ChainCheck, entries: &[AuditEntry]) -> Result<SoundChain, ChainBreak> {
    entries.iter().try_for_each(|entry| check.see(entry))?;
    check.finish()
}

fn fault_at(checked: Result<SoundChain, ChainBreak>) -> (i64, ChainFault) {
    let broken = checked.unwrap_err();
    (broken.seq, broken.fault)
}

/// As an intruder would who knows how the hashes are made.
fn seal(entry: &mut AuditEntry) {
    entry.hash = Some(entry.computed_hash());
}

#[test]
fn the_encoding_is_a_promise() {
    // Computed apart from this code, with Python's hashlib; exports of every version must verify with every later one.
    let entry = AuditEntry::chained(
        &AuditEvent {
            at: Timestamp::from_millis(1_800_000_000_123),
            actor: Actor::Member(MemberName::new("ana").unwrap(), Surface::Slack),
            action: AuditAction::SessionStarted,
            session: Some(SessionId::from_stored("0b1e")),
            details: json!({ "ipv4": "93.184.216.34" }),
        },
        &AuditId::from_stored("id-1"),
        1,
        None,
    );
    assert_eq!(entry.hash.as_deref(), Some("63917db43e0489899431edd8f602602451ed4384f09f2c5f4ba5d690706da6d6"));
}

#[test]
fn a_sound_log_tells_what_to_note_down() {
    let (entries, head) = log(3);
    let sound = checked(ChainCheck::of_log(head.clone()), &entries).unwrap();
    assert_eq!((sound.entries, sound.unchained), (3, 0));
    assert_eq!(sound.first, Some((1, entries[0].at)));
    assert_eq!(sound.last, Some((3, entries[2].at)));
    let anchor = sound.head.unwrap();
    assert_eq!((anchor.seq, Some(&anchor.hash)), (3, head.hash.as_ref()));
    assert_eq!(anchor.to_string().parse(), Ok(anchor));
}

#[test]
fn an_empty_log_is_sound() {
    let (entries, head) = log(0);
    assert_eq!(checked(ChainCheck::of_log(head), &entries).unwrap().head, None);
}

#[test]
fn entries_older_than_the_chain_are_counted_and_one_of_them_cannot_go_missing() {
    let details = vec!["deploy".to_owned(); 5];
    let (mut entries, head) = log_of(&details, 2);
    assert_eq!(checked(ChainCheck::of_log(head.clone()), &entries).unwrap().unchained, 2);
    assert_eq!(checked(ChainCheck::of_copy(), &entries).unwrap().unchained, 2);
    entries.remove(0);
    assert_eq!(fault_at(checked(ChainCheck::of_log(head), &entries)), (1, ChainFault::Missing { next: 2 }));
    let (entries, head) = log_of(&details, 5);
    assert_eq!(checked(ChainCheck::of_log(head), &entries).unwrap().head, None);
}

#[test]
fn a_hash_that_was_taken_away_does_not_make_an_entry_older_than_the_chain() {
    let (mut entries, mut head) = log(3);
    (entries[0].prev_hash, entries[0].hash) = (None, None);
    assert_eq!(fault_at(checked(ChainCheck::of_log(head.clone()), &entries)), (1, ChainFault::Unhashed));
    // Not even where the intruder moves the noted beginning along: the next entry is none that a chain begins with.
    head.chained_from = 2;
    assert_eq!(fault_at(checked(ChainCheck::of_log(head), &entries)), (2, ChainFault::Unlinked));
    assert_eq!(fault_at(checked(ChainCheck::of_copy(), &entries)), (2, ChainFault::Unlinked));
}

#[test]
fn an_entry_that_was_changed_and_hashed_anew_does_not_fit_the_next() {
    let (mut entries, head) = log(3);
    entries[1].actor = "mallory".to_owned();
    assert_eq!(fault_at(checked(ChainCheck::of_log(head.clone()), &entries)), (2, ChainFault::Changed));
    seal(&mut entries[1]);
    assert_eq!(fault_at(checked(ChainCheck::of_log(head.clone()), &entries)), (3, ChainFault::Unlinked));
    // And the last one, which no other follows, does not fit the head.
    let (mut entries, _) = log(3);
    entries[2].actor = "mallory".to_owned();
    seal(&mut entries[2]);
    assert_eq!(fault_at(checked(ChainCheck::of_log(head), &entries)), (3, ChainFault::NotTheHead));
}

#[test]
fn an_entry_added_after_the_head_is_not_ours() {
    let (entries, _) = log(4);
    let (_, head) = log(3);
    assert_eq!(fault_at(checked(ChainCheck::of_log(head), &entries)), (4, ChainFault::BeyondHead { head: 3 }));
}

#[test]
fn a_copy_may_be_a_part_and_says_so_and_what_was_noted_shows_what_was_cut_off() {
    let (entries, head) = log(5);
    let part = checked(ChainCheck::of_copy(), &entries[1..4]).unwrap();
    assert_eq!((part.first.unwrap().0, part.last.unwrap().0), (2, 4));
    let noted = Anchor { seq: 5, hash: head.hash.unwrap() };
    let expecting = || ChainCheck::of_copy().expecting(Some(noted.clone()));
    assert!(checked(expecting(), &entries).is_ok());
    assert_eq!(fault_at(checked(expecting(), &entries[..4])), (5, ChainFault::NotedIsMissing));
    assert_eq!(fault_at(checked(expecting(), &[])), (5, ChainFault::NotedIsMissing));
    let earlier = Anchor { seq: 1, hash: entries[0].hash.clone().unwrap() };
    let check = ChainCheck::of_copy().expecting(Some(earlier));
    assert_eq!(fault_at(checked(check, &entries[1..])), (1, ChainFault::NotedIsMissing));
}

#[test]
fn a_log_that_was_computed_anew_is_caught_by_what_was_noted() {
    let (entries, _) = log(4);
    let noted = Anchor { seq: 2, hash: entries[1].hash.clone().unwrap() };
    let (other, head) = log_of(&vec!["nothing to see".to_owned(); 4], 0);
    assert!(checked(ChainCheck::of_log(head.clone()), &other).is_ok());
    let check = ChainCheck::of_log(head).expecting(Some(noted.clone()));
    assert_eq!(fault_at(checked(check, &other)), (2, ChainFault::NotAsNoted));
    // Nor does it help to make it all look older than the chain.
    let (older, head) = log_of(&vec!["nothing to see".to_owned(); 4], 4);
    let check = ChainCheck::of_log(head).expecting(Some(noted));
    assert_eq!(fault_at(checked(check, &older)), (2, ChainFault::NotAsNoted));
}

#[test]
fn only_a_place_and_a_hash_are_an_anchor() {
    for text in ["", "1", "1:abc", "0:ab", &format!("0:{CHAIN_START}"), &format!("x:{CHAIN_START}"), &format!("1:{CHAIN_START}0")]
    {
        assert!(text.parse::<Anchor>().is_err(), "{text}");
    }
    assert_eq!(format!("7:{CHAIN_START}").parse(), Ok(Anchor { seq: 7, hash: CHAIN_START.to_owned() }));
}

/// Changes one field of the entry, in a way that is never no change.
fn tamper(entry: &mut AuditEntry, field: usize) {
    let more = |text: &mut Option<String>| *text = Some(text.take().map_or_else(String::new, |text| text + "x"));
    match field {
        0 => entry.id.push('x'),
        1 => entry.at = Timestamp::from_millis(entry.at.as_millis() + 1),
        2 => entry.actor.push('x'),
        3 => more(&mut entry.surface),
        4 => entry.action.push('x'),
        5 => more(&mut entry.session),
        6 => entry.details.push(' '),
        7 => more(&mut entry.prev_hash),
        8 => more(&mut entry.hash),
        // What moves from one field to the next leaves the same text one after the other.
        9 => entry.action.insert(0, entry.actor.pop().unwrap()),
        10 => (entry.surface, entry.session) = (entry.session.take().or(Some("x".into())), entry.surface.take()),
        _ => entry.seq += 1,
    }
}

fn any_log() -> impl Strategy<Value = (Vec<AuditEntry>, ChainHead)> {
    (prop::collection::vec(".{0,12}", 2..8), 0..2_usize).prop_map(|(details, unchained)| log_of(&details, unchained))
}

/// A log, and two places in the part of it that is chained.
fn any_log_and_places() -> impl Strategy<Value = (Vec<AuditEntry>, ChainHead, usize, usize)> {
    any_log().prop_flat_map(|(entries, head)| {
        let places = (head.chained_from as usize - 1)..entries.len();
        (Just(entries), Just(head), places.clone(), places)
    })
}

proptest! {
    #[test]
    fn a_log_as_it_was_written_is_sound((entries, head) in any_log()) {
        prop_assert!(checked(ChainCheck::of_log(head), &entries).is_ok());
        prop_assert!(checked(ChainCheck::of_copy(), &entries).is_ok());
    }

    #[test]
    fn a_change_of_any_field_is_caught((mut entries, head, place, _) in any_log_and_places(), field in 0..12_usize) {
        tamper(&mut entries[place], field);
        prop_assert!(checked(ChainCheck::of_log(head), &entries).is_err());
        prop_assert!(checked(ChainCheck::of_copy(), &entries).is_err());
    }

    #[test]
    fn a_change_that_is_hashed_anew_is_caught((mut entries, head, place, _) in any_log_and_places(), field in 0..12_usize) {
        tamper(&mut entries[place], field);
        seal(&mut entries[place]);
        // A hash alone that is made anew is what it was.
        prop_assert_eq!(checked(ChainCheck::of_log(head), &entries).is_err(), field != 8);
    }

    #[test]
    fn an_entry_that_was_removed_is_caught((mut entries, head, place, _) in any_log_and_places(), renumbered: bool) {
        entries.remove(place);
        if renumbered {
            entries.iter_mut().enumerate().for_each(|(index, entry)| entry.seq = index as i64 + 1);
        }
        prop_assert!(checked(ChainCheck::of_log(head), &entries).is_err());
    }

    #[test]
    fn entries_that_changed_places_are_caught((mut entries, head, one, other) in any_log_and_places(), renumbered: bool) {
        prop_assume!(one != other);
        entries.swap(one, other);
        if renumbered {
            entries.iter_mut().enumerate().for_each(|(index, entry)| entry.seq = index as i64 + 1);
        }
        prop_assert!(checked(ChainCheck::of_log(head), &entries).is_err());
        prop_assert!(checked(ChainCheck::of_copy(), &entries).is_err());
    }

    #[test]
    fn an_entry_that_was_slipped_in_is_caught((mut entries, mut head, place, _) in any_log_and_places(), hashed: bool) {
        let mut forged = entries[place].clone();
        forged.actor.push('x');
        if hashed {
            seal(&mut forged);
        }
        entries.insert(place, forged);
        entries.iter_mut().enumerate().for_each(|(index, entry)| entry.seq = index as i64 + 1);
        head.seq += 1;
        prop_assert!(checked(ChainCheck::of_log(head), &entries).is_err());
    }

    #[test]
    fn a_tail_that_was_cut_off_is_caught_by_the_head((mut entries, head, place, _) in any_log_and_places()) {
        entries.truncate(place);
        let (seq, fault) = fault_at(checked(ChainCheck::of_log(head.clone()), &entries));
        prop_assert_eq!((seq, fault), (place as i64 + 1, ChainFault::CutOff { head: head.seq }));
    }
}
