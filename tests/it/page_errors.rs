//! What the pages say where something cannot be done, cannot be found, or the server does not answer.

use entryguard_tests::{Browser, Database, Look, Page, SOON, World, WorldBuilder, eventually};
use reqwest::Method;

use crate::pages::{open, shows, signed_in, signed_in_by_http};

const HOME: &str = "93.184.216.34";
const CAFE: &str = "93.184.217.77";

fn team() -> WorldBuilder {
    World::on(Database::Sqlite).with_file("intranet").member("ana", "U111").admin("cy", "U333")
}

async fn send(world: &World, browser: &Browser, method: Method, path: &str, form: &[(&str, &str)]) -> Page {
    let request = browser.request(method, &format!("{}{path}", world.server.address())).form(form);
    browser.send(request.header("Sec-Fetch-Site", "same-origin")).await
}

#[tokio::test]
async fn a_refused_form_is_explained_on_a_page_that_stays() {
    let world = team().start().await;
    let ana = signed_in_by_http(&world, "U111", HOME).await;
    let page = open(&world, &ana, "/").await;
    assert_eq!(ana.submit(&page, &[]).await.status, 303);
    let running = open(&world, &ana, "/").await;
    assert!(running.says("http-equiv=\"refresh\"") && running.says("; url=/?again="), "{}", running.body);
    let refused = ana.submit(&page, &[("duration", "9 bananas")]).await;
    assert!(refused.status == 400 && refused.says("role=\"alert\"") && refused.says("bananas"), "{}", refused.body);
    assert!(!refused.says("http-equiv=\"refresh\""), "the message would run away");
    world.finish().await;
}

#[tokio::test]
async fn what_is_not_there_and_what_cannot_be_read_is_a_page_too() {
    let world = team().start().await;
    let cy = signed_in_by_http(&world, "U333", HOME).await;
    let token = open(&world, &cy, "/").await.form().fields.into_iter().find(|(name, _)| name == "form_token").unwrap().1;
    let twice = [("form_token", token.as_str()), ("from", "a"), ("from", "b")];
    let asked = [
        (Method::GET, "/nothing", 404, "No such page"),
        (Method::GET, "/sessions", 405, "Not a page"),
        (Method::GET, "/sessions/12345678/stop", 405, "Not a page"),
        (Method::DELETE, "/admin/audit", 405, "Not a page"),
        (Method::GET, "/admin/audit?before=yesterday", 400, "The address cannot be read"),
        (Method::GET, "/?other=1&other=2", 400, "The address cannot be read"),
    ];
    for (method, path, status, words) in asked {
        let page = send(&world, &cy, method, path, &[]).await;
        assert!(page.status == status && page.says(words) && page.says("href=\"/\""), "{path}: {} {}", page.status, page.body);
        assert!(page.headers.contains_key("content-security-policy"), "{path}");
    }
    let form = send(&world, &cy, Method::POST, "/sessions/12345678/stop", &twice).await;
    assert!(form.status == 422 && form.says("The form cannot be read"), "{} {}", form.status, form.body);
    let elsewhere = cy.request(Method::POST, &format!("{}/sessions", world.server.address()));
    let elsewhere = cy.send(elsewhere.form(&twice).header("Sec-Fetch-Site", "cross-site")).await;
    assert!(elsewhere.status == 403 && elsewhere.says("<h1>Nothing was done</h1>"), "{}", elsewhere.body);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_hears_nothing_says_since_when_until_it_does_again() {
    let mut world = team().start().await;
    let browser = signed_in(&world, "U111", HOME, Look::DESKTOP).await;
    browser.press(".starting button.primary").await;
    shows(&browser, "ACTIVE").await;
    browser.evaluate("window.samePage = true").await;
    world.server.kill_9();
    browser.wait_until_it_says("Not up to date since").await;
    assert_eq!(browser.count("#stale[role=status] .alert").await, 1);
    world.server.restart().await;
    eventually("it is up to date again", SOON, async || {
        let text = browser.text().await;
        if text.contains("Not up to date") { Err(text) } else { Ok(()) }
    })
    .await;
    shows(&browser, "ACTIVE").await;
    assert_eq!(browser.evaluate("return window.samePage === true").await, true);
    browser.close().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_was_refused_something_begins_anew_without_sending_its_form_again() {
    let world = team().start().await;
    let browser = signed_in(&world, "U111", HOME, Look::DESKTOP).await;
    // It went elsewhere after the page was loaded.
    browser.moves_to(CAFE).await;
    browser.press(".starting button.primary").await;
    browser.wait_until_it_says("the page showed you another one").await;
    assert!(browser.url().await.ends_with("/sessions"));
    browser.moves_to(HOME).await;
    browser.evaluate("dispatchEvent(new Event('online'))").await;
    eventually("it shows the new address", SOON, async || {
        let (url, text) = (browser.url().await, browser.text().await);
        if url.ends_with("/?again=") && text.contains(HOME) { Ok(()) } else { Err(format!("{url}\n{text}")) }
    })
    .await;
    assert_eq!(world.records().await.sessions().await, 0);
    browser.close().await;
    world.finish().await;
}
