//! The pages, as a person uses them: in a real browser, and with nothing but HTTP.

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use entryguard_tests::{
    Browser, Chromium, Database, Listener, Look, SOON, World, WorldBuilder, eventually, link_in, on_both_databases,
    what_axe_finds,
};
use reqwest::Method;

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";
const CAFE: &str = "93.184.217.77";
const CAFE_CIDR: &str = "93.184.217.77/32";
const HOME_V6: &str = "2606:2800:220:1::1";

const ADMIN_PAGES: [&str; 5] = ["/admin/sessions", "/admin/resources", "/admin/members", "/admin/audit", "/admin/drift"];

fn team(database: Database) -> WorldBuilder {
    World::on(database).member("ana", "U111").admin("cy", "U333").offering(&["1h", "2h", "4h"])
}

/// The link by which somebody signs in.
pub async fn sign_in_link(world: &World, user: &str) -> String {
    let answer = world.slack.command(user, "web").await;
    link_in(&answer.body).unwrap_or_else(|| panic!("no link in {}", answer.text()))
}

/// A browser in which somebody has signed in.
pub async fn signed_in(world: &World, user: &str, ip: &str, look: Look) -> Chromium {
    let browser = Chromium::at(ip, look).await;
    browser.open(&sign_in_link(world, user).await).await;
    browser.press("form button.primary").await;
    browser.find("#live").await;
    browser
}

/// The same without a screen.
pub async fn signed_in_by_http(world: &World, user: &str, ip: &str) -> Browser {
    let browser = world.browser(ip);
    let page = browser.open(&sign_in_link(world, user).await).await;
    browser.submit(&page, &[]).await;
    browser
}

/// A page of the server's.
pub async fn open(world: &World, browser: &Browser, path: &str) -> entryguard_tests::Page {
    browser.open(&format!("{}{path}", world.server.address())).await
}

/// What the server answers to a button that the page did not show.
pub async fn press_unseen(world: &World, browser: &Browser, path: &str) -> entryguard_tests::Page {
    let form = open(world, browser, "/").await.form();
    let token = form.fields.into_iter().find(|(name, _)| name == "form_token").unwrap().1;
    let request = browser.request(Method::POST, &format!("{}{path}", world.server.address()));
    browser.send(request.form(&[("form_token", token)]).header("Sec-Fetch-Site", "same-origin")).await
}

/// Waits until the one running session shows this.
pub async fn shows(browser: &Chromium, status: &str) {
    browser.wait_for_count(&format!("#live tbody[data-status={status}]"), 1).await;
}

