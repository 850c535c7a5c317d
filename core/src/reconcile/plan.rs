//! What to do on one resource: a pure function of its openings and of what is wanted of them.

use crate::domain::{MemberName, Opening, OpeningState, SessionId, Timestamp};

/// What is wanted of an opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The latest end among the sessions that want it.
    pub until: Timestamp,
    /// The first of those sessions.
    pub session: SessionId,
    /// Whose that one is.
    pub member: MemberName,
}

/// An opening that is not gone, and what is wanted of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WishedOpening {
    /// The opening.
    pub opening: Opening,
    /// When to look at it.
    pub due_at: Option<Timestamp>,
    /// What is wanted; nothing where nobody wants it any more.
    pub wish: Option<Wish>,
}

/// What to do on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// As of when.
    pub at: Timestamp,
    /// No longer wanted: to be removed.
    pub removing: Vec<Opening>,
    /// Wanted, and not seen yet: to be added.
    pub adding: Vec<(Opening, Wish)>,
    /// There, but marked with another end than the wanted one.
    pub remarking: Vec<(Opening, Wish)>,
    /// Not shown by a read, after its removal or while it is wanted: to be looked for once more.
    pub watching: Vec<Opening>,
    /// As wanted: only what sessions show of it may be out of date.
    pub settled: Vec<Opening>,
    /// Wanted, but an older instance for the same address is still on its way out: to be looked at again.
    pub waiting: Vec<Opening>,
    /// No longer wanted, and the provider was never asked for it: there is nothing to remove.
    pub untried: Vec<Opening>,
}

impl Plan {
    /// Nothing to do.
    pub const fn nothing(at: Timestamp) -> Self {
        Self {
            at,
            removing: Vec::new(),
            adding: Vec::new(),
            remarking: Vec::new(),
            watching: Vec::new(),
            settled: Vec::new(),
            waiting: Vec::new(),
            untried: Vec::new(),
        }
    }

    /// Whether the provider has to be called.
    pub fn calls_provider(&self) -> bool {
        self.acted_on().next().is_some()
    }

    /// The openings that the provider is called for.
    pub fn acted_on(&self) -> impl Iterator<Item = &Opening> {
        let wished = self.adding.iter().chain(&self.remarking).map(|(opening, _)| opening);
        self.removing.iter().chain(wished).chain(&self.watching)
    }

    /// Every opening of the plan.
    pub fn openings(&self) -> impl Iterator<Item = &Opening> {
        self.acted_on().chain(&self.untried).chain(&self.settled).chain(&self.waiting)
    }
}

/// Plans for the openings that are due at `now`.
pub fn plan(now: Timestamp, wished: &[WishedOpening]) -> Plan {
    let mut plan = Plan::nothing(now);
    for WishedOpening { opening, due_at, wish } in wished {
        if due_at.is_none_or(|due| due > now) {
            continue;
        }
        let opening = opening.clone();
        match (opening.state, wish) {
            (OpeningState::Gone, _) => {}
            (OpeningState::Removing, _) if opening.unseen_since.is_some() => plan.watching.push(opening),
            (OpeningState::Adding, None) if !opening.was_tried() => plan.untried.push(opening),
            (OpeningState::Removing, _) | (OpeningState::Adding | OpeningState::Present, None) => plan.removing.push(opening),
            // The clock is about to take the wish back: what is not open yet must not be opened for nobody.
            (OpeningState::Adding, Some(wish)) if wish.until <= now => plan.waiting.push(opening),
            (OpeningState::Adding, Some(_)) if is_blocked(&opening, wished) => plan.waiting.push(opening),
            (OpeningState::Adding, Some(wish)) => plan.adding.push((opening, wish.clone())),
            (OpeningState::Present, Some(wish)) if needs_mark(&opening, wish.until) => {
                plan.remarking.push((opening, wish.clone()))
            }
            (OpeningState::Present, Some(_)) if opening.unseen_since.is_some() => plan.watching.push(opening),
            (OpeningState::Present, Some(_)) => plan.settled.push(opening),
        }
    }
    plan
}

/// Whether rules of ours may bear another end than the wanted one. Clouds keep it to the second. A try that did not come good, or
/// whose outcome nobody recorded, may have moved the end all the same.
pub(super) fn needs_mark(opening: &Opening, until: Timestamp) -> bool {
    let unknown = opening.attempts > 0;
    !opening.is_foreign() && (unknown || opening.marked_until.map(Timestamp::as_seconds) != Some(until.as_seconds()))
}

