//! The id of a request: in the log, in traces, in the answer's `x-request-id`, and on pages that say that something did not work.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use entryguard_core::config::ServerSettings;
use entryguard_core::random::{SystemRandom, bytes};
use http::{HeaderMap, HeaderValue, Request};
use tower_http::request_id::{MakeRequestId, RequestId};

/// The header's name.
pub const X_REQUEST_ID: &str = "x-request-id";
/// No id is longer.
const LONGEST: usize = 64;

tokio::task_local! {
    // For those who make an answer and never see its request.
    static CURRENT: String;
}

/// Makes ids of our own.
#[derive(Clone, Copy, Debug)]
pub struct OwnIds;

impl MakeRequestId for OwnIds {
    fn make_request_id<B>(&mut self, _request: &Request<B>) -> Option<RequestId> {
        let id = hex::encode(bytes::<16>(&SystemRandom));
        HeaderValue::from_str(&id).ok().map(RequestId::new)
    }
}

/// Answers a request under its id.
pub async fn within<T>(id: String, answering: impl Future<Output = T>) -> T {
    CURRENT.scope(id, answering).await
}

/// The id of the request that is being answered; none outside of one.
pub fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Takes away an id that is not to be kept: ours are for finding requests again, so nobody else chooses one but a trusted proxy.
pub fn keep_only_a_proxys<B>(server: &Arc<ServerSettings>, mut request: Request<B>) -> Request<B> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip().to_canonical());
    let is_proxy = |peer: IpAddr| server.trusted_proxies.iter().any(|net| net.contains(&peer));
    if !(peer.is_some_and(is_proxy) && is_well_formed(request.headers())) {
        request.headers_mut().remove(X_REQUEST_ID);
    }
    request
}

/// One id of nothing that could be taken for something else in a log.
fn is_well_formed(headers: &HeaderMap) -> bool {
    let mut ids = headers.get_all(X_REQUEST_ID).iter();
    let (Some(id), None) = (ids.next(), ids.next()) else { return false };
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(peer: &str, ids: &[&str]) -> bool {
        let server = Arc::new(ServerSettings {
            listen: ([127, 0, 0, 1], 8080).into(),
            public_url: "http://127.0.0.1:8080".to_owned(),
            ipv4_url: None,
            ipv6_url: None,
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            metrics_listen: None,
        });
        let mut request = Request::new(());
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 4711)));
        for id in ids {
            request.headers_mut().append(X_REQUEST_ID, id.parse().unwrap());
        }
        keep_only_a_proxys(&server, request).headers().contains_key(X_REQUEST_ID)
    }

    #[test]
    fn only_a_trusted_proxy_names_a_request_and_only_well() {
        assert!(kept("10.0.0.7", &["req-4711_a.b"]) && kept("::ffff:10.0.0.7", &["a"]));
        assert!(!kept("93.184.216.34", &["req-4711"]), "anybody could claim to be another request");
        for bad in ["", "a b", "a\"b", "a/b", "{id}", &"a".repeat(65)] {
            assert!(!kept("10.0.0.7", &[bad]), "{bad}");
        }
        assert!(!kept("10.0.0.7", &["a", "b"]));
    }

    #[tokio::test]
    async fn whoever_makes_an_answer_knows_its_request() {
        assert_eq!(current(), None);
        assert_eq!(within("r1".to_owned(), async { current() }).await.as_deref(), Some("r1"));
    }
}
