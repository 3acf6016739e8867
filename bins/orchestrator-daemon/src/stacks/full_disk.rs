use std::time::Duration;

use orchestrator_rpc::Error;
use orchestrator_sql::Class;

/// When to try again.
const RETRY: Duration = Duration::from_secs(5);

/// What fails because there is no room for it is no fault of the program, whichever operation it is, and will work once there is.
pub(super) fn told(error: Error) -> Error {
    if !is_of_a_full_disk(&error) {
        return error;
    }
    let told = Error::unavailable("the disk of the database is full: nothing can be written until there is room")
        .with_retry_after(RETRY);
    match error.correlation().map(str::to_owned) {
        Some(correlation) => told.with_source(error).with_correlation(correlation),
        None => told.with_source(error),
    }
}

fn is_of_a_full_disk(error: &Error) -> bool {
    let first: &dyn std::error::Error = error;
    let mut causes = std::iter::successors(Some(first), |error| error.source());
    causes.any(|cause| cause.downcast_ref().and_then(orchestrator_sql::Error::class) == Some(Class::Full))
}
