//! The queue of finished spans and the thread that empties it.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::http::{Collector, Refusal};
use super::layer::{SpanLayer, is_traced};
use super::{OtlpConfig, Service};
use crate::line_writer::Lost;
use crate::{Description, Error, Metrics, Redaction};

/// How long the end of the program waits for the last spans to be sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);
/// How often a request is repeated that the collector put off, and after how long the first time; doubled each time.
const RETRIES_MAX: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// What became of spans.
#[derive(Clone, Default)]
struct Losses {
    /// There was no room in the queue.
    queue: Lost,
    /// The collector did not take them.
    collector: Lost,
    /// None: the collector took them.
    sent: Lost,
}

#[derive(Clone)]
pub(super) struct Queue {
    spans: mpsc::Sender<Span>,
    losses: Losses,
}

impl Queue {
    /// One that nobody empties but a test.
    #[cfg(test)]
    pub(super) fn to(spans: mpsc::Sender<Span>) -> Self {
        Self { spans, losses: Losses::default() }
    }

    /// Never waits.
    pub(super) fn put(&self, span: Span) {
        if let Err(TrySendError::Full(_)) = self.spans.try_send(span) {
            self.losses.queue.add(1);
        }
    }
}

/// Keeps spans going to the collector. Dropping it sends what is still queued, for at most three seconds.
pub(crate) struct Exporter {
    stop: CancellationToken,
    done: Receiver<()>,
    losses: Losses,
}

impl Exporter {
    pub(crate) fn count_in(&self, metrics: &Metrics) -> Result<(), Error> {
        const DROPPED: &str = "otlp_spans_dropped_total";
        const SENT: &str = "otlp_spans_sent_total";
        metrics.describe(&[
            Description::counter(DROPPED, "Spans that the collector did not get, by reason."),
            Description::counter(SENT, "Spans that the collector took."),
        ])?;
        let dropped = |reason: &'static str| metrics.counter(DROPPED, &[("reason", reason.into())]);
        self.losses.queue.count_in(dropped("queue"));
        self.losses.collector.count_in(dropped("collector"));
        self.losses.sent.count_in(metrics.counter(SENT, &[]));
        Ok(())
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.stop.cancel();
        // Whether it finished or not: there is no time left to do anything about it.
        let _ = self.done.recv_timeout(FLUSH_TIMEOUT);
    }
}

/// What is put on a subscriber.
pub(crate) type Spans<S> = Box<dyn Layer<S> + Send + Sync>;

/// Starts the thread, if there is a collector.
pub(crate) fn start<S>(
    config: &OtlpConfig,
    service: &Service,
    redaction: &Redaction,
) -> Result<Option<(Spans<S>, Exporter)>, Error>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    config.validate()?;
    let Some(collector) = Collector::new(config).map_err(|rule| Error::Otlp { key: "endpoint", rule })? else {
        return Ok(None);
    };
    let (spans, queue) = mpsc::channel(config.queue_spans_max);
    let (finished, done) = sync_channel(1);
    let (losses, stop) = (Losses::default(), CancellationToken::new());
    let sender = Sender {
        queue,
        collector,
        service: service.clone(),
        losses: losses.clone(),
        batch_max: config.batch_spans_max,
        interval: config.interval(),
        stop: stop.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Thread)?;
    let run = move || {
        runtime.block_on(sender.run());
        // Nobody waits any more if the time-out was faster.
        let _ = finished.try_send(());
    };
    thread::Builder::new().name("spans".to_owned()).spawn(run).map_err(Error::Thread)?;
    let layer = SpanLayer {
        queue: Queue { spans, losses: losses.clone() },
        redaction: redaction.clone(),
        namespace: service.name.clone(),
        sample_ratio: config.sample_ratio,
    };
    let layer: Spans<S> = Box::new(layer.with_filter(filter_fn(is_traced)));
    Ok(Some((layer, Exporter { stop, done, losses })))
}

struct Sender {
    queue: mpsc::Receiver<Span>,
    collector: Collector,
    service: Service,
    losses: Losses,
    batch_max: usize,
    interval: Duration,
    stop: CancellationToken,
}

impl Sender {
    async fn run(mut self) {
        let stop = self.stop.clone();
        let mut batch = Vec::new();
        while let Some(Some(first)) = stop.run_until_cancelled(self.queue.recv()).await {
            batch.push(first);
            stop.run_until_cancelled(self.fill(&mut batch)).await;
            self.send(std::mem::take(&mut batch)).await;
        }
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        while let Ok(span) = self.queue.try_recv() {
            batch.push(span);
            if batch.len() == self.batch_max {
                let _ = timeout_at(deadline, self.send(std::mem::take(&mut batch))).await;
            }
        }
        if !batch.is_empty() {
            let _ = timeout_at(deadline, self.send(batch)).await;
        }
    }

    /// Until the batch is full, or old enough.
    async fn fill(&mut self, batch: &mut Vec<Span>) {
        let more = async {
            while batch.len() < self.batch_max
                && let Some(span) = self.queue.recv().await
            {
                batch.push(span);
            }
        };
        let _ = timeout(self.interval, more).await;
    }

    /// Sends them, or counts them as lost. Nothing is logged: a collector that is down would fill the log.
    async fn send(&self, spans: Vec<Span>) {
        let count = spans.len() as u64;
        let request = bytes::Bytes::from(self.service.request(spans));
        let mut pause = FIRST_PAUSE;
        for attempt in 0.. {
            match self.collector.post(request.clone()).await {
                Ok(()) => return self.losses.sent.add(count),
                Err(Refusal::Later(asked)) if attempt < RETRIES_MAX && !self.stop.is_cancelled() => {
                    // Waiting ends with the program; what is queued then gets one attempt.
                    let _ = timeout(asked.unwrap_or(pause), self.stop.cancelled()).await;
                    pause *= 2;
                }
                Err(_) => return self.losses.collector.add(count),
            }
        }
    }
}
