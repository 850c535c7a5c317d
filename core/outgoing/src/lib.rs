//! The way out over HTTP, and the only one: the system's certificates, and the proxies that the environment names.

mod client;
mod connector;
mod github;
mod proxies;

pub use client::HttpClient;
pub use connector::{Connector, Way, connector, open};
pub use github::{GithubClient, NoClient};
pub use proxies::{Proxies, ProxyUnusable};
