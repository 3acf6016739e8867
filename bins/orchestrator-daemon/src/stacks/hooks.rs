use std::task::{Context, Poll};

use futures::future::BoxFuture;
use orchestrator_hooks::{Event, Input};
use orchestrator_rpc::{Error, Request};
use serde_json::Value;
use serde_json::value::to_raw_value;
use tower::{Layer, Service};

use crate::adapters::{Hooking, words};

/// What people say, by the operation that they say it with: where it stands in the parameters.
const SAID: [(&str, &str); 4] = [
    ("agent.spawn", "/prompt"),
    ("prompt.submit", "/text"),
    ("session.create", "/task/description"),
    ("session.execute", "/task/description"),
];

/// Asks hooks about what people say to agents. What hooks add is said behind it.
#[derive(Clone)]
pub(super) struct PromptLayer(pub(super) Hooking);

#[derive(Clone)]
pub(super) struct Prompted<S> {
    inner: S,
    hooking: Hooking,
}

impl<S> Layer<S> for PromptLayer {
    type Service = Prompted<S>;

    fn layer(&self, inner: S) -> Prompted<S> {
        Prompted { inner, hooking: self.0.clone() }
    }
}

impl<S> Service<Request> for Prompted<S>
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

    fn call(&mut self, mut request: Request) -> Self::Future {
        let next = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, next); // the one that was polled ready
        let place = SAID.iter().find(|(method, _)| *method == request.method).map(|(_, place)| *place);
        let Some(place) = place.filter(|_| self.hooking.hooks.any(&[Event::UserPromptSubmit])) else {
            return Box::pin(ready.call(request));
        };
        let hooking = self.hooking.clone();
        Box::pin(async move {
            let params: Option<Value> =
                request.params.as_ref().and_then(|params| serde_json::from_str(params.get()).ok());
            // What is no such parameter is for the operation to refuse.
            let said = params.as_ref().and_then(|params| params.pointer(place)).and_then(Value::as_str);
            if let (Some(said), true) = (said, request.call.caller.scopes.allows(orchestrator_rpc::Scope::Write)) {
                let input = about(&request, params.as_ref()).fact("prompt", said);
                let context = hooking.decide(Event::UserPromptSubmit, input).await.map_err(Error::forbidden)?;
                if let (false, Some(mut params)) = (context.is_empty(), params) {
                    let said = params.pointer_mut(place).map(Value::take);
                    let more =
                        format!("{}\n\n{}", said.as_ref().and_then(Value::as_str).unwrap_or_default(), words(&context));
                    if let Some(place) = params.pointer_mut(place) {
                        *place = more.into();
                    }
                    request.params = Some(to_raw_value(&params).map_err(Error::internal)?);
                }
            }
            ready.call(request).await
        })
    }
}

fn about(request: &Request, params: Option<&Value>) -> Input {
    let text = |name: &str| params.and_then(|params| params[name].as_str());
    Input {
        session: text("sessionId").and_then(|id| id.parse().ok()),
        agent: text("agent").or(text("agentId")).and_then(|agent| agent.parse().ok()),
        ..Input::new(request.call.org())
    }
}
