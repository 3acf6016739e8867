//! Logs, spans, trace context and Prometheus metrics, with a hook for redaction.
