//! What must hold after every step, and what must be so in the end.

use std::collections::BTreeSet;

use entryguard_core::domain::{
    DeploymentId, EndReason, HostAddress, OpeningId, ResourceName, RulePart, SessionStatus, Timestamp,
};
use entryguard_core::provider::{Change, Hand, SeenRule};
use entryguard_core::store::SessionView;

use crate::model::{EndedBy, Expected};
use crate::process::PARTS;
use crate::step::{CAFE, HOME, MEMBERS};
use crate::world::World;

impl World {
    /// What must hold after every step.
    pub async fn check(&self) {
        let views = self.views().await;
        let changes = self.cloud.changes();
        assert_eq!(views.len(), self.model.sessions.len(), "i5: as many sessions as were started");
        for view in &views {
            let expected = self.model.sessions.iter().find(|session| session.id == view.session.id).unwrap();
            a_session_wants_what_was_asked_for(view, expected);
            i1_an_ended_session_never_becomes_live_again(view, expected);
            self.i5_every_change_of_a_session_has_its_audit_event(view, expected).await;
            self.i6_an_active_session_has_its_rules(view, &changes);
        }
        i2_no_rule_is_removed_that_a_live_session_wants(&views, &changes);
        i3_no_foreign_rule_is_touched(&changes, &self.process().deployment);
        i4_no_rule_is_made_for_more_than_one_host(&changes);
    }

    /// What must be so once the faults are over and all has come to rest.
    pub async fn check_at_rest(&self) {
        self.check().await;
        let views = self.views().await;
        for view in &views {
            let status = view.status();
            let fine = status.is_final() || status == SessionStatus::Active && view.session.expires_at > self.now();
            assert!(fine, "i6: a session has come to rest as {status:?}: {view:#?}\n{}", self.story());
            self.every_rule_has_its_audit_events(view).await;
        }
        for (resource, parts) in PARTS {
            let resource = ResourceName::new(resource).unwrap();
            let rules = self.cloud.rules(&resource);
            for rule in rules.iter().filter(|rule| rule.is_owned_by(&self.process().deployment)) {
                let wanted = wishes_on(&views, &resource).any(|(address, ..)| rule.is_for(address));
                assert!(wanted, "i1: {rule:?} on {resource} is wanted by nobody\n{}", self.story());
            }
            for (address, opening, _) in wishes_on(&views, &resource) {
                let until = wishes_on(&views, &resource).filter(|(other, ..)| *other == address).map(|(.., until)| until).max();
                for part in parts {
                    let for_it: Vec<_> = rules.iter().filter(|rule| rule.is_for(address) && rule.part.0 == *part).collect();
                    let [rule] = for_it.as_slice() else {
                        panic!("i6: {address} has not one rule on {resource} {part}: {for_it:?}\n{}", self.story())
                    };
                    let Some(mark) = &rule.mark else { continue };
                    assert_eq!(mark.openings, std::slice::from_ref(opening), "i6: {rule:?} is of the opening that is wanted");
                    let (marked, wanted) = (mark.expires_at.map(Timestamp::as_seconds), until.map(Timestamp::as_seconds));
                    assert_eq!(marked, wanted, "i1: {rule:?} bears the latest end\n{}", self.story());
                }
            }
        }
    }

    async fn i5_every_change_of_a_session_has_its_audit_event(&self, view: &SessionView, expected: &Expected) {
        let events = self.audit_of(&view.session.id).await;
        let count = |action: &str| events.iter().filter(|event| *event == action).count();
        assert_eq!((events[0].as_str(), count("session.started")), ("session.started", 1), "i5: {events:?}");
        let ends = (count("session.stopped"), count("session.expired"));
        let wanted = match expected.ended {
            None => (0, 0),
            Some(EndedBy::Somebody) => (1, 0),
            Some(EndedBy::Clock) => (0, 1),
        };
        assert_eq!(ends, wanted, "i5: an ended session has ended once: {events:?}");
        let closed = usize::from(view.session.closed_at.is_some());
        assert_eq!(closed, usize::from(view.status().is_final()), "i5: a session is closed when it shows so: {view:?}");
        assert_eq!(count("session.closed"), closed, "i5: a closed session has closed once: {events:?}");
        assert_eq!(count("session.extended") > 0, view.session.expires_at > expected.first_end, "i5: {events:?}");
    }

    /// Its own rules came and went as often as it says.
    async fn every_rule_has_its_audit_events(&self, view: &SessionView) {
        let events = self.audit_of(&view.session.id).await;
        let count = |action: &str| events.iter().filter(|event| *event == action).count();
        let gone = if view.status().is_final() { view.rules.len() } else { 0 };
        assert_eq!(count("rule.removed"), gone, "i5: each rule went once: {events:?}");
        let was_there = view.rules.iter().filter(|rule| rule.applied_at.is_some()).count();
        assert!(count("rule.applied") >= was_there, "i5: each rule that was there was said to be: {events:?}");
    }

