use std::fmt;
use std::sync::Arc;

use crate::Call;

/// The right to make one call, once, as it was judged. It cannot be copied, changed or made by hand:
///
/// ```compile_fail
/// # fn by_hand(call: orchestrator_tools::Call) {
/// let permit = orchestrator_tools::Permit { call };
/// # }
/// ```
///
/// ```compile_fail
/// # async fn twice(registry: orchestrator_tools::Registry, permit: orchestrator_tools::Permit) {
/// registry.call(permit).await;
/// registry.call(permit).await;
/// # }
/// ```
#[must_use = "a permit that is dropped permits nothing"]
pub struct Permit {
    pub(crate) call: Call,
    pub(crate) registry: Arc<Seal>,
}

/// Makes permits for one [`Registry`](crate::Registry). There is one of it, and it cannot be copied: whoever holds it decides
/// which calls are made.
///
/// ```compile_fail
/// # fn copied(mint: orchestrator_tools::Mint) {
/// let another = mint.clone();
/// # }
/// ```
pub struct Mint(pub(crate) Arc<Seal>);

/// Tells the permits of one registry from those of another.
pub(crate) struct Seal(());

impl Mint {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Seal(())))
    }

    /// Permits the call, as it is. Judge it before.
    pub fn permit(&self, call: Call) -> Permit {
        Permit { call, registry: self.0.clone() }
    }
}

impl Permit {
    /// What it permits.
    pub fn call(&self) -> &Call {
        &self.call
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("tool", &self.call.tool).field("key", &self.call.context.key).finish()
    }
}

impl fmt::Debug for Mint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mint")
    }
}
