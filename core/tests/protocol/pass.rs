//! A worker's pass: lease and intent, one call, a look at the list, verdicts, and the record under the fence.

use super::world::{Call, FOREIGN, Opening, OpeningState, Pass, Rule, RuleId, Session, Step, Variant, World};

/// More than any state needs.
const PASSES_TO_REST: usize = 12;

impl World {
    /// The lease of the resource, from whoever has it. The code takes one that has run out: early for its holder is a fault
    /// here.
    fn take_lease(&mut self) {
        for pass in self.workers.iter_mut().flatten() {
            pass.holds_lease = false;
        }
    }

    /// `reconcile/claim.rs`, `claim`: writes what the pass is about to do before it does it. Nothing where there is nothing to
    /// do but wait.
    pub fn claim(&mut self, worker: usize, variant: Variant) -> Option<()> {
        let mut plan = self.plan(variant);
        let step = self.first_step(&plan, variant)?;
        self.take_lease();
        if let Step::Calling(Call::Add { opening }) = step {
            plan.iter_mut().filter(|(at, _)| *at == opening).for_each(|(_, planned)| planned.tried = true);
        }
        let untried: Vec<_> = plan.iter().filter(|planned| self.is_untried(planned)).map(|(at, _)| *at).collect();
        if variant != Variant::IntentAfterCall {
            let intended = |at: &usize| variant != Variant::DropsTheUntried || !untried.contains(at);
            for (at, opening) in plan.iter().filter(|(at, _)| intended(at)) {
                self.openings[*at].clone_from(opening);
            }
        }
        // Gone with the record. Until then it is on its way out, and no session joins it.
        for (_, opening) in plan.iter_mut().filter(|(at, _)| untried.contains(at)) {
            (opening.state, opening.due) = (OpeningState::Gone, false);
        }
        self.workers[worker] = Some(Pass { holds_lease: true, step, plan, refused: false });
        Some(())
    }

    /// `reconcile/sweep.rs`, `lease_for_sweep`, and its look. Nothing where there is nothing to be found.
    pub fn sweep(&mut self, worker: usize, list: Option<Rule>, variant: Variant) -> Option<()> {
        let is_news = list.is_some_and(|rule| rule.mark.is_some()) || self.is_missing_from(list);
        if !is_news || variant == Variant::NeverSweeps {
            return None;
        }
        self.take_lease();
        self.workers[worker] = Some(Pass { holds_lease: true, step: Step::Listed(list), plan: Vec::new(), refused: false });
        Some(())
    }

    /// `reconcile/compare.rs`, and the rest of `look_and_remove`. What is removed is not read back: the next sweep sees it. Where
    /// nothing is to be removed, `reconcile/record_sweep.rs` records what is missing.
    pub fn compare(&mut self, worker: usize, variant: Variant) -> Option<()> {
        let Step::Listed(list) = self.workers[worker].as_ref()?.step else { return None };
        let pass = self.workers[worker].take()?;
        match list.filter(|rule| self.is_orphan(*rule)) {
            Some(orphan) => self.workers[worker] = Some(Pass { step: removal(vec![orphan.id], variant), ..pass }),
            None if pass.holds_lease => self.observe(list, variant),
            None => {}
        }
        Some(())
    }

    /// `reconcile/observed.rs`, `record_finding`: what a list says of the openings that are taken for present and wanted.
    fn observe(&mut self, list: Option<Rule>, variant: Variant) {
        for at in 0..self.openings.len() {
            if self.openings[at].state != OpeningState::Present || !self.is_wanted(at) {
                continue;
            }
            if self.shows(list, at) {
                self.openings[at].unseen = false;
            } else if self.openings[at].unseen || variant == Variant::BelievesOneList {
                self.lose(at, variant);
            } else {
                (self.openings[at].unseen, self.openings[at].due) = (true, true);
            }
        }
    }

    /// `reconcile/observed.rs`, `lose`.
    fn lose(&mut self, at: usize, variant: Variant) {
        let was_active = self.sessions.contains(&Session::Live { opening: at, active: true });
        // A true list that did not show what a hand took agrees with one that lags.
        let by_one_list = self.lagged < 2 && !self.taken;
        self.flapped |= was_active && self.shows(self.cloud, at) && by_one_list;
        let mut opening = at;
        if variant == Variant::ReplacesWhatIsGone {
            self.openings[at] = Opening { state: OpeningState::Gone, due: false, given_up: true, ..Opening::new() };
            opening = self.openings.len();
            self.openings.push(Opening::new());
        } else {
            self.openings[at] = Opening { tried: true, ..Opening::new() };
        }
        for session in
            self.sessions.iter_mut().filter(|session| matches!(session, Session::Live { opening: its, .. } if *its == at))
        {
            *session = Session::Live { opening, active: false };
        }
    }

    /// `reconcile/presence.rs`, `look_for`.
    fn shows(&self, list: Option<Rule>, at: usize) -> bool {
        list.is_some_and(|rule| rule.mark == Some(at) || self.openings[at].rule == Some(rule.id))
    }

