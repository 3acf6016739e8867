use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use orchestrator_rpc::{Code, Error, Request, Table};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tower::{Layer, Service};

use crate::keys::{Bound, Keys};

/// The parameter that is a key, where it did not come with the transport.
const KEY: &str = "idempotencyKey";
/// The longest key that is looked up; longer ones are refused by their operation.
const KEY_BYTES_MAX: usize = 800;

/// Refuses a key that stands for another request: what it made is not what is asked for now.
#[derive(Clone)]
pub(super) struct OneRequestPerKeyLayer {
    keys: Keys,
    table: Arc<Table>,
}

#[derive(Clone)]
pub(super) struct OneRequestPerKey<S> {
    inner: S,
    layer: OneRequestPerKeyLayer,
}

impl OneRequestPerKeyLayer {
    pub(super) fn new(keys: Keys, table: Arc<Table>) -> Self {
        Self { keys, table }
    }

    /// The key of a call and what it asks for; nothing if there is no key, or if the call will be refused anyway.
    fn keyed(&self, request: &Request) -> Option<(String, String)> {
        let operation = self.table.get(&request.method)?;
        let caller = &request.call.caller;
        if !operation.is_creating() || !caller.is_good() || !caller.scopes.allows(operation.scope()) {
            return None;
        }
        let mut params: Value = match &request.params {
            Some(raw) => serde_json::from_str(raw.get()).ok()?,
            None => Value::Object(serde_json::Map::new()),
        };
        let inner = params.as_object_mut()?.remove(KEY).and_then(|key| key.as_str().map(str::to_owned));
        let key = match (request.call.idempotency_key.clone(), inner) {
            (Some(outer), Some(inner)) if outer != inner => return None,
            (outer, inner) => outer.or(inner)?,
        };
        let fits = !key.is_empty() && key.len() <= KEY_BYTES_MAX && !key.contains('\0');
        fits.then(|| (key, digest(operation.name(), &params)))
    }
}

/// Of the operation and its parameters, however they were written.
fn digest(operation: &str, params: &Value) -> String {
    let mut text = String::new();
    write_sorted(params, &mut text);
    let hash = Sha256::new().chain_update(operation).chain_update([0]).chain_update(text).finalize();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write_sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            for (name, member) in members {
                out.push_str(&Value::String(name.clone()).to_string());
                out.push(':');
                write_sorted(member, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            for item in items {
                write_sorted(item, out);
                out.push(',');
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

/// Whether nothing was made: after these the key is free for a better request.
fn came_to_nothing(error: &Error) -> bool {
    !matches!(error.code, Code::Internal | Code::Unavailable | Code::Timeout)
}

impl<S> Layer<S> for OneRequestPerKeyLayer {
    type Service = OneRequestPerKey<S>;

    fn layer(&self, inner: S) -> OneRequestPerKey<S> {
        OneRequestPerKey { inner, layer: self.clone() }
    }
}

impl<S> Service<Request> for OneRequestPerKey<S>
where
    S: Service<Request, Error = Error> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
{
    type Response = S::Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<S::Response, Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Some((key, asked)) = self.layer.keyed(&request) else { return Box::pin(self.inner.call(request)) };
        let next = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, next); // the one that was polled ready
        let (keys, org) = (self.layer.keys.clone(), request.call.caller.org);
        Box::pin(async move {
            let bound = keys.bind(org, &key, &asked).await.map_err(unavailable)?;
            if bound == Bound::Other {
                let message = format!("`{KEY}`: it came with another request before, which it stands for");
                return Err(Error::conflict(message).with_field(KEY));
            }
            let answer = ready.call(request).await;
            if bound == Bound::First && answer.as_ref().is_err_and(came_to_nothing) {
                keys.release(org, &key).await.map_err(unavailable)?;
            }
            answer
        })
    }
}

fn unavailable(error: orchestrator_sql::Error) -> Error {
    Error::unavailable("the database does not answer").with_source(error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_digest_is_of_what_is_asked_and_not_of_how_it_is_written() {
        let written = |text: &str| digest("task.create", &serde_json::from_str(text).unwrap());
        assert_eq!(written(r#"{"a":{"c":1,"b":[1,2]},"d":"x"}"#), written(r#"{ "d":"\u0078","a":{"b":[1,2],"c":1} }"#));
        for other in [r#"{"a":{"c":1,"b":[2,1]},"d":"x"}"#, r#"{"a":{"c":1,"b":[1,2]}}"#, "{}"] {
            assert_ne!(written(other), written(r#"{"a":{"c":1,"b":[1,2]},"d":"x"}"#));
        }
        assert_ne!(digest("a", &json!({})), digest("b", &json!({})));
        assert_ne!(digest("a", &json!(["a", "b"])), digest("a", &json!([["a"], "b"])));
    }
}
