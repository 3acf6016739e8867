use std::any::Any;
use std::collections::HashSet;
use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, any, get, on, post};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method, StatusCode};
use orchestrator_rpc::{Code, Operation};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;

use super::connection::Client;
use super::reply::Refusal;
use super::{json_rpc, pages, rest};
use crate::shared::Shared;
use crate::{Attempt, Error, ws};

const OWN_PATHS: [&str; 6] = ["/", "/ws", "/rpc", "/livez", "/readyz", "/health"];

/// All routes of a gateway.
pub(crate) fn router(shared: &Arc<Shared>) -> Result<Router, Error> {
    let mut router = Router::new()
        .route("/", any(ws::upgrade))
        .route("/ws", any(ws::upgrade))
        .route("/rpc", post(json_rpc::rpc))
        .route("/livez", get(pages::livez))
        .route("/readyz", get(pages::readyz))
        .route("/health", get(pages::readyz));
    router = with_pages(router, shared)?;
    for operation in shared.table.iter() {
        router = with_operation(router, shared, operation);
    }
    let counters = shared.counters.clone();
    Ok(router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(CatchPanicLayer::custom(move |panic: Box<dyn Any + Send>| {
            counters.panics.increment();
            panicked(&*panic)
        }))
        .layer(cors(&shared.config.allowed_origins))
        .with_state(shared.clone()))
}

fn with_pages(mut router: Router<Arc<Shared>>, shared: &Arc<Shared>) -> Result<Router<Arc<Shared>>, Error> {
    let mut taken: HashSet<&str> = OWN_PATHS.into();
    for (index, page) in shared.pages.iter().enumerate() {
        let path = page.path.as_str();
        let routable = path.starts_with('/') && !path.starts_with("/api/") && !path.contains(['{', '}', '*', '?', ':']);
        if !routable || !taken.insert(path) {
            return Err(Error::InvalidPage(path.to_owned()));
        }
        let page = move |State(shared): State<Arc<Shared>>, client: Extension<Client>, headers: HeaderMap| {
            pages::page(shared, index, client, headers)
        };
        router = router.route(path, get(page));
    }
    Ok(router)
}

fn with_operation(router: Router<Arc<Shared>>, shared: &Arc<Shared>, operation: &Operation) -> Router<Arc<Shared>> {
    let filter = match operation.rest().method {
        "GET" => MethodFilter::GET,
        "PATCH" => MethodFilter::PATCH,
        "DELETE" => MethodFilter::DELETE,
        _ => MethodFilter::POST,
    };
    let (shared, operation) = (shared.clone(), operation.clone());
    let path = operation.rest().path.clone();
    let handler = move |client: Extension<Client>, request: axum::extract::Request| {
        rest::rest(shared.clone(), operation.clone(), client, request)
    };
    router.route(&path, on(filter, handler))
}

/// Counted like any request without a credential: looking for routes is free of charge for nobody.
async fn not_found(
    State(shared): State<Arc<Shared>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Response {
    if matches!(super::auth::credential(&headers), Ok(None))
        && let Err(refusal) = shared.count(client.0, Attempt::Request)
    {
        return refusal.into_response();
    }
    Refusal::new(StatusCode::NOT_FOUND, Code::NotFound, "no such route").into_response()
}

async fn method_not_allowed() -> Response {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Code::InvalidRequest, "this route has other methods").into_response()
}

fn panicked(panic: &(dyn Any + Send)) -> Response {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text, "a handler panicked");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "internal error").into_response()
}

/// Without listed origins there are no CORS headers, and browsers keep to the same origin.
fn cors(origins: &[String]) -> CorsLayer {
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    if origins.is_empty() {
        return CorsLayer::new();
    }
    let own = ["x-api-key", "idempotency-key", "traceparent"].map(HeaderName::from_static);
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers(own.into_iter().chain([AUTHORIZATION, CONTENT_TYPE]).collect::<Vec<_>>())
        .expose_headers([RETRY_AFTER])
}
