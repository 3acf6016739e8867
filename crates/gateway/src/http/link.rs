use std::borrow::Cow;

use http::Uri;
use http::header::HeaderValue;
use orchestrator_rpc::Operation;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::query;

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(rename = "nextCursor", borrow, default)]
    next_cursor: Option<Cow<'a, str>>,
}

/// Where a list goes on, as a `Link` of RFC 8288: the same query from the next cursor.
pub(super) fn next(operation: &Operation, uri: &Uri, result: &RawValue) -> Option<HeaderValue> {
    let is_paged =
        operation.rest()?.method == "GET" && operation.parameters().as_value()["properties"]["cursor"].is_object();
    if !is_paged {
        return None;
    }
    let cursor = serde_json::from_str::<Page<'_>>(result.get()).ok()?.next_cursor?;
    // A cursor is base64url, which needs no escaping.
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty() && !is_cursor(pair));
    let own = format!("cursor={cursor}");
    let query: Vec<&str> = pairs.chain([own.as_str()]).collect();
    HeaderValue::from_str(&format!("<{}?{}>; rel=\"next\"", uri.path(), query.join("&"))).ok()
}

fn is_cursor(pair: &str) -> bool {
    query::decoded(pair.split('=').next().unwrap_or_default()) == "cursor"
}
