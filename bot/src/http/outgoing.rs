//! Documents that we fetch: JSON, soon, and not too much of it.

use std::time::Duration;

use entryguard_core::config::is_private;
use entryguard_outgoing::HttpClient;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full, Limited};
use serde::de::DeserializeOwned;

/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How large one may be.
const LARGEST: usize = 1024 * 1024;

/// Why a document could not be had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchError {
    /// No answer in time, or none at all.
    #[error("no answer from {0}")]
    Unreachable(String),
    /// An answer that is not the document.
    #[error("{url} answered {status}")]
    Refused {
        /// What was asked for.
        url: String,
        /// What came.
        status: StatusCode,
    },
    /// Not what it should be.
    #[error("what {url} answered makes no sense: {why}")]
    Senseless {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Whether what is sent to an address that an issuer names is as safe on its way as what is sent to the issuer itself.
pub fn is_as_private(url: &str, issuer: &str) -> bool {
    url.starts_with("https://") || issuer.starts_with("http://") && is_private(url)
}

/// Sends a request of another crate's, and takes whatever is answered; nothing is followed.
pub async fn send(request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, FetchError> {
    let url = request.uri().to_string();
    let senseless = |why: String| FetchError::Senseless { url: url.clone(), why };
    let unreachable = || FetchError::Unreachable(url.clone());
    let client = HttpClient::<Full<bytes::Bytes>>::for_url(&url).map_err(|error| senseless(error.to_string()))?;
    let sending = async {
        let answer = client.request(request.map(|body| Full::new(body.into()))).await.map_err(|_| unreachable())?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LARGEST).collect().await.map_err(|error| senseless(error.to_string()))?;
        Ok(Response::from_parts(head, body.to_bytes().to_vec()))
    };
    tokio::time::timeout(PATIENCE, sending).await.map_err(|_| unreachable())?
}

/// Fetches a document.
pub async fn fetch_json<T: DeserializeOwned>(url: &str) -> Result<T, FetchError> {
    let senseless = |why: String| FetchError::Senseless { url: url.to_owned(), why };
    let unreachable = || FetchError::Unreachable(url.to_owned());
    let client = HttpClient::<Empty<bytes::Bytes>>::for_url(url).map_err(|error| senseless(error.to_string()))?;
    let request = Request::get(url).header("accept", "application/json").header("user-agent", "entryguard").body(Empty::new());
    let request = request.map_err(|error| senseless(error.to_string()))?;
    let fetching = async {
        let answer = client.request(request).await.map_err(|_| unreachable())?;
        if !answer.status().is_success() {
            return Err(FetchError::Refused { url: url.to_owned(), status: answer.status() });
        }
        let body = Limited::new(answer.into_body(), LARGEST).collect().await.map_err(|error| senseless(error.to_string()))?;
        serde_json::from_slice(&body.to_bytes()).map_err(|error| senseless(error.to_string()))
    };
    tokio::time::timeout(PATIENCE, fetching).await.map_err(|_| unreachable())?
}
