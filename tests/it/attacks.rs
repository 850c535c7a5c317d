//! Callers that sign nothing and finish nothing: the server keeps its memory small, answers its probes, and closes on time. And readers of
//! the database, who can make nothing of what they read.

use std::time::Duration;

use entryguard_tests::{Database, SOON, World, eventually, on_both_databases};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use sqlx::{AnyConnection, Connection, Row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

const HOME: &str = "93.184.216.34";
const HOME_V6: &str = "2606:2800:220:1::1";
const EVIL_V6: &str = "2606:4700::bad";
/// What the server may hold at the most, in MiB.
const MOST: u64 = 64;
/// How many attack at once: half with bodies, half with heads. Before there were bounds they took 300 MiB.
const ATTACKERS: usize = 300;

/// Sends what never ends, again and again until the time is over.
async fn attack(port: u16, what: std::sync::Arc<Vec<u8>>, until: Instant) {
    while Instant::now() < until {
        let held = async {
            let mut connection = TcpStream::connect(("127.0.0.1", port)).await?;
            connection.write_all(&what).await?;
            connection.read_u8().await
        };
        let _ = timeout_at(until, held).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn i1_unfinished_requests_of_many_connections_take_little_memory_and_what_ends_is_closed_on_time() {
    let world = World::on(Database::Sqlite).with_file("web").member("ana", "U111").offering(&["15s", "1h"]).start().await;
    world.start_session("U111", "15s", HOME).await;
    let began = Instant::now();
    let lines = async |expected: &[&str]| {
        eventually(&format!("the file has {expected:?}"), SOON, async || {
            let lines = world.lines_of("web");
            if lines == expected { Ok(()) } else { Err(format!("{lines:?}")) }
        })
        .await;
    };
    lines(&[HOME]).await;
    let port = world.server.address().rsplit_once(':').unwrap().1.parse().unwrap();
    let head = "POST /slack/commands HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 1000001\r\n\r\n";
    let body = std::sync::Arc::new([head.as_bytes(), &vec![b'a'; 1_000_000]].concat());
    let heads: String = (0..90).map(|number| format!("x-{number}: {}\r\n", "a".repeat(4000))).collect();
    let heads = std::sync::Arc::new(format!("GET / HTTP/1.1\r\nhost: x\r\n{heads}").into_bytes());
    let until = began + Duration::from_secs(18);
    let attackers: Vec<_> = (0..ATTACKERS)
        .map(|number| tokio::spawn(attack(port, std::sync::Arc::clone(if number % 2 == 0 { &body } else { &heads }), until)))
        .collect();
    let (client, mut most) = (reqwest::Client::builder().no_proxy().timeout(SOON).build().unwrap(), 0);
    while Instant::now() < until {
        most = most.max(world.server.resident_mib());
        let probe = client.get(format!("{}/healthz", world.server.address())).send().await.expect("a probe is answered");
        assert_eq!(probe.status(), 200);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    lines(&[]).await;
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert!(most <= MOST, "{most} MiB");
    for attacker in attackers {
        attacker.await.unwrap();
    }
    world.finish().await;
}

/// An address sealed as the server seals it, with this key.
fn sealed(key: &[u8; 64], address: &str, ticket: &str) -> String {
    let until = 4_102_444_800_u64;
    let mut mac = Hmac::<Sha256>::new(&(*key).into());
    mac.update(format!("entryguard seen address\0{address}\0{until}\0{ticket}").as_bytes());
    format!("{until}_{}_{address}", hex::encode(mac.finalize().into_bytes()))
}

on_both_databases! {
    async fn i8_whoever_reads_the_database_cannot_make_a_page_pass_an_address_for_one_that_was_seen(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        let (_, link) = world.ask_for_session("U111", "1h").await;
        let token = link.rsplit_once('/').unwrap().1;
        let ticket = hex::encode(Sha256::digest(format!("entryguard confirm ticket\0{token}")));
        let browser = world.browser(HOME);
        // What the server itself has seen, the page shows.
        let asked = format!("{}/address?for={ticket}", world.server.address());
        let over_v6 = world.browser(HOME_V6);
        let told = over_v6.send(over_v6.request(reqwest::Method::GET, &asked)).await;
        let told: serde_json::Value = serde_json::from_str(&told.body).unwrap();
        let page = browser.open(&format!("{link}?other={}", told["sealed"].as_str().unwrap())).await;
        assert!(page.status == 200 && page.says(HOME_V6), "{}", page.body);
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(world.database_url()).await.unwrap();
        let rows = sqlx::query("SELECT secret FROM shared_secrets").fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        assert!(!rows.is_empty());
        for secret in rows.iter().map(|row| row.get::<String, _>(0)) {
            let forged = sealed(&Sha512::digest(&secret).into(), EVIL_V6, &ticket);
            let page = browser.open(&format!("{link}?other={forged}")).await;
            assert!(page.status == 200 && !page.says(EVIL_V6), "{}", page.body);
        }
        world.finish().await;
    }
}
