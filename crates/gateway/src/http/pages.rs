use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use orchestrator_rpc::{Scope, openapi, schema_of_output};
use schemars::{JsonSchema, json_schema};
use serde::Serialize;

use super::connection::Client;
use super::reply::{self, Refusal};
use super::router::counted;
use crate::shared::{AnyPage, NamedPage, Shared};

/// The process answers, which is all this asks.
pub(crate) async fn livez() -> Response {
    reply::text(StatusCode::OK, "text/plain; charset=utf-8", "ok\n")
}

/// Whether new work should come here.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Readiness")]
struct Ready {
    status: ReadyStatus,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum ReadyStatus {
    /// It should.
    Ready,
    /// A part of the daemon does not run.
    Unready,
    /// The daemon is about to stop.
    Draining,
}

/// Whether new work should come here. Same for `/readyz` and `/health`.
pub(crate) async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let is_draining = shared.phase.draining.is_cancelled();
    let reason = shared.readiness.unready().filter(|_| !is_draining);
    let status = match (is_draining, &reason) {
        (true, _) => ReadyStatus::Draining,
        (false, Some(_)) => ReadyStatus::Unready,
        (false, None) => ReadyStatus::Ready,
    };
    if status == ReadyStatus::Ready {
        return reply::json(StatusCode::OK, &Ready { status, reason });
    }
    let mut response = reply::json(StatusCode::SERVICE_UNAVAILABLE, &Ready { status, reason });
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The description of the routes: open, because it holds no secrets and nothing of any organisation.
pub(crate) async fn openapi(
    State(shared): State<Arc<Shared>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Response {
    match counted(&shared, client, &headers) {
        Ok(_) => reply::text(StatusCode::OK, "application/json", shared.openapi.get().to_owned()),
        Err(refusal) => refusal.into_response(),
    }
}

/// The pages of every gateway, and those it was given.
pub(crate) fn described(pages: &[NamedPage]) -> Vec<openapi::Page> {
    let own = [
        ("/livez", "Whether the process answers", "text/plain", None, false),
        ("/readyz", "Whether new work should come here", "application/json", Some(schema_of_output::<Ready>()), true),
        ("/health", "The same as /readyz", "application/json", Some(schema_of_output::<Ready>()), true),
        ("/openapi.json", "This description", "application/json", Some(json_schema!({ "type": "object" })), false),
    ];
    let own = own.into_iter().map(|(path, summary, content_type, schema, may_be_unready)| openapi::Page {
        path: path.to_owned(),
        summary: summary.to_owned(),
        scope: None,
        content_type: content_type.to_owned(),
        schema,
        may_be_unready,
    });
    let given = pages.iter().map(|page| openapi::Page {
        path: page.path.clone(),
        summary: page.summary.clone(),
        scope: match page.page {
            AnyPage::Reader(_) => Some(Scope::Read),
            AnyPage::Open(_) => None,
        },
        content_type: page.content_type.split(';').next().unwrap_or_default().to_owned(),
        schema: page.schema.clone(),
        may_be_unready: false,
    });
    own.chain(given).collect()
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
