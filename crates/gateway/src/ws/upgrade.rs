use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, Method, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use orchestrator_rpc::{Caller, Code};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::connect;
use super::session::Session;
use super::socket::Socket;
use crate::Attempt;
use crate::http::{Client, Paced, Refusal, UpgradeSlot, credential};
use crate::shared::Shared;

/// A connection that was promised to become a WebSocket.
pub(crate) struct Upgrade {
    on: OnUpgrade,
    caller: Option<Arc<Caller>>,
    address: IpAddr,
    traceparent: Option<String>,
}

/// Answers `GET /` and `GET /ws`.
pub(crate) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    Extension(client): Extension<Client>,
    Extension(slot): Extension<UpgradeSlot>,
    mut request: Request,
) -> Response {
    let accept = match accept_key(request.method(), request.headers()) {
        Ok(accept) => accept,
        Err(refusal) => return with_version(refusal.into_response()),
    };
    let caller = match admit(&shared, request.headers(), client.0).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal.into_response(),
    };
    let traceparent = crate::http::traceparent(request.headers());
    let on = hyper::upgrade::on(&mut request);
    slot.put(Upgrade { on, caller, address: client.0, traceparent });
    switching(&accept)
}

async fn admit(shared: &Shared, headers: &HeaderMap, address: IpAddr) -> Result<Option<Arc<Caller>>, Refusal> {
    if shared.phase.draining.is_cancelled() {
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, "the daemon is stopping"));
    }
    match credential(headers) {
        Ok(None) => shared.count(address, Attempt::Upgrade).map(|_| None),
        Ok(Some(_)) | Err(_) => shared.caller(headers, address).await.map(Some),
    }
}

/// The answer to the client's key, if the request is a handshake of RFC 6455.
fn accept_key(method: &Method, headers: &HeaderMap) -> Result<String, Refusal> {
    let required = |message| Refusal::new(StatusCode::UPGRADE_REQUIRED, Code::InvalidRequest, message);
    let asked = has_token(headers, CONNECTION, "upgrade") && has_token(headers, UPGRADE, "websocket");
    if method != Method::GET || !asked {
        return Err(required("this is a WebSocket: JSON-RPC over HTTP is at POST /rpc, REST under /api/v1"));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(required("the WebSocket version must be 13"));
    }
    match headers.get(SEC_WEBSOCKET_KEY) {
        // 16 bytes in base64; what they are does not matter.
        Some(key) if key.len() == 24 => Ok(derive_accept_key(key.as_bytes())),
        _ => Err(Refusal::new(StatusCode::BAD_REQUEST, Code::InvalidRequest, "Sec-WebSocket-Key is not a key")),
    }
}

fn has_token(headers: &HeaderMap, name: http::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|found| found.trim().eq_ignore_ascii_case(token))
}

fn with_version(mut response: Response) -> Response {
    if response.status() == StatusCode::UPGRADE_REQUIRED {
        response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    response
}

fn switching(accept: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_str(accept).expect("base64 is a header value"));
    response
}

impl Upgrade {
    /// Serves the WebSocket to its end.
    pub(crate) async fn run(self, shared: Arc<Shared>) {
        let Ok(upgraded) = self.on.await else { return };
        let Ok(parts) = upgraded.downcast::<TokioIo<Paced>>() else { return };
        let stream = parts.io.into_inner().stream;
        let socket = Socket::new(stream, parts.read_buf, &shared).await;
        shared.counters.websockets.increment();
        shared.counters.websockets_open.increment();
        let _open = Open(shared.clone());
        let login = connect::Login { caller: self.caller, address: self.address, traceparent: self.traceparent };
        // Both are boxed so that an idle connection holds the second only.
        let mut ready = Box::pin(connect::connect(&shared, socket, login)).await;
        while let Some(next) = ready.take() {
            if let Some(greeting) = Box::pin(Session::new(shared.clone(), next).run()).await {
                ready = Box::pin(greeting.answered(&shared)).await;
            }
        }
    }
}

struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.counters.websockets_open.decrement();
    }
}
