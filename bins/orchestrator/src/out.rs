use std::io::{IsTerminal as _, Write as _};

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};
use serde_json::Value;

use crate::answer::Answer;
use crate::args::Look;
use crate::failure::Failure;

/// Standard output, as the user wants it.
#[derive(Debug, Clone)]
pub(crate) struct Out {
    form: Form,
    has_colors: bool,
    is_terminal: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    Quiet,
}

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Busy,
    Waiting,
    Faint,
    Plain,
}

impl Tone {
    /// Of a status of anything, or of a priority.
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "completed" | "ready" | "good" => Self::Good,
            "running" | "in_progress" | "initializing" => Self::Busy,
            "failed" | "lost" | "terminated" | "degraded" | "critical" | "backing-off" => Self::Bad,
            "blocked" | "pending" | "paused" | "suspended" | "awaiting_approval" | "high" => Self::Waiting,
            "cancelled" | "disabled" | "stopped" | "low" | "revoked" => Self::Faint,
            _ => Self::Plain,
        }
    }

    fn color(self) -> Option<Color> {
        match self {
            Self::Good => Some(Color::Green),
            Self::Bad => Some(Color::Red),
            Self::Busy => Some(Color::Cyan),
            Self::Waiting => Some(Color::Yellow),
            Self::Faint => Some(Color::DarkGrey),
            Self::Plain => None,
        }
    }

    /// The same as a "select graphic rendition" of ECMA-48.
    fn sgr(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Busy => "36",
            Self::Waiting => "33",
            Self::Faint => "90",
            Self::Plain => "0",
        }
    }
}

impl Out {
    pub(crate) fn new(look: &Look) -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let form = match (look.json, look.quiet) {
            (true, _) => Form::Json,
            (_, true) => Form::Quiet,
            _ => Form::Text,
        };
        Self { form, has_colors: is_terminal && !look.no_color, is_terminal }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.form == Form::Json
    }

    pub(crate) fn is_text(&self) -> bool {
        self.form == Form::Text
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Shows an answer in its form.
    pub(crate) fn show(&self, answer: &Answer) -> Result<(), Failure> {
        match self.form {
            Form::Json => self.line(&format!("{:#}", answer.json)),
            Form::Text => self.line(answer.text.trim_end()),
            Form::Quiet => answer.ids.iter().try_for_each(|id| self.line(id)),
        }
    }

    /// One JSON document in a line.
    pub(crate) fn json_line(&self, value: &Value) -> Result<(), Failure> {
        self.line(&value.to_string())
    }

    /// One line. Fails quietly if nobody reads any more.
    pub(crate) fn line(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{text}")?;
        Ok(stdout.flush()?)
    }

    /// As it is, without an end of line.
    pub(crate) fn raw(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        Ok(stdout.flush()?)
    }

    /// A remark that is not part of the answer.
    pub(crate) fn note(&self, text: &str) {
        if self.is_text() {
            eprintln!("{text}");
        }
    }

    pub(crate) fn paint(&self, text: &str, tone: Tone) -> String {
        match self.has_colors && tone != Tone::Plain {
            true => format!("\x1b[{}m{text}\x1b[0m", tone.sgr()),
            false => text.to_owned(),
        }
    }

    pub(crate) fn paint_error(&self, text: &str) -> String {
        match self.has_colors && std::io::stderr().is_terminal() {
            true => format!("\x1b[1;31m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    /// A table that fits the terminal; in a pipe, one whole line for each row.
    pub(crate) fn table(&self, header: &[&str]) -> Table {
        let mut table = Table::new();
        table.load_style(NOTHING);
        // Some terminals do not know how wide they are and say 0.
        let has_width = self.is_terminal && table.width().is_some_and(|width| width > 0);
        let arrangement = if has_width { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
        table.set_content_arrangement(arrangement);
        match self.has_colors {
            true => table.enforce_styling(),
            false => table.force_no_tty(),
        };
        if !header.is_empty() {
            table.set_header(header.iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
        }
        table
    }
}

/// A cell in the colour of its word.
pub(crate) fn toned(word: &str) -> Cell {
    let cell = Cell::new(word);
    match Tone::of(word).color() {
        Some(color) => cell.fg(color),
        None => cell,
    }
}
