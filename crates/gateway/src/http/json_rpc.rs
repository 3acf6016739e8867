use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use orchestrator_rpc::{
    Call, Caller, Code, Error, Frame, FreshTrace, Incoming, Message, Quota, QuotaSlot, Reply, Rest, jsonrpc,
};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::body;
use super::connection::Client;
use super::reply::{self, Refusal};
use super::trace::Trace;
use crate::perform::perform;
use crate::shared::Shared;

/// Answers `POST /rpc`.
pub(crate) async fn rpc(
    State(shared): State<Arc<Shared>>,
    Extension(client): Extension<Client>,
    Extension(trace): Extension<Trace>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    match received(&shared, client.0, (&head.headers, trace), body).await {
        Ok((frame, template)) => {
            let mut response = answered(&shared, frame, &template.call).await;
            template.add_quota(&mut response);
            response
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// A call without method and parameters, which is cancelled when the request is dropped.
pub(crate) struct Template {
    pub(crate) call: Call,
    quota: QuotaSlot,
    _gone: DropGuard,
}

impl Template {
    pub(crate) fn new(shared: &Shared, caller: Arc<Caller>, headers: &HeaderMap, trace: Trace) -> Result<Self, Error> {
        let deadline = Instant::now() + shared.config.call_timeout;
        let mut call = Call::new(caller, trace.id().to_owned()).with_deadline(deadline);
        if trace.is_fresh {
            call.extensions.insert(FreshTrace);
        }
        call.traceparent = Some(trace.parent);
        call.idempotency_key = idempotency_key(headers)?;
        let quota = QuotaSlot::default();
        call.extensions.insert(quota.clone());
        let cancel = CancellationToken::new();
        call.cancel = cancel.clone();
        Ok(Self { call, quota, _gone: cancel.drop_guard() })
    }

    /// Says in the headers what the call left of its credential's limit.
    pub(crate) fn add_quota(&self, response: &mut Response) {
        if let Some(quota) = self.quota() {
            reply::add_quota(response.headers_mut(), &quota);
        }
    }

    /// What the call left of its credential's limit, as far as it was counted.
    pub(crate) fn quota(&self) -> Option<Quota> {
        self.quota.get()
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let mut given = headers.get_all("idempotency-key").iter();
    let Some(value) = given.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| Rest::is_idempotency_key(text) && given.next().is_none());
    let expected = "expected once, 1 to 200 visible ASCII characters";
    text.map(|text| Some(text.to_owned())).ok_or_else(|| Error::invalid_field("Idempotency-Key", expected))
}

/// The trace context of a request, if it is short enough to be one.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<String> {
    text(headers, "traceparent").filter(|text| text.len() <= 64)
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

async fn received(
    shared: &Shared,
    address: IpAddr,
    (headers, trace): (&HeaderMap, Trace),
    body: Body,
) -> Result<(Frame, Template), Refusal> {
    let caller = match shared.caller(headers, address).await {
        Ok(caller) => caller,
        Err(refusal) => return open_calls(shared, address, (headers, trace), body, refusal).await,
    };
    let bytes = body::json_bytes(headers, body, &shared.config).await?;
    Ok((jsonrpc::decode(&bytes), Template::new(shared, caller, headers, trace)?))
}

/// Calls without a credential that counts, if all of them are of open operations; otherwise the refusal.
async fn open_calls(
    shared: &Shared,
    address: IpAddr,
    (headers, trace): (&HeaderMap, Trace),
    body: Body,
    refusal: Refusal,
) -> Result<(Frame, Template), Refusal> {
    // Nobody unknown keeps us waiting for a body without an end.
    if !refusal.is_unauthorized() || !headers.contains_key(CONTENT_LENGTH) {
        return Err(refusal);
    }
    let Ok(bytes) = body::json_bytes_of_stranger(headers, body, &shared.config).await else { return Err(refusal) };
    let frame = jsonrpc::decode(&bytes);
    let is_open = |item: &Incoming| matches!(item, Incoming::Message(message) if shared.is_open(&message.method));
    let calls = match &frame {
        Frame::Single(item) if is_open(item) => 1,
        Frame::Batch(items) if items.iter().all(is_open) => items.len(),
        _ => return Err(refusal),
    };
    let caller = Caller::anonymous(crate::admission::unit(address));
    // The first was counted when there was no credential.
    for _ in 1..calls {
        shared.stranger(address)?;
    }
    Ok((frame, Template::new(shared, Arc::new(caller), headers, trace)?))
}

async fn answered(shared: &Shared, frame: Frame, template: &Call) -> Response {
    match frame {
        Frame::Single(item) => match reply(shared, item, template).await {
            Some(reply) => single(&reply),
            None => no_content(),
        },
        Frame::Batch(items) => {
            let mut template = template.clone();
            // One key for many calls would make all but the first a repetition.
            template.idempotency_key = None;
            let replies: FuturesOrdered<_> = items.into_iter().map(|item| reply(shared, item, &template)).collect();
            let replies: Vec<Reply> = replies.filter_map(std::future::ready).collect().await;
            jsonrpc::encode_replies(&replies).map_or_else(no_content, |text| json(StatusCode::OK, text))
        }
    }
}

async fn reply(shared: &Shared, item: Incoming, template: &Call) -> Option<Reply> {
    match item {
        Incoming::Refused(reply) => Some(reply),
        Incoming::Message(Message { id, method, params }) => {
            let request = orchestrator_rpc::Request { call: template.clone(), method, params };
            let outcome = perform(shared, request).await;
            id.map(|id| Reply { id, outcome })
        }
    }
}

/// What is no message is a bad request, and being limited is told to HTTP too; all else is JSON-RPC's own affair.
fn single(reply: &Reply) -> Response {
    let error = reply.outcome.as_ref().err();
    let status = match error.map(|error| error.code) {
        Some(Code::Parse | Code::InvalidRequest) => StatusCode::BAD_REQUEST,
        Some(Code::RateLimited) => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::OK,
    };
    let mut response = json(status, jsonrpc::encode_reply(reply));
    if let Some(error) = error {
        reply::add_error_headers(response.headers_mut(), error);
    }
    response
}

fn json(status: StatusCode, text: String) -> Response {
    reply::text(status, "application/json", text)
}

fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
