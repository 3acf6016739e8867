use std::sync::Arc;

use async_trait::async_trait;

use crate::{Error, Invocation, Output, Spec};

/// Something an agent can do. The registry checks arguments, time and output around it.
#[async_trait]
pub trait Tool: Send + Sync {
    /// What is known of it. The same for as long as it is registered.
    fn spec(&self) -> &Arc<Spec>;

    /// Does it. The arguments fit its schema. It ends what it started when `context.cancel` is cancelled, and when it is dropped.
    ///
    /// # Errors
    /// In words that help whoever called it to do better; never with a secret in them.
    async fn run(&self, invocation: Invocation) -> Result<Output, Error>;
}