/// The way of a person from the link to the end.
async fn a_whole_session(look: Look) {
    let world = team(Database::Sqlite).with_groups(2).start().await;
    let browser = signed_in(&world, "U111", HOME, look).await;
    let page = browser.text().await;
    assert!(page.contains(HOME) && page.contains("Everything is closed"), "{page}");
    assert_eq!(browser.count("#duration option").await, 3);
    assert_eq!(browser.count("nav a").await, 1, "ana is no administrator");

    // The cloud takes its time, so that there is something to watch.
    world.proxy.slow_down(Duration::from_secs(5));
    browser.choose("#duration", "2h").await;
    browser.write("#reason", "the deploy").await;
    browser.press(".starting button.primary").await;
    shows(&browser, "PENDING").await;
    // Whatever happens from here on happens without loading the page again.
    browser.evaluate("window.samePage = true").await;
    world.proxy.slow_down(Duration::ZERO);
    shows(&browser, "ACTIVE").await;
    world.wait_until_group_allows(&world.groups[1], &[HOME_CIDR]).await;
    browser.wait_for_count("#live [data-until]", 1).await;
    let text = browser.text().await;
    assert!(text.contains("in 1h 5") && text.contains("2 resources open"), "{text}");
    let said = browser.evaluate("return document.getElementById('said').textContent").await;
    assert!(said.as_str().unwrap().ends_with("is ACTIVE."), "a screen reader hears it: {said}");

    // Its row opens with the keyboard, and stays open when the table changes under it.
    assert_eq!(browser.count(".rules").await, browser.count("details:not([open]) .rules").await);
    browser.evaluate("document.querySelector('#live summary').focus()").await;
    browser.keys("\u{e007}").await;
    browser.wait_for_count("details[open] .rules tbody tr", 2).await;
    browser.wait_until_it_says("group-1").await;
    browser.wait_until_it_says("the deploy").await;
    assert_eq!(browser.count(".rules .badge.good").await, 2);

    // As long as it may be: then the button goes.
    browser.press("button.extend").await;
    browser.wait_for_count("button.extend", 0).await;
    // Minutes may pass on a busy machine.
    browser.wait_until_it_says("in 3h 5").await;
    browser.wait_for_count("details[open] .rules tbody tr", 2).await;

    browser.press("button.stop").await;
    browser.wait_until_it_says("CANCELLED").await;
    browser.wait_until_it_says("Everything is closed").await;
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    assert_eq!(browser.evaluate("return window.samePage === true").await, true);
    browser.close().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_starts_watches_extends_and_stops_on_a_large_screen() {
    a_whole_session(Look::DESKTOP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_starts_watches_extends_and_stops_on_a_phone() {
    a_whole_session(Look::PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_works_where_no_script_runs() {
    let world = team(Database::Sqlite).with_groups(1).start().await;
    let browser = signed_in(&world, "U111", HOME, Look::DESKTOP.without_script()).await;
    browser.choose("#duration", "2h").await;
    browser.press(".starting button.primary").await;
    // The page looks again by itself.
    shows(&browser, "ACTIVE").await;
    browser.press("#live summary").await;
    browser.wait_for_count("details[open] .rules tbody tr", 1).await;
    browser.press("button.extend").await;
    browser.wait_for_count("button.extend", 0).await;
    browser.press("button.stop").await;
    browser.wait_until_it_says("CANCELLED").await;
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    browser.close().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_that_fails_says_why_without_being_asked() {
    let world = team(Database::Sqlite).with_groups(1).with_file("intranet").start().await;
    let browser = signed_in(&world, "U111", HOME, Look::DESKTOP).await;
    world.proxy.keep_refusing("AuthorizeSecurityGroupIngress", "RulesPerSecurityGroupLimitExceeded");
    browser.press(".starting button.primary").await;
    shows(&browser, "PARTIAL").await;
    browser.wait_for_count("details[open] .rules .badge.bad", 1).await;
    browser.wait_until_it_says("remove rules that nobody needs").await;
    browser.close().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_moves_with_its_member() {
    let world = team(Database::Sqlite).with_groups(1).start().await;
    let browser = signed_in(&world, "U111", HOME, Look::DESKTOP).await;
    browser.choose("#duration", "2h").await;
    browser.press(".starting button.primary").await;
    shows(&browser, "ACTIVE").await;
    assert_eq!(browser.count(".banner").await, 0);

    browser.moves_to(CAFE).await;
    browser.open(&format!("{}/", world.server.address())).await;
    browser.wait_until_it_says("Your address changed").await;
    browser.press(".banner button").await;
    world.wait_until_group_allows(&world.groups[0], &[CAFE_CIDR]).await;
    shows(&browser, "ACTIVE").await;
    browser.wait_until_it_says("CANCELLED").await;
    assert_eq!(browser.count(".banner").await, 0);
    let text = browser.text().await;
    assert!(text.contains("in 1h 5"), "it ends when it would have: {text}");
    browser.close().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_that_showed_a_session_shows_where_it_went() {
    let world = team(Database::Sqlite).with_groups(1).start().await;
    world.start_session("U111", "2h", HOME).await;
    let old = world.wait_until_thread_says("ACTIVE").await.parent.ts;
    let browser = signed_in(&world, "U111", CAFE, Look::DESKTOP).await;
    browser.press(".banner button").await;
    world.wait_until_group_allows(&world.groups[0], &[CAFE_CIDR]).await;
    let new = world.wait_until_thread_says_all(&["ACTIVE", CAFE]).await;
    assert_ne!(new.parent.ts, old, "a thread of its own");
    let moved = format!("Moved to `{CAFE}` by ana");
    world.wait_until_over_where("the old thread", &["CANCELLED", &moved], |thread| thread.parent.ts == old).await;
    browser.close().await;
    world.finish().await;
}

/// The server under another name, which has only an IPv6 address: whoever comes through it is seen at that.
pub async fn under_a_name_of_ipv6(server: String) -> Listener {
    let relay = async move |request: Request| {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        // Chromium takes the header that a test adds for the page's own, and asks whether it may send it.
        if request.method() == Method::OPTIONS {
            let allowed = [
                ("access-control-allow-origin", server.as_str()),
                ("access-control-allow-headers", "x-forwarded-for"),
                ("access-control-allow-methods", "GET"),
            ];
            return axum::response::IntoResponse::into_response(allowed);
        }
        let path = request.uri().path_and_query().unwrap().to_string();
        let mut asked = client.get(format!("{server}{path}")).header("X-Forwarded-For", HOME_V6);
        if let Some(origin) = request.headers().get("origin") {
            asked = asked.header("Origin", origin.as_bytes());
        }
        let answer = asked.send().await.unwrap();
        let mut back = axum::http::Response::builder().status(answer.status());
        back.headers_mut().unwrap().extend(answer.headers().clone());
        back.body(axum::body::Body::from(answer.bytes().await.unwrap())).unwrap()
    };
    Listener::serve(Router::new().fallback(relay)).await
}

async fn both_families(look: Look) {
    let mut world = team(Database::Sqlite).with_groups(1).start().await;
    let other = under_a_name_of_ipv6(world.server.address()).await;
    let public = format!("public_url = \"{}\"", world.server.address());
    world.rewrite_config(&public, &format!("{public}\nipv6_url = \"{}\"", other.address));
    world.server.restart().await;
    let browser = signed_in(&world, "U111", HOME, look).await;
    if !look.script {
        browser.press(".here noscript a, .here a").await;
    }
    browser.wait_until_it_says(HOME_V6).await;
    browser.press(".starting button.primary").await;
    world.wait_until_group_allows(&world.groups[0], &["2606:2800:220:1::1/128", HOME_CIDR]).await;
    browser.wait_for_count("#live tbody .main .address", 2).await;
    browser.close().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_addresses_are_seen_before_anything_is_opened() {
    both_families(Look::DESKTOP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_addresses_are_seen_without_script_too() {
    both_families(Look::DESKTOP.without_script()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_sees_and_stops_everybodys_sessions() {
    let world = team(Database::Sqlite).with_groups(1).start().await;
    let ana = signed_in(&world, "U111", HOME, Look::DESKTOP).await;
    ana.press(".starting button.primary").await;
    shows(&ana, "ACTIVE").await;
    let cy = signed_in(&world, "U333", CAFE, Look::DESKTOP).await;
    assert_eq!(cy.count("nav a").await, 6);
    cy.press("nav a[href='/admin/sessions']").await;
    shows(&cy, "ACTIVE").await;
    cy.wait_until_it_says("ana").await;
    cy.press("#live button.stop").await;
    cy.wait_until_it_says("Nobody has a running session").await;
    ana.wait_until_it_says("CANCELLED").await;
    world.wait_until_group_allows(&world.groups[0], &[]).await;

    cy.open(&format!("{}/admin/resources", world.server.address())).await;
    cy.press("form[action$='/verify'] button").await;
    cy.wait_for_count(".badge.good", 1).await;
    world.proxy.keep_refusing("DescribeSecurityGroups", "UnauthorizedOperation");
    cy.press("form[action$='/verify'] button").await;
    cy.wait_for_count(".badge.bad", 1).await;
    world.proxy.behave();

    cy.open(&format!("{}/admin/audit", world.server.address())).await;
    cy.choose("#action", "session.stopped").await;
    cy.press(".filters button").await;
    cy.wait_for_count(".audit tbody tr", 1).await;
    cy.wait_until_it_says("session.stopped").await;
    for browser in [ana, cy] {
        browser.close().await;
    }
    world.finish().await;
}

/// Every page, in a world in which each has something to show.
async fn axe_judges(look: Look) {
    let world = team(Database::Sqlite)
        .with_groups(1)
        .with_file("intranet")
        .configured("[web]\nshared_exits = [{ name = \"Office VPN\", networks = [\"93.184.216.0/24\"] }]")
        .start()
        .await;
    let browser = signed_in(&world, "U333", HOME, look).await;
    let mut found = Vec::new();
    let mut judge = async |what: &str, browser: &Chromium| {
        found.extend(what_axe_finds(browser).await.into_iter().map(|found| format!("{what}: {found}")));
    };
    judge("no session", &browser).await;
    assert!(browser.text().await.contains("Many people share"), "{}", browser.text().await);
    world.proxy.keep_refusing("AuthorizeSecurityGroupIngress", "RulesPerSecurityGroupLimitExceeded");
    browser.press(".starting button.primary").await;
    shows(&browser, "PARTIAL").await;
    judge("a partial session", &browser).await;
    browser.moves_to(CAFE).await;
    browser.open(&format!("{}/", world.server.address())).await;
    browser.wait_until_it_says("Your address changed").await;
    judge("another address", &browser).await;
    for path in ADMIN_PAGES {
        browser.open(&format!("{}{path}", world.server.address())).await;
        judge(path, &browser).await;
        let wide = browser.evaluate("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
        assert_eq!(wide, 0, "{path} is wider than its screen");
    }
    browser.press("nav a[href='/']").await;
    browser.press("button.stop").await;
    browser.wait_until_it_says("CANCELLED").await;
    judge("a past session", &browser).await;
    browser.open(&format!("{}/sessions/past", world.server.address())).await;
    judge("past sessions", &browser).await;
    let (_, link) = world.ask_for_session("U333", "1h").await;
    browser.open(&link).await;
    judge("a confirm page", &browser).await;
    browser.open(&sign_in_link(&world, "U333").await).await;
    judge("signing in", &browser).await;
    browser.open(&format!("{}/confirm/{}", world.server.address(), "0".repeat(43))).await;
    judge("a link that is not known", &browser).await;
    browser.open(&format!("{}/api/v1/docs", world.server.address())).await;
    judge("the API's page", &browser).await;
    let stranger = Chromium::at(HOME, look).await;
    stranger.open(&format!("{}/", world.server.address())).await;
    judge("a stranger's page", &stranger).await;
    stranger.close().await;
    assert!(found.is_empty(), "{}", found.join("\n"));
    browser.close().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_finds_nothing_serious_in_the_light() {
    axe_judges(Look::DESKTOP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_finds_nothing_serious_in_the_dark_on_a_phone() {
    axe_judges(Look::PHONE.in_the_dark()).await;
}

/// What a stream of events says until it says these words.
async fn hears(world: &World, browser: &Browser, path: &str, words: &str) {
    let request = browser.request(Method::GET, &format!("{}{path}", world.server.address()));
    let mut answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["x-accel-buffering"], "no", "no proxy holds it back");
    let mut heard = String::new();
    let listening = async {
        while let Some(chunk) = answer.chunk().await.unwrap() {
            heard.push_str(&String::from_utf8_lossy(&chunk));
            if heard.contains(words) {
                return true;
            }
        }
        false
    };
    let said = tokio::time::timeout(SOON, listening).await.unwrap_or(false);
    assert!(said, "{words} in {heard}");
}

on_both_databases! {
    async fn i8_only_administrators_see_what_is_everybodys(database: Database) {
        let world = team(database).with_file("intranet").start().await;
        let (ana, cy) = (signed_in_by_http(&world, "U111", HOME).await, signed_in_by_http(&world, "U333", CAFE).await);
        let pages = ["/admin/sessions/past", "/admin/sessions/table", "/admin/sessions/events", "/admin/sessions?member=cy"];
        for path in ADMIN_PAGES.into_iter().chain(pages) {
            let page = open(&world, &ana, path).await;
            assert!(page.status == 403 && page.says("Only administrators"), "{path}: {} {}", page.status, page.body);
            let stranger = open(&world, &world.browser(HOME), path).await;
            assert_eq!(stranger.status, 401, "{path}");
            if !path.ends_with("/events") {
                assert_eq!(open(&world, &cy, path).await.status, 200, "{path}");
            }
        }
        let refused = press_unseen(&world, &ana, "/admin/resources/intranet/verify").await;
        assert_eq!(refused.status, 403, "{}", refused.body);
        world.finish().await;
    }

    async fn a_page_hears_what_happens_elsewhere(database: Database) {
        let world = team(database).with_file("intranet").start().await;
        let (ana, cy) = (signed_in_by_http(&world, "U111", HOME).await, signed_in_by_http(&world, "U333", CAFE).await);
        let listening = tokio::join!(
            hears(&world, &ana, "/sessions/events", "data-status=\"ACTIVE\""),
            hears(&world, &cy, "/admin/sessions/events", "data-status=\"ACTIVE\""),
            world.start_session("U111", "1h", HOME),
        );
        drop(listening);
        let others = open(&world, &cy, "/sessions/table").await;
        assert!(!others.says("data-status"), "cy has none: {}", others.body);
        world.finish().await;
    }

    async fn past_sessions_are_shown_in_parts(database: Database) {
        let world = team(database).with_file("intranet").start().await;
        let ana = signed_in_by_http(&world, "U111", HOME).await;
        for _ in 0..23 {
            let page = open(&world, &ana, "/").await;
            assert_eq!(ana.submit(&page, &[("duration", "1h")]).await.status, 303);
            world.slack.command("U111", "stop").await;
            eventually("it is closed", SOON, async || {
                let page = open(&world, &ana, "/").await;
                if page.says("Everything is closed") { Ok(()) } else { Err(page.body) }
            })
            .await;
        }
        let first = open(&world, &ana, "/sessions/past").await;
        let count = |body: &str| body.matches("data-status=\"CANCELLED\"").count();
        assert_eq!(count(&first.body), 20);
        let (_, rest) = first.body.split_once("rel=\"next\" href=\"").expect("a link to older ones");
        let older = open(&world, &ana, rest.split('"').next().unwrap()).await;
        assert_eq!(count(&older.body), 3);
        assert!(older.says("Newest") && !older.says("rel=\"next\""));
        let nonsense = open(&world, &ana, "/sessions/past?after=x").await;
        assert_eq!(count(&nonsense.body), 20);
        world.finish().await;
    }

    async fn every_running_session_is_reached_however_many_there_are(database: Database) {
        let world = team(database).with_file("intranet").sessions_at_once(200).start().await;
        let (ana, cy) = (signed_in_by_http(&world, "U111", HOME).await, signed_in_by_http(&world, "U333", CAFE).await);
        let page = open(&world, &ana, "/").await;
        for _ in 0..102 {
            assert_eq!(ana.submit(&page, &[("duration", "1h")]).await.status, 303);
        }
        let count = |body: &str| body.matches("data-status=\"").count();
        for (browser, path) in [(&cy, "/admin/sessions"), (&cy, "/admin/sessions?member=ana"), (&ana, "/")] {
            let first = open(&world, browser, path).await;
            assert!(first.says("<span class=\"count\">102</span>") && !first.says("Newest"), "{}", first.body);
            assert_eq!(count(&first.body), 100, "{path}");
            let (_, rest) = first.body.split_once("rel=\"next\" href=\"").expect("a link to older ones");
            let older = open(&world, browser, &rest.split('"').next().unwrap().replace("&amp;", "&")).await;
            assert!(count(&older.body) == 2 && older.says("Newest") && !older.says("rel=\"next\""), "{path}: {}", older.body);
            // What changes is of the same part.
            let (_, rest) = older.body.split_once("data-table=\"").expect("where it is");
            let table = open(&world, browser, &rest.split('"').next().unwrap().replace("&amp;", "&")).await;
            assert!(count(&table.body) == 2 && table.says("<span class=\"count\">102</span>"), "{}", table.body);
        }
        world.finish().await;
    }

    async fn i8_a_form_opens_no_address_that_its_page_did_not_show(database: Database) {
        let world = team(database).with_file("intranet").start().await;
        let ana = signed_in_by_http(&world, "U111", HOME).await;
        let eve = signed_in_by_http(&world, "U333", CAFE).await;
        let page = open(&world, &ana, "/").await;
        let of = |page: &entryguard_tests::Page, name: &str| {
            page.form().fields.into_iter().find(|(field, _)| field == name).expect("the field").1
        };
        let (token, seen) = (of(&page, "form_token"), of(&page, "seen"));
        let others = of(&open(&world, &eve, "/").await, "seen");
        let send = async |from: &str, seen: &str, other: &str| {
            let form = [("form_token", token.as_str()), ("duration", "1h"), ("seen", seen), ("other", other)];
            let request = ana.request(Method::POST, &format!("{}/sessions", world.server.address())).form(&form);
            // The same browser, wherever it is.
            let mut request = request.header("Sec-Fetch-Site", "same-origin").build().unwrap();
            request.headers_mut().insert("x-forwarded-for", from.parse().unwrap());
            let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
            client.execute(request).await.unwrap().status().as_u16()
        };
        assert_eq!(send(CAFE, &seen, "").await, 400, "the page showed another one");
        assert_eq!(send(HOME, &others, "").await, 400, "somebody else was seen there");
        let forged = seen.replace(HOME, HOME_V6);
        assert_eq!(send(HOME, &seen, &forged).await, 400, "nobody was seen there");
        assert_eq!(world.records().await.sessions().await, 0);
        assert_eq!(send(HOME, &seen, "").await, 303);
        assert_eq!(world.records().await.sessions().await, 1);
        world.finish().await;
    }
}

#[tokio::test]
async fn an_address_is_told_to_pages_of_ours_alone() {
    let world = team(Database::Sqlite).with_file("intranet").start().await;
    let browser = world.browser(HOME);
    let url = format!("{}/address?for=ticket", world.server.address());
    let ours = browser.send(browser.request(Method::GET, &url).header("Origin", world.server.address())).await;
    assert_eq!(ours.headers["access-control-allow-origin"], world.server.address().as_str());
    assert!(ours.says(HOME) && ours.says("IPv4"), "{}", ours.body);
    let others = browser.send(browser.request(Method::GET, &url).header("Origin", "https://evil.example.com")).await;
    assert!(!others.headers.contains_key("access-control-allow-origin"));
    world.finish().await;
}
