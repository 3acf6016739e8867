use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use orchestrator_mcp::State;
use orchestrator_tools::{Context, Error, Repeat};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData, ListToolsResult, PaginatedRequestParams,
    ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::Stage;

/// Adds, tells of a header of the request, and hangs until it is cancelled. Its tools come in two pages.
#[derive(Clone)]
struct Server {
    /// Told when a call hangs (`true`), and when it was cancelled (`false`).
    hanging: mpsc::UnboundedSender<bool>,
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let object = |schema: Value| Arc::new(schema.as_object().unwrap().clone());
        let number = json!({ "type": "integer" });
        let (input, output) = (
            json!({ "type": "object", "properties": { "a": number, "b": number }, "required": ["a", "b"] }),
            json!({ "type": "object", "properties": { "sum": number }, "required": ["sum"] }),
        );
        let add = Tool::new("add", "Adds", object(input)).with_raw_output_schema(object(output));
        let add = add.with_annotations(ToolAnnotations::new().read_only(true));
        let plain = |name: &'static str| Tool::new(name, "Does", object(json!({ "type": "object" })));
        let mut page = ListToolsResult::with_all_items(vec![add]);
        match request.and_then(|request| request.cursor) {
            None => page.next_cursor = Some("second".into()),
            Some(_) => page.tools = vec![plain("echo"), plain("header"), plain("hang")],
        }
        Ok(page)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let number = |name: &str| arguments[name].as_i64().unwrap_or_default();
        let answer = match request.name.as_ref() {
            "add" => json!({ "sum": number("a") + number("b") }),
            "header" => {
                let head = context.extensions.get::<http::request::Parts>().unwrap();
                json!({ "authorization": head.headers["authorization"].to_str().unwrap() })
            }
            "hang" => {
                let _ = self.hanging.send(true);
                context.ct.cancelled().await;
                let _ = self.hanging.send(false);
                json!({})
            }
            _ => arguments,
        };
        Ok(CallToolResult::structured(answer).into())
    }
}

/// A server on a port of its own, until it is dropped.
struct Served {
    address: SocketAddr,
    hanging: mpsc::UnboundedReceiver<bool>,
    stop: CancellationToken,
    running: JoinSet<()>,
}

impl Served {
    async fn at(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (told, hanging) = mpsc::unbounded_channel();
        let server = Server { hanging: told };
        let service: StreamableHttpService<Server, LocalSessionManager> = StreamableHttpService::new(
            move || Ok(server.clone()),
            Arc::default(),
            StreamableHttpServerConfig::default(),
        );
        let (stop, mut running) = (CancellationToken::new(), JoinSet::new());
        let stopped = stop.clone();
        running.spawn(async move {
            let mut connections = JoinSet::new();
            while let Some(Ok((stream, _))) = stopped.run_until_cancelled(listener.accept()).await {
                let service = TowerToHyperService::new(service.clone());
                connections.spawn(async move {
                    let serving = Builder::new(TokioExecutor::new());
                    let _ = serving.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, hanging, stop, running }
    }

    fn config(&self) -> Value {
        json!({ "url": format!("http://{}/mcp", self.address), "headers": { "Authorization": "Bearer topsecret" } })
    }

    async fn end(mut self) {
        self.stop.cancel();
        while self.running.join_next().await.is_some() {}
    }
}

#[tokio::test]
async fn tools_over_http_are_listed_page_by_page_and_called_with_the_operators_headers() {
    let served = Served::at("127.0.0.1:0").await;
    let stage = Stage::new(served.config()).ready().await;
    let sum = stage.call("add", json!({ "a": 1, "b": 2 })).await.unwrap();
    assert_eq!(sum.structured, Some(json!({ "sum": 3 })));
    let header = stage.call("header", json!({})).await.unwrap();
    assert_eq!(header.structured, Some(json!({ "authorization": "Bearer topsecret" })));
    assert_eq!((stage.info().state, stage.info().transport), (State::Connected, "http"));
    assert_eq!(
        stage.registry.get(&"mcp.s.add".parse().unwrap()).unwrap().repeat,
        Repeat::Effective,
        "a hint is no promise"
    );
    stage.end().await;

    let mut trusting = served.config();
    trusting["trustHints"] = json!(true);
    let stage = Stage::new(trusting).ready().await;
    let spec = stage.registry.get(&"mcp.s.add".parse().unwrap()).unwrap();
    assert!(spec.reads && spec.repeat == Repeat::Harmless);
    stage.end().await;
}

#[tokio::test]
async fn a_call_that_is_given_up_is_cancelled_at_the_server() {
    let mut served = Served::at("127.0.0.1:0").await;
    let stage = Stage::new(served.config()).ready().await;
    for is_dropped in [false, true] {
        let cancel = CancellationToken::new();
        let context = Context { cancel: cancel.clone(), ..Stage::context() };
        let calling = stage.call_in("hang", json!({}), context);
        tokio::pin!(calling);
        tokio::select! {
            ended = &mut calling => panic!("{ended:?}"),
            hanging = served.hanging.recv() => assert_eq!(hanging, Some(true)),
        }
        if is_dropped {
            calling.set(stage.call_in("echo", json!({}), Stage::context()));
        } else {
            cancel.cancel();
        }
        let ended = calling.await;
        assert_eq!(matches!(ended, Err(Error::Cancelled(_))), !is_dropped, "{ended:?}");
        assert_eq!(served.hanging.recv().await, Some(false));
    }
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_again() {
    let served = Served::at("127.0.0.1:0").await;
    let (address, config) = (served.address, served.config());
    let stage = Stage::new(config).ready().await;
    served.end().await;
    let failed = stage.call("echo", json!({})).await.unwrap_err();
    assert!(matches!(failed, Error::Unavailable { .. } | Error::Unknown(_)), "{failed}");
    stage.until(|stage| stage.info().last_error.is_some()).await;
    assert!(stage.registry.list().is_empty(), "what cannot be called is not offered");
    let _again = Served::at(&address.to_string()).await;
    let stage = stage.ready().await;
    let told = stage.call("echo", json!({ "text": "again" })).await.unwrap();
    assert_eq!(told.structured, Some(json!({ "text": "again" })));
}
