//! Members, roles and the tier, as the configuration has them and as surfaces have told since.

use axum::extract::State;
use axum::response::Response;
use entryguard_core::domain::{ApprovalRule, Approver, Directory, Member, Role, Schedule, Tier, Timestamp};
use maud::{Markup, html};

use super::{heading, shown};
use crate::web::layout::Place;
use crate::web::parts::{addresses, many, moment};
use crate::web::visitor::{Visitor, WebState};

/// Who may reach what.
pub async fn list(State(state): State<WebState>, visitor: Visitor) -> Response {
    let directory = state.shared.engine.everybody(&visitor.caller);
    shown(&visitor, Place::Members, "Members & roles", directory.map(|directory| page(&directory, state.shared.engine.now())))
}

fn page(directory: &Directory, now: Timestamp) -> Markup {
    let tier = &directory.organization.tier;
    html! {
        (heading("Members & roles", "Who may reach what, as the configuration file says; it is changed there."))
        section class="card" aria-labelledby="members" {
            h2 id="members" { "Members " span class="count" { (directory.members.len()) } }
            table class="plain" role="table" {
                (columns("Members", &["Member", "Identities", "Roles", "Resources", "Longest session"]))
                tbody role="rowgroup" { @for each in directory.members.values() { (member(directory, each)) } }
            }
        }
        section class="card" aria-labelledby="roles" {
            h2 id="roles" { "Roles " span class="count" { (directory.roles.len()) } }
            table class="plain" role="table" {
                (columns("Roles", &["Role", "Members", "Resources", "Longest session", "Terms"]))
                tbody role="rowgroup" { @for each in directory.roles.values() { (role(directory, each)) } }
            }
        }
        @if !directory.schedules.is_empty() {
            section class="card" aria-labelledby="schedules" {
                h2 id="schedules" { "Schedules " span class="count" { (directory.schedules.len()) } }
                table class="plain" role="table" {
                    (columns("Schedules", &["Schedule", "Member", "Starts", "For", "From"]))
                    tbody role="rowgroup" { @for each in directory.schedules.values() { (schedule(each, now)) } }
                }
            }
        }
        section class="card" aria-labelledby="tier" {
            h2 id="tier" { "Tier " (tier.name) }
            dl class="about" {
                dt { "Organization" } dd { (directory.organization.name) }
                dt { "Durations on offer" } dd { (list_of(tier.durations.iter().map(ToString::to_string))) }
                dt { "Where none is chosen" } dd { (tier.default_duration) }
                dt { "Longest session" } dd { (tier.max_duration) }
                dt { "At once for each member" } dd { (at_once(tier)) }
            }
        }
    }
}

fn columns(caption: &str, headings: &[&str]) -> Markup {
    html! {
        caption class="unseen" { (caption) }
        thead role="rowgroup" { tr role="row" { @for heading in headings { th role="columnheader" scope="col" { (heading) } } } }
    }
}

fn member(directory: &Directory, member: &Member) -> Markup {
    let roles = directory.roles.values().filter(|role| role.members.contains(&member.name));
    let limit = directory.limit_of(&member.name);
    html! {
        tr role="row" {
            td role="cell" data-label="Member" {
                strong { (member.name) }
                @if member.admin { " " span class="family" { "Admin" } }
                @if let Some(email) = &member.email { div class="note" { (email) } }
            }
            td role="cell" data-label="Identities" { @for identity in &member.identities { div { code { (identity) } } } }
            td role="cell" data-label="Roles" { (list_of(roles.map(|role| role.name.to_string()))) }
            td role="cell" data-label="Resources" {
                (list_of(directory.resources_of(&member.name).into_iter().map(|resource| resource.name.to_string())))
            }
            td role="cell" data-label="Longest session" { (limit.longest) div class="note" { "set by " (limit.set_by) } }
        }
    }
}

fn role(directory: &Directory, role: &Role) -> Markup {
    html! {
        tr role="row" {
            td role="cell" data-label="Role" { strong { (role.name) } }
            td role="cell" data-label="Members" {
                (list_of(role.members.iter().map(ToString::to_string)))
                @for identity in &role.identities { div { code { (identity) } } }
            }
            td role="cell" data-label="Resources" { (list_of(role.resources.iter().map(ToString::to_string))) }
            td role="cell" data-label="Longest session" {
                @match role.max_duration { Some(longest) => (longest), None => { (directory.organization.tier.max_duration) div class="note" { "the tier’s" } } }
            }
            td role="cell" data-label="Terms" { (terms(role)) }
        }
    }
}

fn schedule(schedule: &Schedule, now: Timestamp) -> Markup {
    html! {
        tr role="row" {
            td role="cell" data-label="Schedule" {
                strong { (schedule.name) } @if let Some(reason) = &schedule.reason { div class="note" { (reason) } }
            }
            td role="cell" data-label="Member" { (schedule.member) }
            td role="cell" data-label="Starts" {
                code { (schedule.ticks) }
                @if let Some(next) = schedule.ticks.next_after(now) { div class="note" { "next " (moment(next)) } }
            }
            td role="cell" data-label="For" { (schedule.duration) }
            td role="cell" data-label="From" { (addresses(schedule.addresses)) }
        }
    }
}

fn terms(role: &Role) -> Markup {
    html! {
        @if let Some(approval) = &role.approval {
            div { "Approval by " (approvers(approval)) ", within " (approval.within) }
            @if role.break_glass { div class="note" { "Emergencies may do without" } }
        }
        @if let Some(hours) = &role.hours { div { "Only " (hours) } }
        @if role.explicit_ip { div { "An address by hand is taken" } }
        @match role.remember_address {
            Some(span) => { div class="note" { "A confirmed address counts for " (span) } },
            None => { div class="note" { "Each session’s address is confirmed" } },
        }
    }
}

fn approvers(approval: &ApprovalRule) -> String {
    let name = |approver: &Approver| match approver {
        Approver::Role(role) => format!("role {role}"),
        Approver::Member(member) => member.to_string(),
    };
    approval.by.iter().map(name).collect::<Vec<_>>().join(" or ")
}

fn at_once(tier: &Tier) -> String {
    tier.max_sessions_per_member.map_or("no limit".to_owned(), |most| many(most as usize, "session"))
}

fn list_of(names: impl Iterator<Item = String>) -> Markup {
    let names = names.collect::<Vec<_>>();
    html! { @if names.is_empty() { span class="note" { "None" } } @else { (names.join(", ")) } }
}
