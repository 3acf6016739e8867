//! Lines go through a bounded queue to one thread per sink, so that a reader of standard error that does not read, or
//! a disk that does not write, stops that sink and nothing else.

mod lost;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

pub(crate) use lost::Lost;

use crate::{Error, Format, Redaction};

/// Lines waiting at most, per sink; later ones are counted and dropped.
const QUEUE_LINES_MAX: usize = 8192;

/// How long the end of the program waits for the last lines to be taken, per sink.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// How often the end looks for room in a full queue.
const RETRY_EVERY: Duration = Duration::from_millis(5);

/// After how many lines without a rest a sink looks around all the same.
const LINES_BEFORE_A_LOOK: usize = 256;

/// Where lines end up.
pub(crate) trait Sink: Send + 'static {
    /// Writes a line that ends with a line feed, all of it or it is lost.
    fn put(&mut self, line: &str) -> io::Result<()>;

    /// Comes before a line that follows a rest, and now and then: time to see whether all is as it was.
    fn look(&mut self) {}
}

/// Whatever can be written to.
pub(crate) struct Plain<W>(pub(crate) W);

impl<W: Write + Send + 'static> Sink for Plain<W> {
    fn put(&mut self, line: &str) -> io::Result<()> {
        self.0.write_all(line.as_bytes())?;
        self.0.flush()
    }
}

enum Message {
    Line(Arc<str>),
    Close,
}

/// Makes the writers that `tracing_subscriber` asks for, one per line.
#[derive(Clone)]
pub(crate) struct LineWriter {
    queues: Arc<[Queue]>,
    redaction: Redaction,
}

struct Queue {
    lines: SyncSender<Message>,
    lost: Lost,
}

/// Writes what is still queued when it is dropped.
#[derive(Debug)]
pub(crate) struct Flush {
    lines: SyncSender<Message>,
    done: Receiver<()>,
}

/// A sink whose thread runs.
pub(crate) struct Started {
    queue: Queue,
    flush: Flush,
}

/// Starts the thread of a sink, which tells of lost lines in the given format.
pub(crate) fn start(mut sink: impl Sink, lost: &Lost, format: Format) -> Result<Started, Error> {
    let (lines, queue) = sync_channel(QUEUE_LINES_MAX);
    let (finished, done) = sync_channel(1);
    let count = lost.clone();
    let run = move || {
        write_lines(&queue, &count, &mut sink, format);
        // Nobody waits any more if the time-out was faster.
        let _ = finished.try_send(());
    };
    thread::Builder::new().name("log".to_owned()).spawn(run).map_err(Error::Thread)?;
    Ok(Started { queue: Queue { lines: lines.clone(), lost: lost.clone() }, flush: Flush { lines, done } })
}

/// One writer for all of them.
pub(crate) fn to_all(sinks: Vec<Started>, redaction: Redaction) -> (LineWriter, Vec<Flush>) {
    let (queues, flushes): (Vec<Queue>, Vec<Flush>) = sinks.into_iter().map(|sink| (sink.queue, sink.flush)).unzip();
    (LineWriter { queues: queues.into(), redaction }, flushes)
}

fn write_lines(queue: &Receiver<Message>, lost: &Lost, sink: &mut impl Sink, format: Format) {
    let mut lines_since_a_look = LINES_BEFORE_A_LOOK;
    loop {
        let message = match queue.try_recv() {
            Err(TryRecvError::Empty) => {
                lines_since_a_look = LINES_BEFORE_A_LOOK;
                queue.recv().unwrap_or(Message::Close)
            }
            Err(TryRecvError::Disconnected) => return,
            Ok(message) => message,
        };
        let Message::Line(line) = message else { return };
        lines_since_a_look += 1;
        if lines_since_a_look > LINES_BEFORE_A_LOOK {
            sink.look();
            lines_since_a_look = 0;
        }
        write_line(&line, lost, sink, format);
    }
}

/// What is missing is said where it is missing. There is nowhere to say that a sink fails, and it is no reason to stop
/// the program: it is counted.
fn write_line(line: &str, lost: &Lost, sink: &mut impl Sink, format: Format) {
    let missing = lost.untold();
    if missing > 0 && sink.put(&notice(missing, format)).is_ok() {
        lost.told(missing);
    }
    if sink.put(line).is_err() {
        lost.add(1);
    }
}

fn notice(missing: u64, format: Format) -> String {
    let message = format!("{missing} log lines were lost here: they could not be written fast enough, or at all");
    match format {
        Format::Text => message + "\n",
        Format::Json => format!("{{\"level\":\"WARN\",\"fields\":{{\"message\":\"{message}\"}}}}\n"),
    }
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
        let line: Arc<str> = self.writer.redaction.apply(&text).into();
        for queue in &*self.writer.queues {
            if let Err(TrySendError::Full(_)) = queue.lines.try_send(Message::Line(line.clone())) {
                queue.lost.add(1);
            }
        }
    }
}