    fn i6_an_active_session_has_its_rules(&self, view: &SessionView, changes: &[Change]) {
        if view.status() != SessionStatus::Active {
            return;
        }
        for rule in &view.rules {
            let there = self.cloud.rules(&rule.resource);
            for part in parts_of(&rule.resource) {
                let opens = |seen: &SeenRule| seen.is_for(rule.address) && seen.part == part;
                if there.iter().any(opens) {
                    continue;
                }
                let went = |change: &&Change| change.resource == rule.resource && change.before.as_ref().is_some_and(opens);
                let last = changes.iter().rfind(went);
                let by_hand = last.is_some_and(|change| change.by == Hand::Somebody);
                assert!(
                    by_hand,
                    "an ACTIVE session has no {part} for {} on {}: {last:?}\n{:?}",
                    rule.address, rule.resource, self.cloud
                );
            }
        }
    }
}

fn a_session_wants_what_was_asked_for(view: &SessionView, expected: &Expected) {
    let resources = if MEMBERS[expected.member] == "CY" { &PARTS[..1] } else { &PARTS[..] };
    let hosts = expected.from.addresses();
    let asked: BTreeSet<_> =
        resources.iter().flat_map(|(name, _)| hosts.iter().map(|host| (*name, (*host).to_owned()))).collect();
    let wanted: BTreeSet<_> = view.rules.iter().map(|rule| (rule.resource.as_str(), rule.address.to_string())).collect();
    assert_eq!(wanted, asked, "{expected:?}");
    assert_eq!(view.rules.len(), asked.len(), "{expected:?}");
}

fn i1_an_ended_session_never_becomes_live_again(view: &SessionView, expected: &Expected) {
    let reason = view.session.ending.as_ref().map(|ending| ending.reason);
    let wanted = expected.ended.map(|by| if by == EndedBy::Clock { EndReason::Expired } else { EndReason::Manual });
    assert_eq!(reason, wanted, "i1: {expected:?}");
    assert_eq!(view.session.expires_at, expected.end, "{expected:?}");
    assert_eq!(view.status().is_live(), expected.ended.is_none(), "i1: {expected:?} shows {:?}", view.status());
}

fn i2_no_rule_is_removed_that_a_live_session_wants(views: &[SessionView], changes: &[Change]) {
    let wanted: BTreeSet<_> = live(views).flat_map(|view| &view.rules).map(|rule| (&rule.opening, rule.address)).collect();
    for change in changes.iter().filter(|change| change.by != Hand::Somebody && change.after.is_none()) {
        let Some(rule) = &change.before else { continue };
        for opening in rule.mark.iter().flat_map(|mark| &mark.openings) {
            let is_wanted = wanted.iter().any(|(wanted, address)| *wanted == opening && rule.is_for(*address));
            assert!(!is_wanted, "i2: a live session wants what was removed: {change:?}");
        }
    }
}

fn i3_no_foreign_rule_is_touched(changes: &[Change], deployment: &DeploymentId) {
    let made: BTreeSet<_> = changes
        .iter()
        .filter(|change| change.by != Hand::Somebody && change.before.is_none())
        .filter_map(|change| change.after.as_ref().map(|rule| rule.id.as_str()))
        .collect();
    for change in changes.iter().filter(|change| change.by != Hand::Somebody) {
        // One that we made and that lost its mark goes by its id. One that bears our mark is ours, whoever put it back.
        let is_ours = |rule: &SeenRule| rule.is_owned_by(deployment) || made.contains(rule.id.as_str());
        let ours = change.before.as_ref().is_none_or(is_ours);
        assert!(ours, "i3: a foreign rule was touched: {change:?}");
    }
}

fn i4_no_rule_is_made_for_more_than_one_host(changes: &[Change]) {
    let hosts = [HOME, CAFE].map(|text| HostAddress::parse(text).unwrap());
    for change in changes.iter().filter(|change| change.by != Hand::Somebody && change.before.is_none()) {
        let for_a_host = change.after.as_ref().is_some_and(|rule| hosts.iter().any(|host| rule.is_for(*host)));
        assert!(for_a_host, "i4: {change:?}");
    }
}

fn live(views: &[SessionView]) -> impl Iterator<Item = &SessionView> {
    views.iter().filter(|view| view.session.ending.is_none())
}

/// What the live sessions want on a resource: for whom, by which opening, until when.
fn wishes_on<'a>(
    views: &'a [SessionView],
    resource: &'a ResourceName,
) -> impl Iterator<Item = (HostAddress, &'a OpeningId, Timestamp)> {
    live(views).flat_map(move |view| {
        let on_it = view.rules.iter().filter(move |rule| rule.resource == *resource);
        on_it.map(|rule| (rule.address, &rule.opening, view.session.expires_at))
    })
}

fn parts_of(resource: &ResourceName) -> impl Iterator<Item = RulePart> {
    let (_, parts) = PARTS.into_iter().find(|(name, _)| *name == resource.as_str()).unwrap();
    parts.iter().map(|part| RulePart((*part).to_owned()))
}
