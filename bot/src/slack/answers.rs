//! The answers that were given over Slack's socket, kept for a while: a lost acknowledgement makes Slack ask again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::OnceCell;

/// How long an answer is kept: longer than Slack asks again.
const KEPT: Duration = Duration::from_secs(600);

/// An answer that is given once; whoever asks for it meanwhile waits for it.
pub type Answer = Arc<OnceCell<Value>>;

/// Answers by the name of what they are to.
#[derive(Debug, Default)]
pub struct Answers {
    given: Mutex<HashMap<String, (Answer, Instant)>>,
}

impl Answers {
    /// The answer to what has this name.
    pub fn to(&self, name: &str) -> Answer {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.retain(|_, (_, asked)| asked.elapsed() < KEPT);
        let (answer, _) = given.entry(name.to_owned()).or_insert_with(|| (Answer::default(), Instant::now()));
        Arc::clone(answer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn whoever_asks_again_gets_the_same_answer_and_a_failure_is_tried_again() {
        let answers = Answers::default();
        assert_eq!(answers.to("E1").get_or_try_init(async || Err(())).await, Err(()));
        let (first, second) = (answers.to("E1"), answers.to("E1"));
        let slow = async || {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, ()>(json!(1))
        };
        let both = tokio::join!(first.get_or_try_init(slow), second.get_or_try_init(async || Ok::<_, ()>(json!(2))));
        assert_eq!(both, (Ok(&json!(1)), Ok(&json!(1))));
        assert_eq!(answers.to("E2").get(), None);
    }
}
