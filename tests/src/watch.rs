//! A watch over the cloud while servers die: what stays open after its session, and what closes before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::clock::unix_millis;
use crate::moto::{Ec2, GroupId, Rule};
use crate::records::{Records, Wish};

/// How often it looks.
const PACE: Duration = Duration::from_millis(100);

/// A watch that goes on until it is asked what it has found.
#[derive(Debug)]
pub struct Watch {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Findings>,
}

/// What a watch has found.
#[derive(Debug, Default, Clone)]
pub struct Findings {
    /// How often it looked.
    pub looks: usize,
    /// How often it could not look, because the database did not answer.
    pub blind_looks: usize,
    /// The program's rules that it saw, and the groups that they were on.
    pub rules: BTreeMap<String, GroupId>,
    /// Rules that were there when every session that had wanted them had been over for longer than the watch's patience.
    pub leaked: BTreeMap<String, String>,
    /// Wishes of live sessions that had read APPLIED, and had no rule.
    pub cut: BTreeSet<String>,
    /// The longest time that a rule was seen after its last session's end.
    pub longest_outlived: Duration,
}

impl Watch {
    /// Begins.
    pub fn begin(ec2: Ec2, groups: Vec<GroupId>, mut records: Records, patience: Duration) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut findings = Findings::default();
            while stopped.try_recv().is_err() {
                look(&mut findings, &ec2, &groups, &mut records, patience).await;
                tokio::time::sleep(PACE).await;
            }
            findings
        });
        Self { stop, task }
    }

    /// Ends.
    pub async fn end(self) -> Findings {
        self.stop.send(()).expect("the watch goes on until it is ended");
        self.task.await.expect("the watch sees to the end")
    }
}

/// One look. What was wanted is read before the cloud and after it: what is wanted in both was wanted in between.
async fn look(findings: &mut Findings, ec2: &Ec2, groups: &[GroupId], records: &mut Records, patience: Duration) {
    let (asked_at, before) = (unix_millis(), records.try_wishes().await);
    let rules = ec2.rules_of_all(groups).await;
    let (after, answered_at) = (records.try_wishes().await, unix_millis());
    // A database that does not answer says nothing of what is wanted.
    let (Ok(before), Ok(after)) = (before, after) else {
        findings.blind_looks += 1;
        return;
    };
    findings.looks += 1;
    let is_for = |rule: &Rule, wish: &Wish| rule.group == group_of(wish, groups) && is_host(&rule.cidr, &wish.address);
    for wish in before.iter().filter(|wish| wish.status == "APPLIED") {
        let still_wanted =
            after.iter().any(|later| is_same(wish, later) && later.status == "APPLIED" && later.over_at() > answered_at);
        if still_wanted && !rules.iter().any(|rule| is_for(rule, wish)) {
            findings.cut.insert(format!("{} of {} for {}", wish.resource, wish.session, wish.address));
        }
    }
    for rule in rules.iter().filter(|rule| rule.is_ours()) {
        findings.rules.insert(rule.id.clone(), rule.group.clone());
        let over_at = after.iter().filter(|wish| is_for(rule, wish)).map(Wish::over_at).max();
        // A rule that no session ever wanted has outlived everything.
        let outlived = Duration::from_millis(u64::try_from(asked_at - over_at.unwrap_or(0)).unwrap_or(0));
        findings.longest_outlived = findings.longest_outlived.max(outlived);
        if outlived > patience {
            findings.leaked.insert(rule.id.clone(), format!("{} on {}, {outlived:?} after its end", rule.cidr, rule.group));
        }
    }
}

fn is_same(one: &Wish, other: &Wish) -> bool {
    (&one.session, &one.resource, &one.address) == (&other.session, &other.resource, &other.address)
}

fn is_host(cidr: &str, address: &str) -> bool {
    cidr.split_once('/').is_some_and(|(host, _)| host == address)
}

/// The resources of a world's groups are numbered.
fn group_of<'a>(wish: &Wish, groups: &'a [GroupId]) -> &'a str {
    let number: Option<usize> = wish.resource.strip_prefix("group-").and_then(|number| number.parse().ok());
    number.and_then(|number| groups.get(number - 1)).map_or("", String::as_str)
}
