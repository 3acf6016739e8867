use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use orchestrator_sql::{Backend, Database};
use orchestrator_vocab::{Clock, SystemClock, Timestamp};
use sea_orm::{ConnectionTrait as _, Statement};

use crate::Error;

/// How often the server's clock is compared with this machine's.
const COMPARE_EVERY: Duration = Duration::from_secs(60);
/// Clocks that agree to within this many milliseconds are taken for equal: asking takes time too.
const AGREE_MS: i64 = 50;

/// The time that all daemons on one database agree upon, as far as leases need it: the injected clock's, put right by
/// what the server's clock differs from this machine's. Asking the server in each transaction would cost a round trip.
pub(super) struct SharedClock {
    clock: Arc<dyn Clock>,
    offset_ms: AtomicI64,
    /// When the clocks are to be compared again, by this machine's clock.
    compare_at: AtomicI64,
}

impl SharedClock {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, offset_ms: AtomicI64::new(0), compare_at: AtomicI64::new(i64::MIN) }
    }

    pub(super) async fn now(&self, database: &Database) -> Result<Timestamp, Error> {
        if database.backend() == Backend::Postgres {
            self.compare(database).await?;
        }
        let offset_ms = self.offset_ms.load(Ordering::Relaxed);
        Ok(Timestamp(self.clock.now().millis().saturating_add(offset_ms)))
    }

    async fn compare(&self, database: &Database) -> Result<(), Error> {
        let (asked, compare_at) = (SystemClock.now(), self.compare_at.load(Ordering::Relaxed));
        if asked.millis() < compare_at {
            return Ok(());
        }
        let next = (asked + COMPARE_EVERY).millis();
        if self.compare_at.compare_exchange(compare_at, next, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return Ok(()); // Somebody else is asking.
        }
        let connection = database.reader();
        let sql = "select (extract(epoch from clock_timestamp()) * 1000)::bigint";
        let statement = Statement::from_string(connection.get_database_backend(), sql);
        let row = connection.query_one_raw(statement).await?;
        let theirs: i64 = row.map_or(Ok(asked.millis()), |row| row.try_get_by_index(0))?;
        let offset_ms = offset(asked.millis(), SystemClock.now().millis(), theirs);
        self.offset_ms.store(offset_ms, Ordering::Relaxed);
        Ok(())
    }
}

/// By how much the server is ahead, if it was asked and had answered at these times of this machine.
fn offset(asked: i64, answered: i64, theirs: i64) -> i64 {
    let offset = theirs.saturating_sub(asked.midpoint(answered));
    let doubt = AGREE_MS.max(answered.saturating_sub(asked));
    if offset.abs() <= doubt { 0 } else { offset }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_agree_are_left_alone() {
        assert_eq!(offset(1_000, 1_010, 1_040), 0);
        assert_eq!(offset(1_000, 1_300, 1_400), 0, "the answer took longer than the difference");
    }

    #[test]
    fn a_server_that_is_ahead_or_behind_sets_the_time() {
        assert_eq!(offset(1_000, 1_010, 6_005), 5_000);
        assert_eq!(offset(11_000, 11_010, 6_005), -5_000);
    }
}
