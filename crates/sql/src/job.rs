use async_trait::async_trait;
use futures::future::BoxFuture;
use tokio::sync::oneshot;

use crate::Error;
use crate::tx::Tx;
use crate::writer::Spoilt;

/// How a closure ended.
pub(crate) enum Ran {
    /// With a result that holds once the transaction is committed.
    Done,
    /// With its own error.
    Refused,
}

/// A queued closure whose types are forgotten.
#[async_trait]
pub(crate) trait Job: Send {
    async fn run(&mut self, tx: &Tx) -> Ran;
    /// Tells the caller: its own answer, or the transaction's failure if that came between.
    fn answer(self: Box<Self>, outcome: &Result<(), Spoilt>);
}

pub(crate) struct Typed<T, E, F> {
    work: F,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Typed<T, E, F> {
    pub(crate) fn new(work: F, reply: oneshot::Sender<Result<T, E>>) -> Self {
        Self { work, result: None, reply }
    }
}

#[async_trait]
impl<T, E, F> Job for Typed<T, E, F>
where
    F: for<'t> Fn(&'t Tx) -> BoxFuture<'t, Result<T, E>> + Send + Sync,
    T: Send,
    E: From<Error> + Send,
{
    async fn run(&mut self, tx: &Tx) -> Ran {
        self.result = None;
        let result = (self.work)(tx).await;
        let ran = if result.is_ok() { Ran::Done } else { Ran::Refused };
        self.result = Some(result);
        ran
    }

    fn answer(self: Box<Self>, outcome: &Result<(), Spoilt>) {
        let answer = match (outcome, self.result) {
            (Ok(()), Some(result)) => result,
            (Err(Spoilt { error: None, .. }), Some(Err(refusal))) => Err(refusal),
            (Err(Spoilt { error: Some(error), .. }), _) => Err(error.clone().into()),
            // A closure that swallowed a failed statement has no error of its own to give.
            (_, _) => Err(Error::Swallowed.into()),
        };
        // A caller that went away does not want the answer.
        let _ = self.reply.send(answer);
    }
}
