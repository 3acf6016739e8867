use std::sync::Arc;

use rmcp::service::{QuitReason, ServerInitializeError, serve_server};
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::io::{AsyncRead, AsyncWrite};

use super::handler::Handler;
use super::{Identity, Operations};
use crate::Error;

/// Speaks with one client over two streams, one message a line, until `input` ends. Longer lines than `message_bytes_max` are
/// thrown away.
///
/// # Errors
/// [`Error::Handshake`] if the client does not speak the protocol, [`Error::Broken`] for a defect.
pub async fn serve<R, W>(
    operations: Arc<dyn Operations>,
    identity: Identity,
    (input, output): (R, W),
    message_bytes_max: usize,
) -> Result<(), Error>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let handler = Handler { operations, identity: Arc::new(identity) };
    let transport = AsyncRwTransport::new(input, output).with_max_line_length(message_bytes_max);
    let running = match serve_server(handler, transport).await {
        Ok(running) => running,
        // A client that leaves before it has said anything.
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(Error::Handshake(error.into())),
    };
    match running.waiting().await {
        Ok(QuitReason::JoinError(error)) | Err(error) => Err(Error::Broken(error.into())),
        Ok(_) => Ok(()),
    }
}
