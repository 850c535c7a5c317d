//! What SQLite may do to a connection: each error at each kind of statement, cancelled work, and a file that changes under the server.
//! After each, the store works again at once when the cause has ended.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{AnyConnection, Connection, Executor};

use super::{Outage, Store, StoreError, StoreUrl, Tx};
use crate::clock::SystemClock;
use crate::random::SystemRandom;

/// SQLite takes no limit below what there is: from here on nothing more fits.
const NO_MORE_PAGES: &str = "PRAGMA max_page_count = 1";
pub(super) const RECOVERED_WITHIN: Duration = Duration::from_secs(10);

pub(super) struct Place {
    _folder: Option<tempfile::TempDir>,
    path: PathBuf,
    pub(super) store: Store,
}

impl Place {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        Self { store: open(&path).await, path, _folder: Some(folder) }
    }

    fn beside(&self, ending: &str) -> PathBuf {
        PathBuf::from(format!("{}{ending}", self.path.display()))
    }

    /// As an operator does it, and the guide says.
    async fn back_up(&self) -> PathBuf {
        let copy = self.beside(".copy");
        let mut other = AnyConnection::connect(&format!("sqlite://{}", self.path.display())).await.unwrap();
        other.execute(sqlx::AssertSqlSafe(format!("VACUUM INTO '{}'", copy.display()))).await.unwrap();
        other.close().await.unwrap();
        copy
    }
}

async fn open(path: &Path) -> Store {
    let url = StoreUrl::parse(&format!("sqlite://{}", path.display())).unwrap();
    let store = Store::open(&url, Arc::new(SystemClock)).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let deployment = tx.deployment(tx.now(), None, &SystemRandom).await.unwrap();
    tx.commit().await.unwrap();
    store.pool.belongs_to(deployment.as_str());
    store
}

pub(super) async fn insert(tx: &mut Tx, name: &str) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO accepted_requests (signature, accepted_at) VALUES ($1, 1)";
    sqlx::query(sql).bind(name).execute(&mut *tx.inner).await.map(drop)
}

pub(super) async fn write(store: &Store, name: &str) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    insert(&mut tx, name).await?;
    tx.commit().await
}

pub(super) async fn is_there(store: &Store, name: &str) -> bool {
    store.begin().await.unwrap().was_accepted(name).await.unwrap()
}

pub(super) fn long(number: usize) -> String {
    format!("{number:06}{}", "x".repeat(20_000))
}

/// Writes until nothing more fits; why not.
async fn fill(store: &Store) -> StoreError {
    for number in 0..1000 {
        if let Err(error) = write(store, &long(number)).await {
            return error;
        }
    }
    panic!("everything fits");
}

