//! The doubles are honest: Slack's own SDK takes what its double sends, and both refuse what Slack would; Discord's own description
//! refuses what Discord would.

use entryguard_tests::{DiscordDouble, SlackDouble, what_slack_refuses};
use serde_json::json;

#[tokio::test]
async fn slacks_own_sdk_takes_the_doubles_signatures_and_no_others() {
    let slack = SlackDouble::open().await;
    let (secret, timestamp, body) = (SlackDouble::SIGNING_SECRET, "1700000000", "command=%2Fentryguard&text=start+2h");
    let signature = SlackDouble::signature_of(secret, timestamp, body);
    assert!(slack.sdk_accepts(secret, timestamp, body, &signature).await);
    assert!(!slack.sdk_accepts(secret, timestamp, &body.replace("2h", "8h"), &signature).await);
    assert!(!slack.sdk_accepts(secret, "1700000001", body, &signature).await);
    assert!(!slack.sdk_accepts("another secret", timestamp, body, &signature).await);
}

#[tokio::test]
async fn slacks_own_models_and_the_double_refuse_the_same() {
    let slack = SlackDouble::open().await;
    let button = |label: usize| {
        let text = json!({ "type": "plain_text", "text": "x".repeat(label) });
        json!([{ "type": "actions", "elements": [{ "type": "button", "action_id": "a", "value": "v", "text": text }] }])
    };
    let section = |length: usize| json!([{ "type": "section", "text": { "type": "mrkdwn", "text": "x".repeat(length) } }]);
    let header = |length: usize| json!([{ "type": "header", "text": { "type": "plain_text", "text": "x".repeat(length) } }]);
    for (blocks, fine) in [
        (button(75), true),
        (button(76), false),
        (section(3000), true),
        (section(3001), false),
        (header(150), true),
        (header(151), false),
        (json!([{ "type": "actions", "elements": [] }]), false),
        (json!([{ "type": "sektion" }]), false),
    ] {
        let message = json!({ "text": "t", "blocks": blocks });
        let [double, models] = [what_slack_refuses(&message), slack.sdk_judges(&[message]).await.concat()];
        assert_eq!(models.is_empty(), fine, "slack_sdk: {models:?} of {blocks}");
        assert_eq!(double.is_empty(), fine, "the double: {double:?} of {blocks}");
    }
}

#[tokio::test]
async fn discords_own_description_refuses_what_discord_would() {
    let call = "post /channels/{channel_id}/messages";
    let embed = |length: usize| json!({ "embeds": [{ "description": "x".repeat(length) }] });
    let button = |kind: u8| json!({ "components": [{ "type": 1, "components": [{ "type": kind, "style": 1, "custom_id": "a", "label": "b" }] }] });
    for (body, fine) in [
        (embed(4096), true),
        (embed(4097), false),
        (button(2), true),
        (button(99), false),
        (json!({ "allowed_mentions": { "parse": ["somebody"] } }), false),
        (json!({ "message_reference": { "message_id": "not a number" } }), false),
    ] {
        let refused = DiscordDouble::description_refuses(&[(call, body.clone())]).await;
        assert_eq!(refused.is_empty(), fine, "{refused:?} of {body}");
    }
}
