//! The server over two streams, to a client of the protocol.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_mcp::{Asking, Identity, Offer, Offers, Operations, serve};
use orchestrator_rpc::{Code, Error};
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, ClientRequest, ProtocolVersion, ServerResult,
};
use rmcp::service::{PeerRequestOptions, RunningService, serve_client_with_lifecycle};
use rmcp::{ClientLifecycleMode, RoleClient, ServiceError};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Answers `test.echo` with its parameters, never answers `test.hang`, and refuses or fails by name.
struct Fake {
    /// Told when a call that hangs begins (`true`) and when it was given up (`false`).
    hanging: mpsc::UnboundedSender<bool>,
}

struct Ends(mpsc::UnboundedSender<bool>);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.send(false);
    }
}

#[async_trait]
impl Operations for Fake {
    async fn offers(&self, _: &Asking) -> Result<Offers, Error> {
        let schema = json!({"type": "object"}).as_object().unwrap().clone();
        let offer = Offer {
            tool: "test_echo".into(),
            operation: "test.echo".into(),
            summary: "Says it again".into(),
            read_only: true,
            input_schema: schema,
            output_schema: None,
        };
        Ok(Offers { tools: vec![offer] })
    }

    async fn call(&self, _: &Asking, operation: &str, params: Option<Box<RawValue>>) -> Result<Box<RawValue>, Error> {
        match operation {
            "test.echo" => Ok(params.unwrap_or_else(|| to_raw_value(&7).unwrap())),
            "test.hang" => {
                let _ends = Ends(self.hanging.clone());
                let _ = self.hanging.send(true);
                std::future::pending().await
            }
            "test.fail" => Err(Error::internal("the disk /dev/sda1 is full").with_correlation("c-7")),
            "test.refuse" => Err(Error::conflict("it is taken").with_field("name")),
            _ => Err(Error::new(Code::UnknownMethod, "no such tool")),
        }
    }
}

struct Pair {
    peer: RunningService<RoleClient, ()>,
    hanging: mpsc::UnboundedReceiver<bool>,
    server: JoinSet<Result<(), orchestrator_mcp::Error>>,
}

async fn pair(age: ClientLifecycleMode) -> Pair {
    let (hanging, told) = mpsc::unbounded_channel();
    let (near, far) = tokio::io::duplex(4096);
    let identity = Identity { name: "test".into(), version: "1".into(), instructions: "echo is all there is".into() };
    let mut server = JoinSet::new();
    server.spawn(serve(Arc::new(Fake { hanging }), identity, tokio::io::split(far), 1 << 16));
    let peer = serve_client_with_lifecycle((), near, age).await.unwrap();
    Pair { peer, hanging: told, server }
}

async fn call(pair: &Pair, tool: &'static str, arguments: Option<Value>) -> Result<CallToolResult, ServiceError> {
    let mut params = CallToolRequestParams::new(tool);
    params.arguments = arguments.map(|arguments| arguments.as_object().unwrap().clone());
    pair.peer.call_tool(params).await
}

fn text(result: &CallToolResult) -> Value {
    serde_json::from_str(&result.content[0].as_text().unwrap().text).unwrap()
}

#[tokio::test]
async fn both_ages_of_the_protocol_are_spoken() {
    let newest = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
    for (age, version) in [(ClientLifecycleMode::Initialize, "2025-11-25"), (newest, "2026-07-28")] {
        let mut pair = pair(age).await;
        let known = pair.peer.peer_info().unwrap();
        assert_eq!(known.protocol_version.as_str(), version);
        assert_eq!(known.instructions.as_deref(), Some("echo is all there is"));
        assert_eq!(pair.peer.list_all_tools().await.unwrap()[0].name, "test_echo");
        let said = call(&pair, "test_echo", Some(json!({"a": [1, 2.50]}))).await.unwrap();
        assert_eq!(said.structured_content, Some(json!({"a": [1, 2.50]})));
        assert_eq!(text(&said), json!({"a": [1, 2.50]}));
        pair.peer.close().await.unwrap();
        pair.server.join_next().await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_result_that_is_no_object_comes_as_text() {
    let pair = pair(ClientLifecycleMode::Initialize).await;
    let said = call(&pair, "test_echo", None).await.unwrap();
    assert_eq!((text(&said), said.structured_content), (json!(7), None));
}

#[tokio::test]
async fn a_refusal_is_the_tools_and_says_nothing_that_is_internal() {
    let pair = pair(ClientLifecycleMode::Initialize).await;
    let refused = call(&pair, "test_refuse", None).await.unwrap();
    assert_eq!(refused.is_error, Some(true));
    assert_eq!(text(&refused), json!({"code": "CONFLICT", "message": "it is taken", "field": "name"}));
    let failed = call(&pair, "test_fail", None).await.unwrap();
    assert_eq!(text(&failed), json!({"code": "INTERNAL", "message": "internal error", "correlationId": "c-7"}));
    let unknown = call(&pair, "test_nothing", None).await.unwrap_err();
    assert!(matches!(unknown, ServiceError::McpError(error) if error.code.0 == -32602), "it is the client's mistake");
}

#[tokio::test]
async fn a_call_that_is_cancelled_is_given_up() {
    let mut pair = pair(ClientLifecycleMode::Initialize).await;
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(CallToolRequestParams::new("test_hang")));
    let asked = pair.peer.send_cancellable_request(request, PeerRequestOptions::no_options()).await.unwrap();
    assert_eq!(pair.hanging.recv().await, Some(true));
    asked.cancel(Some("enough".into())).await.unwrap();
    assert_eq!(pair.hanging.recv().await, Some(false));
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(CallToolRequestParams::new("test_echo")));
    let next = pair.peer.send_request(request).await.unwrap();
    assert!(matches!(next, ServerResult::CallToolResult(_)), "the conversation goes on");
}
