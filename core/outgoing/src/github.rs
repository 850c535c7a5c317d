//! A client of GitHub's API that goes the same way as everything else.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{ACCEPT, InvalidHeaderValue, USER_AGENT};
use http::{HeaderName, HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use octocrab::service::middleware::auth_header::AuthHeaderLayer;
use octocrab::service::middleware::base_uri::BaseUriLayer;
use octocrab::service::middleware::extra_headers::ExtraHeadersLayer;
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use secrecy::{ExposeSecret, SecretString};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_service::Service;

use crate::client::HttpClient;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How large an answer may be.
const LARGEST: usize = 8 * 1024 * 1024;

/// What a client of GitHub's is made of.
#[derive(Clone, Copy)]
pub struct GithubClient<'a> {
    /// Where the API is.
    pub url: &'a str,
    /// What is shown there.
    pub token: Option<&'a SecretString>,
    /// What kind of answer is wanted, where it is not the usual one.
    pub accept: Option<&'static str>,
    /// How long one call may take.
    pub patience: Duration,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum NoClient {
    /// Not an address.
    #[error("the address of GitHub's API is not one")]
    Address(#[from] http::uri::InvalidUri),
    /// Not a token.
    #[error("the token for GitHub has characters that no token has")]
    Token(#[from] InvalidHeaderValue),
    /// No way there.
    #[error(transparent)]
    Way(#[from] io::Error),
}

impl GithubClient<'_> {
    /// Makes it.
    pub fn build(self) -> Result<Octocrab, NoClient> {
        let uri: Uri = self.url.parse()?;
        let mut headers: Vec<(HeaderName, HeaderValue)> = vec![(USER_AGENT, HeaderValue::from_static("entryguard"))];
        headers.extend(self.accept.map(|accept| (ACCEPT, HeaderValue::from_static(accept))));
        let bearer = self.token.map(|token| HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))).transpose()?;
        let bearer = bearer.map(|mut bearer| {
            bearer.set_sensitive(true);
            bearer
        });
        let calls = Calls { client: HttpClient::for_url(self.url)?, patience: self.patience };
        // From the inside out: what a redirect leads to elsewhere is shown no token.
        let builder = OctocrabBuilder::new_empty()
            .with_service(calls)
            .with_layer(&FollowRedirectLayer::new())
            .with_layer(&ExtraHeadersLayer::new(Arc::new(headers)))
            .with_layer(&BaseUriLayer::new(uri.clone()))
            .with_layer(&AuthHeaderLayer::new(bearer, uri.clone(), uri));
        let Ok(client) = builder.with_auth(AuthState::None).build() as Result<Octocrab, Infallible>;
        Ok(client)
    }
}

/// Makes calls, each of which ends soon.
#[derive(Clone)]
struct Calls {
    client: HttpClient<OctoBody>,
    patience: Duration,
}

impl Service<Request<OctoBody>> for Calls {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<OctoBody>) -> Self::Future {
        let Self { client, patience } = self.clone();
        let calling = async move {
            let (head, body) = client.request(request).await?.into_parts();
            let body = Limited::new(body, LARGEST).collect().await?.to_bytes();
            Ok(Response::from_parts(head, Full::new(body)))
        };
        Box::pin(async move { tokio::time::timeout(patience, calling).await.map_err(|_| "no answer in time")? })
    }
}
