//! EC2 clients: one for each credential and region, because the SDK's budget of retries is kept by client.

use std::collections::HashMap;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::Region;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use entryguard_core::domain::{Credential, CredentialName};
use entryguard_outgoing::Proxies;

/// The clients made so far.
#[derive(Debug, Default)]
pub struct Clients {
    made: HashMap<(CredentialName, String), Client>,
}

impl Clients {
    /// The client for a credential and a region. It calls nobody yet: credentials are fetched with the first call.
    pub async fn connect(&mut self, credential: &Credential, region: &str) -> Client {
        let key = (credential.name.clone(), region.to_owned());
        if let Some(client) = self.made.get(&key) {
            return client.clone();
        }
        let client = connect(credential, region).await;
        self.made.insert(key, client.clone());
        client
    }
}

async fn connect(credential: &Credential, region: &str) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(7))
        .operation_timeout(Duration::from_secs(8))
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http_client(credential.endpoint_url.as_deref()))
        .region(Region::new(region.to_owned()))
        .timeout_config(timeouts)
        // The reconciler tries again by itself, and looks in between; the SDK must not do so behind its back for long.
        .retry_config(RetryConfig::standard().with_max_attempts(2));
    if let Some(profile) = &credential.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(url) = &credential.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let config = loader.load().await;
    let Some(role) = &credential.role else { return Client::new(&config) };
    let mut assumed = AssumeRoleProvider::builder(&role.arn).session_name("entryguard").configure(&config);
    if let Some(external_id) = &role.external_id {
        assumed = assumed.external_id(external_id);
    }
    let assumed = assumed.build().await;
    Client::from_conf(aws_sdk_ec2::config::Builder::from(&config).credentials_provider(assumed).build())
}

/// The SDK's client, through the proxy of the environment where there is one for AWS. What tells a machine who it is has plain
/// addresses, and is asked directly; only an endpoint of one's own may have one that a proxy leads to.
fn http_client(endpoint: Option<&str>) -> impl aws_sdk_ec2::config::HttpClient + 'static {
    let tls = Provider::Rustls(CryptoMode::Ring);
    let Some(proxy) = proxy(endpoint) else { return Builder::new().tls_provider(tls).build_https() };
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder().tls_provider(tls.clone()).proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.build()
    })
}

/// The proxy to go through. One that cannot be used has been refused before anything is connected.
fn proxy(endpoint: Option<&str>) -> Option<ProxyConfig> {
    let proxies = Proxies::of_the_environment().ok()?;
    let config = match endpoint.is_some_and(|url| url.starts_with("http://")) {
        true => ProxyConfig::http(proxies.http()?),
        false => ProxyConfig::https(proxies.https()?),
    };
    config.ok().map(|config| config.no_proxy(proxies.direct()))
}
