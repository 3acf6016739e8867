use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, sleep_until};
use tower::ServiceExt;

use super::guard;
use super::pace::{Pace, Paced, RequestBody, ResponseBody};
use super::trace::{self, Trace};
use crate::Gateway;
use crate::shared::Shared;
use crate::stream::Stream;
use crate::ws::Upgrade;

/// Holds a whole header; longer ones are 431.
const BUFFER_BYTES_MAX: usize = 32 << 10;

/// Where a handler leaves an upgrade for the connection to continue with, in place of another task.
#[derive(Clone, Default)]
pub(crate) struct UpgradeSlot(Arc<Mutex<Option<Upgrade>>>);

impl UpgradeSlot {
    pub(crate) fn put(&self, upgrade: Upgrade) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(upgrade);
    }

    fn take(&self) -> Option<Upgrade> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Who sent a request, as far as limits per address are concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client(pub(crate) IpAddr);

/// Serves one connection to its end.
pub(crate) async fn serve(gateway: Gateway, stream: Stream, peer: IpAddr, local: bool) {
    let shared = gateway.shared.clone();
    let pace = Arc::new(Pace::new(&shared.config));
    let slot = UpgradeSlot::default();
    let from = From { gateway, pace: pace.clone(), slot: slot.clone(), peer, local };
    // Boxed and dropped before a WebSocket begins, which may be idle for days.
    Box::pin(serve_http(stream, from)).await;
    if let Some(upgrade) = slot.take() {
        upgrade.run(shared).await;
    }
}

/// What each request of a connection has in common.
#[derive(Clone)]
struct From {
    gateway: Gateway,
    pace: Arc<Pace>,
    slot: UpgradeSlot,
    peer: IpAddr,
    local: bool,
}

async fn serve_http(stream: Stream, from: From) {
    let (shared, pace) = (from.gateway.shared.clone(), from.pace.clone());
    let io = TokioIo::new(Paced { stream, pace: pace.clone() });
    let service = service_fn(move |request| answer(from.clone(), request));
    let mut http = http1::Builder::new();
    http.max_buf_size(BUFFER_BYTES_MAX).header_read_timeout(None);
    let connection = pin!(http.serve_connection(io, service).with_upgrades());
    if !drive(connection, &pace, &shared).await {
        shared.counters.timed_out.increment();
    }
}

type Connection<S> = hyper::server::conn::http1::UpgradeableConnection<TokioIo<Paced>, S>;

/// Drives a connection to its end or until the peer is too slow, which is `false`. Whoever changes the pace does so
/// while the connection is polled, so looking at it afterwards misses nothing.
async fn drive<S>(mut connection: Pin<&mut Connection<S>>, pace: &Pace, shared: &Shared) -> bool
where
    S: hyper::service::HttpService<Incoming, ResBody = ResponseBody>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut stopping = pin!(shared.phase.stopping.cancelled());
    let mut timer = pin!(sleep_until(pace.deadline().unwrap_or_else(Instant::now)));
    let mut is_stopping = false;
    poll_fn(|cx| {
        if !is_stopping && stopping.as_mut().poll(cx).is_ready() {
            is_stopping = true;
            connection.as_mut().graceful_shutdown();
        }
        if connection.as_mut().poll(cx).is_ready() || (is_stopping && pace.is_waiting()) {
            return Poll::Ready(true);
        }
        let Some(deadline) = pace.deadline() else { return Poll::Pending };
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx).map(|()| false)
    })
    .await
}

async fn answer(
    from: From,
    request: Request<Incoming>,
) -> Result<http::Response<ResponseBody>, std::convert::Infallible> {
    let From { gateway, pace, slot, peer, local } = from;
    pace.request();
    gateway.shared.counters.requests.increment();
    let response = route(&gateway, request, &pace, slot, peer, local).await;
    Ok(response.map(|body| ResponseBody { body, pace }))
}

async fn route(
    gateway: &Gateway,
    request: Request<Incoming>,
    pace: &Arc<Pace>,
    slot: UpgradeSlot,
    peer: IpAddr,
    local: bool,
) -> Response {
    let trace = Trace::of(request.headers());
    let header = trace.header();
    let mut response = routed(gateway, request, pace, (slot, trace), peer, local).await;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(trace::NAME, header);
    }
    response
}

async fn routed(
    gateway: &Gateway,
    request: Request<Incoming>,
    pace: &Arc<Pace>,
    (slot, trace): (UpgradeSlot, Trace),
    peer: IpAddr,
    local: bool,
) -> Response {
    let (mut head, body) = request.into_parts();
    let body = RequestBody { body, pace: pace.clone() };
    if let Err(refusal) = guard::check(&head, &gateway.shared.config, local) {
        gateway.shared.counters.origin_refused.increment();
        return refusal.into_response();
    }
    let address = guard::client_address(peer, &head.headers, &gateway.shared.config);
    head.extensions.insert(Client(address));
    head.extensions.insert(slot);
    head.extensions.insert(trace);
    let router = gateway.routers.for_request(&head).clone();
    let request = Request::from_parts(head, Body::new(body));
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
