//! One person, two chats: a code of one chat, confirmed in the other, makes them one member there, too.

use entryguard_tests::{Database, DiscordDouble, GithubDouble, SOON, World, WorldBuilder, eventually, on_both_databases};

use crate::said::{OWN_REQUEST, UNKNOWN};

const HOME: &str = "93.184.216.34";
const HOME_CIDR: &str = "93.184.216.34/32";
const ANA: u64 = 111;
const BO: u64 = 222;
const ON_CALL: u64 = 55;

/// Slack knows ana, Discord knows bo; whoever holds `@on-call` reaches `group-2`.
fn team(database: Database) -> WorldBuilder {
    World::on(database)
        .with_groups(2)
        .with_discord()
        .member("ana", "U111")
        .discord_member("bo", BO)
        .role("developers", &["ana", "bo"], &["group-1"], "")
        .role("on-call", &[], &["group-2"], &format!("identities = [\"discord-role:{}/{ON_CALL}\"]", DiscordDouble::GUILD))
}

/// The code that somebody got in Slack.
async fn code_of(world: &World, user: &str) -> String {
    typed_code(&world.slack.command(user, "link").await.text())
}

/// The code that somebody got in Discord.
pub async fn code_in_discord(world: &World, user: u64) -> String {
    typed_code(&world.discord.to_server().command(user, "link", &[]).await.text())
}

/// The code that an answer tells somebody to type.
fn typed_code(answer: &str) -> String {
    let code = answer.split('`').find_map(|word| word.strip_prefix("/entryguard link ").map(str::to_owned));
    code.unwrap_or_else(|| panic!("no code in {answer}"))
}

/// Types a code in Discord, and presses the button that asks whether both are them; what is answered in the end.
async fn join(world: &World, user: u64, code: &str) -> String {
    let question = world.discord.to_server().command(user, "link", &[("code", code)]).await;
    assert!(
        question.says("This makes `discord:800/111` the member **ana**, who got the code as `slack:T0123456/U111`"),
        "{}",
        question.text()
    );
    world.discord.to_server().press(user, &question.message(), "Yes, both are me").await.text()
}

/// Makes who is known in Slack the same member in Discord.
pub async fn join_from_slack(world: &World, slack: &str, discord: u64) {
    let code = code_of(world, slack).await;
    let question = world.discord.to_server().command(discord, "link", &[("code", &code)]).await;
    let joined = world.discord.to_server().press(discord, &question.message(), "Yes, both are me").await;
    assert!(joined.says("here now, too"), "{}", joined.text());
}

