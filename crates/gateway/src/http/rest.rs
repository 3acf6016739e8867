use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::LINK;
use http::{StatusCode, Uri, request};
use hyper::body::Body as _;
use orchestrator_rpc::{Error, Operation, Rest, parse_json};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::connection::Client;
use super::json_rpc::Template;
use super::reply::Refusal;
use super::trace::Trace;
use super::{body, link, query, reply};
use crate::perform::perform;
use crate::shared::Shared;

/// The root of all routes has as many segments as `/api/v1/tasks` before the id.
const ID_SEGMENT: usize = 4;

/// The parameters of a call, by name, as JSON.
type Params = BTreeMap<String, Box<RawValue>>;

/// Answers a request to the route of `operation`.
pub(crate) async fn rest(
    shared: Arc<Shared>,
    operation: Operation,
    Extension(client): Extension<Client>,
    Extension(trace): Extension<Trace>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let template = match admitted(&shared, &operation, &head, (client.0, trace)).await {
        Ok(template) => template,
        Err(refusal) => return refusal.into_response(),
    };
    let mut response = match performed(&shared, &operation, &head, body, &template).await {
        Ok(result) => success(&operation, &head.uri, result),
        Err(refusal) => refusal.into_response(),
    };
    template.add_quota(&mut response);
    response
}

fn success(operation: &Operation, uri: &Uri, result: Box<RawValue>) -> Response {
    let status = StatusCode::from_u16(operation.success_status()).unwrap_or(StatusCode::OK);
    let next = link::next(operation, uri, &result);
    let mut response = reply::text(status, "application/json", <Box<str>>::from(result).into_string());
    if let Some(next) = next {
        response.headers_mut().insert(LINK, next);
    }
    response
}

async fn admitted(
    shared: &Shared,
    operation: &Operation,
    head: &request::Parts,
    (address, trace): (IpAddr, Trace),
) -> Result<Template, Refusal> {
    let caller = match operation.is_open() {
        true => shared.stranger(address)?,
        false => shared.caller(&head.headers, address).await?,
    };
    Ok(Template::new(shared, caller, &head.headers, trace)?)
}

async fn performed(
    shared: &Shared,
    operation: &Operation,
    head: &request::Parts,
    body: Body,
    template: &Template,
) -> Result<Box<RawValue>, Refusal> {
    let Some(rest) = operation.rest() else { return Err(Error::not_found("no such route").into()) };
    if !rest.has_body() && !body.is_end_stream() {
        return Err(Error::invalid_request("this takes its parameters from the URL, not from a body").into());
    }
    let bytes = if operation.is_open() {
        body::json_bytes_of_stranger(&head.headers, body, &shared.config).await?
    } else {
        body::json_bytes(&head.headers, body, &shared.config).await?
    };
    let params = params(operation, rest, head, &bytes)?;
    let params = Some(to_raw_value(&params).map_err(Error::internal)?);
    let method = operation.name().to_owned();
    let request = orchestrator_rpc::Request { call: template.call.clone(), method, params };
    Ok(perform(shared, request).await?)
}

fn params(operation: &Operation, rest: &Rest, head: &request::Parts, body: &[u8]) -> Result<Params, Error> {
    let query = head.uri.query().unwrap_or_default();
    let mut params = match (rest.has_body(), body.is_empty()) {
        (false, _) => from_query(operation, query)?,
        (true, _) if !query.is_empty() => return Err(stray(query)),
        (true, true) => Params::new(),
        (true, false) => from_body(body)?,
    };
    if let Some(name) = &rest.id_parameter {
        let segment = head.uri.path().split('/').nth(ID_SEGMENT).unwrap_or_default();
        let id = Value::String(query::decoded_path(segment).into_owned());
        if params.insert(name.clone(), raw(&id)).is_some() {
            return Err(Error::invalid_field(name.as_str(), "it is given by the path already"));
        }
    }
    Ok(params)
}

/// Names the first parameter of a query where there should be none.
fn stray(query: &str) -> Error {
    let name = query::pairs(query).next().map(|(name, _)| name).unwrap_or_default();
    Error::invalid_field(name, "this takes its parameters from the body, not from the URL")
}

fn from_body(body: &[u8]) -> Result<Params, Error> {
    let json = parse_json(body)?;
    if !json.get().starts_with('{') {
        return Err(Error::invalid_request("the body must be a JSON object"));
    }
    // Checked key by key: a map would keep the last of two and nobody would know.
    let mut params = Params::new();
    for (name, value) in members(&json)? {
        if params.insert(name.clone(), value).is_some() {
            return Err(Error::invalid_field(name, "given twice"));
        }
    }
    Ok(params)
}

/// The members of an object in the order they were written, duplicates included.
fn members(json: &RawValue) -> Result<Vec<(String, Box<RawValue>)>, Error> {
    struct Members;
    impl<'de> serde::de::Visitor<'de> for Members {
        type Value = Vec<(String, Box<RawValue>)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }
    let mut json = serde_json::Deserializer::from_str(json.get());
    serde::Deserializer::deserialize_map(&mut json, Members).map_err(|error| Error::parse(error.to_string()))
}

/// A query has only text; the schema says what was meant. Text that does not fit stays text, and the operation says what it
/// expected.
fn from_query(operation: &Operation, query: &str) -> Result<Params, Error> {
    let schema = operation.parameters().as_value();
    let mut values: Map<String, Value> = Map::new();
    for (name, text) in query::pairs(query) {
        let property = resolved(schema, &schema["properties"][name.as_str()]);
        let items = (kind(property) == Some("array")).then(|| resolved(schema, &property["items"]));
        match (items, values.get_mut(&name)) {
            (Some(items), Some(Value::Array(list))) => list.push(typed(items, text)),
            (Some(items), _) => {
                values.insert(name, Value::Array(vec![typed(items, text)]));
            }
            (None, Some(_)) => return Err(Error::invalid_field(name, "given twice")),
            (None, None) => {
                values.insert(name, typed(property, text));
            }
        }
    }
    Ok(values.iter().map(|(name, value)| (name.clone(), raw(value))).collect())
}

/// Looks through references and through `null` as the other possibility.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.unwrap_or(&Value::Null);
    }
    let choices = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array());
    let mut choices = choices.into_iter().flatten().filter(|choice| choice["type"] != "null");
    match (choices.next(), choices.next()) {
        (Some(only), None) => resolved(root, only),
        _ => schema,
    }
}

fn kind(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        _ => None,
    }
}

fn typed(schema: &Value, text: String) -> Value {
    let parsed = match kind(schema) {
        Some("integer" | "number") => text.parse().ok().map(Value::Number),
        Some("boolean") => text.parse().ok().map(Value::Bool),
        Some("object") => serde_json::from_str(&text).ok(),
        _ => None,
    };
    parsed.unwrap_or(Value::String(text))
}

fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).expect("a value is JSON")
}
