//! The main step without a server: closes what is overdue on the groups, and opens them for the runner's address.

use std::env;
use std::sync::Arc;

use anyhow::{Context, bail};
use entryguard_aws::SecurityGroupAllowlist;
use entryguard_core::clock::{Clock, SystemClock};
use entryguard_core::domain::{MemberName, OpeningId, ResourceName, SessionId, Span};
use entryguard_core::provider::{Allowlist, Allowlists, ProviderError};
use entryguard_core::random::SystemRandom;
use entryguard_core::reconcile::{ByTags, close_by_tags};
use entryguard_core::serverless::{Joined, Patience, SystemTimer, Wish, join};
use futures_util::future::join_all;

use super::{Held, Lists, address, closing};
use crate::cancel::cancelled;
use crate::inputs::{Groups, Inputs};
use crate::report::report;
use crate::runner::Runner;
use crate::session::{Rule, Session, Status};

/// The longest that a rule may be left to its own end: no server is there to think better of it.
const LONGEST: Span = Span::from_hours(24);

/// Opens the groups. What a cancelled job leaves is closed at once, and by the post step.
pub async fn open(inputs: &Inputs, groups: Groups, runner: &Runner) -> anyhow::Result<()> {
    let span: Span = inputs.duration.parse().context("`duration`")?;
    if span > LONGEST {
        bail!("`duration` is longer than {LONGEST}, the longest without a server");
    }
    let cancelled = cancelled()?;
    let addresses = address::of_the_runner(inputs).await?;
    let session = SessionId::new(&SystemRandom);
    let until = SystemClock.now().plus(span);
    let shown = addresses.iter().map(|address| address.to_string()).collect();
    let held = Held { session: session.clone(), groups, addresses: shown, until, settled: false };
    // Before anything is asked: whatever happens from here on, the post step finds what the job holds.
    held.keep(runner).context("the runner's state cannot be written")?;
    let opening = OpeningId::new(SystemClock.now(), &SystemRandom);
    let wish = Wish { session, member: member(), addresses, until, opening };
    tokio::select! {
        session = open_all(inputs, &held, &wish, runner) => {
            runner.save("settled", "yes").context("the runner's state cannot be written")?;
            report(inputs, runner, &session?).await
        }
        () = cancelled => {
            closing::close(&held, &inputs.telling, runner).await;
            bail!("The job was cancelled; what it held is closed, and the post step looks again.")
        }
    }
}

async fn open_all(inputs: &Inputs, held: &Held, wish: &Wish, runner: &Runner) -> anyhow::Result<Session> {
    let lists = held.lists().await?;
    let group = runner.group(&format!("EntryGuard opens {} security groups for {}", lists.len(), held.addresses.join(" and ")));
    sweep(&lists, runner).await;
    let timer = SystemTimer::start();
    let patience = Patience::of(inputs.timeout.as_duration(), &timer);
    let opening = lists.iter().map(|(name, list)| async move {
        let rules = rules(name, wish, join(list.as_ref(), wish, patience).await);
        rules.iter().for_each(|rule| runner.tell(&rule.line()));
        rules
    });
    let rules = join_all(opening).await.concat();
    drop(group);
    Ok(held.shown(status(&rules), rules))
}

/// Whoever is at the groups next closes what the dead have left: there is nobody else.
async fn sweep(lists: &Lists, runner: &Runner) {
    let allowlist =
        |(name, list): &(ResourceName, Arc<SecurityGroupAllowlist>)| (name.clone(), Arc::clone(list) as Arc<dyn Allowlist>);
    let allowlists: Allowlists = lists.iter().map(allowlist).collect();
    for (name, found) in close_by_tags(&allowlists, ByTags::Overdue(SystemClock.now()), None, false).await {
        match found {
            Ok(rules) => rules.iter().for_each(|rule| {
                let end = rule.expires_at.map_or_else(String::new, |end| format!(", which was to be closed by {end}"));
                runner.tell(&format!("REMOVED {name} {}{end}", rule.source));
            }),
            Err(error) => runner.warning(&format!("What may be overdue on {name} is not closed: {error}")),
        }
    }
}

/// What came of opening a list: a rule for each address.
fn rules(name: &ResourceName, wish: &Wish, joined: Result<Joined, ProviderError>) -> Vec<Rule> {
    let by_others = joined.as_ref().map(|joined| joined.by_others.clone()).unwrap_or_default();
    let (status, error) = match joined {
        Ok(_) => ("APPLIED", None),
        Err(error) => ("FAILED", Some(error.to_string())),
    };
    let note = "by a rule of somebody else's, for as long as that is there";
    let rule = |address| Rule {
        resource_name: name.to_string(),
        ip_address: format!("{address}"),
        status: status.to_owned(),
        error_message: error.clone().or_else(|| by_others.contains(&address).then(|| note.to_owned())),
    };
    wish.addresses.iter().map(rule).collect()
}

fn status(rules: &[Rule]) -> Status {
    match rules.iter().filter(|rule| rule.status == "APPLIED").count() {
        0 => Status::Failed,
        open if open == rules.len() => Status::Active,
        _ => Status::Partial,
    }
}

/// Whose job it is, as the rules' descriptions say it: the repository, in the letters that a name may have.
fn member() -> MemberName {
    let repository = env::var("GITHUB_REPOSITORY").unwrap_or_default().replace('/', ".");
    MemberName::new(repository).unwrap_or_else(|_| the_unnamed())
}

#[expect(clippy::expect_used, reason = "the name is a good one")]
fn the_unnamed() -> MemberName {
    MemberName::new("github.action").expect("a member may be called so")
}
