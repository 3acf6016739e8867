use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use http_body_util::combinators::BoxBody;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

use super::handler::Handler;
use super::{Identity, Operations};

/// What a request is answered with.
pub type Answer = http::Response<BoxBody<Bytes, Infallible>>;

/// Streamable HTTP, without sessions: each request stands for itself and for its own credential. Cheap to clone.
///
/// Who asks, and whether host and origin may, is decided before: the request brings an [`orchestrator_rpc::Call`] among its
/// extensions.
#[derive(Clone)]
pub struct Http(StreamableHttpService<Handler, NeverSessionManager>);

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

impl Http {
    /// Offers `operations` in messages of up to `message_bytes_max` bytes.
    pub fn new(operations: Arc<dyn Operations>, identity: Identity, message_bytes_max: usize) -> Self {
        let handler = Handler { operations, identity: Arc::new(identity) };
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .disable_allowed_hosts()
            .with_max_request_body_bytes(message_bytes_max);
        Self(StreamableHttpService::new(move || Ok(handler.clone()), Arc::default(), config))
    }

    /// Answers one request. Dropping the future cancels what it called.
    pub async fn answer(&self, request: http::Request<Bytes>) -> Answer {
        self.0.handle(request.map(Full::new)).await
    }
}
