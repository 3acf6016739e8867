use std::collections::VecDeque;
use std::time::Duration;

use orchestrator_process::{Output, Stream};
use serde_json::json;
use tokio::time::Instant;

use crate::Progress;

/// How often it is told at most what was printed.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// How much is told at a time: of more the end.
const TOLD_BYTES_MAX: usize = 8 * 1024;

/// What a program printed so far.
pub(super) struct Collected {
    stdout: Kept,
    stderr: Kept,
    progress: Progress,
    told_at: Instant,
}

/// The beginning and the end of a stream, and what nobody was told of yet.
struct Kept {
    name: &'static str,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    bytes_max: usize,
    left_out: u64,
    untold: VecDeque<u8>,
    skipped: u64,
}

impl Collected {
    pub(super) fn new(bytes_max: usize, progress: Progress) -> Self {
        let (stdout, stderr) = (Kept::new("stdout", bytes_max), Kept::new("stderr", bytes_max));
        // The first line is told at once.
        Self { stdout, stderr, progress, told_at: Instant::now() - TELL_EVERY }
    }

    pub(super) fn take(&mut self, output: Output) {
        if let Output::Chunk { stream, bytes } = output {
            match stream {
                Stream::Stdout => self.stdout.take(&bytes),
                Stream::Stderr => self.stderr.take(&bytes),
            }
        }
    }

    pub(super) fn has_untold(&self) -> bool {
        !self.stdout.untold.is_empty() || !self.stderr.untold.is_empty()
    }

    pub(super) fn tell_at(&self) -> Instant {
        self.told_at + TELL_EVERY
    }

    /// Tells whoever watches what was printed since the last time.
    pub(super) fn tell(&mut self) {
        for stream in [&mut self.stdout, &mut self.stderr] {
            if stream.untold.is_empty() {
                continue;
            }
            let bytes = stream.untold.make_contiguous();
            let whole = whole_characters(bytes);
            let text = String::from_utf8_lossy(&bytes[..whole]).into_owned();
            stream.untold.drain(..whole);
            let mut told = json!({ "stream": stream.name, "text": text });
            if stream.skipped > 0 {
                told["bytesSkipped"] = std::mem::take(&mut stream.skipped).into();
            }
            self.progress.tell(told);
        }
        self.told_at = Instant::now();
    }

    pub(super) fn is_cut(&self) -> bool {
        self.stdout.left_out + self.stderr.left_out > 0
    }

    /// Of standard output and of standard error.
    pub(super) fn texts(self) -> (String, String) {
        (self.stdout.text(), self.stderr.text())
    }
}

impl Kept {
    fn new(name: &'static str, bytes_max: usize) -> Self {
        let (head, tail, untold) = (Vec::new(), VecDeque::new(), VecDeque::new());
        Self { name, head, tail, bytes_max, left_out: 0, untold, skipped: 0 }
    }

    fn take(&mut self, bytes: &[u8]) {
        let head_max = self.bytes_max / 2;
        let (first, rest) = bytes.split_at(bytes.len().min(head_max - self.head.len()));
        self.head.extend_from_slice(first);
        self.left_out += push_bounded(&mut self.tail, rest, self.bytes_max - head_max);
        self.skipped += push_bounded(&mut self.untold, bytes, TOLD_BYTES_MAX);
    }

    fn text(mut self) -> String {
        if self.left_out == 0 {
            self.head.extend(self.tail);
            return String::from_utf8_lossy(&self.head).into_owned();
        }
        let head = String::from_utf8_lossy(&self.head);
        let tail = String::from_utf8_lossy(self.tail.make_contiguous());
        format!("{head}\n[{} bytes left out]\n{tail}", self.left_out)
    }
}

/// How many of the bytes are there before a character whose end has not come yet; all of them if there is nothing else.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        _ => bytes.len(),
    }
}

/// Appends, and drops from the beginning what is more than `bytes_max`; says how much that was.
fn push_bounded(queue: &mut VecDeque<u8>, bytes: &[u8], bytes_max: usize) -> u64 {
    let skipped = bytes.len().saturating_sub(bytes_max);
    let bytes = &bytes[skipped..];
    let over = (queue.len() + bytes.len()).saturating_sub(bytes_max);
    queue.drain(..over);
    queue.extend(bytes);
    (skipped + over) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(chunks: &[&[u8]], bytes_max: usize) -> String {
        let mut kept = Kept::new("stdout", bytes_max);
        chunks.iter().for_each(|chunk| kept.take(chunk));
        kept.text()
    }

    #[test]
    fn the_beginning_and_the_end_are_kept_and_the_gap_is_told() {
        assert_eq!(kept(&[b"abc", b"def"], 6), "abcdef");
        assert_eq!(kept(&[b"abc", b"defg", b"hij"], 6), "abc\n[4 bytes left out]\nhij");
        assert_eq!(kept(&["gr\u{fc}n".as_bytes()], 6), "gr\u{fc}n");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_uncounted(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20), bytes_max in 2..60_usize) {
            let mut kept = Kept::new("stdout", bytes_max);
            chunks.iter().for_each(|chunk| kept.take(chunk));
            let all = chunks.concat();
            prop_assert_eq!(kept.head.len() + kept.tail.len() + kept.left_out as usize, all.len());
            prop_assert!(all.starts_with(&kept.head) && all.ends_with(kept.tail.make_contiguous()));
            prop_assert!(kept.head.len() + kept.tail.len() <= bytes_max);
        }
    }
}
