//! Tools that ask the servers of others, through `egress`: what an address leads to is checked where the connection is made.

mod body;
mod headers;
mod page;
mod spec;
mod told;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use orchestrator_egress::{Answer, Client, Error as Problem, Method, Request};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use self::body::{Format, Window};
use self::headers::Headers;
use self::told::{Came, told};
use crate::{Error, Invocation, Output, Spec, Tool};

/// How many calls of these tools are under way at a time, because each may hold a whole answer; others wait for their turn.
const CALLS_MAX: usize = 32;

/// The tools `http.fetch`, which only looks, and `http.request`, which may do anything that can be asked for by HTTP. Whom they may
/// ask, for how long and for how much is the client's to say. Of their calls 32 are under way at a time.
pub fn http_tools(client: Client) -> Vec<Arc<dyn Tool>> {
    let turns = Arc::new(Semaphore::new(CALLS_MAX));
    let fetch = spec::fetch(client.config());
    let request = spec::request(client.config());
    vec![
        Arc::new(Http { spec: fetch.into(), headers: Headers::Listed, client: client.clone(), turns: turns.clone() }),
        Arc::new(Http { spec: request.into(), headers: Headers::NotRefused, client, turns }),
    ]
}

struct Http {
    spec: Arc<Spec>,
    headers: Headers,
    client: Client,
    turns: Arc<Semaphore>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Arguments {
    url: String,
    method: Option<Method>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    body_base64: Option<String>,
    #[serde(default)]
    format: Format,
    #[serde(default)]
    offset: usize,
    bytes_max: Option<usize>,
    timeout_ms: Option<u64>,
}

#[async_trait]
impl Tool for Http {
    fn spec(&self) -> &Arc<Spec> {
        &self.spec
    }

    async fn run(&self, invocation: Invocation) -> Result<Output, Error> {
        let Invocation { arguments, context } = invocation;
        let arguments: Arguments =
            serde_json::from_value(arguments).map_err(|error| self.invalid(error.to_string()))?;
        let (format, window) = (arguments.format, self.window(&arguments));
        let request = self.asked(arguments)?;
        let answered = async {
            let turn = self.turns.clone().acquire_owned().await.expect("it is never closed");
            let answer = self.client.open(request).await.map_err(|error| self.problem(&error))?;
            self.answered(answer, format, window, turn).await
        };
        // Dropping it ends the request.
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => Err(Error::Cancelled(self.spec.name.clone())),
            output = answered => output,
        }
    }
}

impl Http {
    fn asked(&self, arguments: Arguments) -> Result<Request, Error> {
        let Arguments { url, method, headers, body, body_base64, timeout_ms, .. } = arguments;
        let mut request = Request::new(method.unwrap_or(Method::Get), url);
        request.timeout = timeout_ms.map(Duration::from_millis);
        let has_type = headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"));
        for (name, value) in headers {
            self.headers.check(&name).map_err(Error::Refused)?;
            request = request.header(name, value);
        }
        let (body, kind) = match (body, body_base64) {
            (None, None) => return Ok(request),
            (Some(_), Some(_)) => return Err(self.invalid("there is one body: `body` or `bodyBase64`".to_owned())),
            (Some(text), None) => (text.into_bytes(), "text/plain; charset=utf-8"),
            (None, Some(text)) => {
                let bytes = BASE64.decode(text);
                (
                    bytes.map_err(|_| self.invalid("/bodyBase64: it is no base64".to_owned()))?,
                    "application/octet-stream",
                )
            }
        };
        let request = if has_type { request } else { request.header("content-type", kind) };
        Ok(request.body(body))
    }

    fn window(&self, arguments: &Arguments) -> Window {
        let may_go_on = self.spec.reads;
        Window { offset: arguments.offset, bytes_max: arguments.bytes_max.unwrap_or(spec::TEXT_BYTES), may_go_on }
    }

    /// Reads the answer to its end, or to where the client says that it is too much: what came until then is told.
    async fn answered(
        &self,
        mut answer: Answer,
        format: Format,
        window: Window,
        turn: OwnedSemaphorePermit,
    ) -> Result<Output, Error> {
        let (mut body, mut is_whole) = (Vec::new(), true);
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(Problem::TooLarge { .. }) => {
                    is_whole = false;
                    break;
                }
                Err(error) => return Err(self.problem(&error)),
            }
        }
        let came =
            Came { status: answer.status, url: answer.url.clone(), headers: answer.headers.clone(), body, is_whole };
        drop(answer);
        // A page may be megabytes of markup. The turn ends with the work, also when nobody waits for it any more.
        let telling = spawn_blocking(move || {
            let _turn = turn;
            told(&came, format, window)
        });
        telling.await.map_err(|error| Error::Broken { tool: self.spec.name.clone(), problem: error.to_string() })
    }

    fn invalid(&self, problem: String) -> Error {
        Error::Invalid { tool: self.spec.name.clone(), problem }
    }

    /// The message alone: its causes may tell of the network inside.
    fn problem(&self, error: &Problem) -> Error {
        let said = error.to_string();
        match error {
            Problem::Url { .. } | Problem::Header { .. } | Problem::RequestTooLarge { .. } => self.invalid(said),
            _ if error.is_refusal() => Error::Refused(said),
            Problem::TimedOut { .. } | Problem::Broken { .. } if !self.spec.reads => {
                Error::Failed(format!("{said}; what was asked for may have been done"))
            }
            _ => Error::Failed(said),
        }
    }
}
