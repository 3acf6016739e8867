use bytes::Bytes;

/// Which of the two streams something was printed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How output is cut into pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Framing {
    /// Line by line, as text.
    #[default]
    Lines,
    /// As it arrives, as bytes.
    Chunks,
}

/// A piece of what a process printed. Each stream is in order; the two are not ordered against each other.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// With [`Framing::Lines`].
    Line {
        /// Where it was printed.
        stream: Stream,
        /// Without its line end; what is not UTF-8 is replaced by U+FFFD.
        text: String,
        /// `false` if there was no line end: the line is longer than `line_bytes_max` and continues in the next piece,
        /// or the stream ended.
        ended: bool,
    },
    /// With [`Framing::Chunks`].
    Chunk {
        /// Where it was printed.
        stream: Stream,
        /// Never empty.
        bytes: Bytes,
    },
    /// This stream went over `output_bytes_max`; nothing more of it follows.
    Truncated {
        /// Which one.
        stream: Stream,
    },
}

/// Cuts one stream into pieces.
#[derive(Debug)]
pub(crate) struct Framer {
    stream: Stream,
    framing: Framing,
    line_bytes_max: usize,
    partial: Vec<u8>,
}

impl Framer {
    pub(crate) fn new(stream: Stream, framing: Framing, line_bytes_max: usize) -> Self {
        Self { stream, framing, line_bytes_max: line_bytes_max.max(16), partial: Vec::new() }
    }

    pub(crate) fn push(&mut self, bytes: Bytes) -> Vec<Output> {
        if self.framing == Framing::Chunks {
            return vec![Output::Chunk { stream: self.stream, bytes }];
        }
        let mut pieces = Vec::new();
        let mut rest = &bytes[..];
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            self.cut_long(&mut pieces);
            if self.partial.last() == Some(&b'\r') {
                self.partial.pop();
            }
            let length = self.partial.len();
            pieces.push(self.take(length, true));
        }
        self.partial.extend_from_slice(rest);
        self.cut_long(&mut pieces);
        pieces
    }

    /// What is left when the stream ends.
    pub(crate) fn finish(&mut self) -> Option<Output> {
        let length = self.partial.len();
        (length > 0).then(|| self.take(length, false))
    }

    fn cut_long(&mut self, pieces: &mut Vec<Output>) {
        while self.partial.len() > self.line_bytes_max {
            let at = character_border(&self.partial, self.line_bytes_max);
            pieces.push(self.take(at, false));
        }
    }

    fn take(&mut self, length: usize, ended: bool) -> Output {
        let text = String::from_utf8_lossy(&self.partial[..length]).into_owned();
        self.partial.drain(..length);
        Output::Line { stream: self.stream, text, ended }
    }
}

/// The last place at or before `at` that is not within a UTF-8 sequence; `at` itself if this is not UTF-8 anyway.
fn character_border(bytes: &[u8], at: usize) -> usize {
    let continues = |place: &usize| bytes[*place] & 0b1100_0000 == 0b1000_0000;
    (at - 3..=at).rev().find(|place| !continues(place)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(chunks: &[&[u8]], expected: &[(&str, bool)]) {
        let mut framer = Framer::new(Stream::Stdout, Framing::Lines, 16);
        let mut pieces: Vec<Output> =
            chunks.iter().flat_map(|chunk| framer.push(Bytes::copy_from_slice(chunk))).collect();
        pieces.extend(framer.finish());
        let line = |(text, ended): &(&str, bool)| Output::Line {
            stream: Stream::Stdout,
            text: (*text).to_owned(),
            ended: *ended,
        };
        assert_eq!(pieces, expected.iter().map(line).collect::<Vec<_>>());
    }

    #[test]
    fn lines_are_put_together_across_chunks() {
        check(&[b"one\ntw", b"o\n", b"", b"\nthree"], &[("one", true), ("two", true), ("", true), ("three", false)]);
    }

    #[test]
    fn a_character_split_across_chunks_stays_whole() {
        check(&[b"gr\xc3", b"\xbcn\xe2\x82", b"\xac\n"], &[("grün€", true)]);
    }

    #[test]
    fn what_is_not_utf8_is_replaced_and_not_lost() {
        check(&[b"a\xffb\n\xc3\n"], &[("a\u{fffd}b", true), ("\u{fffd}", true)]);
    }

    #[test]
    fn both_kinds_of_line_ends_are_removed() {
        check(&[b"dos\r", b"\nunix\nin\rside\r\n"], &[("dos", true), ("unix", true), ("in\rside", true)]);
    }

    #[test]
    fn a_long_line_comes_in_pieces_cut_between_characters() {
        check(&[b"0123456789abcdefgh\n"], &[("0123456789abcdef", false), ("gh", true)]);
        check(&["0123456789abcd€€\n".as_bytes()], &[("0123456789abcd", false), ("€€", true)]);
        check(&[&[0x80; 20]], &[(&"\u{fffd}".repeat(16), false), (&"\u{fffd}".repeat(4), false)]);
    }
}
