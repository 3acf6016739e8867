use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::sync::mpsc;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, Registry};

use super::export::Queue;
use super::layer::{SpanLayer, is_traced};
use crate::{Redaction, TraceContext};

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The spans that are sent of what `work` does, in the order in which they end.
fn sent(sample_ratio: f64, work: impl FnOnce()) -> Vec<Span> {
    let (spans, mut queue) = mpsc::channel(16);
    let redaction = Redaction::new(|text| text.replace("hunter2", "[redacted]").into());
    let layer = SpanLayer { queue: Queue::to(spans), redaction, namespace: "app".to_owned(), sample_ratio };
    let subscriber = Registry::default().with(layer.with_filter(filter_fn(is_traced)));
    tracing::subscriber::with_default(subscriber, work);
    std::iter::from_fn(|| queue.try_recv().ok()).collect()
}

fn trace_of(span: &Span) -> u128 {
    u128::from_be_bytes(span.trace_id.clone().try_into().unwrap())
}

#[test]
fn a_span_knows_its_trace_from_its_fields_and_its_parent_from_around_it() {
    let own: TraceContext = "00-4bf92f3577b34da6a3ce929d0e0e4736-1111111111111111-01".parse().unwrap();
    let caller: TraceContext = CALLER.parse().unwrap();
    let spans = sent(1.0, || {
        let call = tracing::info_span!("call", trace = %own, traceparent = CALLER, otel.kind = "server");
        let _in_call = call.enter();
        let _not_traced = tracing::info_span!("library", other = 1).entered();
        drop(tracing::info_span!("step", traceparent = CALLER, password = "hunter2", http.route = "/", error = "no"));
    });
    let [step, call] = &spans[..] else { panic!("{spans:#?}") };
    assert_eq!(call.span_id, own.parent_id.get().to_be_bytes());
    assert_eq!(call.parent_span_id, caller.parent_id.get().to_be_bytes());
    assert_eq!((trace_of(step), step.parent_span_id.clone()), (own.trace_id.get(), call.span_id.clone()));
    let text = format!("{step:?}");
    assert!(text.contains("app.password") && text.contains("[redacted]") && !text.contains("hunter2"), "{text}");
    assert!(text.contains("\"http.route\"") && step.status.as_ref().unwrap().message == "no");
}

#[test]
fn work_on_another_trace_is_linked_to_its_cause() {
    let spans = sent(1.0, || {
        let _call = tracing::info_span!("call", traceparent = tracing::field::Empty).entered();
        drop(tracing::info_span!("step", traceparent = CALLER, since_ms = 1_000_u64));
    });
    let [step, call] = &spans[..] else { panic!("{spans:#?}") };
    assert_ne!(step.trace_id, call.trace_id);
    assert_eq!((&step.links[0].trace_id, &step.links[0].span_id), (&call.trace_id, &call.span_id));
    assert_eq!(step.start_time_unix_nano, 1_000_000_000);
}

#[test]
fn only_what_is_recorded_is_sent() {
    let quiet = &*CALLER.replace("-01", "-00");
    let named = &*format!("00-{:032x}-{:016x}-01", 7_u128 << 70 | 9, 9);
    let work = || {
        drop(tracing::info_span!("of a caller", traceparent = CALLER));
        drop(tracing::info_span!("of a quiet caller", traceparent = quiet));
        drop(tracing::info_span!("begun here", traceparent = tracing::field::Empty));
        drop(tracing::info_span!("named after something", traceparent = named));
    };
    let names = |ratio| sent(ratio, work).into_iter().map(|span| span.name).collect::<Vec<_>>();
    assert_eq!(names(0.0), ["of a caller"]);
    assert_eq!(names(1.0), ["of a caller", "begun here", "named after something"]);
    let spans = sent(1.0, || drop(tracing::info_span!("named after something", traceparent = named)));
    assert_eq!((trace_of(&spans[0]), spans[0].parent_span_id.len()), (7 << 70 | 9, 0));
}
