//! What a proxy sees of a request that goes through it.

use bytes::Bytes;
use http_body_util::Empty;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Goes through `proxy` to an address, and gives what the proxy was asked.
async fn asked_of_the_proxy(url: &str, variables: &[(&str, &str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let hearing = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            asked.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
        String::from_utf8(asked).unwrap()
    });
    let env = |name: &str| {
        let value = variables.iter().find(|(known, _)| *known == name)?.1;
        Some(value.replace("PROXY", &address.to_string()))
    };
    let proxies = Proxies::read(&env).unwrap();
    let connector = crate::connector::connector_by(true, proxies.clone()).unwrap();
    let client = HttpClient { client: Client::builder(TokioExecutor::new()).build(connector), proxies };
    let request = Request::get(url).header("authorization", "Bearer token").body(Empty::<Bytes>::new()).unwrap();
    let _ = client.request(request).await;
    hearing.await.unwrap()
}

#[tokio::test]
async fn what_is_secret_goes_through_a_tunnel_and_the_proxy_reads_no_more_than_where_to() {
    let asked = asked_of_the_proxy("https://slack.example/api/auth.test", &[("https_proxy", "http://ana:hunter2@PROXY")]).await;
    assert!(asked.starts_with("CONNECT slack.example:443 HTTP/1.1\r\n"), "{asked}");
    // ana:hunter2
    assert!(asked.contains("Proxy-Authorization: Basic YW5hOmh1bnRlcjI=\r\n"), "{asked}");
    assert!(!asked.contains("Bearer") && !asked.contains("auth.test"), "{asked}");
}

#[tokio::test]
async fn what_is_plain_is_passed_on_by_the_proxy() {
    let asked = asked_of_the_proxy("http://collector.example:4318/v1/traces", &[("HTTP_PROXY", "ana:hunter2@PROXY")]).await;
    assert!(asked.starts_with("GET http://collector.example:4318/v1/traces HTTP/1.1\r\n"), "{asked}");
    assert!(asked.to_ascii_lowercase().contains("proxy-authorization: basic yw5homh1bnrlcji="), "{asked}");
}
