use orchestrator_rpc::Error;
use orchestrator_testkit::{Daemon, Http, Socket};
use serde_json::{Value, json};

/// How one face asks and is answered.
pub(crate) enum Face {
    Http(Http),
    JsonRpc(Socket),
    Envelope(Socket),
    V2(Socket),
}

/// What every face tells of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: String,
    pub(crate) field: Option<String>,
    /// All that was answered.
    pub(crate) whole: String,
}

impl Face {
    /// Every face, for one credential.
    pub(crate) async fn all(daemon: &Daemon, token: &str) -> Vec<Self> {
        vec![
            Self::Http(daemon.http().with_token(token)),
            Self::JsonRpc(daemon.socket(token).await),
            Self::Envelope(daemon.socket(token).await),
            Self::V2(daemon.socket(token).await),
        ]
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Http(_) => "HTTP",
            Self::JsonRpc(_) => "JSON-RPC",
            Self::Envelope(_) => "the session envelope",
            Self::V2(_) => "protocol v2",
        }
    }

    pub(crate) async fn call(&mut self, method: &str, params: &Value) -> Result<Value, Refused> {
        match self {
            Self::Http(http) => http.call(method, params.clone()).await.map_err(Refused::of),
            Self::JsonRpc(socket) => socket.call(method, params.clone()).await.map_err(Refused::of),
            Self::Envelope(socket) => {
                let id = "01890a5d-ac96-774b-bcce-b302099a8057";
                let payload = json!({"method": method, "params": params});
                let frame = json!({"type": "call", "id": id, "timestamp": "2026-01-31T12:00:00Z", "payload": payload});
                let answer = exchange(socket, &frame, |frame| frame["type"] == "result").await;
                let (result, error) = (&answer["payload"]["payload"], &answer["payload"]["error"]);
                outcome(answer["payload"]["ok"] == true, result, error, error)
            }
            Self::V2(socket) => {
                let frame = json!({"type": "req", "id": "1", "method": method, "params": params});
                let answer = exchange(socket, &frame, |frame| frame["type"] == "res").await;
                let error = &answer["error"];
                outcome(answer["ok"] == true, &answer["payload"], error, &error["details"])
            }
        }
    }
}

/// Events of sessions that were created come in between.
async fn exchange(socket: &mut Socket, frame: &Value, is_answer: impl Fn(&Value) -> bool) -> Value {
    socket.send_text(&frame.to_string()).await.expect("a connection");
    loop {
        let text = socket.receive_text().await.unwrap_or_else(|gone| panic!("no answer to {frame}: {gone:?}"));
        let frame: Value = serde_json::from_str(&text).expect("frames are JSON");
        if is_answer(&frame) {
            return frame;
        }
    }
}

fn outcome(is_ok: bool, result: &Value, error: &Value, exact: &Value) -> Result<Value, Refused> {
    if is_ok {
        return Ok(result.clone());
    }
    let code = exact["code"].as_str().unwrap_or_default().to_owned();
    Err(Refused { code, field: exact["field"].as_str().map(str::to_owned), whole: error.to_string() })
}

impl Refused {
    fn of(error: Error) -> Self {
        let whole = serde_json::to_string(&error).expect("errors are JSON");
        Self { code: error.code.name().to_owned(), field: error.field, whole }
    }
}
