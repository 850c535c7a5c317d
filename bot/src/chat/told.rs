//! Who has been told which findings: one who cannot be written to keeps nobody else from hearing, and makes nobody hear twice.

use std::collections::BTreeSet;

use async_trait::async_trait;
use entryguard_core::domain::{Drift, Span, Timestamp};

use super::ChatError;

/// For how long it is tried to reach somebody whose chat is away, where others know already.
const PATIENCE: Span = Span::from_hours(6);

/// Those who are to know, in one chat.
#[async_trait]
pub trait Readers: Send + Sync {
    /// What the chat calls each of them; no other chat's is called so.
    fn names(&self) -> Vec<String>;

    /// Tells one of them.
    async fn tell(&self, reader: &str, found: &[Drift]) -> Result<(), ChatError>;
}

/// Who has been told what, since all were told last.
#[derive(Default)]
pub struct Heard {
    heard: Vec<(String, Vec<Drift>)>,
    refused: BTreeSet<String>,
}

impl Heard {
    /// Tells each of them what they have not heard; whether nobody is to be told of it any more.
    pub async fn tell(&mut self, chats: &[Box<dyn Readers>], found: &[Drift], now: Timestamp) -> bool {
        let (mut somebody_knows, mut trouble) = (false, None);
        for chat in chats {
            for reader in chat.names() {
                match self.tell_one(chat.as_ref(), &reader, found).await {
                    Ok(knows) => somebody_knows |= knows,
                    Err(error) => trouble = Some((reader, error)),
                }
            }
        }
        let is_old = found.iter().all(|drift| now.since(drift.at) >= PATIENCE);
        let is_over = match (&trouble, somebody_knows) {
            (Some(_), _) => somebody_knows && is_old,
            // Somebody may let us in yet.
            (None, false) => self.refused.is_empty(),
            (None, true) => true,
        };
        if let Some((reader, error)) = trouble {
            tracing::warn!(reader, %error, given_up = is_over, "somebody could not be told of what was found");
        }
        if is_over {
            *self = Self::default();
        } else if !somebody_knows {
            self.refused.clear();
        }
        is_over
    }

    /// Whether they know it now, or why that is to be tried again.
    async fn tell_one(&mut self, chat: &dyn Readers, reader: &str, found: &[Drift]) -> Result<bool, ChatError> {
        if self.refused.contains(reader) {
            return Ok(false);
        }
        let heard = self.heard.iter().position(|(name, _)| name == reader);
        let known = heard.map_or(&[][..], |at| &self.heard[at].1);
        let news: Vec<_> = found.iter().filter(|drift| !known.contains(drift)).cloned().collect();
        if news.is_empty() {
            return Ok(true);
        }
        match chat.tell(reader, &news).await {
            Ok(()) => {
                match heard {
                    Some(at) => self.heard[at].1.extend(news),
                    None => self.heard.push((reader.to_owned(), news)),
                }
                Ok(true)
            }
            Err(error @ (ChatError::RateLimited(_) | ChatError::Unreachable(_))) => Err(error),
            Err(error) => {
                tracing::error!(reader, %error, "somebody who is to be told of what is found cannot be written to");
                self.refused.insert(reader.to_owned());
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use entryguard_core::domain::DriftKind;

    use super::*;

    /// What keeps a reader from hearing, and what they have heard.
    type Ears = (Option<&'static str>, Vec<String>);

    /// A chat of which each reader hears, or does not.
    #[derive(Clone, Default)]
    struct Room(Arc<Mutex<BTreeMap<String, Ears>>>);

    #[async_trait]
    impl Readers for Room {
        fn names(&self) -> Vec<String> {
            self.0.lock().unwrap().keys().cloned().collect()
        }

        async fn tell(&self, reader: &str, found: &[Drift]) -> Result<(), ChatError> {
            let mut room = self.0.lock().unwrap();
            let (trouble, heard) = room.get_mut(reader).unwrap();
            match *trouble {
                Some("away") => Err(ChatError::Unreachable("503".to_owned())),
                Some(why) => Err(ChatError::Refused(why.to_owned())),
                None => {
                    heard.extend(found.iter().map(|drift| drift.what.clone()));
                    Ok(())
                }
            }
        }
    }

    impl Room {
        fn set(&self, reader: &str, trouble: Option<&'static str>) {
            self.0.lock().unwrap().entry(reader.to_owned()).or_default().0 = trouble;
        }

        fn heard(&self, reader: &str) -> Vec<String> {
            self.0.lock().unwrap()[reader].1.clone()
        }
    }

    fn found(what: &[&str]) -> Vec<Drift> {
        let at = Timestamp::from_millis(1_000_000);
        what.iter().map(|what| Drift { at, kind: DriftKind::Orphan, resource: None, what: (*what).to_owned() }).collect()
    }

    async fn told(heard: &mut Heard, room: &Room, what: &[&str], after: Span) -> bool {
        let chats: [Box<dyn Readers>; 1] = [Box::new(room.clone())];
        heard.tell(&chats, &found(what), Timestamp::from_millis(1_000_000).plus(after)).await
    }

    #[tokio::test]
    async fn whoever_cannot_be_written_to_makes_nobody_read_the_same_again() {
        let (room, mut heard) = (Room::default(), Heard::default());
        for (reader, trouble) in [("a", Some("account_inactive")), ("b", None), ("c", None)] {
            room.set(reader, trouble);
        }
        assert!(told(&mut heard, &room, &["one"], Span::from_seconds(0)).await, "those who can be reached know it");
        assert_eq!((room.heard("b"), room.heard("c")), (vec!["one".into()], vec!["one".into()]));
    }

    #[tokio::test]
    async fn whoever_is_away_hears_it_later_and_the_others_only_what_is_new() {
        let (room, mut heard) = (Room::default(), Heard::default());
        room.set("a", Some("away"));
        room.set("b", None);
        assert!(!told(&mut heard, &room, &["one"], Span::from_seconds(0)).await);
        assert!(!told(&mut heard, &room, &["one", "two"], Span::from_minutes(1)).await);
        room.set("a", None);
        assert!(told(&mut heard, &room, &["one", "two"], Span::from_minutes(2)).await);
        for reader in ["a", "b"] {
            assert_eq!(room.heard(reader), ["one", "two"], "{reader}");
        }
        room.set("a", Some("away"));
        assert!(told(&mut heard, &room, &["three"], PATIENCE).await, "not for ever, where somebody knows");
    }

    #[tokio::test]
    async fn where_nobody_can_be_written_to_it_is_kept_until_somebody_can() {
        let (room, mut heard) = (Room::default(), Heard::default());
        room.set("a", Some("not_in_channel"));
        assert!(!told(&mut heard, &room, &["one"], PATIENCE).await);
        room.set("a", None);
        assert!(told(&mut heard, &room, &["one"], PATIENCE).await);
        assert_eq!(room.heard("a"), ["one"]);
        assert!(told(&mut heard, &Room::default(), &["one"], Span::from_seconds(0)).await, "nobody is to know: the logs have it");
    }
}
