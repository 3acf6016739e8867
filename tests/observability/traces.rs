//! The way of a task as spans of one trace, sent to a collector that may be there, slow, broken or absent.

use http::Method;
use orchestrator_testkit::{Builder, Daemon, patiently, shell};
use serde_json::{Value, json};

use crate::collector::{Collector, Mood, Span};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn to(url: &str, agents: Value) -> Builder {
    let otlp = json!({"endpoint": url, "intervalMs": 10, "timeoutMs": 500});
    Daemon::builder().without_rate_limits().config(json!({"agents": agents, "telemetry": {"otlp": otlp}}))
}

/// Creates a task as somebody who traces what they do.
async fn create(daemon: &Daemon, task: Value) -> Value {
    let parent = format!("00-{TRACE}-{CALLER}-01");
    let headers = [("content-type", "application/json"), ("traceparent", parent.as_str())];
    daemon.admin_http().send(Method::POST, "/api/v1/tasks", &headers, &task.to_string()).await.json()
}

#[track_caller]
fn find<'a>(spans: &'a [Span], name: &str, task: &Value) -> &'a Span {
    let is_about = |span: &&Span| span.attributes.get("orchestrator.task").is_some_and(|id| *id == *task);
    let found = spans.iter().filter(|span| span.name == name).find(is_about);
    found.unwrap_or_else(|| panic!("no {name} about {task} in {spans:#?}"))
}

/// The values of a counter of the page, added up.
async fn counted(daemon: &Daemon, name: &str) -> f64 {
    let page = daemon.admin_http().get("/metrics").await.body;
    let values = page.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit_once(' '));
    values.filter_map(|(_, value)| value.parse::<f64>().ok()).sum()
}

#[tokio::test]
async fn the_whole_way_of_a_task_is_one_trace() -> anyhow::Result<()> {
    let collector = Collector::start(Mood::Takes).await?;
    let builder = to(&collector.url, json!({"worker": shell("echo done", &[], 1)}));
    let daemon = builder.env("OTEL_EXPORTER_OTLP_HEADERS", "x-collector-key=planted-4711").start().await?;
    let first = create(&daemon, json!({"title": "first"})).await["id"].clone();
    let second = create(&daemon, json!({"title": "second", "dependsOn": [first]})).await["id"].clone();
    let names = ["task.create", "task.ready", "task.claim", "session", "process.run", "task.complete", "task.unblock"];
    let mut spans = collector.trace(TRACE, &names).await;
    // The second task ends last.
    while !spans.iter().any(|span| span.name == "session" && *span.attributes["orchestrator.task"] == second) {
        tokio::task::yield_now().await;
        spans = collector.trace(TRACE, &names).await;
    }

    let call = spans.iter().find(|span| span.attributes.contains_key("rpc.method")).expect("the call is a span");
    assert_eq!((call.name.as_str(), call.kind, call.parent.as_str()), ("task.create", 2, CALLER));
    assert_eq!(call.service["service.name"], "orchestrator");
    assert!(call.service.contains_key("service.version") && call.service.contains_key("service.instance.id"));
    assert_eq!(call.headers["x-collector-key"], "planted-4711");

    let created = find(&spans, "task.create", &first);
    assert_eq!(created.parent, call.id, "what a call does belongs to its span");
    let session = find(&spans, "session", &first);
    for name in ["task.ready", "task.claim", "session"] {
        assert_eq!(find(&spans, name, &first).parent, call.id, "{name} goes on from where the task was created");
    }
    let program = find(&spans, "process.run", &first);
    let completed = find(&spans, "task.complete", &first);
    assert_eq!((&program.parent, &completed.parent), (&session.id, &session.id));
    assert_eq!(program.attributes["process.exit.code"], "0");
    assert_eq!(program.attributes["process.executable.name"], "sh");
    assert_eq!(find(&spans, "task.unblock", &second).parent, session.id, "completing the first lets the second go");
    for span in [session, program, completed] {
        assert_eq!(span.attributes["orchestrator.agent"], "worker");
        assert!(span.attributes["orchestrator.org"].starts_with("org_"));
    }
    assert!(session.attributes["orchestrator.session"].starts_with("session_"));
    assert!(spans.iter().all(|span| span.took_nanos >= 0 && span.error.is_none()), "{spans:#?}");
    assert!(program.took_nanos > 0 && session.took_nanos >= program.took_nanos);
    let (_, log) = daemon.terminate().await;
    assert!(!log.contains("planted-4711"));
    Ok(())
}