/// A cloud has one rule of a shape: while the old instance is there, adding would find it and take it for the new one.
fn is_blocked(opening: &Opening, all: &[WishedOpening]) -> bool {
    all.iter().any(|other| {
        let unwanted = other.wish.is_none() && other.opening.state != OpeningState::Removing;
        let going = other.opening.is_closing() || unwanted;
        going && other.opening.address == opening.address && other.opening.id != opening.id
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{HeldRule, HostAddress, OpeningId, ProviderRuleId, ResourceName, RuleOwner, RulePart};

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn wished(id: &str, state: OpeningState, until: Option<i64>) -> WishedOpening {
        let opening = Opening {
            id: OpeningId::from_stored(id),
            resource: ResourceName::new("bastion").unwrap(),
            address: HostAddress::parse("93.184.216.34").unwrap(),
            state,
            rules: Vec::new(),
            marked_until: None,
            unseen_since: None,
            attempts: 0,
            error: None,
        };
        let wish = until.map(|until| Wish {
            until: Timestamp::from_millis(until),
            session: SessionId::from_stored("s"),
            member: MemberName::new("ana").unwrap(),
        });
        WishedOpening { opening, due_at: Some(NOW), wish }
    }

    #[test]
    fn i2_what_a_live_session_wants_is_never_removed() {
        for state in [OpeningState::Adding, OpeningState::Present] {
            assert!(plan(NOW, &[wished("a", state, Some(2_000_000))]).removing.is_empty());
            let mut unwanted = wished("a", state, None);
            unwanted.opening.attempts = 1;
            assert_eq!(plan(NOW, &[unwanted]).removing.len(), 1);
        }
    }

    #[test]
    fn what_was_never_asked_for_is_done_with_without_a_call() {
        let plan = plan(NOW, &[wished("a", OpeningState::Adding, None)]);
        assert_eq!((plan.untried.len(), plan.removing.len(), plan.calls_provider()), (1, 0, false));
    }

    #[test]
    fn a_wish_that_comes_during_removal_waits_for_a_new_instance() {
        let all = [wished("old", OpeningState::Removing, None), wished("new", OpeningState::Adding, Some(2_000_000))];
        let plan = plan(NOW, &all);
        assert_eq!((plan.removing.len(), plan.adding.len(), plan.waiting.len()), (1, 0, 1));
    }

    #[test]
    fn what_has_gone_from_sight_is_looked_for_and_holds_up_no_new_instance() {
        let mut old = wished("old", OpeningState::Removing, None);
        old.opening.unseen_since = Some(NOW);
        let plan = plan(NOW, &[old, wished("new", OpeningState::Adding, Some(2_000_000))]);
        assert_eq!((plan.removing.len(), plan.watching.len(), plan.adding.len()), (0, 1, 1));
    }

    #[test]
    fn a_moved_end_is_marked_on_our_rules_and_left_alone_on_foreign_ones() {
        let mut there = wished("a", OpeningState::Present, Some(2_000_000));
        assert_eq!(plan(NOW, std::slice::from_ref(&there)).remarking.len(), 1);
        there.opening.marked_until = Some(Timestamp::from_millis(2_000_999));
        assert_eq!(plan(NOW, std::slice::from_ref(&there)).settled.len(), 1);
        there.opening.marked_until = None;
        let rule = HeldRule { id: ProviderRuleId::from_stored("r"), part: RulePart(String::new()), owner: RuleOwner::Foreign };
        there.opening.rules = vec![rule];
        assert_eq!(plan(NOW, &[there]).settled.len(), 1);
    }

    #[test]
    fn what_a_read_did_not_show_while_it_is_wanted_is_looked_for_and_neither_added_nor_removed() {
        let mut doubted = wished("a", OpeningState::Present, Some(2_000_000));
        doubted.opening.marked_until = Some(Timestamp::from_millis(2_000_000));
        doubted.opening.unseen_since = Some(NOW);
        let looking = plan(NOW, std::slice::from_ref(&doubted));
        assert_eq!((looking.watching.len(), looking.acted_on().count()), (1, 1));
        doubted.wish = None;
        let [removing] = plan(NOW, &[doubted]).intended().removing.try_into().unwrap();
        assert_eq!(removing.unseen_since, None, "the removal is believed only after reads of its own");
    }

    #[test]
    fn what_is_not_due_is_left_alone() {
        let mut later = wished("a", OpeningState::Adding, Some(2_000_000));
        later.due_at = Some(Timestamp::from_millis(1_000_001));
        assert_eq!(plan(NOW, &[later]), Plan::nothing(NOW));
    }
}
