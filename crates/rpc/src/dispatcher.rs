use std::any::Any;
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::params::shortened;
use crate::{Call, Code, Error, InvalidTable, Operation, Table};

/// Runs calls against a table. Cheap to clone; keeps no state between calls and starts nothing.
///
/// Checks in this order: the caller is in good standing, the method is known, the scope allows it, there is time
/// left, the parameters fit. Then runs the handler until it answers, the deadline passes or the call is cancelled;
/// in the last two cases the handler is dropped where it waits. A panic in a handler answers
/// [`Code::Internal`], and only that call ends.
#[derive(Debug, Clone)]
pub struct Dispatcher {
    table: Arc<Table>,
}

/// A call with its method and parameters, as the tower service takes it.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who calls, how long, and so on.
    pub call: Call,
    /// The operation's name.
    pub method: String,
    /// The parameters as they came.
    pub params: Option<Box<RawValue>>,
}

impl Dispatcher {
    /// A dispatcher for this table.
    ///
    /// # Errors
    /// The table's mistakes; stop the start.
    pub fn new(table: Table) -> Result<Self, InvalidTable> {
        table.check()?;
        Ok(Self { table: Arc::new(table) })
    }

    /// What can be called.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Runs one call.
    ///
    /// # Errors
    /// Those of the checks, and the operation's own. Internal ones are logged here, with the correlation id they carry.
    pub async fn dispatch(&self, call: Call, method: &str, params: Option<&RawValue>) -> Result<Box<RawValue>, Error> {
        let operation = self.admit(&call, method)?;
        let correlation = call.correlation.clone();
        run(operation, call, params).await.map_err(|error| noted(error, method, correlation))
    }

    fn admit(&self, call: &Call, method: &str) -> Result<&Operation, Error> {
        if !call.caller.is_good() {
            return Err(Error::unauthorized("the credential is no longer valid"));
        }
        let Some(operation) = self.table.get(method) else {
            let message = format!("unknown method `{}`: `rpc.discover` lists them", shortened(method));
            return Err(Error::new(Code::UnknownMethod, message));
        };
        if !operation.is_open() && !call.caller.scopes.allows(operation.scope()) {
            return Err(Error::forbidden(format!("`{method}` needs the scope `{}`", operation.scope())));
        }
        if call.cancel.is_cancelled() {
            return Err(cancelled());
        }
        if call.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(timed_out());
        }
        Ok(operation)
    }
}

impl tower::Service<Request> for Dispatcher {
    type Response = Box<RawValue>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Box<RawValue>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { this.dispatch(request.call, &request.method, request.params.as_deref()).await })
    }
}

async fn run(operation: &Operation, call: Call, params: Option<&RawValue>) -> Result<Box<RawValue>, Error> {
    let (deadline, cancel) = (call.deadline, call.cancel.clone());
    let guarded = AssertUnwindSafe(operation.call(call, params)).catch_unwind();
    tokio::select! {
        biased; // an answer that is there wins over the deadline
        answer = guarded => answer.unwrap_or_else(|panic| Err(panicked(&*panic))),
        () = cancel.cancelled() => Err(cancelled()),
        () = passed(deadline) => Err(timed_out()),
    }
}

async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => pending().await,
    }
}

fn noted(error: Error, method: &str, correlation: String) -> Error {
    if error.code != Code::Internal {
        return error;
    }
    let causes: Vec<String> = causes(&error).collect();
    tracing::error!(method, correlation, error = %causes.join(": "), "operation failed");
    error.with_correlation(correlation)
}

fn causes(error: &Error) -> impl Iterator<Item = String> {
    let first: &dyn std::error::Error = error;
    std::iter::successors(Some(first), |error| error.source()).map(ToString::to_string)
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::internal(format!("the handler panicked: {}", text.unwrap_or("without a message")))
}

fn cancelled() -> Error {
    Error::unavailable("the call was cancelled")
}

fn timed_out() -> Error {
    Error::timeout("the deadline passed")
}

#[cfg(test)]
mod tests;
