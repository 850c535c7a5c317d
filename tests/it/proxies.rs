//! The only way out is a proxy: server, client and the clouds' SDK go through it, and this machine is reached without.

use std::sync::{Arc, Mutex};

use entryguard_tests::{Database, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A proxy that notes where to somebody wants to go, and leads nowhere.
struct Proxy {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (url, asked) = (format!("http://{}", listener.local_addr().unwrap()), Arc::<Mutex<Vec<String>>>::default());
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let noted = Arc::clone(&noted);
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let Ok(byte) = stream.read_u8().await else { return };
                        head.push(byte);
                    }
                    let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
                    noted.lock().unwrap().push(line);
                    let refusal = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                    let _ = stream.write_all(refusal).await;
                });
            }
        });
        Self { url, asked }
    }

    /// Whether somebody wanted a tunnel to this host.
    fn was_asked_for(&self, host: &str) -> bool {
        self.asked.lock().unwrap().iter().any(|line| line.starts_with(&format!("CONNECT {host}:443 ")))
    }
}

#[tokio::test]
async fn what_goes_out_goes_through_the_proxy_of_the_environment_and_loopback_does_not() {
    let proxy = Proxy::open().await;
    let mut world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111").start().await;
    // The tests' own environment sends everything directly.
    let through = [("https_proxy", proxy.url.as_str()), ("HTTP_PROXY", proxy.url.as_str()), ("NO_PROXY", "")];
    let here = world.entryguard_with(&["check"], &through, "").await;
    assert!(here.code == Some(0) && proxy.asked.lock().unwrap().is_empty(), "{here:?}: {:?}", proxy.asked);
    let value = |key: &str| world.config().split(&format!("\n{key} = \"")).nth(1).unwrap().split('"').next().unwrap().to_owned();
    let (slack, ec2) = (value("api_url"), value("endpoint_url"));
    world.rewrite_config(&slack, "https://slack.example.invalid");
    world.rewrite_config(&ec2, "https://ec2.example.invalid");
    world.entryguard_with(&["check"], &through, "").await;
    assert!(proxy.was_asked_for("slack.example.invalid"), "{:?}", proxy.asked);
    assert!(proxy.was_asked_for("ec2.example.invalid"), "{:?}", proxy.asked);
    let client = [through[0], through[2], ("ENTRYGUARD_URL", "https://guard.example.invalid"), ("ENTRYGUARD_API_KEY", "egk_x")];
    world.entryguard_with(&["whoami"], &client, "").await;
    assert!(proxy.was_asked_for("guard.example.invalid"), "{:?}", proxy.asked);
    let direct = [client[0], client[2], client[3], ("NO_PROXY", "*.example.invalid")];
    let many = proxy.asked.lock().unwrap().len();
    world.entryguard_with(&["whoami"], &direct, "").await;
    assert_eq!(proxy.asked.lock().unwrap().len(), many);
    let unusable = world.entryguard_with(&["check"], &[("HTTPS_PROXY", "socks5://127.0.0.1:1"), ("NO_PROXY", "")], "").await;
    assert!(unusable.code != Some(0) && unusable.stderr.contains("HTTPS_PROXY has to be like http://"), "{unusable:?}");
    world.rewrite_config("https://slack.example.invalid", &slack);
    world.rewrite_config("https://ec2.example.invalid", &ec2);
    world.finish().await;
}
