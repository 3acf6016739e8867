use std::fmt;

use crate::Redactor;
use crate::find::Span;
use crate::patterns::Member;
use crate::redactor::write_redacted;

/// Enough to see whether a word began before: the longest escape, `%3D`.
const CONTEXT_BYTES: usize = 3;

/// Redacts text that comes in pieces.
///
/// It holds back only an end that may be the beginning of a secret: mostly nothing, at most the longest form of the
/// longest secret or 8 KiB. Forget [`Stream::finish`] and that end is lost, never leaked.
#[must_use = "text is held back until it is finished"]
pub struct Stream {
    redactor: Redactor,
    /// A little text that is out already, then what is held back.
    held: String,
    context: usize,
    /// How much after the context is part of a secret whose replacement is out already.
    covered: usize,
    /// That secret goes on with letters of these kinds.
    open: Vec<Member>,
}

impl Stream {
    pub(crate) fn new(redactor: Redactor) -> Self {
        Self { redactor, held: String::new(), context: 0, covered: 0, open: Vec::new() }
    }

    /// Takes a piece and gives what is certain.
    pub fn push(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        self.advance(false)
    }

    /// Gives what was held back: no more pieces will come.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.advance(true)
    }

    fn advance(&mut self, complete: bool) -> String {
        self.extend_covered();
        let covered = Span::covered(self.context, self.context + self.covered);
        let covered = (self.covered > 0).then_some(covered);
        let finder = self.redactor.finder();
        let found = finder.find(&self.held, self.context, complete, covered);
        let cut = found.undecided.unwrap_or(self.held.len()).max(self.context);

        let mut out = String::new();
        let reached = write_redacted(&mut out, &self.held, self.context, cut, &found.spans);
        self.covered = reached - cut;
        // A secret that begins behind the cut is found again, as a whole, next time.
        if reached == self.held.len() {
            let new = found.open.into_iter().filter(|member| !self.open.contains(member));
            self.open.append(&mut new.collect());
        } else {
            self.open.clear();
        }

        let keep_from = self.held.floor_char_boundary(cut.saturating_sub(CONTEXT_BYTES));
        self.held.drain(..keep_from);
        self.context = cut - keep_from;
        out
    }

    /// New letters of a run whose replacement is out already belong to it.
    fn extend_covered(&mut self) {
        let new = &self.held.as_bytes()[self.context + self.covered..];
        self.covered += self.open.iter().map(|member| member.run_length(new)).max().unwrap_or(0);
        self.open.retain(|member| member.run_length(new) == new.len());
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({} bytes held back)", self.held.len() - self.context)
    }
}
