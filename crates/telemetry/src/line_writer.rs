//! Lines go through a bounded queue to one thread, so that a reader of standard error that does not read
//! stops the log and nothing else.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use crate::{Error, Redaction};

/// Lines waiting at most; later ones are counted and dropped.
const QUEUE_LINES_MAX: usize = 8192;

/// How long the end of the program waits for the last lines to be taken.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// How often the end looks for room in a full queue.
const RETRY_EVERY: Duration = Duration::from_millis(5);

enum Message {
    Line(String),
    Close,
}

/// Makes the writers that `tracing_subscriber` asks for, one per line.
#[derive(Clone)]
pub(crate) struct LineWriter {
    lines: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
    redaction: Redaction,
}

/// Writes what is still queued when it is dropped.
#[derive(Debug)]
pub(crate) struct Flush {
    lines: SyncSender<Message>,
    done: Receiver<()>,
}

pub(crate) fn start(mut sink: impl Write + Send + 'static, redaction: Redaction) -> Result<(LineWriter, Flush), Error> {
    let (lines, queue) = sync_channel(QUEUE_LINES_MAX);
    let (finished, done) = sync_channel(1);
    let dropped = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&dropped);
    let run = move || {
        write_lines(&queue, &count, &mut sink);
        // Nobody waits any more if the time-out was faster.
        let _ = finished.try_send(());
    };
    thread::Builder::new().name("log".to_owned()).spawn(run).map_err(Error::Thread)?;
    Ok((LineWriter { lines: lines.clone(), dropped, redaction }, Flush { lines, done }))
}

fn write_lines(queue: &Receiver<Message>, dropped: &AtomicU64, sink: &mut impl Write) {
    while let Ok(Message::Line(line)) = queue.recv() {
        // A closed standard error is no reason to stop the program; there is nowhere to say so either.
        let _ = sink.write_all(line.as_bytes());
        let missing = dropped.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let _ = writeln!(sink, "{missing} log lines were dropped here: standard error is not read fast enough");
        }
    }
    let _ = sink.flush();
}

impl Drop for Flush {
    fn drop(&mut self) {
        // The queue may be full for good, so neither step may wait for ever.
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        while let Err(TrySendError::Full(_)) = self.lines.try_send(Message::Close) {
            if Instant::now() >= deadline || self.done.recv_timeout(RETRY_EVERY) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
        // Whether it finished or not: there is no time left to do anything about it.
        let _ = self.done.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

impl<'a> MakeWriter<'a> for LineWriter {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { writer: self, bytes: Vec::new() }
    }
}

/// One line on its way; redacted as a whole when it is complete, however many writes it came in.
pub(crate) struct Line<'a> {
    writer: &'a LineWriter,
    bytes: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.bytes);
        let line = self.writer.redaction.apply(&text).into_owned();
        if let Err(TrySendError::Full(_)) = self.writer.lines.try_send(Message::Line(line)) {
            self.writer.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A standard error that nobody reads until the lock is let go.
    #[derive(Clone, Default)]
    struct Pipe(Arc<Mutex<Vec<u8>>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_does_not_read_costs_lines_not_time() {
        let pipe = Pipe::default();
        let (writer, flush) = start(pipe.clone(), Redaction::none()).unwrap();
        let unread = pipe.0.lock().unwrap();
        for _ in 0..QUEUE_LINES_MAX * 2 {
            writer.make_writer().write_all(b"line\n").unwrap();
        }
        drop(unread);
        drop(flush);
        let text = String::from_utf8(pipe.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("log lines were dropped here"), "{} bytes", text.len());
        assert!(text.matches("line\n").count() <= QUEUE_LINES_MAX + 2);
    }
}
