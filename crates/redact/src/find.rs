//! Where the secrets are in a text.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use secrecy::{ExposeSecret, SecretString};

use crate::patterns::{self, Member, Verdict};
use crate::{forms, personal, redactor::Named};

/// Everything that is looked for, made once and used until a secret is added.
pub(crate) struct Finder {
    names: Vec<String>,
    /// Every form of every secret, sorted, with the index of its name.
    needles: Vec<(String, usize)>,
    exact: AhoCorasick,
    /// Prefixes of patterns, sorted, with the index of the pattern.
    prefixes: Vec<(&'static str, usize)>,
    beginnings: AhoCorasick,
    needle_length_max: usize,
    /// Bytes with which something begins that is looked for.
    first_bytes: [bool; 256],
    /// Whether cards and accounts are looked for.
    has_personal: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span<'a> {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// What takes its place; `None` if that was said already.
    pub(crate) name: Option<&'a str>,
    /// Whether it is a secret that was given, and does not only look like one.
    pub(crate) is_exact: bool,
    /// What it is recognised by begins here, if that is earlier.
    anchor: usize,
}

impl<'a> Span<'a> {
    /// Text whose replacement is already written.
    pub(crate) fn covered(start: usize, end: usize) -> Self {
        Self { start, end, name: None, is_exact: true, anchor: start }
    }
}

#[derive(Default)]
pub(crate) struct Found<'a> {
    /// In order, not overlapping, none empty.
    pub(crate) spans: Vec<Span<'a>>,
    /// From here on more text may make a secret of it.
    pub(crate) undecided: Option<usize>,
    /// The secrets that end with the text would go on with letters of these kinds.
    pub(crate) open: Vec<Member>,
}

