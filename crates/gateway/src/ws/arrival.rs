use std::sync::Arc;

use orchestrator_events::{Restored, Window};
use orchestrator_rpc::{Caller, Error, Scope};

use crate::shared::Shared;

/// What a subscriber finds when it comes.
#[derive(Default)]
pub(crate) struct Arrival {
    /// Its window, if this gateway has windows.
    pub(crate) window: Option<Arc<Window>>,
    /// What it was subscribed to before it went away.
    pub(crate) restored: Vec<Restored>,
    /// Whether the token it showed was good, if it showed one.
    pub(crate) resumed: Option<bool>,
}

impl Arrival {
    /// Opens a window, or the one that `token` is for. A token that does not count is no error: its bearer is let in, and
    /// told that it has to subscribe again.
    pub(crate) async fn of(shared: &Shared, caller: &Caller, token: Option<&str>) -> Result<Self, Error> {
        let resumed = token.map(|_| false);
        let Some(windows) = &shared.windows else { return Ok(Self { resumed, ..Self::default() }) };
        if let Some(token) = token
            && caller.scopes.allows(Scope::Read)
        {
            let back = windows.resume(caller.org, &caller.subject, token).await;
            if let Some((window, restored)) = back.map_err(Error::internal)? {
                return Ok(Self { window: Some(Arc::new(window)), restored, resumed: Some(true) });
            }
        }
        let window = windows.open(caller.org, &caller.subject);
        Ok(Self { window: Some(Arc::new(window)), restored: Vec::new(), resumed })
    }
}
