//! Whether the database keeps what is written to it: a small commit is tried again and again. The pool looks at SQLite's file each time.
//!
//! A read proves little: on a full disk every read succeeds, and SQLite answers from its cache after its file was overwritten.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Outage, Store, StoreError};
use crate::domain::Span;

/// How long one trial may take.
const LONGEST_TRIAL: Duration = Duration::from_secs(5);
/// For how long trials have to fail until openings are refused for that: one slow commit on a busy machine is no failure.
const TOLERATED: Duration = Duration::from_secs(15);

/// Why the database is taken for failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreFailure {
    /// Commits fail, or are not answered.
    #[error("the database has not taken a commit for {0}")]
    Refuses(Span),
    /// What is written goes to a file that no restart finds again.
    #[error(
        "the file of the database was deleted, replaced or overwritten while the server runs on it: stop the server, restore a backup, and start it"
    )]
    FileLost,
}

/// What the trials have shown.
#[derive(Debug)]
pub(super) struct Trials {
    shown: Mutex<Shown>,
}

#[derive(Debug)]
struct Shown {
    // Opening the database counts as a success.
    last_success: Instant,
    failing: Option<Failing>,
}

#[derive(Clone, Copy, Debug)]
enum Failing {
    Refuses,
    FileLost,
}

impl Trials {
    /// Trials of a database that was opened just now.
    pub(super) fn new() -> Self {
        Self { shown: Mutex::new(Shown { last_success: Instant::now(), failing: None }) }
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, tried: &Result<(), StoreError>) {
        let mut shown = self.shown();
        match tried {
            Ok(()) => *shown = Shown { last_success: Instant::now(), failing: None },
            Err(error) => {
                let is_lost = matches!(error.outage(), Outage::Missing | Outage::Damaged);
                shown.failing = Some(if is_lost { Failing::FileLost } else { Failing::Refuses });
            }
        }
    }
}

impl Store {
    /// Tries a small commit, and looks at the file where the database is one.
    ///
    /// # Errors
    /// The database did not take the commit within five seconds, or its file is not the one that was opened.
    pub async fn try_commit(&self) -> Result<(), StoreError> {
        let tried = tokio::time::timeout(LONGEST_TRIAL, self.commit_a_trial()).await;
        let tried = tried.unwrap_or(Err(StoreError::NoAnswer));
        self.trials.note(&tried);
        tried
    }

    async fn commit_a_trial(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        // Counted up: SQLite writes nothing where a row keeps its values.
        sqlx::query(
            "INSERT INTO commit_trials (singleton, trials, at) VALUES ('this', 1, $1)
             ON CONFLICT (singleton) DO UPDATE SET trials = commit_trials.trials + 1, at = excluded.at",
        )
        .bind(tx.now.as_millis())
        .execute(&mut *tx.inner)
        .await?;
        tx.commit().await
    }

    /// For how long no trial commit has succeeded; nothing where the last one did.
    pub fn failing_for(&self) -> Option<Duration> {
        let shown = self.trials.shown();
        shown.failing.map(|_| shown.last_success.elapsed())
    }

    /// Why the database is taken for failed, if it is: its file is lost, or no trial has succeeded for a while.
    pub fn failure(&self) -> Option<StoreFailure> {
        let shown = self.trials.shown();
        let since = shown.last_success.elapsed();
        match shown.failing? {
            Failing::FileLost => Some(StoreFailure::FileLost),
            Failing::Refuses if since < TOLERATED => None,
            Failing::Refuses => {
                Some(StoreFailure::Refuses(Span::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;
    use crate::store::StoreUrl;

    async fn opened(folder: &tempfile::TempDir) -> (Store, std::path::PathBuf) {
        let path = folder.path().join("test.db");
        let url = StoreUrl::parse(&format!("sqlite://{}", path.display())).unwrap();
        (Store::open(&url, Arc::new(SystemClock)).await.unwrap(), path)
    }

    #[tokio::test]
    async fn a_database_that_takes_commits_has_not_failed() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = opened(&folder).await;
        for _ in 0..3 {
            store.try_commit().await.unwrap();
        }
        assert_eq!((store.failure(), store.failing_for()), (None, None));
    }

    #[tokio::test]
    async fn commits_to_a_deleted_file_count_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (store, path) = opened(&folder).await;
        std::fs::remove_file(&path).unwrap();
        let error = store.try_commit().await.unwrap_err();
        assert_eq!(error.outage(), Outage::Missing, "{error}");
        assert_eq!(store.failure(), Some(StoreFailure::FileLost));
        std::fs::write(&path, "").unwrap();
        assert!(store.try_commit().await.is_err(), "a new file of that name is another one");
    }

    #[tokio::test]
    async fn commits_to_a_file_that_was_overwritten_count_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (store, path) = opened(&folder).await;
        let length = std::fs::metadata(&path).unwrap().len();
        let before = std::fs::read(&path).unwrap();
        let overwrite = |with: &[u8]| std::fs::File::options().write(true).open(&path).unwrap().write_all_at(with, 0).unwrap();
        overwrite(&vec![b'x'; usize::try_from(length).unwrap()]);
        let error = store.try_commit().await.unwrap_err();
        assert!(matches!(error, StoreError::Overwritten), "{error}");
        assert_eq!(store.failure(), Some(StoreFailure::FileLost));
        overwrite(&before);
        store.try_commit().await.unwrap();
    }

    #[tokio::test]
    async fn commits_go_to_a_new_log_where_the_old_one_was_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let (store, path) = opened(&folder).await;
        store.try_commit().await.unwrap();
        std::fs::remove_file(path.with_extension("db-wal")).unwrap();
        store.try_commit().await.unwrap();
        assert!(path.with_extension("db-wal").exists(), "what is written now would be lost with the process");
    }

    async fn alter(store: &Store, sql: &'static str) {
        let mut tx = store.begin().await.unwrap();
        sqlx::query(sql).execute(&mut *tx.inner).await.unwrap();
        tx.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_database_without_room_has_failed_although_it_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = opened(&folder).await;
        store.try_commit().await.unwrap();
        // As on a full disk: transactions begin, reads succeed, and writes do not.
        let refuse = "CREATE TRIGGER full BEFORE UPDATE ON commit_trials BEGIN SELECT RAISE(ABORT, 'full'); END";
        alter(&store, refuse).await;
        store.begin().await.unwrap().next_due().await.unwrap();
        store.try_commit().await.unwrap_err();
        assert_eq!((store.failing_for().is_some(), store.failure()), (true, None), "one failed trial refuses nothing yet");
        store.trials.shown().last_success -= TOLERATED;
        assert!(matches!(store.failure(), Some(StoreFailure::Refuses(_))));
        alter(&store, "DROP TRIGGER full").await;
        store.try_commit().await.unwrap();
        assert_eq!(store.failure(), None);
    }
}
