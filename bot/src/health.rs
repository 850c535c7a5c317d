//! `entryguard health`: asks the server on this machine whether it lives.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use entryguard_core::config::Settings;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::cli::HealthOptions;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// No answer of its is larger.
const LARGEST: usize = 64 * 1024;

/// Asks, and prints the answer.
#[expect(clippy::print_stdout, reason = "this is what the command is for")]
pub async fn run(options: &HealthOptions) -> anyhow::Result<ExitCode> {
    let server = Settings::read_server(&options.config.config)?;
    // Where probes have an address of their own, nothing that fills the other one's connections keeps the answer back.
    let address = reachable(server.metrics_listen.unwrap_or(server.listen));
    let url = format!("http://{address}/{}", if options.ready { "readyz" } else { "healthz" });
    let asked = tokio::time::timeout(PATIENCE, ask(&url)).await;
    let (status, text) = asked.with_context(|| format!("{url} did not answer within {} s", PATIENCE.as_secs()))??;
    ensure!(status.is_success(), "{url} answered {status}: {}", text.trim());
    println!("{}", text.trim());
    Ok(ExitCode::SUCCESS)
}

async fn ask(url: &str) -> anyhow::Result<(StatusCode, String)> {
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let request = Request::get(url).body(Empty::new())?;
    let answer = client.request(request).await.with_context(|| format!("{url} cannot be reached; is the server running?"))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), LARGEST).collect().await.map_err(|error| anyhow::anyhow!("{url}: {error}"))?;
    Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
}

/// Where a server is reached that listens on every address.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_asked_on_loopback() {
        for (listen, asked) in [("0.0.0.0:8080", "127.0.0.1:8080"), ("[::]:80", "[::1]:80"), ("10.1.2.3:8080", "10.1.2.3:8080")] {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
