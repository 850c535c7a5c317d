//! Requests that are answered on the pages, and emergencies that begin there.

use entryguard_tests::{Database, Look, on_both_databases, what_axe_finds};

use crate::approval::asking;
use crate::pages::{open, press_unseen, shows, signed_in, signed_in_by_http};
use crate::said::OWN_REQUEST;

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";
const CAFE: &str = "93.184.217.77";
const TERMS: &str = "by = [\"leads\"], within = \"30m\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_answer_is_asked_on_their_page() {
    let world = asking(Database::Sqlite, TERMS).await;
    let ana = signed_in(&world, "U111", HOME, Look::DESKTOP).await;
    let bo = signed_in(&world, "U222", CAFE, Look::DESKTOP).await;
    ana.write("#reason", "the deploy").await;
    ana.press(".starting button.primary").await;
    shows(&ana, "REQUESTED").await;
    ana.wait_until_it_says("Waits for bo or cy").await;
    assert_eq!(ana.count("button.approve").await, 0, "nobody agrees to their own");
    // What is to be judged is there without a look elsewhere.
    for fact in ["Waiting for your answer", "ana", HOME, "the deploy", "group-1", "Asked for"] {
        bo.wait_until_it_says(fact).await;
    }
    assert_eq!(what_axe_finds(&bo).await, [""; 0]);
    bo.press("button.approve").await;
    bo.wait_for_count("button.approve", 0).await;
    shows(&ana, "ACTIVE").await;
    ana.wait_until_it_says("Approved by bo").await;
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
    ana.press("button.stop").await;
    ana.wait_until_it_says("CANCELLED").await;

    // An administrator who is among those who are asked answers among everybody's sessions as well.
    ana.press(".starting button.primary").await;
    shows(&ana, "REQUESTED").await;
    let cy = signed_in(&world, "U333", CAFE, Look::PHONE.without_script()).await;
    cy.open(&format!("{}/admin/sessions", world.server.address())).await;
    cy.press("button.deny").await;
    cy.wait_until_it_says("DENIED").await;
    ana.wait_until_it_says("DENIED").await;
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    for browser in [ana, bo, cy] {
        browser.close().await;
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emergency_begins_on_the_page_without_approval() {
    let world = asking(Database::Sqlite, TERMS).await;
    let ana = signed_in(&world, "U111", HOME, Look::PHONE).await;
    ana.write("#reason", "production is down").await;
    ana.press(".glass summary").await;
    ana.press("input[name=break_glass]").await;
    ana.press(".starting button.primary").await;
    shows(&ana, "ACTIVE").await;
    ana.wait_until_it_says("Without approval").await;
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
    ana.close().await;
    world.finish().await;
}

on_both_databases! {
    async fn i8_nobody_answers_on_a_page_who_may_not(database: Database) {
        let world = asking(database, TERMS).await;
        let (_, link) = world.ask_for_session("U111", "1h").await;
        world.confirm(&link, HOME).await;
        world.wait_until_thread_says("REQUESTED").await;
        let ana = signed_in_by_http(&world, "U111", HOME).await;
        let dee = signed_in_by_http(&world, "U444", CAFE).await;
        let bo = signed_in_by_http(&world, "U222", CAFE).await;
        let page = open(&world, &bo, "/").await.body;
        let session = page.split("/sessions/").find_map(|rest| rest.split_once("/approve")).expect("a button").0.to_owned();
        assert!(!open(&world, &dee, "/").await.says("Waiting for your answer"));
        for verb in ["approve", "deny"] {
            let own = press_unseen(&world, &ana, &format!("/sessions/{session}/{verb}")).await;
            assert!(own.status == 400 && own.says(OWN_REQUEST), "{} {}", own.status, own.body);
            let others = press_unseen(&world, &dee, &format!("/sessions/{session}/{verb}")).await;
            assert!(others.status == 400 && others.says("not among those who may answer"), "{} {}", others.status, others.body);
        }
        assert_eq!(world.rules_of(&world.groups[0]).await, []);
        assert_eq!(press_unseen(&world, &bo, &format!("/sessions/{session}/approve")).await.status, 303);
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        let late = press_unseen(&world, &bo, &format!("/sessions/{session}/deny")).await;
        assert!(late.status == 400 && late.says("bo approved it"), "{} {}", late.status, late.body);
        world.finish().await;
    }
}
