use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::Error;

/// How long another holder is waited for. `flock` belongs to the open file and not to the process: a child that was being started when its
/// parent was killed keeps the lock from `fork` to `exec`, and a supervisor's restart finds it there.
const PATIENCE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(5);

/// Holds `<database>.lock` for this process; the system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
}

impl FileLock {
    pub(crate) async fn beside(database: &Path) -> Result<Self, Error> {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let shown = path.display().to_string();
        let io = |source| Error::Lock { path: shown.clone(), source: Arc::new(source) };
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => sleep(POLL).await,
                Err(TryLockError::WouldBlock) => return Err(Error::InUse { path: shown }),
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::TryLockError;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_holds_it_for_a_moment_longer_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("a.db");
        let held = FileLock::beside(&database).await.unwrap();
        let inherited = held._file.try_clone().unwrap();
        drop(held);
        let again = File::open(directory.path().join("a.db.lock")).unwrap();
        assert!(matches!(again.try_lock(), Err(TryLockError::WouldBlock)), "a copy of the descriptor holds it as well");
        let ended = async {
            sleep(PATIENCE / 2).await;
            drop(inherited);
        };
        let (waited, ()) = tokio::join!(FileLock::beside(&database), ended);
        let waited = waited.unwrap();
        assert!(matches!(FileLock::beside(&database).await, Err(Error::InUse { .. })));
        drop(waited);
    }
}
