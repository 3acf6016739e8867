//! Words: what is literal in them, and what their expansions run.

use brush_parser::word::{self, Parameter, ParameterExpr, SpecialParameter, WordPiece, WordPieceWithSource};

use super::{Reader, checks, options, quotes};
use crate::Word;
use crate::walker::Dialect;

/// A word as far as it is known.
#[derive(Default)]
struct Known {
    text: String,
    /// Whether something comes that is not known.
    is_open: bool,
    /// Whether that may be several words.
    may_split: bool,
}

impl Known {
    fn push(&mut self, text: &str) {
        if !self.is_open {
            self.text.push_str(text);
        }
    }

    fn open(&mut self) {
        self.is_open = true;
    }

    fn split(&mut self) {
        self.is_open = true;
        self.may_split = true;
    }

    fn word(self) -> Word {
        match self {
            Self { may_split: true, .. } => Word::Unknown,
            Self { is_open: true, text, .. } => Word::Begins(text),
            Self { text, .. } => Word::Literal(text),
        }
    }
}

impl Reader<'_, '_> {
    /// A word of a script, and all that its substitutions run.
    pub(crate) fn word(&mut self, raw: &str) -> Word {
        let Ok(pieces) = word::parse(raw, &options()) else {
            self.opaque(raw, "the word cannot be parsed");
            return Word::Unknown;
        };
        let mut known = Known::default();
        for piece in &pieces {
            self.piece(piece, raw, &mut known);
        }
        known.word()
    }

    fn piece(&mut self, piece: &WordPieceWithSource, raw: &str, known: &mut Known) {
        match &piece.piece {
            WordPiece::Text(text) => self.unquoted(text, piece, raw, known),
            WordPiece::SingleQuotedText(text) => known.push(text),
            WordPiece::AnsiCQuotedText(text) => self.ansi_c(text, known),
            WordPiece::DoubleQuotedSequence(pieces) => pieces.iter().for_each(|piece| self.quoted(piece, raw, known)),
            // It may be translated.
            WordPiece::GettextDoubleQuotedSequence(pieces) => {
                known.open();
                pieces.iter().for_each(|piece| self.quoted(piece, raw, known));
            }
            WordPiece::EscapeSequence(text) => known.push(escaped(text)),
            WordPiece::TildeExpansion(_) => known.split(),
            // A number, which has no letters that part words.
            WordPiece::ParameterExpansion(ParameterExpr::Parameter {
                parameter:
                    Parameter::Special(
                        SpecialParameter::PositionalParameterCount
                        | SpecialParameter::LastExitStatus
                        | SpecialParameter::ProcessId,
                    ),
                indirect: false,
            }) => known.open(),
            WordPiece::ParameterExpansion(_) => known.split(),
            WordPiece::CommandSubstitution(text) => {
                known.split();
                self.substitution(text);
            }
            WordPiece::BackquotedCommandSubstitution(text) => {
                known.split();
                self.backquoted(text);
            }
            WordPiece::ArithmeticExpression(expression) => {
                known.open();
                self.arithmetic(&expression.value);
            }
        }
    }

    /// Within double quotes, where an expansion is one word, or the list of all arguments.
    fn quoted(&mut self, piece: &WordPieceWithSource, raw: &str, known: &mut Known) {
        match &piece.piece {
            WordPiece::Text(text) => {
                if text.contains('`') || !is_dollar_alone(text, piece, raw) {
                    self.opaque(raw, "an expansion is not understood");
                    known.open();
                }
                known.push(text);
            }
            WordPiece::ParameterExpansion(expression) if is_list(expression) => known.split(),
            WordPiece::ParameterExpansion(_) => known.open(),
            WordPiece::CommandSubstitution(text) => {
                known.open();
                self.substitution(text);
            }
            WordPiece::BackquotedCommandSubstitution(text) => {
                known.open();
                self.backquoted(text);
            }
            _ => self.piece(piece, raw, known),
        }
    }

    fn unquoted(&mut self, text: &str, piece: &WordPieceWithSource, raw: &str, known: &mut Known) {
        // In a word that was taken for what it is, these stand in quotes or in expansions.
        let is_misread = text.contains(|letter: char| letter.is_whitespace() || ";&|<>()`\"'".contains(letter));
        if is_misread || !is_dollar_alone(text, piece, raw) {
            self.opaque(raw, "an expansion is not understood");
            known.split();
            return;
        }
        let is_start = known.text.is_empty() && !known.is_open;
        if is_start && text.starts_with('~') {
            known.split();
        }
        let expands = |(at, letter): (usize, char)| match letter {
            '*' | '?' | '[' | ']' | '{' | '}' => Some(at),
            '~' if text[..at].ends_with([':', '=']) => Some(at),
            _ => None,
        };
        match text.char_indices().find_map(expands) {
            // A test is called so, and these two braces alone are for `find` and `xargs`.
            Some(_) if ["[", "]", "{}"].contains(&raw) => known.push(text),
            Some(at) => {
                known.push(&text[..at]);
                known.open();
                // Names of files, or whatever stands in the brackets: several words that may begin with anything.
                known.may_split |= known.text.is_empty();
            }
            None => known.push(text),
        }
    }

