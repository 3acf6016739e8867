use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_tools::{Error, Invocation, Output, Spec, Tool};
use rmcp::model::{CallToolRequest, CallToolRequestParams, ClientRequest, ServerResult};
use rmcp::service::{PeerRequestOptions, ServiceError};
use rmcp::{Peer, RoleClient};
use serde_json::Value;

use super::link::Link;
use super::names::ServerName;
use super::result;

/// How much of an error is passed on.
const PROBLEM_CHARS_MAX: usize = 2_000;

/// A tool of a server, for as long as one conversation with it lasts.
pub(super) struct RemoteTool {
    pub(super) spec: Arc<Spec>,
    pub(super) server: ServerName,
    /// As the server calls it.
    pub(super) remote: String,
    pub(super) peer: Peer<RoleClient>,
    pub(super) link: Link,
}

#[async_trait]
impl Tool for RemoteTool {
    fn spec(&self) -> &Arc<Spec> {
        &self.spec
    }

    async fn run(&self, invocation: Invocation) -> Result<Output, Error> {
        let Invocation { arguments, context } = invocation;
        let mut params = CallToolRequestParams::new(self.remote.clone());
        params.arguments = match arguments {
            Value::Object(arguments) => Some(arguments),
            _ => None,
        };
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let sending = self.peer.send_cancellable_request(request, PeerRequestOptions::no_options());
        let begun =
            self.link.begin(context.progress.clone(), sending, |sent| (sent.progress_token.clone(), sent.id.clone()));
        let (mut sent, waiting) = begun.await.map_err(|error| self.failed(error))?;
        let answer = tokio::select! {
            answer = &mut sent.rx => answer,
            // Dropped, `waiting` tells the server; so it does when nobody waits for this future any more.
            () = context.cancel.cancelled() => return Err(Error::Cancelled(self.spec.name.clone())),
        };
        waiting.answered();
        match answer.unwrap_or(Err(ServiceError::TransportClosed)).map_err(|error| self.failed(error))? {
            ServerResult::CallToolResult(answer) => Ok(result::output(answer)),
            ServerResult::EmptyResult(_) => Ok(Output::text("")),
            ServerResult::InputRequiredResult(_) => {
                Err(Error::Failed(format!("{}: it asks for more, which is not supported here", self.server)))
            }
            _ => Err(Error::Broken { tool: self.spec.name.clone(), problem: "its answer is no result".to_owned() }),
        }
    }
}

impl RemoteTool {
    fn failed(&self, error: ServiceError) -> Error {
        let tool = self.spec.name.clone();
        match error {
            ServiceError::McpError(error) => {
                let said: String = error.message.chars().take(PROBLEM_CHARS_MAX).collect();
                Error::Failed(format!("{}: {said}", self.server))
            }
            ServiceError::Cancelled { .. } => Error::Cancelled(tool),
            ServiceError::UnexpectedResponse => Error::Broken { tool, problem: "its answer is no result".to_owned() },
            other => {
                self.link.suspect.notify_one();
                tracing::debug!(server = %self.server, error = &other as &dyn std::error::Error, "a call broke off");
                let problem = format!(
                    "the connection to the MCP server {} broke off; whether the call was carried out is not known",
                    self.server
                );
                Error::Unavailable { tool, problem }
            }
        }
    }
}
