//! The whole way once, on both databases: asked for in Slack, confirmed in a browser, open in the cloud, closed again.

use entryguard_tests::{World, on_both_databases};

on_both_databases! {
    async fn a_session_opens_every_group_and_stopping_it_closes_them(database: Database) {
        let world = World::on(database).with_groups(2).with_file("intranet").member("ana", "U111").start().await;
        world.ec2.authorize_by_hand(&world.groups[0], 22, "1.1.1.1/32", "the office").await;

        world.start_session("U111", "2h", "93.184.216.34").await;
        world.wait_until_thread_says("ACTIVE").await;
        world.wait_until_group_allows(&world.groups[0], &["1.1.1.1/32", "93.184.216.34/32"]).await;
        world.wait_until_group_allows(&world.groups[1], &["93.184.216.34/32"]).await;

        world.slack.command("U111", "stop").await;
        world.wait_until_group_allows(&world.groups[0], &["1.1.1.1/32"]).await;
        world.wait_until_group_allows(&world.groups[1], &[]).await;
        world.finish().await;
    }
}