    fn is_missing_from(&self, list: Option<Rule>) -> bool {
        let taken_for_present = |at: &usize| self.openings[*at].state == OpeningState::Present && self.is_wanted(*at);
        (0..self.openings.len()).filter(taken_for_present).any(|at| !self.shows(list, at))
    }

    /// Whether a sweep would find that something is missing.
    pub fn something_is_missing(&self) -> bool {
        self.is_missing_from(self.cloud)
    }

    /// `reconcile/plan.rs`, `plan`, and `reconcile/claim.rs`, `intended`: the openings that are due, as far as the intent moves
    /// them.
    fn plan(&self, variant: Variant) -> Vec<(usize, Opening)> {
        let due = self.openings.iter().enumerate().filter(|(_, opening)| opening.due);
        // `store/blocks.rs`, `due_additions`: what a blocked resource refuses waits for the probe.
        let waits = |at: usize, opening: &Opening| self.blocked && opening.state == OpeningState::Adding && self.is_wanted(at);
        due.filter(|(at, opening)| !waits(*at, opening))
            .map(|(at, opening)| {
                let mut opening = opening.clone();
                match (opening.state, self.is_wanted(at)) {
                    (OpeningState::Gone, _) | (OpeningState::Adding | OpeningState::Present, true) => {}
                    (OpeningState::Removing, true) if variant == Variant::RevivesRemovals => {
                        (opening.state, opening.unseen) = (OpeningState::Adding, false);
                    }
                    (OpeningState::Removing, _) if opening.unseen => {}
                    (OpeningState::Adding, false) if !opening.tried => opening.state = OpeningState::Removing,
                    (OpeningState::Removing, _) => opening.attempts = 2.min(opening.attempts + 1),
                    (OpeningState::Adding | OpeningState::Present, false) => {
                        opening.unseen &= variant == Variant::KeepsDoubts;
                        (opening.state, opening.attempts) = (OpeningState::Removing, 1);
                    }
                }
                (at, opening)
            })
            .collect()
    }

    /// `reconcile/plan.rs`, `untried`: the cloud was never asked for it, so there is nothing to remove.
    fn is_untried(&self, (at, planned): &(usize, Opening)) -> bool {
        self.openings[*at].state == OpeningState::Adding && planned.state == OpeningState::Removing && !planned.tried
    }

    /// `reconcile/act.rs`, `act`: removals before additions. The two never meet on one address, for an addition waits.
    fn first_step(&self, plan: &[(usize, Opening)], variant: Variant) -> Option<Step> {
        let removing: Vec<_> = plan.iter().filter(|planned| planned.1.is_closing() && !self.is_untried(planned)).collect();
        if !removing.is_empty() {
            return Some(removal(self.rules_to_remove(&removing), variant));
        }
        let in_state = |state| move |(_, opening): &&(usize, Opening)| opening.state == state;
        if let Some((opening, _)) = plan.iter().filter(in_state(OpeningState::Adding)).find(|(at, _)| !self.is_blocked(*at)) {
            return Some(Step::Calling(Call::Add { opening: *opening }));
        }
        let (untried, looked_for): (Vec<_>, Vec<_>) =
            plan.iter().filter(in_state(OpeningState::Removing)).partition(|planned| self.is_untried(planned));
        let is_doubted = |(_, opening): &(usize, Opening)| opening.state == OpeningState::Present && opening.unseen;
        if !looked_for.is_empty() || plan.iter().any(is_doubted) {
            return Some(Step::Answered { failed: false });
        }
        let shown = plan.iter().any(|planned| in_state(OpeningState::Present)(&planned));
        (shown || !untried.is_empty()).then_some(Step::Judged { list: None })
    }

