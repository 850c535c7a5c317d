//! The API's description for people: one page of ours, without script and without another host.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use maud::{Markup, html};
use serde_json::Value;

use super::document::description;
use crate::http::Page;
use crate::web::layout::page;

/// Shows what the API does, for people.
#[utoipa::path(
    get, path = "/api/v1/docs", tag = "description", operation_id = "describeForPeople", security(()),
    responses((status = 200, description = "The page", body = String, content_type = "text/html; charset=utf-8"))
)]
pub async fn show() -> Response {
    let description = serde_json::to_value(description()).unwrap_or_default();
    Page { status: StatusCode::OK, markup: page("API", None, &content(&description)) }.into_response()
}

fn content(description: &Value) -> Markup {
    let operations = operations(description);
    html! {
        div class="api" {
            section {
                h1 { "The API" }
                p { (prose(&description["info"]["description"])) " The same for programs: " a href="/api/v1/openapi.json" { "openapi.json" } "." }
                p { "Show an API key (" code { "entryguard api-key create" } "):" }
                pre tabindex="0" { code { "curl -H \"Authorization: Bearer $ENTRYGUARD_API_KEY\" …/api/v1/whoami" } }
                nav aria-label="Operations" {
                    ul {
                        @for (path, method, operation) in &operations {
                            li { a href={ "#" (text(&operation["operationId"])) } { code { (method) " " (path) } } " " (prose(&operation["summary"])) }
                        }
                    }
                }
            }
            @for (path, method, operation) in &operations { (shown(description, path, method, operation)) }
            section {
                h2 { "What is sent and answered" }
                @for (name, schema) in description["components"]["schemas"].as_object().into_iter().flatten() { (schema_table(name, schema)) }
            }
        }
    }
}

/// Every operation, with its path and method.
fn operations(description: &Value) -> Vec<(&str, String, &Value)> {
    let paths = description["paths"].as_object().into_iter().flatten();
    let of = |(path, item)| {
        let methods = Value::as_object(item).into_iter().flatten();
        methods.map(move |(method, operation)| (String::as_str(path), method.to_uppercase(), operation))
    };
    paths.flat_map(of).collect()
}

fn shown(description: &Value, path: &str, method: &str, operation: &Value) -> Markup {
    html! {
        section id=(text(&operation["operationId"])) {
            h2 { code { (method) " " (path) } }
            p { (prose(&operation["summary"])) " " (prose(&operation["description"])) }
            @if let Some(parameters) = operation["parameters"].as_array().filter(|all| !all.is_empty()) {
                table {
                    caption { "Parameters" }
                    thead { tr { th { "Name" } th { "In" } th { "What" } } }
                    tbody {
                        @for parameter in parameters {
                            tr {
                                td { code { (text(&parameter["name"])) } }
                                td { (text(&parameter["in"])) }
                                td { (prose(&parameter["description"])) }
                            }
                        }
                    }
                }
            }
            @if let Some(body) = reference(&operation["requestBody"]["content"]["application/json"]["schema"]) {
                p { "Body: " (link_to(description, body)) }
            }
            table {
                caption { "Answers" }
                thead { tr { th { "Status" } th { "What" } th { "Body" } } }
                tbody {
                    @for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
                        tr {
                            td { code { (status) } }
                            td { (prose(&answer["description"])) }
                            td {
                                @for (kind, of) in answer["content"].as_object().into_iter().flatten() {
                                    @match reference(&of["schema"]) {
                                        Some(name) => (link_to(description, name)),
                                        None => code { (kind) },
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn schema_table(name: &str, schema: &Value) -> Markup {
    let parts = schema["allOf"].as_array().map_or_else(|| vec![schema], |parts| parts.iter().collect());
    html! {
        h3 id={ "of-" (name) } { (name) }
        p { (prose(&schema["description"])) }
        @for inherited in parts.iter().filter_map(|part| reference(part)) { p { "Everything of " a href={ "#of-" (inherited) } { (inherited) } ", and:" } }
        @if let Some(words) = schema["enum"].as_array() { p { (words.iter().map(text).collect::<Vec<_>>().join(", ")) } }
        @for properties in parts.iter().filter_map(|part| part["properties"].as_object()) {
            table {
                thead { tr { th { "Field" } th { "Type" } th { "What" } } }
                tbody {
                    @for (field, of) in properties {
                        tr { td { code { (field) } } td { (kind(of)) } td { (prose(&of["description"])) } }
                    }
                }
            }
        }
    }
}

/// The type of a field in words.
fn kind(of: &Value) -> Markup {
    if let Some(name) = reference(of).or_else(|| reference(&of["items"])) {
        let many = of["items"].is_object();
        return html! { @if many { "list of " } a href={ "#of-" (name) } { (name) } };
    }
    if let Some(words) = of["enum"].as_array() {
        return html! { (words.iter().map(text).collect::<Vec<_>>().join(", ")) };
    }
    let one_of = of["oneOf"].as_array().and_then(|all| all.iter().find_map(reference));
    let types = match &of["type"] {
        Value::Array(types) => types.iter().map(text).collect::<Vec<_>>().join(" or "),
        other => text(other).to_owned(),
    };
    html! { @match one_of { Some(name) => { a href={ "#of-" (name) } { (name) } " or null" }, None => (types) } }
}

fn link_to(description: &Value, name: &str) -> Markup {
    let known = description["components"]["schemas"].get(name).is_some();
    html! { @if known { a href={ "#of-" (name) } { (name) } } @else { (name) } }
}

/// The name that a schema refers to.
fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

/// Text in which backticks mark what is typed as it stands.
fn prose(value: &Value) -> Markup {
    html! {
        @for (part, words) in text(value).split('`').enumerate() { @if part % 2 == 1 { code { (words) } } @else { (words) } }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_operation_and_every_field_and_leads_nowhere_else() {
        let description = serde_json::to_value(description()).unwrap();
        let page = content(&description).into_string();
        for (path, method, operation) in operations(&description) {
            assert!(page.contains(&format!("{method} {path}")), "{method} {path}");
            assert!(page.contains(&format!("id=\"{}\"", text(&operation["operationId"]))), "{method} {path}");
        }
        for (name, schema) in description["components"]["schemas"].as_object().unwrap() {
            assert!(page.contains(&format!("id=\"of-{name}\"")), "{name}");
            for field in schema["properties"].as_object().into_iter().flatten().map(|(field, _)| field) {
                assert!(page.contains(&format!("<code>{field}</code>")), "{name}.{field}");
            }
        }
        assert!(!page.contains('`') && page.contains("<code>session.started</code>"), "what is typed is shown as such");
        let elsewhere: Vec<_> =
            page.split("href=\"").skip(1).filter(|rest| !rest.starts_with('#') && !rest.starts_with('/')).collect();
        assert!(elsewhere.is_empty() && !page.contains("<script"), "{elsewhere:?}");
    }
}
