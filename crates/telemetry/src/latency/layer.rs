use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use tower::Layer;

use super::Latency;
use crate::Metrics;

pub(super) type LabelOf<R> = dyn Fn(&R) -> Cow<'static, str> + Send + Sync;

/// Records `<name>` (a histogram in seconds) with the label of the request and its `outcome`:
/// `ok`, `error`, or `cancelled` if the caller stopped waiting.
pub struct LatencyLayer<R>(pub(super) Arc<Labelled<R>>);

pub(super) struct Labelled<R> {
    pub(super) metrics: Metrics,
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) value_of: Box<LabelOf<R>>,
}

impl<R> LatencyLayer<R> {
    /// `value_of` gives the value of the label `label` for a request, for example the operation's name. It must
    /// have few values; never return what the caller sent without looking it up first.
    pub fn new(
        metrics: Metrics,
        name: &'static str,
        label: &'static str,
        value_of: impl Fn(&R) -> Cow<'static, str> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Labelled { metrics, name, label, value_of: Box::new(value_of) }))
    }
}

impl<S, R> Layer<S> for LatencyLayer<R> {
    type Service = Latency<S, R>;

    fn layer(&self, inner: S) -> Latency<S, R> {
        Latency { inner, labelled: Arc::clone(&self.0) }
    }
}

impl<R> Clone for LatencyLayer<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R> fmt::Debug for LatencyLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LatencyLayer({})", self.0.name)
    }
}
