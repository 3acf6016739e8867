use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::export::Queue;
use super::message::attribute;
use crate::{Redaction, TraceContext};

/// The longest text that is kept of an attribute, in characters.
const TEXT_CHARS_MAX: usize = 1_024;

/// The spans that are looked at have one of these fields; all others are somebody else's.
pub(super) fn is_traced(metadata: &Metadata<'_>) -> bool {
    let has = |name| metadata.fields().field(name).is_some();
    metadata.is_span() && (has("trace") || has("traceparent"))
}

/// Makes spans of OTLP from those of `tracing`, and puts them into the queue when they are closed.
pub(super) struct SpanLayer {
    pub(super) queue: Queue,
    pub(super) redaction: Redaction,
    /// Put before names of attributes without a dot.
    pub(super) namespace: String,
    pub(super) sample_ratio: f64,
}

/// A span that is not closed yet.
struct Open {
    here: TraceContext,
    span: Span,
}

impl SpanLayer {
    fn open(&self, fields: &mut Fields<'_>, name: &str, around: Option<TraceContext>) -> Open {
        let own = fields.trace;
        // A parent with the lower half of the trace's id stands for none: the trace is named after what it is about.
        let begins = fields.traceparent.filter(|parent| parent.trace_id.get() as u64 == parent.parent_id.get());
        let begins = begins.map(|begun| begun.sampled_at(self.sample_ratio));
        let given = fields.traceparent.filter(|_| begins.is_none());
        let trace = own.or(given).or(begins).or(around);
        let trace = trace.unwrap_or_else(|| TraceContext::root().sampled_at(self.sample_ratio));
        let here =
            TraceContext { parent_id: own.map_or_else(|| trace.child().parent_id, |own| own.parent_id), ..trace };
        let is_mine = |other: &TraceContext| other.trace_id == here.trace_id;
        // The caller within the process is nearer than the one that the trace came from.
        let parent = around.filter(is_mine).or(given.filter(is_mine));
        let cause = around.filter(|around| !is_mine(around) && around.sampled);
        let mut span = Span {
            trace_id: here.trace_id.get().to_be_bytes().to_vec(),
            span_id: here.parent_id.get().to_be_bytes().to_vec(),
            parent_span_id: parent.map(|parent| parent.parent_id.get().to_be_bytes().to_vec()).unwrap_or_default(),
            name: fields.name.take().unwrap_or_else(|| name.to_owned()),
            kind: fields.kind as i32,
            start_time_unix_nano: fields.since.unwrap_or_else(now),
            links: cause.map(link).into_iter().collect(),
            flags: u32::from(here.sampled),
            ..Span::default()
        };
        fields.finish(&mut span);
        Open { here, span }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for SpanLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let around = span.parent().and_then(|parent| parent.extensions().get::<Open>().map(|open| open.here));
        let mut fields = Fields::new(self);
        attributes.record(&mut fields);
        let open = self.open(&mut fields, span.name(), around);
        span.extensions_mut().insert(open);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::new(self);
        values.record(&mut fields);
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            fields.finish(&mut open.span);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(Open { here, mut span }) = span.extensions_mut().remove::<Open>() else { return };
        if here.sampled {
            span.end_time_unix_nano = now().max(span.start_time_unix_nano);
            self.queue.put(span);
        }
    }
}

/// What the fields of a span say.
struct Fields<'a> {
    layer: &'a SpanLayer,
    trace: Option<TraceContext>,
    traceparent: Option<TraceContext>,
    name: Option<String>,
    kind: SpanKind,
    since: Option<u64>,
    error: Option<String>,
    attributes: Vec<KeyValue>,
}

impl<'a> Fields<'a> {
    fn new(layer: &'a SpanLayer) -> Self {
        Self {
            layer,
            trace: None,
            traceparent: None,
            name: None,
            kind: SpanKind::Internal,
            since: None,
            error: None,
            attributes: Vec::new(),
        }
    }

    fn add(&mut self, field: &Field, value: Value) {
        let name = field.name();
        let key = if name.contains('.') { name.to_owned() } else { format!("{}.{name}", self.layer.namespace) };
        self.attributes.push(attribute(key, value));
    }

    fn text(&mut self, field: &Field, text: &str) {
        match field.name() {
            "trace" => self.trace = text.parse().ok(),
            "traceparent" => self.traceparent = text.parse().ok(),
            "otel.kind" => self.kind = kind(text),
            "otel.name" => self.name = Some(self.clean(text)),
            "error" => self.error = Some(self.clean(text)),
            _ => {
                let text = Value::StringValue(self.clean(text));
                self.add(field, text);
            }
        }
    }

    fn clean(&self, text: &str) -> String {
        self.layer.redaction.apply(text).chars().take(TEXT_CHARS_MAX).collect()
    }

    fn finish(&mut self, span: &mut Span) {
        span.attributes.append(&mut self.attributes);
        if let Some(message) = self.error.take() {
            span.status = Some(Status { message, code: StatusCode::Error as i32 });
        }
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, &format!("{value:?}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        match field.name() {
            // When it began, if that was before the span was made.
            "since_ms" => self.since = u64::try_from(value).ok().map(|millis| millis.saturating_mul(1_000_000)),
            _ => self.add(field, Value::IntValue(value)),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record_i64(field, i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, Value::DoubleValue(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Value::BoolValue(value));
    }
}

fn kind(text: &str) -> SpanKind {
    match text {
        "server" => SpanKind::Server,
        "client" => SpanKind::Client,
        "producer" => SpanKind::Producer,
        "consumer" => SpanKind::Consumer,
        _ => SpanKind::Internal,
    }
}

fn link(cause: TraceContext) -> Link {
    Link {
        trace_id: cause.trace_id.get().to_be_bytes().to_vec(),
        span_id: cause.parent_id.get().to_be_bytes().to_vec(),
        flags: u32::from(cause.sampled),
        ..Link::default()
    }
}

#[expect(clippy::disallowed_methods, reason = "the collector compares these times with those of other programs")]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
