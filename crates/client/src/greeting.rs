use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{SinkExt as _, StreamExt as _};
use orchestrator_rpc::Code;
use orchestrator_rpc::jsonrpc::{Received, decode_received};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::to_raw_value;
use tokio_tungstenite::tungstenite::Message;

use crate::Error;
use crate::book::encode;
use crate::dialer::Socket;
use crate::link::unauthorized;

/// No call has this number: they start at 1.
const GREETING: u64 = 0;

/// What the daemon gave to come back with. Shared by the driver, which shows it, and the handles, which tell it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Token(Arc<Mutex<Option<SecretString>>>);

impl Token {
    pub(crate) fn new(token: Option<SecretString>) -> Self {
        Self(Arc::new(Mutex::new(token)))
    }

    pub(crate) fn get(&self) -> Option<SecretString> {
        self.lock().clone()
    }

    /// Takes up another one, if there is one.
    pub(crate) fn replace(&self, token: Option<String>) {
        if let Some(token) = token {
            *self.lock() = Some(token.into());
        }
    }

    /// Somebody else has the window now: showing the token again would take it away from them.
    pub(crate) fn forget(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<SecretString>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is needed of the daemon's answer to a resume token.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Hello {
    #[serde(default)]
    pub(crate) resume_token: Option<String>,
    /// None if the token was not good.
    #[serde(default)]
    pub(crate) subscriptions: Vec<Kept>,
}

/// A subscription that the daemon has kept.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Kept {
    pub(crate) subscription_id: String,
    pub(crate) events: Vec<String>,
    pub(crate) after_seq: u64,
    #[serde(default)]
    pub(crate) requires_ack: bool,
}

/// Shows the resume token, before anything else is said on this connection.
pub(crate) async fn greet(socket: &mut Socket, token: &SecretString) -> Result<Hello, Error> {
    let params = to_raw_value(&json!({ "resumeToken": token.expose_secret() })).expect("a string is JSON");
    let text = encode(Some(GREETING), "auth.connect", Some(params));
    socket.send(Message::text(text)).await.map_err(|_| Error::Disconnected)?;
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => match decode_received(text.as_bytes()) {
                Ok(Received::Reply(reply)) => return hello(reply.outcome),
                // About the connection itself; there is no subscription yet.
                Ok(Received::Event(_)) => {}
                Err(_) => return Err(Error::Disconnected),
            },
            Some(Ok(Message::Close(Some(frame)))) => {
                return Err(unauthorized(frame.code.into(), &frame.reason).unwrap_or(Error::Disconnected));
            }
            Some(Ok(Message::Close(None)) | Err(_)) | None => return Err(Error::Disconnected),
            Some(Ok(_)) => {}
        }
    }
}

fn hello(outcome: Result<Box<serde_json::value::RawValue>, orchestrator_rpc::Error>) -> Result<Hello, Error> {
    match outcome {
        Ok(hello) => serde_json::from_str(hello.get())
            .map_err(|error| Error::Unexpected { method: "auth.connect".into(), source: Arc::new(error) }),
        // This daemon knows no windows of those who authenticate by a header.
        Err(error)
            if matches!(
                error.code,
                Code::Conflict | Code::InvalidParams | Code::InvalidRequest | Code::UnknownMethod
            ) =>
        {
            Ok(Hello::default())
        }
        Err(error) if error.code == Code::Unauthorized => Err(Error::Unauthorized(error.message)),
        Err(error) if error.is_retryable() => Err(Error::Refused(error)),
        // What could not be looked up now is as good later.
        Err(error) => Err(Error::Refused(orchestrator_rpc::Error::unavailable(error.message))),
    }
}
