use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::Error;

/// What a handle asks of the driver.
#[derive(Debug)]
pub(crate) enum Command {
    Pause(oneshot::Sender<()>),
    Resume(oneshot::Sender<()>),
    Stop { grace: Duration },
}

/// Pauses and stops a process from elsewhere. Cheap to clone. It does not keep the process: once the
/// [`Process`](crate::Process) is dropped the tree is gone, whoever holds handles.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) id: u32,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) ended: CancellationToken,
}

impl Handle {
    /// The pid of the program.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Pauses the whole tree (SIGSTOP). `idle_time` stands still meanwhile, `wall_time` does not.
    ///
    /// # Errors
    /// [`Error::Ended`] if it has ended, or is about to.
    pub async fn pause(&self) -> Result<(), Error> {
        self.ask(Command::Pause).await
    }

    /// Lets a paused tree go on (SIGCONT).
    ///
    /// # Errors
    /// [`Error::Ended`] if it has ended, or is about to.
    pub async fn resume(&self) -> Result<(), Error> {
        self.ask(Command::Resume).await
    }

    /// Asks the whole tree to end (SIGTERM), kills what is left after `grace` (SIGKILL), and returns when it is gone;
    /// at once if it is gone already. A second call can shorten the grace of the first.
    pub async fn stop(&self, grace: Duration) {
        // If nobody receives this, the tree is ending or gone.
        let _ = self.commands.send(Command::Stop { grace }).await;
        self.ended.cancelled().await;
    }

    /// Kills the whole tree (SIGKILL) and returns when it is gone.
    pub async fn kill(&self) {
        self.stop(Duration::ZERO).await;
    }

    async fn ask(&self, command: impl FnOnce(oneshot::Sender<()>) -> Command) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Error::Ended)?;
        answer.await.map_err(|_| Error::Ended)
    }
}
