//! Spans as OTLP has them.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;

/// Who sends spans: the attributes `service.name`, `service.version` and `service.instance.id` of the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The same for all instances. Also what is put before names of attributes without a dot.
    pub name: String,
    /// Of the program.
    pub version: String,
    /// Tells instances apart.
    pub instance: String,
}

impl Service {
    /// One request with these spans.
    pub(super) fn request(&self, spans: Vec<Span>) -> Vec<u8> {
        let attributes = vec![
            text("service.name", self.name.clone()),
            text("service.version", self.version.clone()),
            text("service.instance.id", self.instance.clone()),
            text("telemetry.sdk.language", "rust".to_owned()),
        ];
        let scope = InstrumentationScope {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let spans = ResourceSpans {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        };
        ExportTraceServiceRequest { resource_spans: vec![spans] }.encode_to_vec()
    }
}

pub(super) fn attribute(key: impl Into<String>, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

pub(super) fn text(key: &str, value: String) -> KeyValue {
    attribute(key, Value::StringValue(value))
}
