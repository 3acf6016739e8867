use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use orchestrator_rpc::Error;
use serde_json::{Value, json};

use crate::patiently;

/// Sends single requests.
#[derive(Debug, Clone)]
pub struct Http {
    base: String,
    token: Option<String>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Reply {
    /// For example 200.
    pub status: u16,
    /// As they came.
    pub headers: HeaderMap,
    /// As text.
    pub body: String,
}

impl Http {
    /// Requests to a base such as `http://127.0.0.1:8787`, without a credential.
    pub fn at(base: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { base: base.to_owned(), token: None, client }
    }

    /// Sends this credential with every request that brings none.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// `GET path`
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], "").await
    }

    /// `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, &[(CONTENT_TYPE.as_str(), "application/json")], &body.to_string()).await
    }

    /// A request with exactly these headers, beside the credential and what HTTP itself needs.
    ///
    /// # Panics
    /// If it is not answered.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let name = format!("{method} {path}");
        let sent = self.try_send(method, path, headers, body);
        match patiently(&name, sent).await {
            Ok(reply) => reply,
            Err(error) => panic!("{name}: {error:#}"),
        }
    }

    /// The same, for a daemon that may not answer.
    ///
    /// # Errors
    /// No connection, or it broke.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> anyhow::Result<Reply> {
        let uri: Uri = format!("{}{path}", self.base).parse()?;
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let has_own = headers.iter().any(|(name, _)| ["authorization", "x-api-key"].contains(name));
        if let Some(token) = self.token.as_ref().filter(|_| !has_own) {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let response = self.client.request(request.body(Full::from(body.to_owned()))?).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.context("the answer broke off")?.to_bytes();
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body: String::from_utf8(body.to_vec())? })
    }

    /// A call through `POST /rpc`.
    ///
    /// # Panics
    /// If the answer is none of JSON-RPC.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, Error> {
        let reply = self.post("/rpc", &json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).await;
        reply.outcome().unwrap_or_else(|error| panic!("{method}: {error:#}: {}", reply.body))
    }
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON: {error}: {}", self.body))
    }

    /// A header's text, if there is one.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What a call answered, also if the gateway refused the request before it was one.
    fn outcome(&self) -> anyhow::Result<Result<Value, Error>> {
        let mut body: Value = serde_json::from_str(&self.body)?;
        if let Some(error) = body.get("error") {
            return Ok(Err(serde_json::from_value(error.clone())?));
        }
        ensure!(self.status == 200, "status {}", self.status);
        Ok(Ok(body.get_mut("result").context("neither result nor error")?.take()))
    }
}
