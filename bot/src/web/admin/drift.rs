//! What was not as it should be: what sweeps found lately, and what was done about it.

use axum::extract::State;
use axum::response::Response;
use entryguard_core::domain::{Drift, DriftKind};
use maud::{Markup, html};

use super::{heading, shown};
use crate::web::layout::Place;
use crate::web::parts::moment;
use crate::web::visitor::{Visitor, WebState};

/// Findings that are shown.
const FINDINGS: u32 = 200;

/// The newest findings.
pub async fn list(State(state): State<WebState>, visitor: Visitor) -> Response {
    let drifts = state.shared.engine.drifts(&visitor.caller, FINDINGS).await;
    shown(&visitor, Place::Drift, "Drift", drifts.map(|drifts| page(&drifts)))
}

fn page(drifts: &[Drift]) -> Markup {
    html! {
        (heading("Drift", "Where a resource was not as it should be. Sweeps compare every resource with what is wanted, and mend what is ours."))
        section class="card" aria-label="Findings" {
            @if drifts.is_empty() {
                div class="empty" {
                    svg viewBox="0 0 48 48" aria-hidden="true" { circle cx="24" cy="24" r="19" {} path d="M16 24.5l5.5 5.5l11-11.5" {} }
                    p { strong { "Nothing was ever amiss" } }
                    p class="note" { "Every sweep found what was wanted, and nothing else of ours." }
                }
            } @else {
                table class="plain" role="table" {
                    caption class="unseen" { "Findings, the newest first" }
                    thead role="rowgroup" { tr role="row" {
                        @for heading in ["Found", "Kind", "Resource", "What"] { th role="columnheader" scope="col" { (heading) } }
                    } }
                    tbody role="rowgroup" { @for drift in drifts { (row(drift)) } }
                }
            }
        }
    }
}

fn row(drift: &Drift) -> Markup {
    let (badge, done) = told(drift.kind);
    html! {
        tr role="row" {
            td role="cell" data-label="Found" { (moment(drift.at)) }
            td role="cell" data-label="Kind" { span class={ "badge " (badge) } { (drift.kind.as_str().replace('_', " ")) } div class="note" { (done) } }
            td role="cell" data-label="Resource" { @if let Some(resource) = &drift.resource { (resource) } }
            td role="cell" data-label="What" { (drift.what) }
        }
    }
}

/// How bad a finding is, and what was done about it.
const fn told(kind: DriftKind) -> (&'static str, &'static str) {
    match kind {
        DriftKind::Orphan => ("warn", "ours, and nobody wanted it: removed"),
        DriftKind::Widened => ("bad", "changed to let in others: replaced"),
        DriftKind::Missing => ("warn", "removed outside of EntryGuard: added again"),
        DriftKind::Unmarked => ("warn", "its mark was taken away; it goes with its session"),
        DriftKind::Mismarked => ("busy", "bore another end: marked again"),
        DriftKind::Returned => ("warn", "was gone, and came back: removed again"),
        DriftKind::HeldBack => ("busy", "many at once: left for the next sweep to confirm"),
        DriftKind::Unread => ("bad", "could not be read, so nothing was changed"),
        DriftKind::ReadAgain => ("good", "can be read again"),
        DriftKind::Quarantined => ("bad", "a row of the database was set aside"),
        DriftKind::Partial => ("warn", "a part of a session could not be opened; it is tried again"),
        DriftKind::Failed => ("bad", "nothing of a session could be opened; it is tried again"),
        DriftKind::Stuck => ("bad", "told to go many times, and still there; the tries go on"),
        DriftKind::Unscheduled => ("warn", "a schedule's session could not be started"),
        DriftKind::Undelivered => ("warn", "a webhook's receiver did not take it"),
    }
}
