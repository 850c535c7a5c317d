//! What the snapshots of what people read have in common, whatever the chat: the team, and what differs from run to run.

use entryguard_tests::{Database, SOON, World, WorldBuilder, eventually};
use insta::Settings;

/// What ana may open.
pub const FILES: [&str; 3] = ["orders-db", "bastion", "wiki-admin"];

/// What production's role says: bo's approval, or none in an emergency.
pub fn production(approver: &str) -> String {
    format!("approval = {{ by = [\"{approver}\"], within = \"30m\" }}\nbreak_glass = true")
}

/// Three things that ana may open, and one that takes an approval.
pub fn team() -> WorldBuilder {
    FILES.iter().fold(World::on(Database::Sqlite), |world, file| world.with_file(file)).with_file("payments-db")
}

/// Waits until every resource was swept, and then breaks one: no file can be written where a folder is.
pub async fn break_one(world: &World, resources: impl AsyncFn() -> String) {
    eventually("all are swept", SOON, async || {
        let said = resources().await;
        if said.matches("Valid, checked").count() == FILES.len() { Ok(()) } else { Err(said) }
    })
    .await;
    std::fs::create_dir(world.file("wiki-admin")).unwrap();
}

/// Snapshots in the folder of a guide, with what differs from run to run replaced; `own` is what only this chat writes.
pub fn settings(guide: &str, description: &str, own: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path(format!("../../docs/{guide}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(description);
    let all = [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "0a1b2c3d-0000-4000-8000-000000000000"),
        ("`[0-9a-f]{8}`", "`0a1b2c3d`"),
        ("/confirm/[0-9a-f]{64}", "/confirm/…"),
        ("/sign-in/[0-9a-f]{64}", "/sign-in/…"),
        (r"\b[0-9a-f]{8} (ALL|MEMBER|RESOURCE)\b", "69565c80 $1"),
        (r"\b1[0-9]{12}\b", "1767268800000"),
        (r"http://127\.0\.0\.1:\d+", "https://entryguard.example.com"),
        (r"closed in \d+\.\d s", "closed in 0.4 s"),
        (r"Closed, \d+\.\d s", "Closed, 0.4 s"),
        (r"confirmed (just now|\d+m ago)", "confirmed just now"),
        (r"/[^ `]*/([a-z-]+)\.allow[^ :`]*", "/etc/nginx/$1.allow"),
    ];
    for (varying, fixed) in all.iter().chain(own) {
        settings.add_filter(varying, *fixed);
    }
    settings
}
