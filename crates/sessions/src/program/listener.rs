use std::collections::VecDeque;

use orchestrator_process::{Exit, Output, Process, Stream};
use serde_json::{Value, json};

use super::LINE_BYTES_MAX;
use super::message::Message;
use crate::Desk;

/// How many of the last lines of standard error are kept for an error's text, and how much of each.
const TAIL_LINES_MAX: usize = 20;
const TAIL_LINE_CHARS_MAX: usize = 300;

/// What is remembered of a program's output.
#[derive(Debug, Default)]
pub(super) struct Listener {
    result: Option<Value>,
    last_line: Option<String>,
    stderr: VecDeque<String>,
    /// Whether the next piece of standard output continues a line that was too long.
    is_within_line: bool,
    chunks: u64,
}

impl Listener {
    /// Hears a program out.
    pub(super) async fn listen(&mut self, process: &mut Process, desk: &Desk) -> Exit {
        while let Some(output) = process.next().await {
            let Output::Line { stream, text, ended } = output else { continue };
            let text = desk.filtered(text);
            match self.hear(stream, &text, ended) {
                Some(message) => {
                    desk.add_usage(message.usage.input_tokens, message.usage.output_tokens);
                    if let Some(progress) = message.progress {
                        desk.progress(progress);
                    }
                }
                None => {
                    desk.said_filtered(&text);
                    let kind = if stream == Stream::Stdout { "text" } else { "error" };
                    let facts = json!({ "chunkType": kind, "content": text, "index": self.next_chunk() });
                    desk.publish_filtered("stream.chunk", facts);
                }
            }
        }
        process.wait().await
    }

    /// Takes a line, or a piece of a long one. What it says if it is a message, `None` if it is text.
    fn hear(&mut self, stream: Stream, text: &str, ended: bool) -> Option<Message> {
        if stream == Stream::Stderr {
            if self.stderr.len() == TAIL_LINES_MAX {
                self.stderr.pop_front();
            }
            self.stderr.push_back(text.chars().take(TAIL_LINE_CHARS_MAX).collect());
            return None;
        }
        // Only the last line of all may lack its end; other pieces without one are as long as lines may be.
        let is_last = !ended && text.len() + 4 <= LINE_BYTES_MAX;
        let is_whole = !self.is_within_line && (ended || is_last);
        self.is_within_line = !ended;
        let message = is_whole.then(|| Message::parse(text)).flatten();
        match &message {
            Some(message) if message.result.is_some() => self.result.clone_from(&message.result),
            Some(_) => {}
            None if !text.trim().is_empty() => self.last_line = Some(text.to_owned()),
            None => {}
        }
        message
    }

    fn next_chunk(&mut self) -> u64 {
        self.chunks += 1;
        self.chunks - 1
    }

    /// The last result that the program named; else its last line, which is JSON if it is an object or an array; else
    /// nothing.
    pub(super) fn take_result(&mut self) -> Value {
        if let Some(result) = self.result.take() {
            return result;
        }
        let Some(line) = self.last_line.take() else { return Value::Null };
        match serde_json::from_str(&line) {
            Ok(structured @ (Value::Object(_) | Value::Array(_))) => structured,
            _ => Value::String(line),
        }
    }

    pub(super) fn stderr_tail(&self) -> String {
        self.stderr.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &[&str], result: Value) {
        let mut listener = Listener::default();
        for line in lines {
            listener.hear(Stream::Stdout, line, true);
        }
        assert_eq!(listener.take_result(), result);
    }

    #[test]
    fn the_result_is_what_was_named_else_the_last_line() {
        check(&[], Value::Null);
        check(&["one", "two", "  "], json!("two"));
        check(&["one", r#"{"files": 3}"#], json!({ "files": 3 }));
        check(&["42"], json!("42"));
        check(&[r#"{"result": 1}"#, "bye"], json!(1));
        check(&[r#"{"result": 1}"#, r#"{"result": null}"#], json!(null));
        check(&["almost", r#"{"progress": 0.9}"#], json!("almost"));
        check(&[r#"{"result": 1, "extra": 2}"#], json!({ "result": 1, "extra": 2 }));
    }

    #[test]
    fn a_message_must_be_one_whole_line_of_standard_output() {
        let mut listener = Listener::default();
        let line = r#"{"result": 1}"#;
        assert!(listener.hear(Stream::Stderr, line, true).is_none());
        assert!(listener.hear(Stream::Stdout, &"x".repeat(LINE_BYTES_MAX), false).is_none());
        assert!(listener.hear(Stream::Stdout, line, true).is_none(), "this is the end of a long line");
        assert!(listener.hear(Stream::Stdout, line, true).is_some());
        assert!(listener.hear(Stream::Stdout, line, false).is_some(), "the last line may lack its end");
    }

    #[test]
    fn only_the_end_of_standard_error_is_kept() {
        let mut listener = Listener::default();
        for number in 0..100 {
            listener.hear(Stream::Stderr, &format!("{number} {}", "x".repeat(10_000)), true);
        }
        let tail = listener.stderr_tail();
        assert!(tail.starts_with("80 ") && tail.chars().count() < 7_000);
    }
}
