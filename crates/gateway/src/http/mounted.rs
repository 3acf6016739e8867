use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use http_body_util::BodyExt as _;

use super::body;
use super::connection::Client;
use super::json_rpc::Template;
use super::reply::Refusal;
use super::trace::Trace;
use crate::shared::Shared;

/// Answers a request to the protocol that is mounted at the place `index` of the list.
pub(crate) async fn mounted(
    shared: Arc<Shared>,
    index: usize,
    Extension(client): Extension<Client>,
    Extension(trace): Extension<Trace>,
    request: Request,
) -> Response {
    let (request, template) = match received(&shared, client.0, trace, request).await {
        Ok(received) => received,
        Err(refusal) => return refusal.into_response(),
    };
    let answer = (shared.mounts[index].mount)(request).await;
    // The call counts as wanted until the last of the answer was sent.
    let quota = template.quota();
    let mut response = answer.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _wanted = &template;
            frame
        }))
    });
    if let Some(quota) = quota {
        super::reply::add_quota(response.headers_mut(), &quota);
    }
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The request with its whole body, of a caller who is known.
async fn received(
    shared: &Shared,
    address: IpAddr,
    trace: Trace,
    request: Request,
) -> Result<(http::Request<Bytes>, Template), Refusal> {
    let (head, body) = request.into_parts();
    let caller = shared.caller(&head.headers, address).await?;
    let bytes = body::json_bytes(&head.headers, body, &shared.config).await?;
    let template = Template::new(shared, caller, &head.headers, trace)?;
    let mut request = http::Request::from_parts(head, bytes);
    request.extensions_mut().insert(template.call.clone());
    Ok((request, template))
}
