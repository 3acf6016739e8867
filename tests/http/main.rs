//! REST as its clients meet it: statuses, headers, keys, pages and the description of it all.

mod description;
mod headers;
mod keys;
mod status;

use http::Method;
use orchestrator_testkit::{Http, Reply};

/// The header of a JSON body.
const JSON: (&str, &str) = ("content-type", "application/json");

async fn post(http: &Http, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    http.send(Method::POST, path, &[&[JSON], headers].concat(), body).await
}
