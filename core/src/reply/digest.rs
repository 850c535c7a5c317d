//! What was not as it should be, and what EntryGuard has done about it, in words for people.

use std::collections::BTreeMap;

use crate::domain::{Drift, DriftKind};

/// Differences of one kind on one resource that are named one by one; of more, only the number is told.
const NAMED: usize = 5;

/// A digest: one line for each kind on each resource.
pub fn digest(drifts: &[Drift]) -> Vec<String> {
    let mut groups: BTreeMap<(&str, DriftKind), Vec<&str>> = BTreeMap::new();
    for drift in drifts {
        let resource = drift.resource.as_ref().map_or_else(|| about(drift.kind), |name| name.as_str());
        groups.entry((resource, drift.kind)).or_default().push(&drift.what);
    }
    groups.iter().map(|((resource, kind), what)| format!("{resource}: {} {}", words(*kind), named(what))).collect()
}

/// What it is about that is on no resource.
const fn about(kind: DriftKind) -> &'static str {
    match kind {
        DriftKind::Partial | DriftKind::Failed => "sessions",
        DriftKind::Unscheduled => "schedules",
        DriftKind::Undelivered => "webhooks",
        _ => "the database",
    }
}

fn named(what: &[&str]) -> String {
    let (first, rest) = what.split_at(what.len().min(NAMED));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    format!("{}{more}", first.join(", "))
}

const fn words(kind: DriftKind) -> &'static str {
    match kind {
        DriftKind::Orphan => "removed what nobody wants:",
        DriftKind::Widened => "replaced a rule of ours that was changed outside of EntryGuard:",
        DriftKind::Missing => "a rule was removed outside of EntryGuard, and is added again:",
        DriftKind::Unmarked => "EntryGuard's tags were removed from a rule; the next sweep replaces it if they stay away:",
        DriftKind::Mismarked => "put the expiry on a rule right:",
        DriftKind::Returned => "a rule that was gone is there again, and is removed again:",
        DriftKind::HeldBack => "many rules are to go at once, so the next sweep has to agree first:",
        DriftKind::Unread => "could not be swept:",
        DriftKind::ReadAgain => "is swept again:",
        DriftKind::Partial => "not all could be opened; what could is, and the rest is tried again:",
        DriftKind::Failed => "could not be opened; it is tried again:",
        DriftKind::Stuck => "a rule that has to go is still there, and is tried again until it is gone:",
        DriftKind::Unscheduled => "a schedule's session could not be started; it is tried again while its time lasts:",
        DriftKind::Undelivered => "a webhook's receiver did not take what was sent:",
        DriftKind::Quarantined => "a row cannot be read and was set aside; look at it, and restore it from a backup:",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ResourceName, Timestamp};

    #[test]
    fn a_digest_has_one_line_for_each_kind_on_each_resource() {
        let drift = |kind, resource: Option<&str>, what: &str| Drift {
            at: Timestamp::from_millis(0),
            kind,
            resource: resource.map(|name| ResourceName::new(name).unwrap()),
            what: what.to_owned(),
        };
        let mut drifts: Vec<_> =
            (0..7).map(|n| drift(DriftKind::Orphan, Some("bastion"), &format!("93.184.216.{n}/32 (sgr-{n})"))).collect();
        drifts.push(drift(DriftKind::Unread, Some("intranet"), "permission denied"));
        drifts.push(drift(DriftKind::Quarantined, None, "session 0a1b2c3d"));
        insta::assert_snapshot!(digest(&drifts).join("\n"), @r"
        bastion: removed what nobody wants: 93.184.216.0/32 (sgr-0), 93.184.216.1/32 (sgr-1), 93.184.216.2/32 (sgr-2), 93.184.216.3/32 (sgr-3), 93.184.216.4/32 (sgr-4) and 2 more
        intranet: could not be swept: permission denied
        the database: a row cannot be read and was set aside; look at it, and restore it from a backup: session 0a1b2c3d
        ");
    }
}
