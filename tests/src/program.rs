//! A program that uses the API with a key, from an address of its choice.

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::world::{Browser, World};

/// A program with a key.
#[derive(Debug)]
pub struct Program {
    base: String,
    key: String,
    http: Browser,
}

/// What the API answered.
#[derive(Debug, Clone)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: reqwest::header::HeaderMap,
    /// The JSON; null where there was none.
    pub body: Value,
}

impl Answered {
    /// The status, and the problem's code where it is one.
    pub fn refusal(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }

    /// The session's id.
    pub fn id(&self) -> &str {
        self.body["id"].as_str().unwrap_or_else(|| panic!("a session: {self:?}"))
    }
}

impl World {
    /// Makes an API key, with further options of the command.
    pub async fn api_key(&self, member: &str, scopes: &str, more: &[&str]) -> String {
        let ran = self.entryguard(&[&["api-key", "create", "--member", member, "--scopes", scopes], more].concat()).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout.trim().to_owned()
    }

    /// A program that shows this at this address.
    pub fn program(&self, ip: &str, key: &str) -> Program {
        Program { base: format!("{}/api/v1/", self.server.address()), key: key.to_owned(), http: self.browser(ip) }
    }
}

impl Program {
    /// The same, at another server.
    pub fn at(mut self, address: &str) -> Self {
        self.base = format!("{address}/api/v1/");
        self
    }

    /// Any request.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.base);
        self.http.request(method, &url).header("Authorization", format!("Bearer {}", self.key))
    }

    /// Sends it.
    pub async fn send(&self, request: RequestBuilder) -> Answered {
        let page = self.http.send(request).await;
        Answered { status: page.status, headers: page.headers, body: serde_json::from_str(&page.body).unwrap_or_default() }
    }

    /// Asks for something.
    pub async fn get(&self, path: &str) -> Answered {
        self.send(self.request(Method::GET, path)).await
    }

    /// Asks for something to be done; null for no body.
    pub async fn post(&self, path: &str, body: Value) -> Answered {
        let request = self.request(Method::POST, path);
        self.send(if body.is_null() { request } else { request.json(&body) }).await
    }
}
