use tokio::sync::watch;

/// What one loop or task is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The name given at the start.
    pub name: String,
    /// Where it is in its life.
    pub state: State,
    /// Restarts since it was first started; never reset.
    pub restarts: u64,
    /// The latest failure with its causes, or the message of the latest panic.
    pub last_error: Option<String>,
}

/// Where a loop is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// At work.
    Running,
    /// Failed a moment ago; waits before its next start.
    BackingOff,
    /// Given up. Only a person, or a new `spawn` under the same name, helps.
    Failed,
    /// Returned by itself, or was told to stop.
    Stopped,
}

impl State {
    pub(crate) fn is_live(self) -> bool {
        matches!(self, Self::Running | Self::BackingOff)
    }
}

/// The list of statuses, in the order of start, with the one way of changing an entry.
#[derive(Debug, Clone)]
pub(crate) struct Board(watch::Sender<Vec<Status>>);

impl Board {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Vec<Status>> {
        self.0.subscribe()
    }

    /// Adds `name` as running, in place of an earlier one that has ended; `false` if that one is still live.
    pub(crate) fn enter(&self, name: &str) -> bool {
        self.0.send_if_modified(|all| {
            if all.iter().any(|one| one.name == name && one.state.is_live()) {
                return false;
            }
            all.retain(|one| one.name != name);
            all.push(Status { name: name.to_owned(), state: State::Running, restarts: 0, last_error: None });
            true
        })
    }

    pub(crate) fn set(&self, name: &str, change: impl FnOnce(&mut Status)) {
        self.0.send_modify(|all| {
            if let Some(one) = all.iter_mut().find(|one| one.name == name) {
                change(one);
            }
        });
    }

    pub(crate) fn leave(&self, name: &str) {
        self.0.send_modify(|all| all.retain(|one| one.name != name));
    }
}