impl Finder {
    pub(crate) fn new(secrets: &[Named<SecretString>], has_personal: bool) -> Self {
        let mut needles: Vec<(String, usize)> = Vec::new();
        for (index, secret) in secrets.iter().enumerate() {
            needles.extend(forms::of(secret.value.expose_secret()).into_iter().map(|form| (form, index)));
        }
        needles.sort();
        needles.dedup_by(|later, first| later.0 == first.0);
        let mut prefixes: Vec<(&'static str, usize)> = Vec::new();
        for (index, pattern) in patterns::ALL.iter().enumerate() {
            prefixes.extend(pattern.prefixes.iter().map(|prefix| (*prefix, index)));
        }
        prefixes.sort_unstable();
        let mut first_bytes = [false; 256];
        let texts = needles.iter().map(|(text, _)| text.as_str()).chain(prefixes.iter().map(|(text, _)| *text));
        texts.filter_map(|text| text.bytes().next()).for_each(|byte| first_bytes[usize::from(byte)] = true);
        let longest = prefixes.iter().map(|(text, _)| text.len()).chain(needles.iter().map(|(text, _)| text.len()));
        Self {
            names: secrets.iter().map(|secret| secret.name.clone()).collect(),
            exact: automaton(MatchKind::Standard, needles.iter().map(|(text, _)| text.as_str())),
            beginnings: automaton(MatchKind::LeftmostLongest, prefixes.iter().map(|(text, _)| *text)),
            needle_length_max: longest.max().unwrap_or(0),
            needles,
            prefixes,
            first_bytes,
            has_personal,
        }
    }

    /// Looks at the text from the byte `from` on; what lies before it is only looked back at.
    /// `complete` if no more text will come. `covered` is text that has been replaced already.
    pub(crate) fn find(&self, text: &str, from: usize, complete: bool, covered: Option<Span<'static>>) -> Found<'_> {
        let mut found = Found::default();
        found.spans.extend(covered);
        if self.has_personal {
            find_personal(text, covered.map_or(from, |covered| covered.end), complete, &mut found);
        }
        // Overlapping, because two secrets may share letters and neither may stay readable.
        for hit in self.exact.find_overlapping_iter(&text[from..]) {
            let name = self.names[self.needles[hit.pattern().as_usize()].1].as_str();
            let (start, end) = (from + hit.start(), from + hit.end());
            found.spans.push(Span { start, end, name: Some(name), is_exact: true, anchor: start });
        }
        self.find_patterns(text, from, complete, &mut found);
        if !complete {
            let begun = self.begun_needle(text, from);
            found.undecided = found.undecided.into_iter().chain(begun).min();
        }
        merge(&mut found.spans);
        found.undecided = found.undecided.map(|undecided| before_anchors(&found.spans, undecided));
        found
    }

    fn find_patterns(&self, text: &str, from: usize, complete: bool, found: &mut Found<'_>) {
        let mut looked_at = [0; patterns::ALL.len()];
        for hit in self.beginnings.find_iter(&text[from..]) {
            let index = self.prefixes[hit.pattern().as_usize()].1;
            let (pattern, start) = (&patterns::ALL[index], from + hit.start());
            if start < looked_at[index] || !pattern.may_follow(&text[..start]) {
                continue;
            }
            match pattern.judge(&text[start..], hit.len(), complete) {
                Verdict::No { looked_at: length } => looked_at[index] = start + length,
                Verdict::Undecided => {
                    found.undecided = Some(found.undecided.map_or(start, |other| other.min(start)));
                    // Whatever else this pattern would say about the same letters waits with it.
                    looked_at[index] = text.len();
                }
                Verdict::Yes { from, to, looked_at: length, open } => {
                    looked_at[index] = start + length;
                    found.open.extend(open.filter(|member| !found.open.contains(member)));
                    let name = Some(pattern.name);
                    let (anchor, start, end) = (start, start + from, start + to);
                    found.spans.push(Span { start, end, name, is_exact: false, anchor });
                }
            }
        }
    }

    /// The first place from which on the whole rest of the text is the beginning of something looked for.
    fn begun_needle(&self, text: &str, from: usize) -> Option<usize> {
        let start = from.max(text.len().saturating_sub(self.needle_length_max.saturating_sub(1)));
        let bytes = text.as_bytes();
        (start..bytes.len()).find(|at| self.first_bytes[usize::from(bytes[*at])] && self.is_begun(&bytes[*at..]))
    }

    fn is_begun(&self, tail: &[u8]) -> bool {
        let at = self.needles.partition_point(|(needle, _)| needle.as_bytes() <= tail);
        let needle = self.needles.get(at).is_some_and(|(needle, _)| needle.as_bytes().starts_with(tail));
        let at = self.prefixes.partition_point(|(prefix, _)| prefix.as_bytes() <= tail);
        needle || self.prefixes.get(at).is_some_and(|(prefix, _)| prefix.as_bytes().starts_with(tail))
    }
}

fn find_personal(text: &str, from: usize, complete: bool, found: &mut Found<'_>) {
    let spans = &mut found.spans;
    found.undecided = personal::find(text, from, complete, |personal::Hit { start, end, name }| {
        spans.push(Span { start, end, name: Some(name), is_exact: false, anchor: start });
    });
}

/// What is looked for takes some 400 times its room as a table, which is one step per byte: 10 MB at most. What is more than this is
/// looked for in less room, by more steps.
const TABLED_BYTES_MAX: usize = 24 * 1024;

fn automaton<'a>(kind: MatchKind, texts: impl Iterator<Item = &'a str> + Clone) -> AhoCorasick {
    let bytes: usize = texts.clone().map(str::len).sum();
    let tabled = (bytes <= TABLED_BYTES_MAX).then_some(AhoCorasickKind::DFA);
    let automaton = AhoCorasick::builder().match_kind(kind).kind(tabled).build(texts);
    automaton.expect("secrets together are far smaller than four gigabytes")
}

/// A secret that has to wait is recognised again later, so what it is recognised by has to wait with it.
fn before_anchors(spans: &[Span<'_>], mut undecided: usize) -> usize {
    // From the last one on, because waiting longer may make those before it wait.
    for span in spans.iter().rev() {
        if span.start >= undecided {
            undecided = undecided.min(span.anchor);
        }
    }
    undecided
}

/// Makes one span of those that overlap, with the name of the first. Where a loaded secret and a pattern begin
/// together, the secret's name says more.
fn merge(spans: &mut Vec<Span<'_>>) {
    spans.sort_by_key(|span| (span.start, span.name.is_some(), !span.is_exact, std::cmp::Reverse(span.end)));
    spans.dedup_by(|later, first| {
        let overlaps = later.start < first.end;
        if overlaps {
            first.end = first.end.max(later.end);
            first.anchor = first.anchor.min(later.anchor);
        }
        overlaps
    });
}
