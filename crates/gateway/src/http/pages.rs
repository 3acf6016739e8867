use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::connection::Client;
use super::reply::{self, Refusal};
use crate::shared::{AnyPage, Shared};

/// The process answers, which is all this asks.
pub(crate) async fn livez() -> Response {
    reply::text(StatusCode::OK, "text/plain; charset=utf-8", "ok\n")
}

/// Whether new work should come here. Same for `/readyz` and `/health`.
pub(crate) async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    if shared.phase.draining.is_cancelled() {
        return reply::json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "draining" }));
    }
    match shared.readiness.unready() {
        Some(reason) => reply::json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "unready", "reason": reason })),
        None => reply::json(StatusCode::OK, &json!({ "status": "ready" })),
    }
}

/// One of the pages the gateway was given; `index` is its place in the list.
pub(crate) async fn page(
    shared: Arc<Shared>,
    index: usize,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Response {
    let page = &shared.pages[index];
    match written(&shared, &page.page, client, &headers).await {
        Ok(text) => reply::text(StatusCode::OK, page.content_type, text),
        Err(refusal) => refusal.into_response(),
    }
}

async fn written(shared: &Shared, page: &AnyPage, client: Client, headers: &HeaderMap) -> Result<String, Refusal> {
    match page {
        AnyPage::Open(page) => Ok(page().await?),
        AnyPage::Reader(page) => {
            let caller = shared.reader(headers, client.0).await?;
            Ok(page(Arc::unwrap_or_clone(caller)).await?)
        }
    }
}
