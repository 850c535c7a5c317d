//! Signing in to the pages by a link from chat, what the cookie is worth, and what ends it.

use std::time::{Duration, Instant};

use entryguard_tests::{Browser, Database, DiscordDouble, Page, SOON, World, WorldBuilder, eventually, on_both_databases};
use reqwest::Method;

const HOME: &str = "93.184.216.34";
const OFFICE: &str = "93.184.216.35";
const BO: u64 = 222;

fn team(database: Database) -> WorldBuilder {
    World::on(database).with_file("intranet").member("ana", "U111").member("eve", "U333")
}

/// The link that somebody got in Slack.
async fn link_of(world: &World, user: &str) -> String {
    let answer = world.slack.command(user, "web").await;
    let link = entryguard_tests::link_in(&answer.body).unwrap_or_else(|| panic!("no link in {}", answer.text()));
    assert!(link.contains("/sign-in/"), "{link}");
    link
}

/// A browser in which somebody has signed in.
async fn signed_in(world: &World, user: &str, ip: &str) -> Browser {
    let browser = world.browser(ip);
    let page = browser.open(&link_of(world, user).await).await;
    let done = browser.submit(&page, &[]).await;
    assert_eq!((done.status, location(&done)), (303, "/"), "{}", done.body);
    browser
}

fn location(page: &Page) -> &str {
    page.headers.get("location").map_or("", |value| value.to_str().unwrap())
}

async fn home(world: &World, browser: &Browser) -> Page {
    browser.open(&format!("{}/", world.server.address())).await
}

async fn is_signed_in(world: &World, browser: &Browser) -> bool {
    let page = home(world, browser).await;
    assert_eq!(page.status, 200, "{}", page.body);
    // The one page has forms, and the other says how to sign in.
    let is_in = page.says("form_token");
    assert_ne!(is_in, page.says("/entryguard web"), "{}", page.body);
    is_in
}

/// The cookie of that name that an answer sets, with its attributes.
fn cookie<'a>(page: &'a Page, name: &str) -> Option<&'a str> {
    let all = page.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    all.into_iter().find(|cookie| cookie.split('=').next() == Some(name))
}

fn form_token(page: &Page) -> String {
    page.form().fields.into_iter().find(|(name, _)| name == "form_token").expect("a form token").1
}

