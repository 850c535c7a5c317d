//! Whether a form was sent from a page of ours: asked of the browser, which a page elsewhere cannot make lie.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};

use super::Shared;
use crate::web::problem::problem;

/// Where a form was sent from; a page of somebody else's is not a value of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameOrigin {
    /// A page of ours.
    Ours,
    /// No browser: a command line has no other pages that could send something.
    NoBrowser,
}

/// Where a request was sent from; nothing where a page elsewhere sent it.
fn same_origin(headers: &HeaderMap, ours: &[&str]) -> Option<SameOrigin> {
    let text = |name| headers.get(name).map(|value: &http::HeaderValue| value.to_str().unwrap_or_default());
    match (text("sec-fetch-site"), text(header::ORIGIN.as_str())) {
        // `none` is a person who typed the address; a form is never sent so.
        (Some("same-origin"), _) => Some(SameOrigin::Ours),
        (Some(_), _) => None,
        (None, Some(origin)) if ours.contains(&origin) => Some(SameOrigin::Ours),
        // `null` is what a page says that has no name: a sandboxed frame, a file, a page that hides where it is. Ours has one.
        (None, Some(_)) => None,
        (None, None) => Some(SameOrigin::NoBrowser),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SameOrigin
where
    Shared: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let server = Shared::from_ref(state).server;
        let others = [&server.ipv4_url, &server.ipv6_url].into_iter().flatten().map(String::as_str);
        let ours: Vec<_> = std::iter::once(server.public_url.as_str()).chain(others).collect();
        same_origin(&parts.headers, &ours).ok_or_else(|| {
            let why =
                "This form was sent by a page of another site, so nothing was done. Open the link itself, and use its button.";
            problem(StatusCode::FORBIDDEN, "Nothing was done", why)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(headers: &[(&'static str, &str)]) -> Option<SameOrigin> {
        let headers = headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect();
        same_origin(&headers, &["https://entryguard.example.com", "https://ipv6.example.com"])
    }

    #[test]
    fn a_form_on_another_site_is_refused() {
        assert_eq!(origin(&[("sec-fetch-site", "cross-site")]), None);
        assert_eq!(origin(&[("sec-fetch-site", "same-site")]), None);
        assert_eq!(origin(&[("sec-fetch-site", "none")]), None);
        assert_eq!(origin(&[("origin", "https://evil.example.com")]), None);
        assert_eq!(origin(&[("origin", "null")]), None, "a sandboxed frame, or a page that hides where it is");
        assert_eq!(origin(&[("origin", "")]), None);
        assert_eq!(origin(&[("sec-fetch-site", "cross-site"), ("origin", "https://entryguard.example.com")]), None);
    }

    #[test]
    fn our_own_form_and_a_command_line_are_admitted() {
        assert_eq!(origin(&[("sec-fetch-site", "same-origin"), ("origin", "null")]), Some(SameOrigin::Ours));
        assert_eq!(origin(&[("origin", "https://entryguard.example.com")]), Some(SameOrigin::Ours));
        assert_eq!(origin(&[("origin", "https://ipv6.example.com")]), Some(SameOrigin::Ours));
        assert_eq!(origin(&[]), Some(SameOrigin::NoBrowser));
    }
}
