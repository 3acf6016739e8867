use std::fmt;

use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;

use crate::Error;

/// The standard input of a process started with [`Stdin::Piped`](crate::Stdin). Dropping it means end of file.
pub struct Input(pub(crate) ChildStdin);

impl Input {
    /// Writes all of `bytes`; waits while the process does not read.
    ///
    /// # Errors
    /// [`Error::Ended`] if the process has closed its input, [`Error::Io`] for anything else.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match self.0.write_all(bytes).await {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Error::Ended),
            other => Ok(other?),
        }
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Input")
    }
}
