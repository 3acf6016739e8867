use async_trait::async_trait;

use super::{Error, Order, Release};

/// Where orders are kept. Implementations must pass the [conformance](super::conformance) suite (feature `test-util`).
#[async_trait]
pub trait Store: Send + Sync {
    /// Every order that is in force, at most one for each organisation.
    async fn orders(&self) -> Result<Vec<Order>, Error>;

    /// Puts an order in force, with the event `emergency.stopped`, both or neither. If one of the organisation is in force
    /// already, that one stays and is the answer, and nobody is told again. On disk when it returns.
    async fn stop(&self, order: Order) -> Result<Order, Error>;

    /// Takes the organisation's order back, with the event `emergency.released`, both or neither; `None` if there was none.
    async fn release(&self, release: Release) -> Result<Option<Order>, Error>;
}
