//! What the administrators' pages show, and what they say to a question that they cannot read.

use entryguard_tests::{Database, World};

use crate::pages::{open, signed_in_by_http};

const HOME: &str = "93.184.216.34";

#[tokio::test]
async fn a_question_that_cannot_be_read_is_never_answered_with_everything() {
    let world = World::on(Database::Sqlite).with_file("intranet").member("ana", "U111").admin("cy", "U333").start().await;
    world.start_session("U111", "1h", HOME).await;
    world.wait_until_thread_says("ACTIVE").await;
    let (ana, cy) = (signed_in_by_http(&world, "U111", HOME).await, signed_in_by_http(&world, "U333", HOME).await);
    let wrong = [
        ("member=ana%3B", "is no member’s name"),
        ("member=ana%2Fbo&action=session.started", "is no member’s name"),
        ("action=session.begun", "Nothing is called"),
        ("session=4f2", "at least four characters"),
        ("session=ffffffff", "No session begins so"),
        ("since=yesterday", "is no time"),
        ("until=2026-01-31", "is no time"),
        ("since=2026-01-31T08%3A00&until=2026-01-30T08%3A00", "before it begins"),
    ];
    for (query, words) in wrong {
        let page = open(&world, &cy, &format!("/admin/audit?{query}")).await;
        assert!(page.status == 400 && page.says(words) && page.says("aria-invalid=\"true\""), "{query}: {}", page.body);
        assert!(!page.says("session.started</code>"), "{query} shows entries");
        let refused = open(&world, &ana, &format!("/admin/audit?{query}")).await;
        assert!(refused.status == 403 && !refused.says("U333") && !refused.says("<option"), "{query}: {}", refused.body);
    }
    let right = [
        "",
        "member=ana&action=session.started",
        "since=2000-01-31T08%3A00",
        "since=2000-01-31T08%3A00%3A00&until=2100-01-01T00%3A00",
        "session=&member=&since=&until=&action=",
    ];
    for query in right {
        let page = open(&world, &cy, &format!("/admin/audit?{query}")).await;
        assert!(page.status == 200 && page.says("session.started</code>"), "{query}: {}", page.body);
    }
    for path in ["/admin/sessions", "/admin/sessions/past", "/admin/sessions/table"] {
        let page = open(&world, &cy, &format!("{path}?member=ana%3B")).await;
        assert!(page.status == 400 && !page.says("data-status"), "{path}: {}", page.body);
    }
    let left = open(&world, &cy, "/admin/sessions?member=dee").await;
    assert!(left.status == 200 && left.says("<option value=\"dee\" selected>") && !left.says("data-status"), "{}", left.body);
    world.finish().await;
}

#[tokio::test]
async fn the_members_page_says_who_may_reach_what_when_and_on_which_terms() {
    let schedule = format!(
        "[[schedule]]\nname = \"office\"\ncron = \"0 8 * * Mon-Fri\"\ntimezone = \"Europe/Madrid\"\nmember = \"office\"\n\
         addresses = [{HOME:?}]\nduration = \"2h\"\nreason = \"the office\"\n"
    );
    let terms = "hours = \"Mon-Fri 08:00-18:00 Europe/Madrid\"\nmax_duration = \"2h\"\nbreak_glass = true\n\
                 approval = { by = [\"leads\", \"cy\"], within = \"20m\" }";
    let world = World::on(Database::Sqlite)
        .with_file("intranet")
        .member("ana", "U111")
        .admin("cy", "U333")
        .workflow_member("office", "repository_id=1")
        .role("production", &["ana"], &["intranet"], terms)
        .role("leads", &["cy"], &[], "explicit_ip = true")
        .role("bots", &["office"], &["intranet"], "")
        .configured(&schedule)
        .start()
        .await;
    let cy = signed_in_by_http(&world, "U333", HOME).await;
    let page = open(&world, &cy, "/admin/members").await;
    let said = [
        "slack:T0123456/U111",
        "Admin",
        "set by role production",
        "Approval by role leads or cy, within 20m",
        "Emergencies may do without",
        "Only Mon,Tue,Wed,Thu,Fri 08:00-18:00 Europe/Madrid",
        "An address by hand is taken",
        "<code>0 8 * * Mon-Fri Europe/Madrid</code>",
        "the office",
        "next <time",
        "repository_id=1",
        "Durations on offer",
    ];
    for words in said {
        assert!(page.says(words), "{words} in {}", page.body);
    }
    world.finish().await;
}
