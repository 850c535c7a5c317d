//! Slack's own SDK as a judge of what the server says, and of the double itself.

use serde_json::{Value, json};

use super::SlackDouble;
use super::sender::{SignedRequest, signature};
use crate::services::slack_models_address;

impl SlackDouble {
    /// What the models of Slack's own SDK refuse in everything that the app has said, edits and views included.
    pub async fn what_slacks_sdk_refuses(&self) -> Vec<String> {
        let said = self.everything_said();
        let verdicts = self.sdk_judges(&said).await;
        let refused = said.iter().zip(verdicts).filter(|(_, complaints)| !complaints.is_empty());
        refused.map(|(said, complaints)| format!("slack_sdk: {}\nin {said:#}", complaints.join("; "))).collect()
    }

    /// What Slack's own schema refuses in an app's manifest (YAML).
    pub async fn schema_refuses(&self, manifest: &str) -> Vec<String> {
        self.ask_the_sdk("/manifest", json!(manifest)).await
    }

    /// What the models of Slack's own SDK refuse in each of these messages or views.
    pub async fn sdk_judges(&self, said: &[Value]) -> Vec<Vec<String>> {
        self.ask_the_sdk("/models", json!(said)).await
    }

    /// Whether Slack's own SDK takes this for a request of Slack's.
    pub async fn sdk_accepts(&self, secret: &str, timestamp: &str, body: &str, signature: &str) -> bool {
        let request = json!({ "secret": secret, "timestamp": timestamp, "body": body, "signature": signature });
        self.ask_the_sdk("/signature", request).await
    }

    /// What Slack's own SDK would not have taken for Slack's of all that the double has sent.
    pub async fn sdk_refuses_of_what_was_sent(&self) -> Vec<String> {
        let sent = self.shared.state().signed.clone();
        let mut refused = Vec::new();
        for SignedRequest { secret, timestamp, body, signature } in sent {
            if !self.sdk_accepts(&secret, &timestamp, &body, &signature).await {
                refused.push(format!("slack_sdk: not the signature of {body}"));
            }
        }
        refused
    }

    /// How the double signs.
    pub fn signature_of(secret: &str, timestamp: &str, body: &str) -> String {
        signature::of(secret, timestamp, body)
    }

    fn everything_said(&self) -> Vec<Value> {
        let state = self.shared.state();
        let messages = state.workspace.messages.iter().flat_map(|message| message.edits.iter().map(|edit| edit.content.clone()));
        let views = state.workspace.views.iter().map(|(_, view)| view.clone());
        let follow_ups = state.workspace.follow_ups.values().flatten().cloned();
        messages.chain(views).chain(follow_ups).chain(state.workspace.answers.iter().cloned()).collect()
    }

    async fn ask_the_sdk<T: serde::de::DeserializeOwned>(&self, path: &str, request: Value) -> T {
        let url = format!("{}{path}", slack_models_address());
        let answer = self.shared.http.post(url).json(&request).send().await.expect("Slack's models answer");
        answer.json().await.expect("Slack's models answer with JSON")
    }
}