#[tokio::test]
async fn a_trace_goes_on_after_a_restart() -> anyhow::Result<()> {
    let collector = Collector::start(Mood::Takes).await?;
    let daemon = to(&collector.url, json!({})).start().await?;
    let task = create(&daemon, json!({"title": "for later"})).await["id"].clone();
    // The stop sends what is queued.
    let again = daemon.again();
    let _ = daemon.terminate().await;
    let call = collector.received().into_iter().find(|span| span.attributes.contains_key("rpc.method"));
    let call = call.expect("it was sent when the daemon stopped");
    assert_eq!((call.trace.as_str(), call.parent.as_str()), (TRACE, CALLER));

    let worker = json!({"worker": shell("echo 'it broke' >&2; exit 3", &[], 1)});
    let again = again.config(json!({"agents": worker, "tasks": {"maxAttempts": 1}}));
    let daemon = again.start().await?;
    let spans = collector.trace(TRACE, &["task.claim", "session", "process.run", "task.fail"]).await;
    for name in ["task.claim", "session"] {
        assert_eq!(find(&spans, name, &task).parent, call.id);
    }
    let failed = find(&spans, "task.fail", &task);
    assert!(failed.error.as_ref().is_some_and(|error| error.contains('3')), "{failed:?}");
    assert_eq!(find(&spans, "process.run", &task).attributes["process.exit.code"], "3");
    drop(daemon);
    Ok(())
}

#[tokio::test]
async fn a_caller_that_does_not_record_its_trace_is_not_recorded_here() -> anyhow::Result<()> {
    let collector = Collector::start(Mood::Takes).await?;
    let daemon = to(&collector.url, json!({"worker": shell("echo done", &[], 1)})).start().await?;
    let parent = format!("00-{TRACE}-{CALLER}-00");
    let headers = [("content-type", "application/json"), ("traceparent", parent.as_str())];
    let mut socket = daemon.admin().await;
    socket.subscribe(&["session.stopped"]).await;
    daemon.admin_http().send(Method::POST, "/api/v1/tasks", &headers, r#"{"title": "quiet"}"#).await;
    socket.events_until("its session's end", |_| true).await;
    let _ = daemon.terminate().await;
    let received = collector.received();
    assert!(received.iter().any(|span| span.name == "subscribe"), "traces that begin here are sent: {received:#?}");
    assert!(received.iter().all(|span| span.trace != TRACE), "{received:#?}");
    Ok(())
}

#[tokio::test]
async fn a_collector_that_is_absent_broken_or_silent_disturbs_nothing() -> anyhow::Result<()> {
    let (broken, silent) = (Collector::start(Mood::Fails).await?, Collector::start(Mood::Silent).await?);
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let absent = format!("http://{}", nobody.local_addr()?);
    drop(nobody);
    for url in [absent, broken.url.clone(), silent.url.clone()] {
        let small = json!({"telemetry": {"otlp": {"queueSpansMax": 4, "batchSpansMax": 2}}});
        let daemon = to(&url, json!({"worker": shell("echo done", &[], 4)})).config(small).start().await?;
        let mut socket = daemon.admin().await;
        socket.subscribe(&["task.completed"]).await;
        let (mut completed, many) = (0, 20);
        socket.call_all("task.create", (0..many).map(|n| json!({"title": n.to_string()})), 8).await;
        let all = |_: &orchestrator_testkit::Event| {
            completed += 1;
            completed == many
        };
        socket.events_until("all tasks", all).await;
        patiently("what is lost to be counted", async {
            while counted(&daemon, "otlp_spans_dropped_total").await < 1.0 {
                socket.call("health.ping", json!({})).await.expect("it answers");
            }
        })
        .await;
        assert_eq!(daemon.http().get("/readyz").await.status, 200);
        let (status, log) = daemon.terminate().await;
        assert!(status.success(), "{log}");
    }
    Ok(())
}

#[tokio::test]
async fn a_collector_that_cannot_be_one_stops_the_start() -> anyhow::Result<()> {
    for (otlp, said) in [
        (json!({"endpoint": "localhost:4318"}), "telemetry: otlp.endpoint: expected http://HOST:PORT"),
        (json!({"sampleRatio": 2}), "otlp.sampleRatio"),
        (json!({"headers": "secret-without-a-name"}), "otlp.headers"),
    ] {
        let refused = Daemon::builder().config(json!({"telemetry": {"otlp": otlp}})).refused().await?;
        assert!(!refused.status.success() && refused.output.contains(said), "{}", refused.output);
        assert!(!refused.output.contains("secret-without-a-name"));
    }
    Ok(())
}
