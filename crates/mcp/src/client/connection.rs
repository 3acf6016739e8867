use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Fuse, FusedFuture as _};
use orchestrator_process::{Handle, Host};
use reqwest::redirect::Policy;
use rmcp::model::{ClientRequest, ListToolsRequest, PaginatedRequestParams, ServerResult, Tool};
use rmcp::service::{ClientInitializeError, RunningService, RunningServiceCancellationToken, serve_client};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{Peer, RoleClient};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use super::child::Child;
use super::config::ServerConfig;
use super::link::Listener;
use super::names::ServerName;

/// How long a program has between the end of its input and being killed.
const GRACE: Duration = Duration::from_secs(2);
/// How long a conversation may take to end.
const CLOSE: Duration = Duration::from_secs(2);
/// How many pages a list of tools may have.
const PAGES_MAX: usize = 100;
/// How much of an error is told.
const PROBLEM_CHARS_MAX: usize = 500;

/// A conversation with a server, and the program that has it, if it is one.
pub(super) struct Connection {
    peer: Peer<RoleClient>,
    end: RunningServiceCancellationToken,
    conversation: Fuse<BoxFuture<'static, ()>>,
    program: Option<Program>,
}

struct Program {
    handle: Handle,
    running: Fuse<BoxFuture<'static, String>>,
}

impl Connection {
    /// # Errors
    /// Why there is none, in words for the operator.
    pub(super) async fn open(
        server: &ServerName,
        config: &ServerConfig,
        host: &Host,
        listener: Listener,
    ) -> Result<Self, String> {
        match &config.url {
            Some(url) => {
                let transport = StreamableHttpClientTransport::with_client(http_client(config)?, remote(config, url)?);
                let service = serve_client(listener, transport).await.map_err(|error| told(&error))?;
                Ok(Self::new(service, None))
            }
            None => Self::start(server, config, host, listener).await,
        }
    }

    async fn start(
        server: &ServerName,
        config: &ServerConfig,
        host: &Host,
        listener: Listener,
    ) -> Result<Self, String> {
        let (child, near, handle) = Child::start(server, config, host).await.map_err(|error| told(&error))?;
        let (read, write) = tokio::io::split(near);
        let transport = AsyncRwTransport::new(read, write).with_max_line_length(config.message_bytes_max);
        let mut program = Program { handle, running: child.run().boxed().fuse() };
        let service = tokio::select! {
            begun = serve_client(listener, transport) => match begun {
                Ok(service) => service,
                // How the program ended says more than that it did.
                Err(ClientInitializeError::ConnectionClosed(_)) => return Err(program.ended().await),
                Err(error) => return Err(told(&error)),
            },
            ended = &mut program.running => return Err(ended),
        };
        Ok(Self::new(service, Some(program)))
    }

    fn new(service: RunningService<RoleClient, Listener>, program: Option<Program>) -> Self {
        let (peer, end) = (service.peer().clone(), service.cancellation_token());
        // Why it ended is not known to the service either.
        let conversation = service.waiting().map(drop).boxed().fuse();
        Self { peer, end, conversation, program }
    }

    pub(super) fn peer(&self) -> &Peer<RoleClient> {
        &self.peer
    }

    /// Until it is over by itself: why.
    pub(super) async fn over(&mut self) -> String {
        match &mut self.program {
            None => {
                (&mut self.conversation).await;
                "the conversation ended".to_owned()
            }
            Some(program) => tokio::select! {
                ended = &mut program.running => ended,
                () = &mut self.conversation => program.ended().await,
            },
        }
    }

    /// Ends it, with the program and whatever that started.
    pub(super) async fn close(self) {
        let Self { end, mut conversation, program, .. } = self;
        end.cancel();
        let ending = async {
            if !conversation.is_terminated() {
                let _ = timeout(CLOSE, &mut conversation).await;
            }
        };
        match program {
            None => ending.await,
            Some(Program { handle, mut running }) => tokio::select! {
                // Its input is closed by then, which is how it is told.
                () = async { ending.await; handle.stop(GRACE).await } => {}
                _ = &mut running => {}
            },
        }
    }
}

impl Program {
    /// It says nothing more: how it ends, or that it had to be ended.
    async fn ended(&mut self) -> String {
        match timeout(GRACE, &mut self.running).await {
            Ok(ended) => ended,
            Err(_) => {
                self.handle.stop(Duration::ZERO).await;
                "its program closed its output and was ended".to_owned()
            }
        }
    }
}

/// Every page of the list, as far as tools are looked at.
///
/// # Errors
/// Why there is none.
pub(super) async fn list(peer: &Peer<RoleClient>, tools_max: usize) -> Result<Vec<Tool>, String> {
    let (mut tools, mut cursor) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let params = PaginatedRequestParams::default().with_cursor(cursor);
        // Not through the crate's cache: how long a list is believed is not for the server to say.
        let request = ListToolsRequest::with_param(params);
        let answer = peer.send_request(ClientRequest::ListToolsRequest(request)).await;
        let page = match answer.map_err(|error| told(&error))? {
            ServerResult::ListToolsResult(page) => page,
            _ => return Err("its answer is no list of tools".to_owned()),
        };
        tools.extend(page.tools);
        cursor = page.next_cursor;
        // One more, so that it is known that there are more.
        if cursor.is_none() || tools.len() > tools_max {
            tools.truncate(tools_max + 1);
            return Ok(tools);
        }
    }
    Err(format!("its list of tools has more than {PAGES_MAX} pages"))
}

fn remote(config: &ServerConfig, url: &str) -> Result<StreamableHttpClientTransportConfig, String> {
    let headers: HashMap<_, _> = config.headers().map_err(|error| error.to_string())?.into_iter().collect();
    let remote = StreamableHttpClientTransportConfig::with_uri(url).custom_headers(headers);
    let bytes = config.message_bytes_max;
    Ok(remote.max_sse_event_size(bytes).max_json_response_size(bytes).max_error_response_size(PROBLEM_CHARS_MAX))
}

/// To the operator's address and no other: no redirects, no proxy. Trusts the certificates of the system, or those in
/// `SSL_CERT_FILE`.
fn http_client(config: &ServerConfig) -> Result<reqwest::Client, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut tls = tls.map_err(|error| told(&error))?.with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .referer(false)
        .no_proxy()
        .retry(reqwest::retry::never())
        .connect_timeout(config.connect_timeout())
        .user_agent(concat!("orchestrator/", env!("CARGO_PKG_VERSION")));
    client.build().map_err(|error| told(&error))
}

/// An error with its causes, as far as that is worth telling.
pub(super) fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text.chars().take(PROBLEM_CHARS_MAX).collect()
}