on_both_databases! {
    async fn a_code_from_slack_makes_somebody_the_same_member_in_discord_until_they_take_it_back(database: Database) {
        let mut world = team(database).start().await;
        let code = code_of(&world, "U111").await;
        let stranger = world.discord.to_server().command(ANA, "start", &[]).await;
        assert!(stranger.says(UNKNOWN), "a code alone changes nothing: {}", stranger.text());
        assert!(join(&world, ANA, &code).await.contains("You are **ana** here now, too"));
        let answer = world.discord.to_server().command(ANA, "start", &[("duration", "1h")]).await;
        world.confirm(&answer.link(), HOME).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        // One member: what was begun in one chat is ended in the other, also by a server that was not there.
        world.server.restart().await;
        let whoami = world.slack.command("U111", "whoami").await.text();
        assert!(whoami.contains("Elsewhere you are `discord:800/111`"), "{whoami}");
        world.slack.command("U111", "stop").await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        let parted = world.slack.command("U111", "unlink discord:800/111").await.text();
        assert!(parted.contains("`discord:800/111` is not joined to you any more"), "{parted}");
        let stranger = world.discord.to_server().command(ANA, "start", &[]).await;
        assert!(stranger.says(UNKNOWN), "{}", stranger.text());
        let audit = world.entryguard(&["audit", "export"]).await.stdout;
        for action in ["identity.code_issued", "identity.joined", "identity.parted"] {
            assert_eq!(audit.matches(action).count(), 1, "{action} in {audit}");
        }
        assert!(!audit.contains(&code), "the code itself is written nowhere");
        world.finish().await;
    }

    async fn a_code_from_discord_makes_somebody_the_same_member_in_slack(database: Database) {
        let world = team(database).start().await;
        let code = code_in_discord(&world, BO).await;
        let question = world.slack.command("U222", &format!("link {code}")).await;
        assert!(question.says("This makes `slack:T0123456/U222` the member *bo*"), "{}", question.text());
        let pressed = world.slack.press("U222", &question.message(), "entryguard_join").await;
        world.wait_until_told(&pressed, "You are *bo* here now, too").await;
        world.start_session("U222", "1h", HOME).await;
        world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
        // One member: what was begun in one chat is ended in the other.
        world.discord.to_server().command(BO, "stop", &[]).await;
        world.wait_until_group_allows(&world.groups[0], &[]).await;
        world.finish().await;
    }

    async fn a_code_works_once_and_only_for_whom_it_can_be_meant(database: Database) {
        let world = team(database).start().await;
        let code = code_of(&world, "U111").await;
        let discord = world.discord.to_server();
        let wrong = discord.command(ANA, "link", &[("code", "AAAA-BBBB-CCCC")]).await;
        assert!(wrong.says("not one of ours"), "{}", wrong.text());
        let others = discord.command(BO, "link", &[("code", &code)]).await;
        assert!(others.says("You are bo here, and one account cannot be two members"), "{}", others.text());
        let own = world.slack.command("U111", &format!("link {code}")).await.text();
        assert!(own.contains("You are ana here already"), "{own}");
        join(&world, ANA, &code).await;
        let again = discord.command(999, "link", &[("code", &code)]).await;
        assert!(again.says("was used already"), "{}", again.text());
        assert!(discord.command(999, "start", &[]).await.says(UNKNOWN));
        let stranger = discord.command(999, "link", &[]).await;
        assert!(stranger.says(UNKNOWN), "strangers get no code: {}", stranger.text());
        let kept = discord.command(BO, "unlink", &[]).await;
        assert!(kept.says("was not joined to you by a code"), "{}", kept.text());
        world.finish().await;
    }

    async fn whoever_was_a_member_by_a_role_alone_brings_the_role_along(database: Database) {
        let world = team(database).start().await;
        world.discord.give_role(ANA, ON_CALL);
        let answer = world.discord.to_server().command(ANA, "start", &[("duration", "1h")]).await;
        world.confirm(&answer.link(), HOME).await;
        world.wait_until_group_allows(&world.groups[1], &[HOME_CIDR]).await;
        let none = world.discord.to_server().command(ANA, "link", &[]).await;
        assert!(none.says("a member by a role alone"), "{}", none.text());
        let code = code_of(&world, "U111").await;
        let question = world.discord.to_server().command(ANA, "link", &[("code", &code)]).await;
        assert!(question.says("What you have open as discord-111 is closed"), "{}", question.text());
        world.discord.to_server().press(ANA, &question.message(), "Yes, both are me").await;
        world.wait_until_group_allows(&world.groups[1], &[]).await;
        world.start_session("U111", "1h", HOME).await;
        for group in &world.groups {
            world.wait_until_group_allows(group, &[HOME_CIDR]).await;
        }
        world.finish().await;
    }

    async fn a_request_from_one_chat_cannot_be_approved_by_the_same_person_in_the_other(database: Database) {
        let world = World::on(database)
            .with_groups(1)
            .with_discord()
            .member("ana", "U111")
            .discord_member("bo", BO)
            .role("production", &["ana"], &["group-1"], "approval = { by = [\"ana\", \"bo\"], within = \"30m\" }")
            .start()
            .await;
        let code = code_of(&world, "U111").await;
        join(&world, ANA, &code).await;
        world.start_session("U111", "1h", HOME).await;
        let request = eventually("bo is asked", SOON, async || {
            world.discord.direct_messages_to(BO).pop().ok_or_else(|| "nothing".to_owned())
        })
        .await;
        let own = world.discord.to_server().directly().press(ANA, &request, "Approve").await;
        assert!(own.says(OWN_REQUEST), "{}", own.text());
        assert_eq!(world.rules_of(&world.groups[0]).await, []);
        world.finish().await;
    }
}

const LOGIN: u64 = 583_231;

/// A world whose ana has a code, and the page that it leads to.
async fn before_github(github: &GithubDouble) -> (World, String) {
    let world = team(Database::Sqlite).configured(&github.toml()).start().await;
    let answer = world.slack.command("U111", "link").await;
    let url = entryguard_tests::link_in(&answer.body).expect("a link to the page");
    assert!(url.contains("/link/github/"), "{url}");
    (world, url)
}

