//! Errors of SQLite that come from a limit of the whole process: no memory, and files that may not grow. Each test runs itself again as a
//! process of its own.

use std::env;
use std::process::Command;

use sqlx::Executor;

use super::outage_tests::{Place, insert, is_there, long, until_it_writes, write};
use super::{Outage, StoreError};

/// Set in the process that a test starts.
const CHILD: &str = "ENTRYGUARD_TEST_CHILD";

/// Whether this is the process with the limit. If not, runs the test again in one, with `limit` in force.
fn is_limited(test: &str, limit: &str) -> bool {
    if env::var_os(CHILD).is_some() {
        return true;
    }
    let (_, module) = module_path!().split_once("::").unwrap();
    let again = Command::new("sh")
        .args(["-c", &format!("{limit} exec \"$0\" \"$@\"")])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &format!("{module}::{test}")])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&again.stderr));
    false
}

/// Files of this process may grow to `size`, in bytes.
fn limit_files(size: &str) {
    let process = std::process::id().to_string();
    let limited = Command::new("prlimit").args(["--pid", &process, &format!("--fsize={size}:unlimited")]).output().unwrap();
    assert!(limited.status.success(), "{limited:?}");
}

#[tokio::test]
async fn a_statement_without_memory_ends_its_transaction_and_no_other() {
    if !is_limited("a_statement_without_memory_ends_its_transaction_and_no_other", "") {
        return;
    }
    let place = Place::new().await;
    write(&place.store, "before").await.unwrap();
    place.store.set_further(&["PRAGMA hard_heap_limit = 8000000"]).await;
    for round in 0..3 {
        let mut tx = place.store.begin().await.unwrap();
        insert(&mut tx, &format!("begun {round}")).await.unwrap();
        let too_much = "INSERT INTO accepted_requests (signature, accepted_at) VALUES (hex(randomblob(20000000)), 1)";
        let error = (&mut *tx.inner).execute(too_much).await.unwrap_err();
        let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
        assert_eq!(code, "7", "SQLITE_NOMEM: {error:?}");
        insert(&mut tx, "in a transaction of its own").await.unwrap_err();
        tx.commit().await.unwrap_err();
        until_it_writes(&place.store, &format!("after {round}")).await;
        assert!(!is_there(&place.store, &format!("begun {round}")).await);
    }
}

#[tokio::test]
async fn files_that_may_not_grow_fail_a_commit_and_a_begin_until_they_may() {
    // What may not be written is an error then, and no signal.
    if !is_limited("files_that_may_not_grow_fail_a_commit_and_a_begin_until_they_may", "trap '' XFSZ;") {
        return;
    }
    let place = Place::new().await;
    write(&place.store, "before").await.unwrap();
    for round in 0..3 {
        limit_files("65536");
        let mut tx = place.store.begin().await.unwrap();
        for number in 0..5 {
            insert(&mut tx, &long(round * 10 + number)).await.unwrap();
        }
        let error = tx.commit().await.unwrap_err();
        assert!(matches!(error, StoreError::OutcomeUnknown(_)), "SQLite cannot make sure of what it had written: {error:?}");
        limit_files("unlimited");
        until_it_writes(&place.store, &format!("after commit {round}")).await;
        // Each connection is closed, and with the last one SQLite's log and its index, which the next begin makes again.
        place.store.set_further(&[]).await;
        limit_files("1000");
        let error = place.store.begin().await.err().expect("the index of the log cannot be made");
        assert!(matches!(error.outage(), Outage::DiskFailed | Outage::DiskFull), "{error:?}");
        limit_files("unlimited");
        until_it_writes(&place.store, &format!("after begin {round}")).await;
    }
    assert!(is_there(&place.store, "before").await);
}
