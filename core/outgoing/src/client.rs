//! A client for requests: over TLS, unless the address itself says otherwise, and through the proxies of the environment.

use std::{fmt, io};

use http::header::PROXY_AUTHORIZATION;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;

use crate::connector::{Connector, connector};
use crate::proxies::Proxies;

/// Sends requests; follows no redirect.
pub struct HttpClient<B> {
    client: Client<Connector, B>,
    proxies: Proxies,
}

impl<B> Clone for HttpClient<B> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), proxies: self.proxies.clone() }
    }
}

impl<B> fmt::Debug for HttpClient<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

impl<B> HttpClient<B>
where
    B: Body + Send + 'static + Unpin,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// A client for this address and others of its scheme.
    pub fn for_url(url: &str) -> io::Result<Self> {
        let connector = connector(url.starts_with("http://"))?;
        let proxies = Proxies::of_the_environment().map_err(io::Error::other)?;
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector), proxies })
    }

    /// Sends a request; the answer's head.
    pub async fn request(&self, mut request: Request<B>) -> Result<Response<Incoming>, Error> {
        // A proxy that reads a request is shown its password with it; one that does not is shown it when the tunnel is made.
        if request.uri().scheme_str() == Some("http")
            && let Some(proxy) = self.proxies.to(request.uri())
            && let Some(authorization) = proxy.basic_auth()
        {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        self.client.request(request).await
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
