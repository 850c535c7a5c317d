//! What all pages look like.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::assets::SCRIPT_PATH;
use super::sign_out;
use super::visitor::Visitor;

/// A page of the product, for a member: what it is, beside the way to the others.
pub struct Shell<'a> {
    /// What it is called.
    pub title: &'a str,
    /// Where it is among the others.
    pub place: Place,
    /// Who looks at it.
    pub visitor: &'a Visitor,
    /// When to look again, where no script does.
    pub refresh: Option<Refresh>,
}

/// A page that is to be looked at again by itself.
pub struct Refresh {
    /// In how many seconds.
    pub seconds: u32,
    /// Under which address.
    pub url: String,
}

/// The pages that the sidebar leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// One's own sessions.
    Sessions,
    /// Everybody's.
    Everybodys,
    /// The resources.
    Resources,
    /// Members, roles and the tier.
    Members,
    /// The audit log.
    Audit,
    /// What was not as it should be.
    Drift,
}

const OWN: [Place; 1] = [Place::Sessions];
const ADMINISTRATORS: [Place; 5] = [Place::Everybodys, Place::Resources, Place::Members, Place::Audit, Place::Drift];

impl Place {
    /// Where it is.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Sessions => "/",
            Self::Everybodys => "/admin/sessions",
            Self::Resources => "/admin/resources",
            Self::Members => "/admin/members",
            Self::Audit => "/admin/audit",
            Self::Drift => "/admin/drift",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Sessions => "Sessions",
            Self::Everybodys => "Everybody’s sessions",
            Self::Resources => "Resources",
            Self::Members => "Members & roles",
            Self::Audit => "Audit log",
            Self::Drift => "Drift",
        }
    }

    // Drawn on 20 by 20, in strokes.
    const fn icon(self) -> &'static str {
        match self {
            Self::Sessions => "M10 2.5a7.5 7.5 0 1 0 0 15a7.5 7.5 0 0 0 0-15M10 6v4.2l2.8 1.8",
            Self::Everybodys => {
                "M7.5 9a2.75 2.75 0 1 0 0-5.5a2.75 2.75 0 0 0 0 5.5M2.5 16c.3-3 2.3-4.5 5-4.5s4.7 1.5 5 4.5M13 3.8a2.6 2.6 0 0 1 0 5M14.5 11.8c1.8.6 2.8 2 3 4.2"
            }
            Self::Resources => "M3.5 3.5h13v5h-13zM3.5 11.5h13v5h-13zM6.5 6h.01M6.5 14h.01",
            Self::Members => "M10 9.5a3 3 0 1 0 0-6a3 3 0 0 0 0 6M4 16.5c.4-3.2 2.8-5 6-5s5.6 1.8 6 5",
            Self::Audit => "M5 2.5h10v15H5zM7.5 6.5h5M7.5 10h5M7.5 13.5h3",
            Self::Drift => "M3 6.5h11M11 3.5l3 3l-3 3M17 13.5H6M9 10.5l-3 3l3 3",
        }
    }
}

impl Shell<'_> {
    /// The whole page around its content.
    pub fn around(&self, content: &Markup) -> Markup {
        let head = html! {
            @if let Some(Refresh { seconds, url }) = &self.refresh {
                noscript { meta http-equiv="refresh" content={ (seconds) "; url=" (url) }; }
            }
            script src=(*SCRIPT_PATH) defer {}
        };
        document(
            self.title,
            &head,
            &html! {
                a class="skip" href="#main" { "Skip to the content" }
                div class="shell" {
                    header class="side" { (brand()) (self.navigation()) }
                    main id="main" tabindex="-1" { (content) }
                    footer class="account" { (self.account()) }
                }
                div id="said" class="unseen" role="status" aria-live="polite" {}
            },
        )
    }

    fn navigation(&self) -> Markup {
        html! {
            nav aria-label="Pages" {
                ul { @for place in OWN { (self.link(place)) } }
                @if self.visitor.caller.is_admin() {
                    p class="group" id="administration" { "Administration" }
                    ul aria-labelledby="administration" { @for place in ADMINISTRATORS { (self.link(place)) } }
                }
            }
        }
    }

    fn link(&self, place: Place) -> Markup {
        let here = (place == self.place).then_some("page");
        html! {
            li { a href=(place.path()) aria-current=[here] {
                svg viewBox="0 0 20 20" aria-hidden="true" { path d=(place.icon()) {} }
                span { (place.name()) }
            } }
        }
    }

    fn account(&self) -> Markup {
        html! {
            span class="who" {
                strong { (self.visitor.caller.name()) }
                @if self.visitor.caller.is_admin() { span class="note" { "Administrator" } }
            }
            @if self.visitor.browser.is_some() { (sign_out::form(&self.visitor.form_token)) }
        }
    }
}

/// A whole page around its content, for whoever comes: it has no script.
pub fn page(title: &str, refresh: Option<u32>, content: &Markup) -> Markup {
    let head = html! { @if let Some(seconds) = refresh { meta http-equiv="refresh" content=(seconds); } };
    document(title, &head, &html! { header class="top" { (brand()) } main class="narrow" { (content) } })
}

fn document(title: &str, head: &Markup, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex, nofollow";
                meta name="color-scheme" content="light dark";
                title { (title) " · EntryGuard" }
                link rel="icon" href=(ICON);
                style { (PreEscaped(STYLE)) }
                (head)
            }
            body { (body) }
        }
    }
}

fn brand() -> Markup {
    html! {
        a class="brand" href="/" {
            svg viewBox="0 0 24 24" aria-hidden="true" {
                path class="shield" d="M12 1.8l8.5 3v6.4c0 5.2-3.5 9.2-8.5 11c-5-1.8-8.5-5.8-8.5-11V4.8z" {}
                path class="door" d="M9 17V8.5a3 3 0 0 1 6 0V17z" {}
            }
            span { "EntryGuard" }
        }
    }
}

const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E%3Cpath fill='%232b5fd9' d='M12 1.8l8.5 3v6.4c0 5.2-3.5 9.2-8.5 11c-5-1.8-8.5-5.8-8.5-11V4.8z'/%3E%3Cpath fill='%23fff' d='M9 17V8.5a3 3 0 0 1 6 0V17z'/%3E%3C/svg%3E";
const STYLE: &str = include_str!("style.css");