    fn ansi_c(&mut self, text: &str, known: &mut Known) {
        match quotes::ansi_c(text) {
            Some(text) if self.dialect == Dialect::Bash => known.push(&text),
            Some(_) => {
                self.opaque(text, "shells other than bash read this quote differently");
                known.open();
            }
            None => known.split(),
        }
    }

    fn backquoted(&mut self, text: &str) {
        match text.contains('\\') {
            true => self.opaque(text, "escapes within backquotes are read in several ways"),
            false => self.substitution(text),
        }
    }

    /// What is calculated is evaluated, and what variables contain too, which may run commands.
    pub(crate) fn arithmetic(&mut self, text: &str) {
        let is_number =
            |letter: char| letter.is_ascii_digit() || letter.is_whitespace() || "+-*/%()<>=!&|^~?:,".contains(letter);
        if text.chars().all(is_number) {
            return;
        }
        self.opaque(text, "what variables contain is calculated, which may run commands");
        for piece in word::parse(text, &options()).iter().flatten() {
            match &piece.piece {
                WordPiece::CommandSubstitution(text) => self.substitution(text),
                WordPiece::BackquotedCommandSubstitution(text) => self.backquoted(text),
                _ => {}
            }
        }
    }

    /// A document that is written within the script.
    pub(crate) fn document(&mut self, raw: &str) -> Word {
        if raw.contains("\\\n") {
            self.opaque(raw, "a document whose lines go on may end elsewhere");
            return Word::Unknown;
        }
        if checks::has_comments_within(raw) {
            self.opaque(raw, "a comment in a document is read in several ways");
            return Word::Unknown;
        }
        let Ok(pieces) = word::parse_heredoc(raw, &options()) else {
            self.opaque(raw, "the document cannot be parsed");
            return Word::Unknown;
        };
        let mut known = Known::default();
        pieces.iter().for_each(|piece| self.quoted(piece, raw, &mut known));
        known.word()
    }
}

fn escaped(text: &str) -> &str {
    let letter = text.strip_prefix('\\').unwrap_or(text);
    if letter == "\n" { "" } else { letter }
}

/// A dollar is itself only where nothing follows that could be a name or a bracket.
fn is_dollar_alone(text: &str, piece: &WordPieceWithSource, raw: &str) -> bool {
    let is_harmless = |next: Option<char>| match next {
        None => true,
        Some(next) => " \t\n\"'/.,:;|)%=\\]}".contains(next),
    };
    let after = |at: usize| match text[at + 1..].chars().next() {
        Some(next) => Some(next),
        None => raw.get(piece.end_index..).and_then(|rest| rest.chars().next()),
    };
    text.match_indices('$').all(|(at, _)| is_harmless(after(at)))
}

/// Each element is a word, quotes or not.
fn is_list(expression: &ParameterExpr) -> bool {
    !matches!(
        expression,
        ParameterExpr::Parameter {
            parameter: Parameter::Named(_)
                | Parameter::Positional(_)
                | Parameter::NamedWithIndex { .. }
                | Parameter::Special(
                    SpecialParameter::PositionalParameterCount
                        | SpecialParameter::LastExitStatus
                        | SpecialParameter::ProcessId
                        | SpecialParameter::LastBackgroundProcessId
                        | SpecialParameter::CurrentOptionFlags
                        | SpecialParameter::ShellName
                ),
            ..
        } | ParameterExpr::UseDefaultValues { parameter: Parameter::Named(_) | Parameter::Positional(_), .. }
            | ParameterExpr::ParameterLength { .. }
            | ParameterExpr::RemoveSmallestSuffixPattern { parameter: Parameter::Named(_), .. }
            | ParameterExpr::RemoveLargestSuffixPattern { parameter: Parameter::Named(_), .. }
            | ParameterExpr::RemoveSmallestPrefixPattern { parameter: Parameter::Named(_), .. }
            | ParameterExpr::RemoveLargestPrefixPattern { parameter: Parameter::Named(_), .. }
    )
}
