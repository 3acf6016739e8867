use orchestrator_client::{CallOptions, Client, Repeat, Subscription, Topics};
use orchestrator_rpc::page::Limit;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::out::Out;
use crate::params::Params;

/// The daemon and the screen: what commands work with.
#[derive(Debug, Clone)]
pub(crate) struct Daemon {
    pub(crate) client: Client,
    pub(crate) out: Out,
}

impl Daemon {
    pub(crate) async fn call(&self, method: &str, params: impl Into<Value>) -> Result<Value, Failure> {
        Ok(self.client.call(method, &params.into()).await?)
    }

    /// Any operation, its answer untouched.
    pub(crate) async fn call_raw(&self, method: &str, params: &Value) -> Result<Box<RawValue>, Failure> {
        let params = to_raw_value(params).map_err(|error| Failure::usage(error.to_string()))?;
        let options = CallOptions { repeat: Repeat::IfHarmless, ..CallOptions::default() };
        Ok(self.client.call_raw(method, Some(params), options).await?)
    }

    /// The first `most` items of a list, over as many pages as it takes.
    pub(crate) async fn items(&self, method: &str, params: Params, most: usize) -> Result<Vec<Value>, Failure> {
        let mut params = Value::from(params);
        let mut items = Vec::new();
        while items.len() < most {
            params["limit"] = json!((most - items.len()).min(Limit::MAX.get()));
            let mut page: Value = self.client.call(method, &params).await?;
            if let Value::Array(more) = page["items"].take() {
                items.extend(more);
            }
            match page["nextCursor"].take() {
                Value::Null => break,
                cursor => params["cursor"] = cursor,
            }
        }
        items.truncate(most);
        Ok(items)
    }

    pub(crate) async fn subscribe(&self, topics: Topics) -> Result<Subscription, Failure> {
        Ok(self.client.subscribe(topics).await?)
    }

    /// The number of the last event so far.
    pub(crate) async fn head(&self) -> Result<u64, Failure> {
        Ok(self.client.subscribe(Topics::new(["task.created"])).await?.after_seq())
    }
}
