//! Discord waits three seconds: whatever takes longer is promised in words, and follows.

use std::time::{Duration, Instant};

use entryguard_tests::{Database, DiscordAnswer, SOON, World, eventually};
use serde_json::json;

use crate::in_discord::{ANA, team, until_told};

/// How long the database is held up, which is longer than Discord waits.
const HELD: Duration = Duration::from_secs(8);
/// Promised after two seconds, and not by the database: well before it goes on, however busy the machine is.
const IN_TIME: Duration = Duration::from_secs(6);

/// What a promise became.
async fn until_followed(world: &World, promise: &DiscordAnswer) -> String {
    eventually("the answer follows", SOON, async || {
        world.discord.followed(&promise.token).flatten().ok_or_else(|| "nothing".to_owned())
    })
    .await
}

fn is_a_promise(answer: &DiscordAnswer) -> bool {
    let follows = answer.says("EntryGuard's database is too slow to answer") && answer.says("The answer follows here");
    answer.body["type"] == json!(4) && answer.body["data"]["flags"] == json!(64) && follows
}

#[tokio::test]
async fn what_takes_longer_is_promised_and_follows_or_goes_to_the_person_once_the_token_has_lapsed() {
    let world = team(Database::Postgres).start().await;
    for lapsed in [false, true] {
        let slow = world.records().await.hold_up(HELD).await;
        if lapsed {
            world.discord.lapse_tokens();
        }
        let asked = Instant::now();
        let promise = world.discord.to_server().command(ANA, "start", &[("duration", "1h")]).await;
        assert!(is_a_promise(&promise) && asked.elapsed() < IN_TIME, "{:?} {promise:?}", asked.elapsed());
        slow.await.unwrap();
        if lapsed {
            until_told(&world, ANA, "Confirm your address").await;
        } else {
            let followed = until_followed(&world, &promise).await;
            assert!(followed.contains("Confirm your address"), "{followed}");
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn what_is_accepted_late_is_promised_in_time_and_done_once() {
    let world = team(Database::Postgres).start().await;
    let help = world.discord.to_server().command(ANA, "help", &[]).await;
    let slow = world.records().await.hold_up_accepting(HELD).await;
    let (from, message) = (world.discord.to_server(), help.message());
    let asked = Instant::now();
    let (command, form, typing) = tokio::join!(
        from.command(ANA, "start", &[("duration", "1h")]),
        from.press(ANA, &message, "Start with options…"),
        from.typing(ANA, "start", "duration", "")
    );
    assert!(asked.elapsed() < IN_TIME, "{:?}", asked.elapsed());
    assert!(is_a_promise(&command) && is_a_promise(&form), "{command:?} {form:?}");
    assert_eq!((&typing.body["type"], &typing.body["data"]["choices"]), (&json!(8), &json!([])), "late suggestions are none");
    slow.await.unwrap();
    let followed = until_followed(&world, &command).await;
    assert!(followed.contains("Confirm your address"), "{followed}");
    let followed = until_followed(&world, &form).await;
    assert!(followed.contains("Press the button again"), "{followed}");
    let links = world.entryguard(&["audit", "export"]).await.stdout.matches("link.issued").count();
    assert_eq!(links, 1);
    world.finish().await;
}