pub(super) async fn until_it_writes(store: &Store, name: &str) {
    let since = Instant::now();
    while let Err(error) = write(store, name).await {
        assert!(since.elapsed() < RECOVERED_WITHIN, "it does not recover: {error:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(is_there(store, name).await);
}

#[tokio::test]
async fn a_full_database_refuses_what_does_not_fit_and_works_again_once_there_is_room() {
    let place = Place::new().await;
    for round in 0..3 {
        place.store.set_further(&[NO_MORE_PAGES]).await;
        let full = fill(&place.store).await;
        assert_eq!(full.outage(), Outage::DiskFull, "{full:?}");
        assert!(place.store.begin().await.unwrap().was_accepted("never").await.is_ok_and(|found| !found), "it can be read");
        place.store.set_further(&[]).await;
        write(&place.store, &format!("after round {round}")).await.unwrap();
    }
}

#[tokio::test]
async fn nothing_of_a_transaction_in_which_a_statement_failed_is_committed() {
    let place = Place::new().await;
    place.store.set_further(&[NO_MORE_PAGES]).await;
    let mut tx = place.store.begin().await.unwrap();
    insert(&mut tx, "before").await.unwrap();
    let error = insert(&mut tx, &"x".repeat(10_000_000)).await.unwrap_err();
    assert_eq!(StoreError::from(error).outage(), Outage::DiskFull);
    // SQLite has rolled back by itself: this would be a transaction of its own.
    insert(&mut tx, "after").await.unwrap_err();
    tx.was_accepted("before").await.unwrap_err();
    tx.commit().await.unwrap_err();
    assert!(!is_there(&place.store, "before").await && !is_there(&place.store, "after").await);
}

#[tokio::test]
async fn what_waits_meanwhile_does_not_fail() {
    let place = Place::new().await;
    place.store.set_further(&[NO_MORE_PAGES]).await;
    let store = &place.store;
    let broken = async {
        let mut tx = store.begin().await.unwrap();
        insert(&mut tx, &"x".repeat(10_000_000)).await.unwrap_err();
    };
    let waiting = (0..50).map(|_| async { store.begin().await?.was_accepted("it").await });
    let (_, waited) = tokio::join!(broken, futures_util::future::join_all(waiting));
    assert!(waited.iter().all(Result::is_ok), "{waited:?}");
}

#[tokio::test]
async fn each_error_at_each_kind_of_statement_is_over_with_its_cause() {
    let place = Place::new().await;
    let store = &place.store;
    // Of a begin: another process writes for longer than it waits.
    store.set_further(&["PRAGMA busy_timeout = 1"]).await;
    let mut other = AnyConnection::connect(&format!("sqlite://{}", place.path.display())).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    assert_eq!(store.begin().await.err().unwrap().outage(), Outage::Slow);
    other.execute("ROLLBACK").await.unwrap();
    until_it_writes(store, "after a begin").await;
    // Of a write: it may only be read.
    store.set_further(&["PRAGMA query_only = 1"]).await;
    assert_eq!(write(store, "no").await.unwrap_err().outage(), Outage::ReadOnly);
    store.set_further(&[]).await;
    until_it_writes(store, "after a write").await;
    // Of a commit: what it wrote does not hold together.
    other
        .execute("CREATE TABLE child (parent TEXT REFERENCES accepted_requests(signature) DEFERRABLE INITIALLY DEFERRED)")
        .await
        .unwrap();
    let mut tx = store.begin().await.unwrap();
    (&mut *tx.inner).execute("INSERT INTO child VALUES ('nothing')").await.unwrap();
    tx.commit().await.unwrap_err();
    until_it_writes(store, "after a commit").await;
    // Of a rollback: it has been rolled back already.
    let mut tx = store.begin().await.unwrap();
    (&mut *tx.inner).execute("ROLLBACK").await.unwrap();
    drop(tx);
    until_it_writes(store, "after a rollback").await;
}

#[tokio::test]
async fn a_log_that_was_cut_off_is_an_error_of_the_disk_and_over_with_the_connection() {
    let place = Place::new().await;
    write(&place.store, &long(1)).await.unwrap();
    // The pages are in the log alone, and no longer in memory.
    place.store.set_further(&["PRAGMA cache_size = 1", "PRAGMA wal_autocheckpoint = 0"]).await;
    for number in 2..40 {
        write(&place.store, &long(number)).await.unwrap();
    }
    fs::OpenOptions::new().write(true).open(place.beside("-wal")).unwrap().set_len(0).unwrap();
    let mut tx = place.store.begin().await.unwrap();
    let read = sqlx::query("SELECT COUNT(*) FROM accepted_requests WHERE signature LIKE '%y'").fetch_all(&mut *tx.inner).await;
    let error = StoreError::from(read.err().unwrap());
    assert!(matches!(error.outage(), Outage::DiskFailed | Outage::Damaged), "{error:?}");
    drop(tx);
    until_it_writes(&place.store, "after").await;
}

#[tokio::test]
async fn work_that_is_cancelled_at_any_moment_leaves_no_transaction_behind() {
    let place = Place::new().await;
    let store = Arc::new(place.store);
    for number in 0..60_u64 {
        let (working, name) = (Arc::clone(&store), format!("cancelled {number}"));
        let task = tokio::spawn(async move { write(&working, &name).await });
        tokio::time::sleep(Duration::from_micros(number * 25)).await;
        task.abort();
        let _ = task.await;
        write(&store, &format!("after {number}")).await.unwrap();
    }
    // A begin that waits for another process's lock.
    let mut other = AnyConnection::connect(&format!("sqlite://{}", place.path.display())).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    tokio::time::timeout(Duration::from_millis(50), store.begin()).await.map(drop).unwrap_err();
    other.execute("COMMIT").await.unwrap();
    write(&store, "after a begin").await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.expect("nothing of ours is left open");
}

#[tokio::test]
async fn a_transaction_that_is_dropped_gives_its_connection_back() {
    let place = Place::new().await;
    (&mut *place.store.begin().await.unwrap().inner).execute("SELECT 1").await.unwrap();
    let mut connection = place.store.pool.lend().await.unwrap();
    (&mut *connection).execute("CREATE TEMP TABLE same (connection TEXT)").await.unwrap();
    drop(connection);
    for _ in 0..3 {
        let mut tx = place.store.begin().await.unwrap();
        insert(&mut tx, "dropped").await.unwrap();
        (&mut *tx.inner).execute("SELECT * FROM same").await.expect("the same connection");
    }
    assert!(!is_there(&place.store, "dropped").await);
}

#[tokio::test]
async fn a_file_that_was_removed_is_said_to_be_missing_until_it_is_back() {
    let place = Place::new().await;
    write(&place.store, "before").await.unwrap();
    let away = place.beside(".away");
    fs::rename(&place.path, &away).unwrap();
    let missing = place.store.begin().await.err().unwrap();
    assert!(missing.outage() == Outage::Missing && missing.to_string().contains("put it back"), "{missing}");
    assert!(!place.path.exists(), "no empty database takes its place");
    fs::rename(&away, &place.path).unwrap();
    assert!(is_there(&place.store, "before").await);
    until_it_writes(&place.store, "after").await;
}

#[tokio::test]
async fn what_takes_the_files_place_is_used_where_it_is_ours_and_sound() {
    let place = Place::new().await;
    write(&place.store, "before").await.unwrap();
    let copy = place.back_up().await;
    write(&place.store, "not in the copy").await.unwrap();
    let replace = |content: &[u8]| {
        fs::write(place.beside(".new"), content).unwrap();
        fs::rename(place.beside(".new"), &place.path).unwrap();
    };
    replace(b"");
    assert!(matches!(refused(&place.store).await, Outage::Damaged), "an empty one");
    replace(&[7; 100_000]);
    assert_eq!(refused(&place.store).await, Outage::Damaged, "no database");
    let another = Place::new().await;
    write(&another.store, "elsewhere").await.unwrap();
    replace(&fs::read(another.back_up().await).unwrap());
    assert_eq!(refused(&place.store).await, Outage::Damaged, "another installation's");
    replace(&fs::read(copy).unwrap());
    assert!(is_there(&place.store, "before").await);
    assert!(!is_there(&place.store, "not in the copy").await, "the old file's log was not written into the new one");
    until_it_writes(&place.store, "after").await;
    let sound = sqlx::query_scalar::<_, String>("PRAGMA integrity_check");
    assert_eq!(sound.fetch_one(&mut *place.store.pool.lend().await.unwrap()).await.unwrap(), "ok");
}

#[tokio::test]
async fn a_file_that_was_cut_off_or_overwritten_is_refused_and_its_backup_used() {
    let place = Place::new().await;
    write(&place.store, "before").await.unwrap();
    let copy = place.back_up().await;
    // Else all that was cut off is still in the log.
    (&mut *place.store.pool.lend().await.unwrap()).execute("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    assert!(is_there(&place.store, "before").await);
    for garbage in [false, true] {
        let file = fs::OpenOptions::new().write(true).truncate(garbage).open(&place.path).unwrap();
        if !garbage {
            file.set_len(4096).unwrap();
        }
        drop(file);
        refused(&place.store).await;
        for ending in ["-wal", "-shm"] {
            let _ = fs::remove_file(place.beside(ending));
        }
        fs::copy(&copy, place.beside(".new")).unwrap();
        fs::rename(place.beside(".new"), &place.path).unwrap();
        until_it_writes(&place.store, &format!("after {garbage}")).await;
        assert!(is_there(&place.store, "before").await);
    }
}

async fn refused(store: &Store) -> Outage {
    let first = store.begin().await.err().expect("it is refused");
    let again = store.begin().await.err().expect("it stays refused");
    assert_eq!(first.outage(), again.outage(), "{first:?} {again:?}");
    first.outage()
}

/// A file system of a few megabytes, where this test may make one.
struct Disk(tempfile::TempDir);

impl Disk {
    fn small() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(folder.path()).output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then_some(Self(folder))
    }

    fn fill(&self) {
        let mut filling = fs::File::create(self.0.path().join("filling")).unwrap();
        while std::io::Write::write(&mut filling, &[0; 4096]).is_ok() {}
    }

    /// Covers it with itself, read-only: the kernel remounts no file system on which a file is open for writing, here our lock.
    fn make_read_only(&self) {
        for arguments in [["--bind"].as_slice(), &["-o", "remount,ro,bind"]] {
            let mut mount = Command::new("mount");
            let source = (arguments == ["--bind"]).then(|| self.0.path());
            let mounted = mount.args(arguments).args(source).arg(self.0.path()).output().unwrap();
            assert!(mounted.status.success(), "{mounted:?}");
        }
    }

    fn make_writable(&self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.0.path()).output().unwrap();
        assert!(unmounted.status.success(), "{unmounted:?}");
    }

    fn make_room(&self) {
        fs::remove_file(self.0.path().join("filling")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[tokio::test]
async fn a_full_disk_is_over_once_there_is_room() {
    let Some(disk) = Disk::small() else {
        eprintln!("skipped: it takes root to mount a file system");
        return;
    };
    let path = disk.0.path().join("test.db");
    let store = open(&path).await;
    for round in 0..3 {
        disk.fill();
        let full = fill(&store).await;
        assert!(matches!(full.outage(), Outage::DiskFull | Outage::DiskFailed | Outage::OutcomeUnknown), "{full:?}");
        for again in 0..20 {
            let _ = write(&store, &long(again)).await;
        }
        disk.make_room();
        until_it_writes(&store, &format!("after round {round}")).await;
    }
    store.close().await;
}

#[tokio::test]
async fn a_file_system_that_became_read_only_is_over_once_it_is_writable() {
    let Some(disk) = Disk::small() else {
        eprintln!("skipped: it takes root to mount a file system");
        return;
    };
    let store = open(&disk.0.path().join("test.db")).await;
    write(&store, "before").await.unwrap();
    for round in 0..3 {
        disk.make_read_only();
        // Each connection is opened anew.
        store.set_further(&[]).await;
        let refused = write(&store, "no").await.unwrap_err();
        assert!(matches!(refused.outage(), Outage::ReadOnly | Outage::Missing), "{refused:?}");
        disk.make_writable();
        until_it_writes(&store, &format!("after round {round}")).await;
    }
    store.close().await;
}

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "the test is the disk that hangs")]
async fn a_disk_that_does_not_answer_holds_up_no_thread_of_the_runtime() {
    let place = Place::new().await;
    write(&place.store, "before").await.unwrap();
    let disk = place.store.pool.disk().unwrap();
    let hung = disk.lock().unwrap();
    for _ in 0..3 {
        let since = Instant::now();
        let refused = place.store.begin().await.err().expect("what became of the file is unknown");
        assert_eq!(refused.outage(), Outage::Unreachable, "{refused:?}");
        assert!(since.elapsed() < RECOVERED_WITHIN);
    }
    drop(hung);
    until_it_writes(&place.store, "after").await;
}
