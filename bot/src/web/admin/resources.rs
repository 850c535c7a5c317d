//! The resources, and whether they answer.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use entryguard_core::domain::{AddressFamily, Network, Resource, ResourceKind, ResourceName};
use entryguard_core::engine::{EngineError, Healthy, ResourceHealth};
use entryguard_core::reply::in_a_word;
use entryguard_core::store::BlockedGrants;
use maud::{Markup, html};
use serde::Deserialize;

use super::{heading, shown};
use crate::web::layout::Place;
use crate::web::parts::{many, moment};
use crate::web::visitor::{FormToken, Sent, Visitor, WebState};

/// A form with a button alone.
#[derive(Deserialize)]
pub struct Pressed {}

/// Every resource.
pub async fn list(State(state): State<WebState>, visitor: Visitor) -> Response {
    let resources = state.shared.engine.healths(&visitor.caller).await;
    shown(&visitor, Place::Resources, "Resources", resources.map(|resources| page(&resources, &visitor.form_token)))
}

/// Asks one now.
pub async fn verify(State(state): State<WebState>, Path(name): Path<String>, sent: Sent<Pressed>) -> Response {
    let verified = match ResourceName::new(name) {
        Ok(name) => state.shared.engine.verify(&sent.visitor.caller, &name, state.verify.as_ref()).await,
        // There is none of that name, and the page shows which there are.
        Err(_) => Ok(None),
    };
    match verified {
        Ok(_) => Redirect::to(Place::Resources.path()).into_response(),
        Err(error) => shown(&sent.visitor, Place::Resources, "Resources", Err::<Markup, EngineError>(error)),
    }
}

fn page(resources: &[ResourceHealth], form_token: &FormToken) -> Markup {
    html! {
        (heading("Resources", "What EntryGuard opens. They are described in the configuration file; verifying asks the provider and changes nothing."))
        section class="card" aria-label="Resources" {
            @if resources.is_empty() {
                p class="note" { "The configuration has no resource yet." }
            } @else {
                table class="plain" role="table" {
                    caption class="unseen" { "Resources" }
                    thead role="rowgroup" { tr role="row" {
                        @for heading in ["Resource", "What it is", "Health", "Last look", "Actions"] {
                            th role="columnheader" scope="col" { (heading) }
                        }
                    } }
                    tbody role="rowgroup" { @for each in resources { (row(each, form_token)) } }
                }
            }
        }
    }
}

fn row(each: &ResourceHealth, form_token: &FormToken) -> Markup {
    let resource = &each.resource;
    html! {
        tr role="row" {
            td role="cell" data-label="Resource" { strong { (resource.name) }
                @if resource.network == Network::Private { div class="note" { "Inside a private network" } }
            }
            td role="cell" data-label="What it is" { (what(resource)) }
            td role="cell" data-label="Health" { (health(&each.health)) @for blocked in &each.blocked { (waiting(blocked)) } }
            td role="cell" data-label="Last look" { @match each.at { Some(at) => (moment(at)), None => { span class="note" { "Never" } } } }
            td role="cell" data-label="Actions" class="actions" {
                form method="post" action={ "/admin/resources/" (resource.name) "/verify" } {
                    (form_token.field())
                    button type="submit" class="small" { "Verify now" span class="unseen" { " " (resource.name) } }
                }
            }
        }
    }
}

fn what(resource: &Resource) -> Markup {
    match &resource.kind {
        ResourceKind::SecurityGroup(group) => html! {
            div { "Security group" }
            div class="note" { code { (group.id) } }
            div class="note" { (group.region) ", credential " (group.credential) ", "
                (group.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")) }
        },
        ResourceKind::AllowlistFile(_) => {
            html! { div { "Allowlist file" } div class="note" { code { (resource.provider_id()) } } }
        }
    }
}

/// What waits for a resource that refuses additions, and until when.
fn waiting(blocked: &BlockedGrants) -> Markup {
    let BlockedGrants { block, waiting } = blocked;
    let family = match block.family {
        AddressFamily::V4 => "IPv4",
        AddressFamily::V6 => "IPv6",
    };
    html! {
        div class="warning" {
            (family) ": " (in_a_word(block.cause)) " since " (moment(block.since)) ". "
            (many(usize::try_from(*waiting).unwrap_or(usize::MAX), "grant")) " waiting, next probe at " (moment(block.probe_at)) "."
        }
        div class="note" { (block.reason) }
    }
}

fn health(health: &Healthy) -> Markup {
    html! {
        @match health {
            Healthy::Unverified => { span class="badge over" { "Unverified" } },
            Healthy::Valid { summary, warnings } => {
                span class="badge good" { "Valid" }
                div class="note" { (summary) }
                @for warning in warnings { div class="warning" { (warning) } }
            },
            Healthy::Invalid(why) => { span class="badge bad" { "Invalid" } div class="error" { (why) } },
        }
    }
}
