use async_trait::async_trait;

use crate::{Answer, Event, Input};

/// What runs when a hook is run.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Looks at what is to happen, or has. Dropped when its time is over.
    ///
    /// # Errors
    /// [`Failed`]: what was to be decided is denied then.
    async fn run(&self, event: Event, input: &Input) -> Result<Answer, Failed>;
}

/// A hook did not come to an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failed(pub String);

/// A closure, for embedders.
pub(crate) struct Closure<F>(pub(crate) F);

#[async_trait]
impl<F, R> Handler for Closure<F>
where
    F: Fn(Event, Input) -> R + Send + Sync,
    R: Future<Output = Result<Answer, Failed>> + Send,
{
    async fn run(&self, event: Event, input: &Input) -> Result<Answer, Failed> {
        (self.0)(event, input.clone()).await
    }
}
