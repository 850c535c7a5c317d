//! What a list shows of an opening that is PRESENT: all of it, not all of it, or a rule that was changed. Pure.

use crate::domain::{DeploymentId, HeldRule, Opening, OpeningState, RuleOwner};
use crate::provider::SeenRule;

/// What a list shows of an opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// All of its rules, under the ids that they have now.
    Whole(Vec<HeldRule>),
    /// Only these.
    Unseen(Vec<HeldRule>),
    /// Not all of them, and at least one that opens something else than it was made for.
    Changed(Vec<SeenRule>),
}

/// Looks for an opening on a list.
pub(super) fn look_for(opening: &Opening, seen: &[SeenRule], owner: &DeploymentId) -> Sight {
    let found: Vec<_> = opening.rules.iter().filter_map(|held| find(held, opening, seen, owner)).collect();
    if found.len() == opening.rules.len() {
        return Sight::Whole(found);
    }
    let changed: Vec<_> = seen.iter().filter(|rule| is_changed(rule, opening, owner)).cloned().collect();
    if changed.is_empty() { Sight::Unseen(found) } else { Sight::Changed(changed) }
}

/// Whether the rule is the opening's and opens something else than it was made for: to others, or another part of the resource.
pub(super) fn is_changed(rule: &SeenRule, opening: &Opening, owner: &DeploymentId) -> bool {
    // While an opening is on its way it is not known yet what it consists of.
    let other_part = || opening.state == OpeningState::Present && !opening.rules.iter().any(|held| held.part == rule.part);
    was_made_for(rule, opening, owner) && (!rule.is_for(opening.address) || other_part())
}

/// Whether the rule is the opening's: by its mark, or by its id where that was written down.
pub(super) fn was_made_for(rule: &SeenRule, opening: &Opening, owner: &DeploymentId) -> bool {
    let known = opening.our_rules().any(|held| held.id == rule.id);
    // One call may have marked the rules of several openings together: then the address says whose it is.
    let marked = rule.mark.as_ref().is_some_and(|mark| mark.openings.len() == 1) || rule.is_for(opening.address);
    known || (rule.is_of(owner, &opening.id) && marked)
}

/// The rule that a held one is now: the one with its id, or another that does the same and is its owner's.
fn find(held: &HeldRule, opening: &Opening, seen: &[SeenRule], owner: &DeploymentId) -> Option<HeldRule> {
    let mut fitting = seen.iter().filter(|rule| rule.is_for(opening.address) && rule.part == held.part);
    let is_it = |rule: &&SeenRule| {
        rule.id == held.id
            || match held.owner {
                RuleOwner::Ours => rule.is_of(owner, &opening.id),
                RuleOwner::Foreign => !rule.is_owned_by(owner),
            }
    };
    fitting.find(is_it).map(|rule| HeldRule { id: rule.id.clone(), ..held.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{HostAddress, OpeningId, ProviderRuleId, ResourceName, RulePart, Timestamp};
    use crate::provider::Mark;

    fn us() -> DeploymentId {
        DeploymentId::from_stored("us")
    }

    fn rule(id: &str, source: &str, part: &str, opening: Option<&str>) -> SeenRule {
        let mark = |opening: &str| Mark {
            owner: us(),
            openings: vec![OpeningId::from_stored(opening)],
            expires_at: Some(Timestamp::from_millis(1)),
        };
        SeenRule {
            id: ProviderRuleId::from_stored(id),
            source: source.parse().unwrap(),
            part: RulePart(part.into()),
            mark: opening.map(mark),
        }
    }

    fn held(id: &str, part: &str, owner: RuleOwner) -> HeldRule {
        HeldRule { id: ProviderRuleId::from_stored(id), part: RulePart(part.into()), owner }
    }

    fn opening(rules: Vec<HeldRule>) -> Opening {
        let address = HostAddress::parse("93.184.216.34").unwrap();
        let wanted = Opening::wanted(OpeningId::from_stored("a"), ResourceName::new("bastion").unwrap(), address);
        Opening { state: OpeningState::Present, rules, ..wanted }
    }

    const HOME: &str = "93.184.216.34/32";

    #[test]
    fn a_rule_counts_by_its_id_or_by_its_mark_and_never_one_of_another_instance() {
        let ours = opening(vec![held("r1", "tcp 22", RuleOwner::Ours)]);
        let sight = |seen: &[SeenRule]| look_for(&ours, seen, &us());
        assert!(matches!(sight(&[rule("r1", HOME, "tcp 22", Some("a"))]), Sight::Whole(_)));
        assert!(matches!(sight(&[rule("r1", HOME, "tcp 22", None)]), Sight::Whole(_)), "its tags were taken");
        let again = Sight::Whole(vec![held("r2", "tcp 22", RuleOwner::Ours)]);
        assert_eq!(sight(&[rule("r2", HOME, "tcp 22", Some("a"))]), again, "it was put back under another id");
        assert_eq!(sight(&[rule("r3", HOME, "tcp 22", Some("older"))]), Sight::Unseen(Vec::new()));
        assert_eq!(sight(&[rule("r4", HOME, "tcp 22", None)]), Sight::Unseen(Vec::new()), "a foreign one is not ours");
        assert_eq!(sight(&[]), Sight::Unseen(Vec::new()));
    }

    #[test]
    fn one_of_two_parts_is_not_the_whole() {
        let two = opening(vec![held("r1", "tcp 22", RuleOwner::Ours), held("r2", "tcp 443", RuleOwner::Ours)]);
        let left = Sight::Unseen(vec![held("r2", "tcp 443", RuleOwner::Ours)]);
        assert_eq!(look_for(&two, &[rule("r2", HOME, "tcp 443", Some("a"))], &us()), left);
    }

    #[test]
    fn a_rule_that_lets_in_others_or_opens_another_port_was_changed() {
        let ours = opening(vec![held("r1", "tcp 22", RuleOwner::Ours)]);
        for changed in [rule("r1", "0.0.0.0/0", "tcp 22", Some("a")), rule("r1", HOME, "tcp 0-65535", Some("a"))] {
            assert_eq!(look_for(&ours, std::slice::from_ref(&changed), &us()), Sight::Changed(vec![changed]));
        }
        let copy = [rule("r1", HOME, "tcp 22", Some("a")), rule("r9", "0.0.0.0/0", "tcp 22", Some("a"))];
        assert!(matches!(look_for(&ours, &copy, &us()), Sight::Whole(_)), "a wider copy beside it takes nothing from it");
        assert!(is_changed(&copy[1], &ours, &us()));
    }

    #[test]
    fn a_foreign_rule_may_be_replaced_by_another_foreign_one() {
        let foreign = opening(vec![held("f1", "tcp 22", RuleOwner::Foreign)]);
        let other = Sight::Whole(vec![held("f2", "tcp 22", RuleOwner::Foreign)]);
        assert_eq!(look_for(&foreign, &[rule("f2", HOME, "tcp 22", None)], &us()), other);
        assert_eq!(look_for(&foreign, &[], &us()), Sight::Unseen(Vec::new()));
    }
}
