//! A session from the command to the closed firewall.

use std::time::Duration;

use entryguard_tests::{SlackDouble, Started, World, on_both_databases};

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";
const HOME_V6: &str = "2606:2800:220:1::1";

on_both_databases! {
    async fn start_opens_the_group_with_our_tags_and_stop_closes_it(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        let Started { page, .. } = world.start_session("U111", "2h for the deploy", HOME).await;
        assert!(page.says("Your session has started"), "{}", page.body);

        let thread = world.wait_until_thread_says_all(&["ACTIVE", "the deploy", "group-1", "APPLIED"]).await;
        assert_eq!(thread.replies.len(), 1, "one message with the table");
        let rules = world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        assert_eq!((rules[0].protocol.as_str(), rules[0].from, rules[0].to), ("tcp", 22, 22));
        for tag in ["entryguard:owner", "entryguard:opening", "entryguard:expires-at"] {
            assert!(rules[0].tags.get(tag).is_some_and(|value| !value.is_empty()), "{tag}: {:?}", rules[0].tags);
        }
        assert!(rules[0].description.starts_with("entryguard ana "), "{}", rules[0].description);

        let answer = world.slack.command("U111", "stop").await;
        assert!(answer.says("Closing"), "{}", answer.text());
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.wait_until_over(&["CANCELLED", "Stopped by ana", "closed in", "REMOVED"]).await;
        world.finish().await;
    }

    async fn a_session_whose_time_runs_out_is_expired_and_its_rule_gone(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.start_session("U111", "15s", HOME).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.wait_until_over(&["EXPIRED", "Ran out"]).await;
        world.finish().await;
    }

    async fn i2_two_members_at_one_address_share_a_rule_until_the_second_ends(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").member("bo", "U222").start().await;
        world.start_session("U111", "1h", HOME).await;
        let before = world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        world.start_session("U222", "2h", HOME).await;
        world.wait_until_thread_says_all(&["*bo*", "ACTIVE"]).await;
        let shared = world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        assert_eq!(before[0].id, shared[0].id);
        assert!(before[0].tags["entryguard:expires-at"] < shared[0].tags["entryguard:expires-at"], "the mark is the latest end");

        world.slack.command("U111", "stop").await;
        world.wait_until_over_where("ana's thread", &["CANCELLED"], |thread| thread.says("*ana*")).await;
        assert_eq!(world.rules_of(&world.groups[0]).await.len(), 1, "bo still wants it");
        world.slack.command("U222", "stop").await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.finish().await;
    }

    async fn extending_moves_the_mark_in_the_cloud_before_it_is_confirmed(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.start_session("U111", "1h", HOME).await;
        let thread = world.wait_until_thread_says("ACTIVE").await;
        let before = world.rules_of(&world.groups[0]).await;
        world.proxy.keep_refusing("CreateTags", "RequestLimitExceeded");
        world.slack.press("U111", &thread.parent, "entryguard_extend").await;
        world.wait_until_thread_says("being extended to").await;
        assert_eq!(world.rules_of(&world.groups[0]).await[0].tags, before[0].tags, "not confirmed, not marked");
        world.proxy.behave();
        let thread = entryguard_tests::eventually("the extension is confirmed", entryguard_tests::SOON, async || {
            let thread = world.slack.thread_of(SlackDouble::CHANNEL).unwrap();
            if thread.says("being extended") { Err(thread.text()) } else { Ok(thread) }
        })
        .await;
        assert!(thread.says("ACTIVE"), "{}", thread.text());
        assert!(world.rules_of(&world.groups[0]).await[0].tags["entryguard:expires-at"] > before[0].tags["entryguard:expires-at"]);
        world.finish().await;
    }

    async fn a_longer_time_is_told_of_in_a_thread_that_was_quiet(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.start_session("U111", "1h", HOME).await;
        let thread = world.wait_until_thread_says("ACTIVE").await;
        // The channel is free: what the press changes is shown at once, before the cloud has it.
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.proxy.slow_down(Duration::from_millis(500));
        world.slack.press("U111", &thread.parent, "entryguard_extend").await;
        world.wait_until_thread_says("being extended to").await;
        let told = world.wait_until_thread_says_all(&["Extended by ana to", "Open for 3h, until"]).await;
        assert!(!told.says("being extended"), "{}", told.text());
        world.finish().await;
    }

    async fn an_ipv6_address_is_opened_as_one_host(database: Database) {
        let world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.start_session("U111", "1h", HOME_V6).await;
        world.wait_until_group_allows(&world.groups[0], &["2606:2800:220:1::1/128"]).await;
        world.wait_until_thread_says("IPv6").await;
        world.slack.command("U111", "stop all").await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.finish().await;
    }

    async fn the_page_learns_the_other_family_through_its_own_host_name(database: Database) {
        let mut world = World::on(database).with_groups(1).member("ana", "U111").start().await;
        world.server.kill_9();
        let ipv6_url = world.server.address().replace("127.0.0.1", "localhost");
        world.rewrite_config("[server]\n", &format!("[server]\nipv6_url = {ipv6_url:?}\n"));
        world.server.restart().await;
        let (_, link) = world.ask_for_session("U111", "1h").await;
        let (at_home, over_v6) = (world.browser(HOME), world.browser(HOME_V6));
        let first = at_home.open(&link).await;
        assert!(first.says("Add my IPv6 address first"), "{}", first.body);
        let noted = at_home.send(at_home.request(reqwest::Method::POST, &format!("{link}/other"))).await;
        assert!(noted.status == 200 && noted.says(&ipv6_url) && noted.says("nothing is open yet"), "{}", noted.body);
        let second = over_v6.follow(&noted).await;
        assert!(second.says(HOME) && second.says(HOME_V6), "{}", second.body);
        let sealed = second.form().fields.into_iter().find(|(name, _)| name == "other").unwrap().1;
        for other in ["93.184.216.99".to_owned(), sealed.replace(HOME, "93.184.216.99"), format!("9{sealed}")] {
            let forged = over_v6.request(reqwest::Method::POST, &link).form(&[("address", HOME_V6), ("other", &other)]);
            let forged = over_v6.send(forged.header("Sec-Fetch-Site", "same-origin")).await;
            assert!(forged.status == 403 && forged.says("was not seen by EntryGuard"), "{} {}", forged.status, forged.body);
        }
        over_v6.submit(&second, &[]).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR, "2606:2800:220:1::1/128"]).await;
        world.wait_until_thread_says_all(&["ACTIVE", "IPv4", "IPv6"]).await;
        world.finish().await;
    }

    async fn i8_nobody_adds_an_address_to_a_link_that_another_browser_opens(database: Database) {
        let mut world = World::on(database).with_file("intranet").member("ana", "U111").start().await;
        let ipv6_url = world.server.address().replace("127.0.0.1", "localhost");
        world.rewrite_config("[server]\n", &format!("[server]\nipv6_url = {ipv6_url:?}\n"));
        world.server.restart().await;
        let [(_, link), (_, others)] = [world.ask_for_session("U111", "1h").await, world.ask_for_session("U111", "1h").await];
        let (hers, stranger) = (world.browser(HOME_V6), world.browser("93.184.216.99"));
        let noted = stranger.send(stranger.request(reqwest::Method::POST, &format!("{link}/other"))).await;
        assert_eq!(noted.status, 200, "{}", noted.body);
        let page = hers.open(&link).await;
        assert!(page.says(HOME_V6) && !page.says("93.184.216.99"), "{}", page.body);
        // What was seen behind one link is not known behind another.
        let sealed = noted.body.split("?other=").nth(1).unwrap().split('"').next().unwrap();
        assert!(!hers.open(&format!("{others}?other={sealed}")).await.says("93.184.216.99"));
        // Whoever has an address here that they do not want leaves it out.
        let both = hers.open(&format!("{link}?other={sealed}")).await;
        let alone = format!("Open for {HOME_V6} alone");
        assert!(both.says("93.184.216.99") && both.says(&alone), "{}", both.body);
        let form = hers.request(reqwest::Method::POST, &link).form(&[("address", HOME_V6)]);
        assert_eq!(hers.send(form.header("Sec-Fetch-Site", "same-origin")).await.status, 200);
        world.wait_until_thread_says("ACTIVE").await;
        assert_eq!(world.lines_of("intranet"), [HOME_V6]);
        world.finish().await;
    }

    async fn a_file_and_a_group_open_together(database: Database) {
        let world = World::on(database).with_groups(1).with_file("intranet").member("ana", "U111").start().await;
        world.start_session("U111", "1h", HOME).await;
        world.wait_until_thread_says("ACTIVE").await;
        assert_eq!(world.lines_of("intranet"), [HOME]);
        world.slack.command("U111", "stop").await;
        world.wait_until_over(&["CANCELLED"]).await;
        assert_eq!(world.lines_of("intranet"), [""; 0]);
        world.finish().await;
    }
}