    /// `reconcile/act.rs`, `remove`: the ids that are known, and those that bear an opening's mark where that may not be all.
    fn rules_to_remove(&self, removing: &[&(usize, Opening)]) -> Vec<RuleId> {
        let look = removing.iter().any(|(_, opening)| opening.rule.is_none() || opening.attempts > 1);
        let seen = self.cloud.filter(|_| look);
        let found = seen.filter(|rule| removing.iter().any(|(at, _)| rule.mark == Some(*at))).map(|rule| rule.id);
        let known = removing.iter().filter_map(|(_, opening)| opening.rule).filter(|rule| *rule != FOREIGN);
        let mut rules: Vec<_> = known.chain(found).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    /// `reconcile/plan.rs`, `is_blocked`: while the old instance is there, adding would find it and take it for the new one.
    fn is_blocked(&self, opening: usize) -> bool {
        self.openings.iter().enumerate().filter(|(at, _)| *at != opening).any(|(at, other)| match other.state {
            OpeningState::Adding | OpeningState::Present => !self.is_wanted(at),
            OpeningState::Removing => other.is_closing(),
            OpeningState::Gone => false,
        })
    }

    /// `reconcile/act.rs`, `observe`, and `reconcile/judge.rs`: what became of each opening is decided by what is on the list.
    pub fn read_back(&mut self, worker: usize, seen: Option<Rule>, variant: Variant) {
        let Some(pass) = &mut self.workers[worker] else { return };
        let Step::Answered { failed } = pass.step else { return };
        let removes = pass.plan.iter().any(|(_, opening)| opening.is_closing());
        for (at, opening) in &mut pass.plan {
            match opening.state {
                OpeningState::Removing => {
                    let failed = failed && opening.is_closing();
                    judge_unwanted(*at, opening, seen, failed, variant);
                }
                // Beside a removal it only waits.
                OpeningState::Adding if !removes => judge_wanted(*at, opening, seen),
                OpeningState::Adding | OpeningState::Present | OpeningState::Gone => {}
            }
        }
        pass.step = Step::Judged { list: Some(seen) };
    }

    /// The list could not be read: whatever was called, nothing is known.
    pub fn read_nothing(&mut self, worker: usize) -> Option<()> {
        self.workers[worker].as_mut()?.step = Step::Judged { list: None };
        Some(())
    }

    /// `reconcile/record.rs`, `record`: one transaction under the lease's fence.
    pub fn record(&mut self, worker: usize, variant: Variant) {
        let Some(pass) = self.workers[worker].take() else { return };
        if !pass.holds_lease && variant != Variant::NoFence {
            return;
        }
        // `reconcile/blocked.rs`, `record_standing`: one that was accepted lifts what another's refusal blocked.
        let added = pass.plan.iter().any(|(_, opening)| opening.state == OpeningState::Present);
        self.blocked = pass.refused || (self.blocked && !added);
        for (at, mut opening) in pass.plan {
            opening.due = match opening.state {
                OpeningState::Gone => false,
                OpeningState::Present => !self.is_wanted(at) || opening.unseen,
                OpeningState::Adding | OpeningState::Removing => true,
            };
            self.show(at, opening.state);
            let gone = opening.state == OpeningState::Gone;
            self.openings[at] = opening;
            if gone && let Some(next) = self.joinable(variant) {
                self.openings[next].due = true;
            }
        }
        if let Step::Judged { list: Some(list) } = pass.step {
            self.observe(list, variant);
        }
    }

    /// `reconcile/record.rs`, `event_for`: what an opening's state means for the sessions on it.
    fn show(&mut self, at: usize, state: OpeningState) {
        for session in &mut self.sessions {
            if let Session::Live { opening, active } = session
                && *opening == at
            {
                *active = match state {
                    OpeningState::Adding => *active,
                    OpeningState::Present => true,
                    OpeningState::Removing | OpeningState::Gone => false,
                };
            }
        }
    }

    /// Whether one worker without faults, and a sweep where there is something to sweep, leave nothing to do after a while.
    pub fn comes_to_rest(&self, variant: Variant) -> bool {
        let mut world = self.clone();
        (0..PASSES_TO_REST).any(|_| {
            world.pass_undisturbed(variant);
            world.is_settled(variant)
        })
    }

    /// `domain/block.rs`: the time of the next probe comes, or the list has changed. With one address, the probe is the addition itself.
    pub fn probe(&mut self, variant: Variant) -> Option<()> {
        let probes = self.blocked && variant != Variant::NeverProbes;
        self.blocked &= !probes;
        probes.then_some(())
    }

    fn pass_undisturbed(&mut self, variant: Variant) {
        self.probe(variant);
        let sweeps = self.orphan().is_some() || self.something_is_missing();
        if sweeps && self.sweep(0, self.cloud, variant).is_some() {
            self.compare(0, variant).and_then(|()| self.answer(0, false));
        } else if self.claim(0, variant).is_some() {
            self.answer(0, false);
            self.read_back(0, self.cloud, variant);
            self.record(0, variant);
        }
    }
}

fn removal(rules: Vec<RuleId>, variant: Variant) -> Step {
    let by_address = variant == Variant::RemovesByAddress;
    match rules.is_empty() {
        _ if by_address => Step::Calling(Call::RemoveAddress),
        true => Step::Answered { failed: false },
        false => Step::Calling(Call::Remove { rules }),
    }
}

/// `reconcile/judge.rs`, `find_part`: a rule of ours that was made for another instance is none of this one's.
fn judge_wanted(at: usize, opening: &mut Opening, seen: Option<Rule>) {
    opening.rule = seen.filter(|rule| rule.mark.is_none_or(|mark| mark == at)).map(|rule| rule.id);
    if opening.rule.is_some() {
        (opening.state, opening.attempts) = (OpeningState::Present, 0);
    }
}

/// Here and in `reconcile/record.rs`, `apply_verdict`: a removal is final only once a read, after a call that did not fail, and
/// a later one show no rule of the opening. The code waits for as long as a late call may still come; here the sweep has to
/// make up for it.
fn judge_unwanted(at: usize, opening: &mut Opening, seen: Option<Rule>, failed: bool, variant: Variant) {
    let still_there = seen.is_some_and(|rule| rule.mark == Some(at) || (rule.id != FOREIGN && opening.rule == Some(rule.id)));
    let is_final = if variant == Variant::BelievesAnswers { !failed } else { !still_there && !failed && opening.unseen };
    if is_final {
        *opening = Opening { state: OpeningState::Gone, due: false, ..Opening::new() };
    } else if still_there {
        opening.unseen = false;
    } else if !failed {
        (opening.unseen, opening.attempts) = (true, 0);
    }
}
