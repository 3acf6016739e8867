//! Something that speaks as much of OTLP over HTTP as a collector does, and remembers what it was sent.

use std::collections::BTreeMap;
use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use orchestrator_testkit::patiently;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A span, as far as tests look at it.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) kind: i32,
    pub(crate) took_nanos: i128,
    pub(crate) error: Option<String>,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) service: BTreeMap<String, String>,
    /// The headers it came with.
    pub(crate) headers: http::HeaderMap,
}

/// What the collector does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Takes,
    Fails,
    /// Reads it and never answers.
    Silent,
}

pub(crate) struct Collector {
    pub(crate) url: String,
    spans: watch::Receiver<Vec<Span>>,
    _server: JoinSet<()>,
}

impl Collector {
    pub(crate) async fn start(mood: Mood) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (sender, spans) = watch::channel(Vec::new());
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(request, mood, sender.clone()));
                    // A daemon that goes away in the middle is what some tests are about.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self { url, spans, _server: server })
    }

    /// All spans, once there is one for each of these names in this trace.
    pub(crate) async fn trace(&self, trace: &str, names: &[&str]) -> Vec<Span> {
        let mut spans = self.spans.clone();
        let of_trace =
            |spans: &[Span]| -> Vec<Span> { spans.iter().filter(|span| span.trace == trace).cloned().collect() };
        let complete = |spans: &Vec<Span>| {
            let found = of_trace(spans);
            names.iter().all(|name| found.iter().any(|span| span.name == *name))
        };
        let what = format!("spans {names:?}");
        patiently(&what, async {
            spans.wait_for(complete).await.map(|spans| of_trace(&spans)).expect("the collector runs")
        })
        .await
    }

    pub(crate) fn received(&self) -> Vec<Span> {
        self.spans.borrow().clone()
    }
}

async fn answer(
    request: Request<Incoming>,
    mood: Mood,
    spans: watch::Sender<Vec<Span>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let is_right = head.uri.path() == "/v1/traces" && head.headers["content-type"] == "application/x-protobuf";
    let decoded = ExportTraceServiceRequest::decode(body).ok().filter(|_| is_right);
    if mood == Mood::Silent {
        std::future::pending::<()>().await;
    }
    let status = match (mood, decoded) {
        (Mood::Takes, Some(request)) => {
            spans.send_modify(|spans| spans.extend(read(request, &head.headers)));
            200
        }
        (Mood::Fails, _) => 503,
        _ => 400,
    };
    let mut response = Response::new(Full::default());
    *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
    Ok(response)
}

fn read(request: ExportTraceServiceRequest, headers: &http::HeaderMap) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource in request.resource_spans {
        let service = texts(resource.resource.map(|resource| resource.attributes).unwrap_or_default());
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(Span {
                name: span.name,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                kind: span.kind,
                took_nanos: i128::from(span.end_time_unix_nano) - i128::from(span.start_time_unix_nano),
                error: span.status.map(|status| status.message),
                attributes: texts(span.attributes),
                service: service.clone(),
                headers: headers.clone(),
            });
        }
    }
    spans
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.into_iter().map(|one| (one.key, text(one.value.and_then(|value| value.value)))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
