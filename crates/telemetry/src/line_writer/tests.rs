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

impl Pipe {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[test]
fn a_reader_that_does_not_read_costs_lines_not_time_and_nobody_else() {
    let (read, unread) = (Pipe::default(), Pipe::default());
    let lost = [Lost::default(), Lost::default()];
    let sinks = [(&read, &lost[0]), (&unread, &lost[1])];
    let sinks = sinks.map(|(pipe, lost)| start(Plain(pipe.clone()), lost, Format::Text).unwrap());
    let (writer, flush) = to_all(sinks.into(), Redaction::none());
    let held = unread.0.lock().unwrap();
    let write = || writer.make_writer().write_all(b"line\n").unwrap();
    for _ in 0..QUEUE_LINES_MAX * 2 {
        write();
    }
    drop(held);
    // The notice comes before the next line that is written.
    while lost[1].untold() > 0 {
        write();
        std::thread::yield_now();
    }
    drop(flush);
    let text = unread.text();
    assert!(text.contains("log lines were lost here"), "{} bytes", text.len());
    let whole = read.text();
    assert!(whole.matches("line\n").count() > text.matches("line\n").count());
}

#[test]
fn a_notice_in_a_log_of_json_is_json() {
    let line: serde_json::Value = serde_json::from_str(&notice(3, Format::Json)).unwrap();
    assert!(line["fields"]["message"].as_str().unwrap().starts_with("3 log lines"));
}
