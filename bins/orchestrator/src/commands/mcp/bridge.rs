use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use orchestrator_client::{CallOptions, Client, Error as ClientError, Repeat};
use orchestrator_mcp::{Asking, Offers, Operations};
use orchestrator_rpc::{Code, Error};
use serde_json::json;
use serde_json::value::RawValue;

/// The operations of a daemon elsewhere, called with the user's credential.
pub(super) struct Bridge {
    client: Client,
    /// The operations that were offered; no other is called.
    offered: Mutex<HashSet<String>>,
}

impl Bridge {
    pub(super) fn new(client: Client) -> Self {
        Self { client, offered: Mutex::default() }
    }

    fn is_offered(&self, operation: &str) -> bool {
        self.offered.lock().unwrap_or_else(PoisonError::into_inner).contains(operation)
    }
}

#[async_trait]
impl Operations for Bridge {
    async fn offers(&self, _: &Asking) -> Result<Offers, Error> {
        let offers: Offers = self.client.call("mcp.tools", &json!({})).await.map_err(refusal)?;
        let names = offers.tools.iter().map(|offer| offer.operation.clone()).collect();
        *self.offered.lock().unwrap_or_else(PoisonError::into_inner) = names;
        Ok(offers)
    }

    async fn call(
        &self,
        asking: &Asking,
        operation: &str,
        params: Option<Box<RawValue>>,
    ) -> Result<Box<RawValue>, Error> {
        // A client need not ask for the list before it calls.
        if !self.is_offered(operation) {
            self.offers(asking).await?;
        }
        if !self.is_offered(operation) {
            return Err(Error::new(Code::UnknownMethod, "no such tool"));
        }
        let options = CallOptions { repeat: Repeat::IfHarmless, ..CallOptions::default() };
        self.client.call_raw(operation, params, options).await.map_err(refusal)
    }
}

/// As the daemon tells it; or that it cannot be asked.
fn refusal(error: ClientError) -> Error {
    match error {
        ClientError::Refused(error) => error,
        ClientError::Unauthorized(message) => Error::unauthorized(message),
        ClientError::Timeout(_) => Error::timeout(error.to_string()),
        other => Error::unavailable(other.to_string()),
    }
}
