use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use orchestrator_redact::Redactor;
use orchestrator_rpc::{Code, Error, Operation, Request, Scope, Table};
use orchestrator_security::{Audit, Decision, Entry};
use tower::{Layer, Service};

/// When to try again what could not be audited.
const RETRY: std::time::Duration = std::time::Duration::from_secs(1);

/// Writes down what administrators do, before it is done, and what was refused to whom. Calls of tools are written down by the
/// gate that decides about them.
#[derive(Debug, Clone)]
pub(super) struct AuditLayer {
    pub(super) audit: Audit,
    pub(super) table: Arc<Table>,
    /// Reasons are what others say, hooks among them.
    pub(super) redactor: Redactor,
}

#[derive(Debug, Clone)]
pub(super) struct Audited<S> {
    inner: S,
    layer: AuditLayer,
}

/// The operation whose calls the gate writes down.
const BY_THE_GATE: &str = "tool.call";
/// The operation that is done though it cannot be written down: nothing is less safe than before by it, and its event tells of it.
const FOR_AN_EMERGENCY: &str = "emergency.stop";

impl AuditLayer {
    /// Whether it changes something that only an administrator may, and will be let through.
    fn is_privileged(operation: &Operation, request: &Request) -> bool {
        operation.scope() == Scope::Admin
            && !operation.is_read_only()
            && request.call.caller.scopes.allows(Scope::Admin)
            && operation.name() != BY_THE_GATE
    }
}

fn entry(request: &Request, decision: Decision, reason: String) -> Entry {
    let call = &request.call;
    Entry::plain(call.org(), call.actor(), request.method.to_string(), decision, reason)
}

impl<S> Layer<S> for AuditLayer {
    type Service = Audited<S>;

    fn layer(&self, inner: S) -> Audited<S> {
        Audited { inner, layer: self.clone() }
    }
}

impl<S> Service<Request> for Audited<S>
where
    S: Service<Request, Error = Error> + Clone + Send + 'static,
    S::Response: Send,
    S::Future: Send,
{
    type Response = S::Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<S::Response, Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let next = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, next);
        let AuditLayer { audit, table, redactor } = self.layer.clone();
        // What a client sends is no name of an action.
        let Some(operation) = table.get(&request.method).filter(|operation| operation.name() != BY_THE_GATE) else {
            return Box::pin(ready.call(request));
        };
        let before = AuditLayer::is_privileged(operation, &request)
            .then(|| entry(&request, Decision::Allowed, "its caller is an administrator".to_owned()));
        let refused = entry(&request, Decision::Denied, String::new());
        let is_for_an_emergency = operation.name() == FOR_AN_EMERGENCY;
        Box::pin(async move {
            if let Some(before) = before
                && let Err(error) = audit.append(before).await
            {
                if !is_for_an_emergency {
                    return Err(unaudited(&error));
                }
                tracing::error!(error = &error as &dyn std::error::Error, "an emergency stop is in no audit log");
            }
            let answered = ready.call(request).await;
            if let Err(error) = &answered
                && error.code == Code::Forbidden
            {
                // It was refused whether this can be written or not.
                let refused = Entry { reason: redactor.redact(&error.message).into_owned(), ..refused };
                let _ = audit.append(refused).await;
            }
            answered
        })
    }
}

fn unaudited(error: &orchestrator_security::Error) -> Error {
    Error::unavailable(format!("it must be audited, and {error}")).with_retry_after(RETRY)
}
