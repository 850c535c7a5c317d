//! What a chat said of its users, remembered for a while.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use entryguard_core::domain::Timestamp;

/// Users remembered at the most.
const REMEMBERED: usize = 10_000;

/// A word on each user, and until when it is taken for the present truth.
#[derive(Debug)]
pub struct Recent<User, Word> {
    known: Mutex<HashMap<User, (Word, Timestamp)>>,
}

impl<User, Word> Default for Recent<User, Word> {
    fn default() -> Self {
        Self { known: Mutex::default() }
    }
}

impl<User: Eq + Hash, Word: Clone> Recent<User, Word> {
    /// The last word on a user, however old, and until when it counts.
    pub fn last(&self, user: &User) -> Option<(Word, Timestamp)> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(user).cloned()
    }

    /// Takes a word on a user.
    pub fn put(&self, user: User, word: Word, until: Timestamp) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(user, (word, until));
    }
}