/// Sends a form as one of our pages would.
async fn send(world: &World, browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Page {
    let request = browser.request(Method::POST, &format!("{}{path}", world.server.address())).form(fields);
    browser.send(request.header("Sec-Fetch-Site", "same-origin")).await
}

async fn audited(world: &World, action: &str) -> usize {
    world.records().await.audit().await.iter().filter(|entry| entry.action == action).count()
}

on_both_databases! {
    async fn i8_a_link_signs_one_browser_in_once_and_looking_at_it_nobody(database: Database) {
        let world = team(database).start().await;
        let (hers, other) = (world.browser(HOME), world.browser(OFFICE));
        let link = link_of(&world, "U111").await;
        hers.open(&link).await;
        let page = hers.open(&link).await;
        assert!(page.status == 200 && page.says("Sign in as ana?") && page.says("slack:T0123456/U111"), "{}", page.body);
        assert_eq!(audited(&world, "web.signed_in").await, 0, "looking signs nobody in");
        assert!(!is_signed_in(&world, &hers).await);
        let done = hers.submit(&page, &[]).await;
        assert_eq!((done.status, location(&done)), (303, "/"), "{}", done.body);
        let set = cookie(&done, "__Host-entryguard").expect("a cookie");
        for attribute in ["; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax", "; Max-Age=604800"] {
            assert!(set.contains(attribute), "{attribute} of {set}");
        }
        assert!(!set.contains("Domain") && set.split(['=', ';']).nth(1).unwrap().len() == 129, "{set}");
        assert!(is_signed_in(&world, &hers).await && !is_signed_in(&world, &other).await);
        // What the sign-in is for.
        let started = hers.submit(&home(&world, &hers).await, &[]).await;
        assert_eq!(started.status, 303, "{}", started.body);
        eventually("the session is open", SOON, async || {
            let lines = world.lines_of("intranet");
            if lines == [HOME] { Ok(()) } else { Err(format!("{lines:?}")) }
        })
        .await;
        let again = other.open(&link).await;
        assert!(again.status == 410 && again.says("used already"), "{}", again.body);
        assert_eq!(hers.submit(&page, &[]).await.status, 403, "the page was forgotten with the sign-in");
        let unknown = other.open(&format!("{}{}", &link[..link.len() - 64], "0".repeat(64))).await;
        assert_eq!(unknown.status, 404, "{}", unknown.body);
        assert_eq!((audited(&world, "web.link_issued").await, audited(&world, "web.signed_in").await), (1, 1));
        let token = &link[link.len() - 64..];
        assert!(!world.entryguard(&["audit", "export"]).await.stdout.contains(token), "the secret is written nowhere");
        world.finish().await;
    }

    async fn i8_nobody_presses_the_button_for_another_browser(database: Database) {
        let world = team(database).start().await;
        let (hers, evil) = (world.browser(HOME), world.browser(OFFICE));
        let link = link_of(&world, "U333").await;
        // Somebody wants ana to act in their name: they have looked at their own link, and make her browser send its form.
        let page = evil.open(&link).await;
        let elsewhere = hers.request(Method::POST, &link).form(&page.form().fields).header("Sec-Fetch-Site", "cross-site");
        assert_eq!(hers.send(elsewhere).await.status, 403);
        assert_eq!(hers.submit(&page, &[]).await.status, 403, "she was never shown that page");
        hers.open(&link_of(&world, "U333").await).await;
        assert_eq!(hers.submit(&page, &[]).await.status, 403, "she was shown another one");
        let bare = evil.request(Method::POST, &link).header("Sec-Fetch-Site", "same-origin").form(&[("form_token", "")]);
        assert_eq!(evil.send(bare).await.status, 403);
        assert!(!is_signed_in(&world, &hers).await && !is_signed_in(&world, &evil).await);
        assert_eq!(evil.submit(&page, &[]).await.status, 303);
        // Whoever signs in as somebody else is told, and is not the first any more.
        let as_ana = evil.open(&link_of(&world, "U111").await).await;
        assert!(as_ana.says("You are signed in as <strong>eve</strong> here"), "{}", as_ana.body);
        let copy = evil.copied();
        assert_eq!(evil.submit(&as_ana, &[]).await.status, 303);
        assert!(is_signed_in(&world, &evil).await && !is_signed_in(&world, &copy).await);
        world.finish().await;
    }

    async fn i8_a_form_needs_the_token_of_its_own_sign_in(database: Database) {
        let world = team(database).start().await;
        let (ana, eve) = (signed_in(&world, "U111", HOME).await, signed_in(&world, "U333", OFFICE).await);
        let [hers, others] = [form_token(&home(&world, &ana).await), form_token(&home(&world, &eve).await)];
        assert_ne!(hers, others);
        for fields in [vec![], vec![("form_token", "")], vec![("form_token", others.as_str())]] {
            let refused = send(&world, &ana, "/sessions", &fields).await;
            assert!(refused.status == 403 && refused.says("Nothing was done"), "{fields:?}: {}", refused.body);
            assert_eq!(send(&world, &ana, "/sign-out", &fields).await.status, 403);
        }
        let right = [("form_token", hers.as_str())];
        let stranger = send(&world, &world.browser(HOME), "/sessions", &right).await;
        assert!(stranger.status == 401 && stranger.says("You are not signed in"), "{}", stranger.body);
        let url = format!("{}/sessions", world.server.address());
        for (name, value) in [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site"), ("Origin", "https://evil.example"), ("Origin", "null")] {
            let elsewhere = ana.request(Method::POST, &url).form(&right).header(name, value);
            assert_eq!(ana.send(elsewhere).await.status, 403, "{name}: {value}");
        }
        assert_eq!(world.records().await.sessions().await, 0);
        // A program says nothing of where it sends from; its token has to do.
        assert_eq!(ana.send(ana.request(Method::POST, &url).form(&right)).await.status, 303);
        assert_eq!(world.records().await.sessions().await, 1);
        world.finish().await;
    }

    async fn i8_a_cookie_is_exchanged_and_an_old_copy_of_it_ends_both(database: Database) {
        let world = team(database).configured("[web]\nidle = \"96s\"").start().await;
        let hers = signed_in(&world, "U111", HOME).await;
        let (copy, token) = (hers.copied(), form_token(&home(&world, &hers).await));
        let renewed = eventually("the cookie is exchanged", SOON, async || {
            let page = home(&world, &hers).await;
            if cookie(&page, "__Host-entryguard").is_some() {
                return Ok(page);
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
            Err("not yet".to_owned())
        })
        .await;
        assert_eq!(form_token(&renewed), token, "a page that was loaded before goes on to work");
        // What was under way with the old one is answered.
        assert!(is_signed_in(&world, &copy).await);
        let grace = Instant::now() + Duration::from_secs(8);
        while Instant::now() < grace {
            assert!(is_signed_in(&world, &hers).await);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        assert!(!is_signed_in(&world, &copy).await, "the old one is over");
        assert!(!is_signed_in(&world, &hers).await, "one of the two is a thief, and who cannot be told");
        let audit = world.entryguard(&["audit", "export"]).await.stdout;
        assert!(audit.contains("a cookie was shown that had been exchanged"), "{audit}");
        world.finish().await;
    }

    async fn i8_a_sign_in_is_over_when_it_was_not_used_or_is_old(database: Database) {
        let world = team(database).configured("[web]\nidle = \"10s\"\nlongest = \"25s\"").start().await;
        let before = Instant::now();
        let (hers, idle) = (signed_in(&world, "U111", HOME).await, signed_in(&world, "U111", OFFICE).await);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(13) {
            let goes_on = is_signed_in(&world, &hers).await;
            assert!(goes_on || before.elapsed() >= Duration::from_secs(25), "after {:?}", began.elapsed());
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        assert!(!is_signed_in(&world, &idle).await, "it was not used");
        eventually("it is over, used or not", SOON, async || {
            if is_signed_in(&world, &hers).await { Err("signed in".to_owned()) } else { Ok(()) }
        })
        .await;
        world.finish().await;
    }

    async fn i8_an_open_page_alone_keeps_nobody_signed_in(database: Database) {
        let world = team(database).configured("[web]\nidle = \"15s\"").start().await;
        let hers = signed_in(&world, "U111", HOME).await;
        let ask = async |path: &str| hers.send(hers.request(Method::GET, &format!("{}{path}", world.server.address()))).await;
        // What the script asks for, and the page where no script runs; the first stream lasts until the sign-in is over.
        let events = hers.request(Method::GET, &format!("{}/sessions/events", world.server.address())).send().await.unwrap();
        assert_eq!(events.status(), 200);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(3) {
            for path in ["/sessions/table", "/?again="] {
                let page = ask(path).await;
                assert!(page.status == 200 && cookie(&page, "__Host-entryguard").is_none(), "{path}: {}", page.body);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        eventually("the sign-in is over, although its page is open", SOON, async || {
            let again = ask("/?again=").await;
            if ask("/sessions/table").await.status == 401 && again.says("/entryguard web") { Ok(()) } else { Err(again.body) }
        })
        .await;
        assert!(!is_signed_in(&world, &hers).await);
        assert_eq!(ask("/sessions/events").await.status, 401);
        world.finish().await;
    }

    async fn i8_whoever_signs_out_is_out_here_or_everywhere(database: Database) {
        let world = team(database).start().await;
        let (one, two) = (signed_in(&world, "U111", HOME).await, signed_in(&world, "U111", OFFICE).await);
        let (others, copy) = (signed_in(&world, "U333", OFFICE).await, one.copied());
        let token = form_token(&home(&world, &one).await);
        let out = send(&world, &one, "/sign-out", &[("form_token", &token)]).await;
        assert_eq!((out.status, location(&out)), (303, "/"), "{}", out.body);
        assert!(cookie(&out, "__Host-entryguard").expect("its end").contains("Max-Age=0"));
        assert!(!is_signed_in(&world, &one).await && !is_signed_in(&world, &copy).await, "nor by a copy of the cookie");
        assert!(is_signed_in(&world, &two).await);
        let (three, unused) = (signed_in(&world, "U111", HOME).await, link_of(&world, "U111").await);
        let token = form_token(&home(&world, &three).await);
        send(&world, &three, "/sign-out", &[("form_token", &token), ("everywhere", "yes")]).await;
        assert!(!is_signed_in(&world, &two).await && !is_signed_in(&world, &three).await && is_signed_in(&world, &others).await);
        assert_eq!(world.browser(HOME).open(&unused).await.status, 410, "nor by a link that was asked for before");
        assert_eq!(audited(&world, "web.signed_out").await, 2);
        world.finish().await;
    }

    async fn i8_whoever_leaves_is_signed_out_and_does_not_come_back_by_an_old_cookie(database: Database) {
        let mut world = team(database).with_discord().discord_member("bo", BO).start().await;
        let (ana, eve, bo) = (signed_in(&world, "U111", HOME).await, signed_in(&world, "U333", HOME).await, world.browser(OFFICE));
        let answer = world.discord.to_server().command(BO, "web", &[]).await;
        bo.submit(&bo.open(&answer.link()).await, &[]).await;
        assert!(is_signed_in(&world, &bo).await);
        // Slack says so at once, and makes a link worthless that is out already.
        let link = link_of(&world, "U111").await;
        world.slack.deactivate("U111");
        world.slack.to_server().user_change("U111").await;
        eventually("ana is signed out", SOON, async || {
            if is_signed_in(&world, &ana).await { Err("signed in".to_owned()) } else { Ok(()) }
        })
        .await;
        assert_eq!(ana.open(&link).await.status, 410);
        // Discord is asked, and the configuration read, by a server that starts.
        world.discord.leave(BO);
        let name = "name = \"eve\"";
        world.rewrite_config(name, "name = \"adam\"");
        world.rewrite_config("\"eve\"", "\"adam\"");
        world.server.restart().await;
        eventually("bo and eve are signed out", SOON, async || {
            let (bo, eve) = (is_signed_in(&world, &bo).await, is_signed_in(&world, &eve).await);
            if bo || eve { Err(format!("bo: {bo}, eve: {eve}")) } else { Ok(()) }
        })
        .await;
        world.rewrite_config("name = \"adam\"", name);
        world.rewrite_config("\"adam\"", "\"eve\"");
        world.server.restart().await;
        assert!(!is_signed_in(&world, &eve).await);
        let audit = world.entryguard(&["audit", "export"]).await.stdout;
        for why in ["deactivated in Slack", "not in the Discord server any more", "no longer a member"] {
            assert!(audit.lines().any(|line| line.contains("web.signed_out") && line.contains(why)), "{why} in {audit}");
        }
        world.finish().await;
    }
}

#[tokio::test]
async fn over_plain_http_there_is_no_sign_in_and_it_is_said_why() {
    let mut world = team(Database::Sqlite).start().await;
    let url = format!("public_url = \"{}\"", world.server.address());
    world.rewrite_config(&url, "public_url = \"http://entryguard.example.com\"");
    world.server.restart().await;
    let answer = world.slack.command("U111", "web").await;
    assert!(answer.says("plain HTTP") && entryguard_tests::link_in(&answer.body).is_none(), "{}", answer.text());
    let page = home(&world, &world.browser(HOME)).await;
    assert!(page.says("plain HTTP") && page.says("[server] public_url") && !page.says("/entryguard web"), "{}", page.body);
    world.finish().await;
}

#[tokio::test]
async fn a_stranger_gets_no_link_but_the_line_for_an_administrator() {
    let world = team(Database::Sqlite).with_discord().start().await;
    let slack = world.slack.command("U999", "web").await;
    assert!(slack.says("does not know you yet") && slack.says("slack:T0123456/U999"), "{}", slack.text());
    let discord = world.discord.to_server().command(999, "web", &[]).await;
    assert!(discord.says(&format!("discord:{}/999", DiscordDouble::GUILD)), "{}", discord.text());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_counts_in_every_replica_with_its_forms() {
    let world = team(Database::Postgres).start().await;
    let other = world.another_server().await;
    let hers = signed_in(&world, "U111", HOME).await;
    let token = form_token(&home(&world, &hers).await);
    let page = hers.open(&format!("{}/", other.address())).await;
    assert_eq!(form_token(&page), token);
    let request = hers.request(Method::POST, &format!("{}/sign-out", other.address())).form(&[("form_token", &token)]);
    assert_eq!(hers.send(request.header("Sec-Fetch-Site", "same-origin")).await.status, 303);
    assert!(!is_signed_in(&world, &hers).await);
    world.finish().await;
}
