use std::future::Future;
use std::time::Duration;

/// Longer than anything in a test should take, so that a hanging test says where it hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for `future`, and panics with `what` if it takes longer than [`PATIENCE`].
pub async fn patiently<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {PATIENCE:?} in vain: {what}"),
    }
}
