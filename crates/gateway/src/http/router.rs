use std::any::Any;
use std::collections::HashSet;
use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, any, get, on, post};
use http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, LINK, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, Method, StatusCode, request};
use orchestrator_rpc::{Code, Operation, Quota};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;

use super::connection::Client;
use super::reply::Refusal;
use super::trace::Trace;
use super::{json_rpc, mounted, pages, rest};
use crate::shared::Shared;
use crate::{Attempt, Error, ws};

/// Where the description of the routes is.
const OPENAPI: &str = "/openapi.json";
const OWN_PATHS: [&str; 7] = ["/", "/ws", "/rpc", "/livez", "/readyz", "/health", OPENAPI];

/// All routes of a gateway, twice: browsers of listed origins are answered by the one with CORS.
#[derive(Debug, Clone)]
pub(crate) struct Routers {
    plain: Router,
    with_cors: Router,
}

impl Routers {
    /// The layer for CORS takes every OPTIONS for a preflight; one that is none is answered by its route.
    pub(crate) fn for_request(&self, head: &request::Parts) -> &Router {
        let is_preflight = head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if head.method == Method::OPTIONS && !is_preflight { &self.plain } else { &self.with_cors }
    }
}

/// All routes of a gateway.
pub(crate) fn routers(shared: &Arc<Shared>) -> Result<Routers, Error> {
    let plain = router(shared)?;
    let with_cors = match cors(&shared.config.allowed_origins) {
        Some(cors) => plain.clone().layer(cors),
        None => plain.clone(),
    };
    Ok(Routers { plain, with_cors })
}

fn router(shared: &Arc<Shared>) -> Result<Router, Error> {
    let mut router = Router::new()
        .route("/", any(ws::upgrade))
        .route("/ws", any(ws::upgrade))
        .route("/rpc", post(json_rpc::rpc))
        .route("/livez", get(pages::livez))
        .route("/readyz", get(pages::readyz))
        .route("/health", get(pages::readyz))
        .route(OPENAPI, get(pages::openapi));
    let mut taken: HashSet<String> = OWN_PATHS.map(str::to_owned).into();
    router = with_pages(router, shared, &mut taken)?;
    router = with_mounts(router, shared, &mut taken)?;
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
        .with_state(shared.clone()))
}

fn with_pages(
    mut router: Router<Arc<Shared>>,
    shared: &Arc<Shared>,
    taken: &mut HashSet<String>,
) -> Result<Router<Arc<Shared>>, Error> {
    for (index, page) in shared.pages.iter().enumerate() {
        let path = routable(&page.path, taken)?;
        let page = move |State(shared): State<Arc<Shared>>, client: Extension<Client>, headers: HeaderMap| {
            pages::page(shared, index, client, headers)
        };
        router = router.route(path, get(page));
    }
    Ok(router)
}

fn with_mounts(
    mut router: Router<Arc<Shared>>,
    shared: &Arc<Shared>,
    taken: &mut HashSet<String>,
) -> Result<Router<Arc<Shared>>, Error> {
    let methods = MethodFilter::GET.or(MethodFilter::POST).or(MethodFilter::DELETE);
    for (index, mount) in shared.mounts.iter().enumerate() {
        let path = routable(&mount.path, taken)?;
        let handler = move |State(shared): State<Arc<Shared>>,
                            client: Extension<Client>,
                            trace: Extension<Trace>,
                            request: axum::extract::Request| {
            mounted::mounted(shared, index, client, trace, request)
        };
        router = router.route(path, on(methods, handler));
    }
    Ok(router)
}

/// A path for something that is no operation, if it is free.
fn routable<'a>(path: &'a str, taken: &mut HashSet<String>) -> Result<&'a str, Error> {
    let is_plain = path.starts_with('/') && !path.starts_with("/api/") && !path.contains(['{', '}', '*', '?', ':']);
    if !is_plain || !taken.insert(path.to_owned()) {
        return Err(Error::InvalidPage(path.to_owned()));
    }
    Ok(path)
}

fn with_operation(router: Router<Arc<Shared>>, shared: &Arc<Shared>, operation: &Operation) -> Router<Arc<Shared>> {
    let Some(rest) = operation.rest() else { return router };
    let filter = match rest.method {
        "GET" => MethodFilter::GET,
        "PATCH" => MethodFilter::PATCH,
        "DELETE" => MethodFilter::DELETE,
        _ => MethodFilter::POST,
    };
    let (shared, path, operation) = (shared.clone(), rest.path.clone(), operation.clone());
    let handler = move |client: Extension<Client>, trace: Extension<Trace>, request: axum::extract::Request| {
        rest::rest(shared.clone(), operation.clone(), client, trace, request)
    };
    router.route(&path, on(filter, handler))
}

/// Counted like any request without a credential: looking for routes is free of charge for nobody.
async fn not_found(
    State(shared): State<Arc<Shared>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Response {
    match counted(&shared, client, &headers) {
        Ok(quota) => {
            let refusal = Refusal::new(StatusCode::NOT_FOUND, Code::NotFound, "no such route");
            refusal.with_quota(quota).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// Counts a request to what is open to everybody, unless it brings a credential.
pub(super) fn counted(shared: &Shared, client: Client, headers: &HeaderMap) -> Result<Option<Quota>, Refusal> {
    match super::auth::credential(headers) {
        Ok(None) => shared.count(client.0, Attempt::Request),
        _ => Ok(None),
    }
}

/// axum adds `Allow`, which is all that OPTIONS asks for.
async fn method_not_allowed(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Code::InvalidRequest, "this route has other methods").into_response()
}

fn panicked(panic: &(dyn Any + Send)) -> Response {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text, "a handler panicked");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "internal error").into_response()
}

/// Without listed origins there are no CORS headers, and browsers keep to the same origin.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    if origins.is_empty() {
        return None;
    }
    let own = ["x-api-key", "idempotency-key", "traceparent"].map(HeaderName::from_static);
    let told = ["ratelimit", "ratelimit-policy", "traceparent"].map(HeaderName::from_static);
    let cors = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers(own.into_iter().chain([AUTHORIZATION, CONTENT_TYPE]).collect::<Vec<_>>())
        .expose_headers(told.into_iter().chain([RETRY_AFTER, LINK, WWW_AUTHENTICATE]).collect::<Vec<_>>());
    Some(cors)
}
