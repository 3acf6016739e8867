//! What an emergency stop refuses, and cuts off in the middle.

use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream;
use orchestrator_models::layers::{Attempt, EmbedAttempt};
use orchestrator_models::{ChatStream, Embeddings, ErrorKind, ProviderError};
use orchestrator_rpc::{Error, Request};
use orchestrator_security::Emergency;
use orchestrator_security::emergency::Stopped;
use tower::{Layer, Service};

/// The operations that let something begin or go on. Calls of tools are refused by the gate, which writes that down.
const BEGINNING: [&str; 9] = [
    "agent.spawn",
    "mcp.restart",
    "model.chat",
    "model.embed",
    "model.probe",
    "session.create",
    "session.execute",
    "session.resume",
    "task.claim",
];
/// When a model may be asked again, for those who wait by themselves.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Refuses while a stop is in force: operations that begin something, and requests to models. Answers of models under way are cut
/// off.
#[derive(Debug, Clone)]
pub(crate) struct StopLayer(pub(crate) Emergency);

/// Made by [`StopLayer`].
#[derive(Debug, Clone)]
pub(crate) struct StopService<S> {
    inner: S,
    emergency: Emergency,
}

impl<S> Layer<S> for StopLayer {
    type Service = StopService<S>;

    fn layer(&self, inner: S) -> StopService<S> {
        StopService { inner, emergency: self.0.clone() }
    }
}

impl<S> Service<Request> for StopService<S>
where
    S: Service<Request, Error = Error>,
    S::Response: Send + 'static,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<S::Response, Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let begins = BEGINNING.contains(&request.method.as_ref());
        match self.emergency.check(request.call.org()) {
            Err(stopped) if begins => Box::pin(async move { Err(Error::forbidden(stopped.to_string())) }),
            _ => Box::pin(self.inner.call(request)),
        }
    }
}

impl<S> Service<Attempt> for StopService<S>
where
    S: Service<Attempt, Response = ChatStream, Error = ProviderError>,
    S::Future: Send + 'static,
{
    type Response = ChatStream;
    type Error = ProviderError;
    type Future = BoxFuture<'static, Result<ChatStream, ProviderError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ProviderError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, attempt: Attempt) -> Self::Future {
        let (emergency, org) = (self.emergency.clone(), attempt.account().org);
        if let Err(stopped) = emergency.check(org) {
            return Box::pin(async move { Err(refused(&stopped)) });
        }
        let asked = self.inner.call(attempt);
        Box::pin(async move {
            let answer = emergency.unless_stopped(org, asked).await.map_err(|stopped| refused(&stopped))??;
            let answer = Some((answer, emergency));
            Ok(ChatStream::new(stream::unfold(answer, move |answer| async move {
                let (mut answer, emergency) = answer?;
                match emergency.unless_stopped(org, answer.next()).await {
                    Ok(event) => Some((event?, Some((answer, emergency)))),
                    Err(stopped) => Some((Err(refused(&stopped)), None)),
                }
            })))
        })
    }
}

impl<S> Service<EmbedAttempt> for StopService<S>
where
    S: Service<EmbedAttempt, Response = Embeddings, Error = ProviderError>,
    S::Future: Send + 'static,
{
    type Response = Embeddings;
    type Error = ProviderError;
    type Future = BoxFuture<'static, Result<Embeddings, ProviderError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ProviderError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, attempt: EmbedAttempt) -> Self::Future {
        let (emergency, org) = (self.emergency.clone(), attempt.account().org);
        if let Err(stopped) = emergency.check(org) {
            return Box::pin(async move { Err(refused(&stopped)) });
        }
        let asked = self.inner.call(attempt);
        Box::pin(async move { emergency.unless_stopped(org, asked).await.map_err(|stopped| refused(&stopped))? })
    }
}

/// No fault of the provider, and not for ever: whoever has time may wait.
fn refused(stopped: &Stopped) -> ProviderError {
    let mut error = ProviderError::new(ErrorKind::Busy, stopped.to_string());
    error.hints.retry_after = Some(ASK_AGAIN);
    error
}
