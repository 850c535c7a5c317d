//! Signing in to the pages through an OpenID Connect issuer, and what an issuer, or somebody who plays it, may do.

use entryguard_tests::{Browser, Database, Forged, Issuer, Page, SigningKey, World, WorldBuilder, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

const HOME: &str = "93.184.216.34";
const ANA: &str = "auth0|00u1ana";

fn team(database: Database, issuer: &Issuer) -> WorldBuilder {
    let world = World::on(database).with_file("intranet").member_named("ana", &issuer.identity(ANA)).member("eve", "U333");
    world.configured(&issuer.toml())
}

/// Presses the landing page's button, and comes back from the issuer.
async fn sign_in(world: &World, browser: &Browser) -> Page {
    let landing = browser.open(&format!("{}/", world.server.address())).await;
    browser.follow(&landing).await
}

async fn is_signed_in(world: &World, browser: &Browser) -> bool {
    browser.open(&format!("{}/", world.server.address())).await.says("form_token")
}

/// Begins to sign in, and goes no further than the issuer's door: where it leads.
async fn begin(world: &World, browser: &Browser) -> String {
    let begun = browser.send(browser.request(Method::GET, &format!("{}/sign-in/oidc", world.server.address()))).await;
    let cookie = begun.headers["set-cookie"].to_str().unwrap();
    for attribute in ["__Host-entryguard-oidc=", "; HttpOnly", "; Secure", "; SameSite=Lax", "; Path=/", "; Max-Age=600"] {
        assert!(cookie.contains(attribute), "{attribute} of {cookie}");
    }
    begun.headers["location"].to_str().unwrap().to_owned()
}

/// What the issuer's door leads to.
async fn answer(browser: &Browser, door: &str) -> String {
    let answered = browser.send(browser.request(Method::GET, door)).await;
    answered.headers["location"].to_str().unwrap().to_owned()
}

on_both_databases! {
    async fn i8_whom_the_issuer_names_is_that_member_and_nobody_else_is(database: Database) {
        let issuer = Issuer::open().await;
        let world = team(database, &issuer).start().await;
        let (ana, stranger) = (world.browser(HOME), world.browser(HOME));
        issuer.sign_in(ANA, &json!({ "email": "eve@example.com", "email_verified": true }));
        let page = sign_in(&world, &ana).await;
        assert!(page.status == 200 && page.says("form_token"), "{}: {}", page.status, page.body);
        assert!(is_signed_in(&world, &ana).await && !is_signed_in(&world, &stranger).await);
        issuer.sign_in("mallory", &json!({ "email": "eve@example.com", "email_verified": true }));
        let page = sign_in(&world, &stranger).await;
        let line = format!("identities = [&quot;{}&quot;]", issuer.identity("mallory"));
        assert!(page.status == 403 && page.says("does not know you yet") && page.says(&line), "{}", page.body);
        assert!(!is_signed_in(&world, &stranger).await);
        let audit = world.entryguard(&["audit", "export"]).await.stdout;
        assert_eq!(audit.matches("web.signed_in").count(), 1, "{audit}");
        assert_eq!(issuer.violations(), Vec::<String>::new());
        world.finish().await;
    }

    async fn i8_an_email_counts_only_where_it_is_verified_and_the_configuration_says_so(database: Database) {
        let issuer = Issuer::open().await;
        let mut world = team(database, &issuer).configured("match_email = true").start().await;
        let browser = world.browser(HOME);
        for claims in [
            json!({ "email": "Eve@Example.com" }),
            json!({ "email": "eve@example.com", "email_verified": false }),
            json!({ "email": "adam@example.com", "email_verified": true }),
        ] {
            issuer.sign_in("00u1eve", &claims);
            assert_eq!(sign_in(&world, &browser).await.status, 403, "{claims}");
        }
        issuer.sign_in("00u1eve", &json!({ "email": "Eve@Example.com", "email_verified": true }));
        let page = sign_in(&world, &browser).await;
        assert!(page.status == 200 && page.says("form_token"), "{}: {}", page.status, page.body);
        // The sign-in is worth what the configuration says now.
        world.rewrite_config("match_email = true", "match_email = false");
        world.server.restart().await;
        assert!(!is_signed_in(&world, &browser).await);
        assert_eq!(sign_in(&world, &browser).await.status, 403);
        world.finish().await;
    }
}

#[tokio::test]
async fn i8_what_the_issuer_did_not_sign_for_us_signs_nobody_in() {
    let issuer = Issuer::open().await;
    let world = team(Database::Sqlite, &issuer).start().await;
    let browser = world.browser(HOME);
    issuer.sign_in(ANA, &Value::Null);
    let now = entryguard_tests::unix_seconds();
    let claims = Forged::Claims;
    let forgeries = [
        ("another nonce", claims(json!({ "nonce": "0".repeat(64) }))),
        ("no nonce", claims(json!({ "nonce": null }))),
        ("another audience", claims(json!({ "aud": "another-app" }))),
        ("one more audience", claims(json!({ "aud": [Issuer::CLIENT_ID, "another-app"] }))),
        ("another issuer", claims(json!({ "iss": "https://evil.example.com" }))),
        ("expired", claims(json!({ "iat": now - 600, "exp": now - 300 }))),
        ("from the future", claims(json!({ "iat": now + 600, "exp": now + 900 }))),
        ("no subject", claims(json!({ "sub": null }))),
        ("a subject that ends the line", claims(json!({ "sub": "ana\"]" }))),
        ("HMAC with the public key", Forged::WithThePublicKey),
        ("unsigned", Forged::Unsigned),
        ("an unknown key", Forged::SignedWith(SigningKey::Second)),
        ("another key under a known name", Forged::UnderAnothersName),
    ];
    for (what, how) in forgeries {
        issuer.forge(Some(how));
        let page = sign_in(&world, &browser).await;
        assert!(page.status == 403 && page.says("Nobody was signed in"), "{what}: {}: {}", page.status, page.body);
        assert!(!is_signed_in(&world, &browser).await, "{what}");
    }
    issuer.forge(None);
    sign_in(&world, &browser).await;
    assert!(is_signed_in(&world, &browser).await, "the right one does");
    assert_eq!(issuer.violations(), Vec::<String>::new());
    world.finish().await;
}

#[tokio::test]
async fn i8_a_token_counts_however_the_issuer_writes_its_times_and_flags() {
    let issuer = Issuer::open().await;
    let world = team(Database::Sqlite, &issuer).configured("match_email = true").start().await;
    let now = entryguard_tests::unix_seconds();
    let written = [
        json!({ "email_verified": "true", "updated_at": "2026-01-01T00:00:00.000Z", "address": "Main Street 1" }),
        json!({ "iat": now.to_string(), "exp": (now + 300).to_string() }),
        json!({ "exp": f64::from(u32::try_from(now).unwrap()) + 300.5 }),
    ];
    for other in written {
        let browser = world.browser(HOME);
        issuer.sign_in(ANA, &other);
        let page = sign_in(&world, &browser).await;
        assert!(page.status == 200 && page.says("form_token"), "{other}: {}: {}", page.status, page.body);
    }
    for (verified, counts) in [(json!("true"), true), (json!("false"), false), (json!("yes"), false)] {
        let browser = world.browser(HOME);
        issuer.sign_in("00u1eve", &json!({ "email": "eve@example.com", "email_verified": verified }));
        assert_eq!(sign_in(&world, &browser).await.status == 200, counts, "{verified}");
    }
    for expired in [json!((now - 300).to_string()), json!("soon"), json!(null)] {
        issuer.forge(Some(Forged::Claims(json!({ "exp": expired }))));
        issuer.sign_in(ANA, &Value::Null);
        assert_eq!(sign_in(&world, &world.browser(HOME)).await.status, 403, "{expired}");
    }
    world.finish().await;
}

#[tokio::test]
async fn i8_an_answer_counts_once_and_in_the_browser_that_asked() {
    let issuer = Issuer::open().await;
    let world = team(Database::Sqlite, &issuer).start().await;
    issuer.sign_in(ANA, &Value::Null);
    let (hers, evil) = (world.browser(HOME), world.browser(HOME));
    // Somebody wants ana's browser to be signed in as they are, or theirs as she is.
    let back = answer(&evil, &begin(&world, &evil).await).await;
    assert_eq!(hers.open(&back).await.status, 403, "she has not asked");
    let door = begin(&world, &hers).await;
    assert_eq!(hers.open(&back).await.status, 403, "she has asked something else");
    let back = answer(&hers, &door).await;
    let changed = back.replace("state=", "state=0");
    assert_eq!(hers.copied().open(&changed).await.status, 403, "another state");
    let copy = hers.copied();
    let page = hers.open(&back).await;
    assert!(page.says("form_token"), "{}: {}", page.status, page.body);
    assert_eq!(hers.open(&back).await.status, 403, "an attempt has one answer");
    assert_eq!(copy.open(&back).await.status, 403, "and its code is used up");
    world.finish().await;
}

#[tokio::test]
async fn nobody_is_led_to_another_site_and_whoever_cancels_is_told_so() {
    let issuer = Issuer::open().await;
    let world = team(Database::Sqlite, &issuer).start().await;
    let browser = world.browser(HOME);
    let cancelled = sign_in(&world, &browser).await;
    assert!(cancelled.status == 403 && cancelled.says("you did not agree"), "{}", cancelled.body);
    issuer.sign_in(ANA, &Value::Null);
    for (next, ends_at) in
        [("//evil.example", "/"), ("https://evil.example/", "/"), ("/\\evil.example", "/"), ("/?page=2", "/?page=2")]
    {
        let url = reqwest::Url::parse_with_params(&format!("{}/sign-in/oidc", world.server.address()), [("next", next)]).unwrap();
        let page = browser.open(url.as_str()).await;
        assert_eq!(page.url, format!("{}{ends_at}", world.server.address()), "{next}");
    }
    // Where somebody wanted to go is kept while they sign in.
    let landing = world.browser(HOME).open(&format!("{}/?page=2", world.server.address())).await;
    assert!(landing.says("/sign-in/oidc?next=%2F%3Fpage%3D2"), "{}", landing.body);
    world.finish().await;
}

#[tokio::test]
async fn the_issuers_keys_are_fetched_again_when_they_were_exchanged_and_an_issuer_that_is_away_is_said_to_be() {
    let issuer = Issuer::open().await;
    issuer.set_away(true);
    let world = team(Database::Sqlite, &issuer).start().await;
    let browser = world.browser(HOME);
    issuer.sign_in(ANA, &Value::Null);
    let away = sign_in(&world, &browser).await;
    assert!(away.status == 502 && away.says("cannot be asked right now"), "{}", away.body);
    issuer.set_away(false);
    assert!(sign_in(&world, &browser).await.says("form_token"));
    issuer.publish(&[SigningKey::Second]);
    issuer.forge(Some(Forged::SignedWith(SigningKey::Second)));
    let other = world.browser(HOME);
    assert_eq!(sign_in(&world, &other).await.status, 403, "it looks again, but not at anybody's pace");
    assert_eq!(issuer.fetched(), 1);
    tokio::time::sleep(std::time::Duration::from_secs(11)).await;
    assert!(sign_in(&world, &other).await.says("form_token"));
    assert_eq!(issuer.fetched(), 2);
    world.finish().await;
}
