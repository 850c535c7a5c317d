//! The API's description, OpenAPI 3.1, from the code that answers.

use axum::Json;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::asked::State;
use super::problem::ProblemBody;
use super::{audit_logs, current, events, resources, sessions, viewer, whoami};

/// The API's description.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "EntryGuard",
        description = "Opens every resource that a member's roles give, for one address, for a few hours, and closes it again.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    paths(
        sessions::start, sessions::list, sessions::list_all, sessions::stop_unnamed, current::show, current::stop, sessions::show,
        sessions::stop, sessions::extend, events::follow, resources::list, audit_logs::list, whoami::show, show, viewer::show
    ),
    components(schemas(ProblemBody, State)),
    tags(
        (name = "sessions", description = "A member's time-bound access from one address"),
        (name = "resources", description = "What sessions open"),
        (name = "audit", description = "What was done, and by whom"),
        (name = "whoami", description = "Who asks, and what they may ask for"),
        (name = "description", description = "What this is")
    ),
    security(("apiKey" = []), ("bearer" = [])),
    modifiers(&Credentials)
)]
struct Description;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let components = description.components.get_or_insert_default();
        let key = "An API key: `egk_…`, made by `entryguard api-key create`.";
        components.add_security_scheme(
            "apiKey",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description("X-API-Key", key))),
        );
        let bearer =
            |of: &str| SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(of)).build());
        components.add_security_scheme("bearer", bearer("An API key, or for a start a token of GitHub's for a workflow."));
        components.add_security_scheme("sessionKey", bearer("The key that a session was started with: `egs_…`."));
    }
}

/// The description as a value.
pub fn description() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

/// Describes this API (OpenAPI 3.1).
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "description", operation_id = "describe", security(()),
    responses((status = 200, description = "The description", body = Object))
)]
pub async fn show() -> Json<utoipa::openapi::OpenApi> {
    Json(description())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::http::Method;
    use axum::routing::MethodRouter;
    use serde_json::Value;

    use super::*;

    fn described() -> BTreeSet<(String, String)> {
        let description = serde_json::to_value(description()).unwrap();
        let of = |(path, item): (&String, &Value)| {
            let methods: Vec<_> = item.as_object().unwrap().keys().map(|method| (path.clone(), method.to_uppercase())).collect();
            methods
        };
        description["paths"].as_object().unwrap().iter().flat_map(of).collect()
    }

    /// Whether a route knows a method: asked of the route itself, whose handlers are of no use without a state.
    fn knows<S: Clone>(route: &MethodRouter<S>, method: &Method) -> bool {
        format!("{route:?}")
            .split_once(&format!("{}: ", method.as_str().to_lowercase()))
            .is_some_and(|(_, rest)| !rest.starts_with("None"))
    }

    #[test]
    fn each_route_is_described_and_nothing_else() {
        let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let routes: BTreeSet<_> = super::super::all()
            .iter()
            .flat_map(|(path, route)| {
                let known = methods.iter().filter(|method| knows(route, method));
                known.map(|method| (format!("/api/v1{path}"), method.to_string())).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(described(), routes);
    }

    #[test]
    fn every_answer_says_what_it_is() {
        let description = serde_json::to_value(description()).unwrap();
        assert_eq!(description["openapi"], "3.1.0");
        for (path, method) in described() {
            let operation = &description["paths"][&path][method.to_lowercase()];
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let about = format!("{method} {path} {status}: {answer}");
                assert!(answer["content"].as_object().is_some_and(|content| !content.is_empty()), "{about}");
                assert!(!answer["description"].as_str().unwrap().is_empty(), "{about}");
            }
            assert!(!operation["summary"].as_str().unwrap_or_default().is_empty(), "{method} {path}");
        }
    }
}
