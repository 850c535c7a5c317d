//! Whatever the roles say: the strictest of them counts.

use proptest::prelude::*;

use super::*;
use crate::domain::testing::{PEOPLE, directory, member, role_of};
use crate::domain::{Addresses, HostAddress, ResourceName, SessionId, Timestamp};

const ANA: &str = "ana";

fn session(approval: Approval) -> Session {
    let now = Timestamp::from_millis(0);
    Session {
        id: SessionId::from_stored("0a1b2c3d-0000-4000-8000-000000000000"),
        member: member(ANA),
        surface: Surface::Slack,
        reason: None,
        addresses: Addresses::new(&[HostAddress::parse("93.184.216.34").unwrap()]).unwrap(),
        learnt_by: None,
        approval,
        started_at: now,
        expires_at: now.plus(Span::from_hours(1)),
        ending: None,
        closed_at: None,
    }
}

prop_compose! {
    fn a_rule()(by in prop::sample::subsequence(PEOPLE.to_vec(), 1..=4), within in 1_i64..60) -> ApprovalRule {
        ApprovalRule { by: by.into_iter().map(|name| Approver::Member(member(name))).collect(), within: Span::from_minutes(within) }
    }
}

prop_compose! {
    fn a_role(number: usize)(
        approval in prop::option::of(a_rule()),
        glass in any::<bool>(),
        hours in prop::option::of(1_i64..24),
        explicit_ip in any::<bool>(),
        gives in any::<bool>(),
    ) -> Role {
        Role {
            name: RoleName::new(format!("role-{number}")).unwrap(),
            resources: if gives { vec![ResourceName::new("bastion").unwrap()] } else { Vec::new() },
            break_glass: glass && approval.is_some(),
            approval,
            remember_address: hours.map(Span::from_hours),
            explicit_ip,
            ..role_of(ANA, "bastion")
        }
    }
}

fn some_roles() -> impl Strategy<Value = Vec<Role>> {
    (a_role(1), a_role(2), a_role(3)).prop_map(|(one, two, three)| vec![one, two, three])
}

proptest! {
    #[test]
    fn whoever_may_answer_is_asked_by_every_asking_role_and_never_the_one_who_asks(roles in some_roles()) {
        let giving: Vec<_> = roles.iter().filter(|role| !role.resources.is_empty()).cloned().collect();
        let asking: Vec<_> = giving.iter().filter_map(|role| role.approval.as_ref()).collect();
        let terms = directory(roles.clone()).terms_of(&member(ANA));
        prop_assert_eq!(terms.approval.is_some(), !asking.is_empty(), "asked for by one, asked for");
        let Some(approval) = terms.approval else { return Ok(()) };
        prop_assert!(!approval.approvers.contains(&member(ANA)));
        for name in PEOPLE.iter().filter(|name| **name != ANA) {
            let by_all = asking.iter().all(|rule| rule.by.contains(&Approver::Member(member(name))));
            prop_assert_eq!(approval.approvers.contains(&member(name)), by_all, "{}", name);
        }
        prop_assert_eq!(Some(approval.within), asking.iter().map(|rule| rule.within).min());
    }

    #[test]
    fn more_time_takes_what_a_new_session_would(roles in some_roles(), admins in prop::sample::subsequence(PEOPLE.to_vec(), 0..=4), broken in any::<bool>()) {
        let mut directory = directory(roles);
        for admin in &admins {
            directory.members.get_mut(&member(admin)).unwrap().admin = true;
        }
        let approval = if broken { Approval::BreakGlass } else { Approval::Granted { by: "bo".to_owned() } };
        let terms = directory.terms_of(&member(ANA));
        let by_herself = terms.approval.is_none() || broken && terms.break_glass;
        let extenders = directory.extenders_of(&session(approval));
        prop_assert_eq!(extenders.is_none(), by_herself);
        let Some(extenders) = extenders else { return Ok(()) };
        prop_assert!(!extenders.contains(&member(ANA)), "not even as an administrator");
        for name in PEOPLE.iter().filter(|name| **name != ANA) {
            let answers = terms.approval.as_ref().is_some_and(|approval| approval.approvers.contains(&member(name)));
            prop_assert_eq!(extenders.contains(&member(name)), answers || admins.contains(name), "{}", name);
        }
    }

    #[test]
    fn one_more_role_that_gives_something_never_loosens_the_terms(roles in some_roles(), more in a_role(4)) {
        let before = directory(roles.clone()).terms_of(&member(ANA));
        let gave_something = roles.iter().any(|role| !role.resources.is_empty());
        let after = directory(roles.into_iter().chain([more]).collect()).terms_of(&member(ANA));
        prop_assume!(gave_something);
        prop_assert!(after.remember_address <= before.remember_address);
        prop_assert!(!after.explicit_ip || before.explicit_ip);
        if let Some(approval) = before.approval {
            let after_approval = after.approval.unwrap();
            prop_assert!(after_approval.approvers.is_subset(&approval.approvers) && after_approval.within <= approval.within);
            prop_assert!(!after.break_glass || before.break_glass);
        }
    }
}

#[test]
fn a_role_may_name_another_role_whose_members_may_answer() {
    let leads = Role {
        name: RoleName::new("leads").unwrap(),
        members: vec![member("bo"), member("cy"), member(ANA)],
        resources: Vec::new(),
        ..role_of(ANA, "bastion")
    };
    let rule = ApprovalRule { by: vec![Approver::Role(leads.name.clone())], within: Span::from_minutes(30) };
    let production = Role {
        name: RoleName::new("production").unwrap(),
        members: vec![member(ANA)],
        resources: vec![ResourceName::new("bastion").unwrap()],
        approval: Some(rule),
        ..leads.clone()
    };
    let terms = directory(vec![leads, production]).terms_of(&member(ANA));
    assert_eq!(terms.approval.unwrap().approvers, BTreeSet::from([member("bo"), member("cy")]), "a lead who asks is no approver");
}
