//! The cloud: it does what it is asked for when it gets round to it. Its lists are true, or lag by one change.

use super::world::{Call, FOREIGN, Opening, OpeningState, Rule, Step, World};

impl World {
    /// Does what a call asks for. Adding what is there already (EC2: `InvalidPermission.Duplicate`) and removing what is not
    /// there changes nothing.
    pub fn apply(&mut self, call: &Call, late: bool, lies: bool) {
        let before = self.cloud;
        match call {
            Call::Add { opening } if self.cloud.is_none() => {
                self.made += 1;
                self.cloud = Some(Rule { id: self.made, mark: Some(*opening), late });
            }
            Call::Add { .. } => {}
            Call::Remove { rules } => self.cloud = self.cloud.filter(|rule| !rules.contains(&rule.id)),
            Call::RemoveAddress => self.cloud = None,
        }
        let removed = before.filter(|_| self.cloud.is_none()).and_then(|rule| rule.mark);
        self.cut |= removed.is_some_and(|opening| self.openings[opening].given_up);
        self.changed_from(before, lies);
    }

    /// A rule of ours is removed by hand.
    pub fn take_away(&mut self, lies: bool) -> Option<()> {
        let rule = self.cloud.filter(|rule| rule.mark.is_some())?;
        (self.cloud, self.taken) = (None, true);
        self.changed_from(Some(rule), lies);
        Some(())
    }

    fn changed_from(&mut self, before: Option<Rule>, lies: bool) {
        if lies && before != self.cloud {
            self.before = before;
        }
    }

    /// What a list that lags shows; nothing where it would show what is there.
    pub fn lagging_list(&mut self) -> Option<Option<Rule>> {
        self.lagged = 2.min(self.lagged + 1);
        (self.before != self.cloud).then_some(self.before)
    }

    /// Does what a worker asked for, and lets it know. A sweep is done with that.
    pub fn answer(&mut self, worker: usize, lies: bool) -> Option<()> {
        let late = !self.workers[worker].as_ref()?.holds_lease;
        let call = self.end_call(worker, false)?;
        self.apply(&call, late, lies);
        Some(())
    }

    /// Says OK to a removal, and does nothing. Nothing where the call is another one.
    pub fn answer_falsely(&mut self, worker: usize) -> Option<()> {
        let call = self.end_call(worker, false)?;
        (!matches!(call, Call::Add { .. })).then_some(())
    }

    /// Refuses an addition for a reason of the resource: its quota, a right that is missing. Nothing where the call is another one.
    pub fn refuse(&mut self, worker: usize) -> Option<()> {
        let call = self.end_call(worker, true)?;
        let pass = self.workers[worker].as_mut()?;
        pass.refused = matches!(call, Call::Add { .. });
        pass.refused.then_some(())
    }

    /// Leaves a worker without an answer; the call may still be done.
    pub fn give_up(&mut self, worker: usize) -> Option<()> {
        let call = self.end_call(worker, true)?;
        self.late.push(call);
        Some(())
    }

    /// Lets a worker die. Its call may still be done.
    pub fn crash(&mut self, worker: usize) -> Option<()> {
        if let Step::Calling(call) = self.workers[worker].take()?.step {
            self.late.push(call);
        }
        Some(())
    }

    fn end_call(&mut self, worker: usize, failed: bool) -> Option<Call> {
        let pass = self.workers[worker].as_mut()?;
        let Step::Calling(call) = std::mem::replace(&mut pass.step, Step::Answered { failed }) else { return None };
        if pass.is_sweep() {
            self.workers[worker] = None;
        }
        Some(call)
    }

    /// A rule of ours that no opening accounts for.
    pub fn orphan(&self) -> Option<Rule> {
        self.cloud.filter(|rule| self.is_orphan(*rule))
    }

    /// `reconcile/compare.rs`, `compare`: ours, and no opening accounts for it as it stands.
    pub fn is_orphan(&self, rule: Rule) -> bool {
        let accounts = |(at, opening): (usize, &Opening)| {
            opening.state != OpeningState::Gone && (rule.mark == Some(at) || opening.rule == Some(rule.id))
        };
        rule.mark.is_some() && !self.openings.iter().enumerate().any(accounts)
    }

    /// Whether what is recorded as gone is gone, or was brought back by a call that nobody waited for any more.
    pub fn gone_is_gone(&self) -> bool {
        let of_a_gone_one = |rule: &Rule| rule.mark.is_some_and(|mark| self.openings[mark].state == OpeningState::Gone);
        self.cloud.filter(of_a_gone_one).is_none_or(|rule| rule.late)
    }

    /// Whether somebody else's rule is as it was.
    pub fn foreign_rule_stands(&self) -> bool {
        !self.foreign || self.cloud.is_some_and(|rule| rule.id == FOREIGN)
    }
}