#[tokio::test]
async fn a_login_at_github_is_joined_once_its_owner_has_signed_in_and_agreed() {
    let github = GithubDouble::open().await;
    let (world, url) = before_github(&github).await;
    github.sign_in(LOGIN, "ana-at-github");
    let browser = world.browser(HOME);
    let begun = browser.open(&url).await;
    assert!(begun.says("Join your GitHub login to ana") && begun.says("slack:T0123456/U111"), "{}", begun.body);
    let question = browser.follow(&begun).await;
    assert!(question.says("ana-at-github") && question.says("the member <strong>ana</strong>"), "{}", question.body);
    let whoami = async || world.slack.command("U111", "whoami").await.text();
    assert!(!whoami().await.contains("github-user"), "signing in alone changes nothing");
    let joined = browser.submit(&question, &[]).await;
    assert!(joined.says("Your GitHub login is joined"), "{}", joined.body);
    assert!(whoami().await.contains("Elsewhere you are `github-user:583231`"));
    let again = browser.submit(&question, &[]).await;
    assert!(again.status == 403 && again.says("was used already"), "{}", again.body);
    let parted = world.slack.command("U111", "unlink github-user:583231").await.text();
    assert!(parted.contains("not joined to you any more"), "{parted}");
    assert_eq!(github.violations(), Vec::<String>::new());
    world.finish().await;
}

/// Ana joins her login, which is in the team, and starts a session.
async fn start_from_the_team(world: &World, github: &GithubDouble) {
    github.put_into_team(LOGIN, "ana-at-github");
    github.sign_in(LOGIN, "ana-at-github");
    let url = entryguard_tests::link_in(&world.slack.command("U111", "link").await.body).expect("a link to the page");
    let browser = world.browser(HOME);
    let question = browser.follow(&browser.open(&url).await).await;
    assert!(browser.submit(&question, &[]).await.says("is joined"));
    world.start_session("U111", "1h", HOME).await;
}

#[tokio::test]
async fn whoever_is_in_a_team_of_github_has_its_role_and_loses_it_with_the_team() {
    let github = GithubDouble::open().await;
    let world = World::on(Database::Sqlite).with_groups(2).member("ana", "U111").role("developers", &["ana"], &["group-1"], "");
    let world = world.role("on-call", &[], &["group-2"], "identities = [\"github-team:acme/on-call\"]");
    let mut world = world.configured(&github.toml()).start().await;
    start_from_the_team(&world, &github).await;
    for group in &world.groups {
        world.wait_until_group_allows(group, &[HOME_CIDR]).await;
    }
    github.take_from_team("ana-at-github");
    world.server.restart().await;
    world.wait_until_group_allows(&world.groups[1], &[]).await;
    assert_eq!(world.rules_of(&world.groups[0]).await.len(), 1, "what another role gives stays");
    world.finish().await;
}

#[tokio::test]
async fn after_a_restart_a_team_that_github_does_not_confirm_gives_nothing() {
    let github = GithubDouble::open().await;
    let world = World::on(Database::Sqlite).with_groups(1).member("ana", "U111");
    let world = world.role("on-call", &[], &["group-1"], "identities = [\"github-team:acme/on-call\"]");
    let mut world = world.configured(&github.toml()).start().await;
    start_from_the_team(&world, &github).await;
    world.wait_until_group_allows(&world.groups[0], &[HOME_CIDR]).await;
    github.go_away();
    world.server.restart().await;
    world.wait_until_group_allows(&world.groups[0], &[]).await;
    world.finish().await;
}

#[tokio::test]
async fn an_answer_of_github_counts_only_in_the_browser_that_asked() {
    let github = GithubDouble::open().await;
    let (world, url) = before_github(&github).await;
    github.sign_in(LOGIN, "eve");
    let (hers, his) = (world.browser(HOME), world.browser("93.184.216.35"));
    let begun = hers.open(&url).await;
    let stolen = his.follow(&begun).await;
    assert!(stolen.status == 403 && stolen.says("another browser"), "{}: {}", stolen.status, stolen.body);
    // Her question's form is of no use in his browser, even where he has opened the page, too.
    let question = hers.follow(&hers.open(&url).await).await;
    his.open(&url).await;
    let forged = his.submit(&question, &[]).await;
    assert!(forged.status == 403 && forged.says("another browser"), "{}: {}", forged.status, forged.body);
    let elsewhere =
        his.request(reqwest::Method::POST, &question.url.replace("callback", "join")).header("Sec-Fetch-Site", "cross-site");
    assert_eq!(his.send(elsewhere).await.status, 403);
    assert!(!world.slack.command("U111", "whoami").await.text().contains("github-user"));
    world.finish().await;
}

#[tokio::test]
async fn whoever_presses_cancel_at_github_joins_nothing() {
    let github = GithubDouble::open().await;
    let (world, url) = before_github(&github).await;
    let browser = world.browser(HOME);
    let page = browser.follow(&browser.open(&url).await).await;
    assert!(page.status == 403 && page.says("you did not agree"), "{}: {}", page.status, page.body);
    let unknown = browser.open(&url.replace(url.rsplit('/').next().unwrap(), "AAAA-BBBB-CCCC")).await;
    assert!(unknown.status == 403 && unknown.says("not one of ours"), "{}", unknown.body);
    world.finish().await;
}
