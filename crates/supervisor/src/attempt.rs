use std::error::Error;
use std::fmt::Write;
use std::future::Future;

use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

/// Anything a loop may fail with: an error type, `anyhow::Error`, a string.
type Failure = Box<dyn Error + Send + Sync>;

/// Runs `future` to its end as a task of its own, so that a panic ends it alone.
/// Dropping this future aborts the task; `tracker` knows when it is really gone.
pub(crate) async fn attempt<F, E>(tracker: &TaskTracker, future: F) -> Result<(), String>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<Failure> + Send + 'static,
{
    let mut task = JoinSet::new();
    task.spawn(tracker.track_future(future));
    match task.join_next().await.expect("one task was just added") {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(with_causes(error.into().as_ref())),
        Err(gone) => match gone.try_into_panic() {
            Ok(panic) => Err(format!("panicked: {}", panic_message(panic.as_ref()))),
            Err(_) => Err("aborted".to_owned()),
        },
    }
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, ": {error}").expect("writing to a string does not fail");
        cause = error.source();
    }
    text
}

/// `panic!` carries a `&str` or a `String`, depending on whether it formats something.
fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(not a text)")
}
