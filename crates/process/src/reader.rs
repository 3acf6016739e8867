use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::output::Framer;
use crate::{Limits, Output, OverOutput, Stream};

/// How much is read at a time.
const CHUNK_BYTES: usize = 16 * 1024;

/// What the two readers have seen, for the driver.
#[derive(Debug)]
pub(crate) struct Activity {
    last: Mutex<Instant>,
    waiting: AtomicUsize,
    pub(crate) paused: AtomicBool,
    pub(crate) truncated: AtomicBool,
    /// Signalled when a stream goes over its limit and that is to end the process.
    pub(crate) over: Notify,
    pub(crate) stdout_bytes: AtomicU64,
    pub(crate) stderr_bytes: AtomicU64,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self {
            last: Mutex::new(Instant::now()),
            waiting: AtomicUsize::new(0),
            paused: AtomicBool::new(false),
            truncated: AtomicBool::new(false),
            over: Notify::new(),
            stdout_bytes: AtomicU64::new(0),
            stderr_bytes: AtomicU64::new(0),
        }
    }

    pub(crate) fn touch(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Whether output waits for whoever reads it.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Returns once nothing was printed for `limit`; never without one.
    pub(crate) async fn idle_for(&self, limit: Option<Duration>) {
        let Some(limit) = limit else { return std::future::pending().await };
        loop {
            let quiet = match self.is_waiting() || self.paused.load(Ordering::SeqCst) {
                true => Duration::ZERO,
                false => self.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed(),
            };
            match limit.checked_sub(quiet) {
                None | Some(Duration::ZERO) => return,
                Some(left) => tokio::time::sleep(left).await,
            }
        }
    }

    fn count(&self, stream: Stream, bytes: usize) {
        let counter = match stream {
            Stream::Stdout => &self.stdout_bytes,
            Stream::Stderr => &self.stderr_bytes,
        };
        counter.fetch_add(bytes as u64, Ordering::SeqCst);
        self.touch();
    }
}

/// Reads one stream to its end.
pub(crate) struct Reader<'a, P> {
    pub(crate) pipe: P,
    pub(crate) stream: Stream,
    pub(crate) framer: Framer,
    pub(crate) limits: &'a Limits,
    pub(crate) activity: &'a Activity,
    pub(crate) sender: mpsc::Sender<Output>,
}

impl<P: AsyncRead + Unpin> Reader<'_, P> {
    pub(crate) async fn run(mut self) {
        let mut left = self.limits.output_bytes_max;
        let mut over = false;
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(CHUNK_BYTES);
            // An error means the same as the end: nobody will write to this pipe again.
            let Ok(count @ 1..) = self.pipe.read_buf(&mut buffer).await else { break };
            self.activity.count(self.stream, count);
            let mut bytes = buffer.split().freeze();
            let is_too_much = bytes.len() as u64 > left;
            bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= bytes.len() as u64;
            if !bytes.is_empty() {
                for piece in self.framer.push(bytes) {
                    self.send(piece).await;
                }
            }
            if is_too_much && !over {
                over = true;
                self.go_over().await;
            }
        }
        if let Some(piece) = self.framer.finish() {
            self.send(piece).await;
        }
    }

    async fn go_over(&mut self) {
        self.activity.truncated.store(true, Ordering::SeqCst);
        if self.limits.over_output == OverOutput::End {
            self.activity.over.notify_one();
        }
        if let Some(piece) = self.framer.finish() {
            self.send(piece).await;
        }
        self.send(Output::Truncated { stream: self.stream }).await;
    }

    async fn send(&mut self, piece: Output) {
        self.activity.waiting.fetch_add(1, Ordering::SeqCst);
        // Without a receiver the process handle is gone, and the tree with it.
        let _ = self.sender.send(piece).await;
        self.activity.touch();
        self.activity.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}
