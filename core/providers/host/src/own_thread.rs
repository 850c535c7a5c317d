//! Work on a file, on a thread of its own: a disk or a mount that does not answer holds up that one thread, and neither other files nor
//! anything else of the process. There is one such thread for each file, however many requests there are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

/// How long a file may take to be read or written.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Enough for reading lines.
const STACK: usize = 1024 * 1024;

/// Every file that is worked on, also by those who were configured before a reload.
static FILES: Mutex<BTreeMap<PathBuf, Weak<OwnThread>>> = Mutex::new(BTreeMap::new());

/// One file's turn.
#[derive(Debug)]
pub(crate) struct OwnThread {
    free: Arc<Semaphore>,
    hangs: AtomicBool,
    patience: Duration,
}

/// Why work was not done, or why that is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotDone {
    #[error("reading or writing it has not ended within {} s; is its disk or mount away?", .0.as_secs())]
    Hangs(Duration),
    #[error("the thread that reads it could not be started or crashed")]
    NoThread,
}

impl OwnThread {
    /// The one of this file.
    pub(crate) fn of(path: &Path) -> Arc<Self> {
        let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = files.get(path).and_then(Weak::upgrade) {
            return known;
        }
        files.retain(|_, file| file.strong_count() > 0);
        let new = Arc::new(Self::with(PATIENCE));
        files.insert(path.to_owned(), Arc::downgrade(&new));
        new
    }

    fn with(patience: Duration) -> Self {
        Self { free: Arc::new(Semaphore::new(1)), hangs: AtomicBool::new(false), patience }
    }

    /// Works once it is its turn. While earlier work hangs, nothing is begun and no caller waits.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let (hangs, until) = (NotDone::Hangs(self.patience), Instant::now() + self.patience);
        if self.hangs.load(Ordering::Relaxed) && self.free.available_permits() == 0 {
            return Err(hangs);
        }
        let turn = timeout_at(until, Arc::clone(&self.free).acquire_owned()).await.map_err(|_| hangs.clone())?;
        self.hangs.store(false, Ordering::Relaxed);
        let turn = turn.map_err(|_| NotDone::NoThread)?;
        let (tell, told) = oneshot::channel();
        // The thread keeps the file's turn, and this with it, until it has really ended.
        let this = Arc::clone(self);
        let started = thread::Builder::new().name("file".to_owned()).stack_size(STACK).spawn(move || {
            let done = work();
            drop(turn);
            drop(this);
            let _ = tell.send(done);
        });
        started.map_err(|_| NotDone::NoThread)?;
        match timeout_at(until, told).await {
            Ok(done) => done.map_err(|_| NotDone::NoThread),
            Err(_) => {
                self.hangs.store(true, Ordering::Relaxed);
                Err(hangs)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_that_hangs_keeps_one_thread_and_nobody_waits_for_it_until_it_has_ended() {
        let file = Arc::new(OwnThread::with(Duration::from_millis(100)));
        let (go, hung) = mpsc::channel::<()>();
        let began = Arc::new(Mutex::new(0));
        let count = Arc::clone(&began);
        let hanging = move || {
            *count.lock().unwrap() += 1;
            let _ = hung.recv();
        };
        assert!(matches!(file.run(hanging).await, Err(NotDone::Hangs(_))));
        for _retry in 0..100 {
            let count = Arc::clone(&began);
            let refused = file.run(move || *count.lock().unwrap() += 1).await;
            assert!(matches!(refused, Err(NotDone::Hangs(_))));
        }
        assert_eq!(*began.lock().unwrap(), 1, "no retry began a thread");
        assert_eq!(OwnThread::with(PATIENCE).free.available_permits(), 1, "another file has its own");
        drop(go);
        while file.free.available_permits() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(file.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_file_has_one_thread_also_after_it_was_configured_again_and_a_crash_frees_it() {
        let path = Path::new("/no/such/file");
        let first = OwnThread::of(path);
        assert!(Arc::ptr_eq(&first, &OwnThread::of(path)));
        assert!(!Arc::ptr_eq(&first, &OwnThread::of(Path::new("/another"))));
        assert_eq!(first.run(|| -> u8 { panic!("a crash of the work") }).await, Err(NotDone::NoThread));
        assert_eq!(first.run(|| 7).await, Ok(7));
    }
}
