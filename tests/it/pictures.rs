//! The pictures of the pages in README and guides, taken of the real server: `./x pictures`.

use entryguard_tests::{Chromium, Database, Look, World};

use crate::pages::{shows, sign_in_link, signed_in};

const HOME: &str = "93.184.216.34";
const CAFE: &str = "198.41.30.7";

const WIDE: Look = Look { width: 1180, height: 620, dark: false, script: true };

/// Keeps a picture of the page as it is.
async fn keep(browser: &Chromium, name: &str) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/pages");
    std::fs::create_dir_all(&folder).unwrap();
    // Neither what a person has just pressed or points at is to be seen, nor what is still moving.
    browser.press("h1").await;
    browser.evaluate("document.activeElement?.blur(); scrollTo(0, 0)").await;
    browser.evaluate("document.getAnimations().forEach(animation => animation.finish())").await;
    std::fs::write(folder.join(format!("{name}.png")), browser.picture().await).unwrap();
}

async fn open(world: &World, browser: &Chromium, path: &str) {
    browser.open(&format!("{}{path}", world.server.address())).await;
}

/// An organization with something to see on every page.
async fn acme() -> World {
    World::on(Database::Sqlite)
        .with_groups(2)
        .with_file("intranet")
        .with_file("wiki")
        .admin("ana", "U111")
        .member("bo", "U222")
        .member("dee", "U444")
        .role("developers", &["ana", "bo"], &["group-1", "intranet", "wiki"], "max_duration = \"8h\"")
        .role("operators", &["ana"], &["group-2"], "")
        .role("support", &["dee"], &["wiki"], "approval = { by = [\"ana\", \"bo\"], within = \"30m\" }\nbreak_glass = true")
        .configured("[web]\nshared_exits = [{ name = \"Office VPN\", networks = [\"104.16.0.0/16\"] }]")
        .sweeping("*/5 * * * * *")
        .start()
        .await
}

async fn start(browser: &Chromium, duration: &str, reason: &str) {
    browser.choose("#duration", duration).await;
    browser.write("#reason", reason).await;
    browser.press(".starting button.primary").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it writes docs/pages; ./x pictures runs it"]
async fn of_every_page() {
    let world = acme().await;
    signing_in(&world).await;
    let ana = signed_in(&world, "U111", HOME, WIDE).await;
    keep(&ana, "empty").await;
    start(&ana, "1h", "a look at the logs").await;
    shows(&ana, "ACTIVE").await;
    ana.press("button.stop").await;
    ana.wait_until_it_says("CANCELLED").await;
    start(&ana, "4h", "deploy of the billing service").await;
    shows(&ana, "ACTIVE").await;
    ana.press("#live details[data-key] summary").await;
    keep(&ana, "sessions").await;
    let dark = signed_in(&world, "U111", HOME, WIDE.in_the_dark()).await;
    dark.press("#live details[data-key] summary").await;
    keep(&dark, "dark").await;
    let phone = signed_in(&world, "U111", HOME, Look::PHONE).await;
    phone.press("#live details[data-key] summary").await;
    keep(&phone, "phone").await;
    ana.moves_to(CAFE).await;
    open(&world, &ana, "/").await;
    keep(&ana, "moved").await;
    open(&world, &ana, "/sessions/past").await;
    keep(&ana, "past").await;
    open(&world, &ana, "/api/v1/docs").await;
    keep(&ana, "api").await;

    world.proxy.keep_refusing("AuthorizeSecurityGroupIngress", "RulesPerSecurityGroupLimitExceeded");
    let bo = signed_in(&world, "U222", CAFE, WIDE).await;
    start(&bo, "2h", "on call").await;
    shows(&bo, "PARTIAL").await;
    keep(&bo, "partial").await;
    world.proxy.behave();
    let dee = signed_in(&world, "U444", "104.16.9.9", WIDE).await;
    start(&dee, "1h", "the wiki is down").await;
    shows(&dee, "REQUESTED").await;
    keep(&dee, "requested").await;
    bo.wait_until_it_says("Waiting for your answer").await;
    keep(&bo, "asked").await;
    let (_, link) = world.ask_for_session("U222", "2h for the deploy").await;
    bo.open(&link).await;
    keep(&bo, "confirm").await;
    admin(&world, &ana).await;
    for browser in [ana, dark, phone, bo, dee] {
        browser.close().await;
    }
    world.finish().await;
}

async fn signing_in(world: &World) {
    let somebody = Chromium::at(HOME, WIDE).await;
    open(world, &somebody, "/").await;
    keep(&somebody, "landing").await;
    somebody.open(&sign_in_link(world, "U111").await).await;
    keep(&somebody, "sign-in").await;
    somebody.close().await;
}

async fn admin(world: &World, ana: &Chromium) {
    open(world, ana, "/admin/sessions").await;
    keep(ana, "everybody").await;
    open(world, ana, "/admin/resources").await;
    for resource in ["group-1", "intranet"] {
        ana.press(&format!("form[action='/admin/resources/{resource}/verify'] button")).await;
        ana.find(".badge.good").await;
    }
    keep(ana, "resources").await;
    open(world, ana, "/admin/members").await;
    keep(ana, "members").await;
    open(world, ana, "/admin/audit").await;
    keep(ana, "audit").await;
    // Somebody copies a rule of ours for somebody else, marks and all.
    let rule = world.rules_of(&world.groups[0]).await.remove(0);
    let tags: Vec<_> = rule.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    world.ec2.authorize_tagged(&world.groups[0], 22, "198.41.0.99/32", &tags).await;
    entryguard_tests::eventually("a sweep has found it", std::time::Duration::from_secs(150), async || {
        open(world, ana, "/admin/drift").await;
        if ana.count("tbody tr").await > 0 { Ok(()) } else { Err(ana.text().await) }
    })
    .await;
    keep(ana, "drift").await;
}
