//! Notes as people and programs write them, without front matter: each paragraph and each item of a list is a fact.

use super::said::{Entry, Said};
use crate::text::shortened;

/// The longest topic, in bytes.
const TOPIC_BYTES_MAX: usize = 256;

/// In the order of the file.
pub(super) fn read(content: &str) -> Vec<Entry> {
    let mut notes = Notes::default();
    for (number, line) in (1..).zip(content.lines()) {
        notes.take(number, line);
    }
    notes.end();
    if notes.entries.is_empty() {
        let problem = "expected a paragraph, or an item of a list".to_owned();
        notes.entries.push(Entry { line: 1, said: Err(problem), notes: Vec::new() });
    }
    notes.entries
}

#[derive(Default)]
struct Notes {
    /// Those above, with their levels.
    headings: Vec<(usize, String)>,
    block: Option<Block>,
    /// How the code block ends that we are in.
    fence: Option<String>,
    is_comment: bool,
    entries: Vec<Entry>,
}

/// A paragraph, or an item of a list with all that is indented below it.
struct Block {
    line: u64,
    lines: Vec<String>,
    /// How far the item's mark is indented.
    item: Option<usize>,
}

impl Notes {
    fn take(&mut self, number: u64, line: &str) {
        let (indent, text) = (indent(line), line.trim());
        if let Some(fence) = &self.fence {
            let is_end = text.starts_with(fence.as_str()) && text.bytes().all(|byte| fence.as_bytes()[0] == byte);
            self.push(number, line);
            if is_end {
                self.fence = None;
            }
        } else if self.is_comment || text.starts_with("<!--") {
            self.end();
            self.is_comment = !text.ends_with("-->");
        } else if text.is_empty() {
            self.blank();
        } else if let Some((level, heading)) = heading(indent, text) {
            self.head(level, heading);
        } else if self.underlines(text) {
            let heading = self.block.take().map(|block| block.lines.join(" ")).unwrap_or_default();
            self.head(if text.starts_with('=') { 1 } else { 2 }, &heading);
        } else if is_rule(text) {
            self.end();
        } else if let Some(item) = item(text).filter(|_| self.begins_item(indent)) {
            self.end();
            self.block = Some(Block { line: number, lines: vec![item.to_owned()], item: Some(indent) });
        } else {
            self.text(number, indent, line);
        }
    }

    fn text(&mut self, number: u64, indent: usize, line: &str) {
        let is_after_item = self.block.as_ref().is_some_and(|block| {
            let is_after_blank = block.lines.last().is_some_and(String::is_empty);
            is_after_blank && block.item.is_some_and(|mark| indent <= mark)
        });
        if is_after_item {
            self.end();
        }
        self.fence = fence(line.trim());
        self.push(number, line);
    }

    /// A line of what is being read; what is indented for being in a list is not so in the text.
    fn push(&mut self, number: u64, line: &str) {
        let block = self.block.get_or_insert_with(|| Block { line: number, lines: Vec::new(), item: None });
        let margin = block.item.map_or(0, |mark| mark + 2);
        let mut text = line;
        while indent(line) - indent(text) < margin && text.starts_with([' ', '\t']) {
            text = &text[1..];
        }
        block.lines.push(text.trim_end().to_owned());
    }

    fn blank(&mut self) {
        match &mut self.block {
            Some(block) if block.item.is_some() => block.lines.push(String::new()),
            _ => self.end(),
        }
    }

    fn head(&mut self, level: usize, text: &str) {
        self.end();
        self.headings.retain(|(above, _)| *above < level);
        let text = shortened(text, TOPIC_BYTES_MAX).trim();
        if !text.is_empty() {
            self.headings.push((level, text.to_owned()));
        }
    }

    /// A line under a line of text makes it a heading.
    fn underlines(&self, text: &str) -> bool {
        let is_line = |mark: u8| text.bytes().all(|byte| byte == mark);
        let is_single = self.block.as_ref().is_some_and(|block| block.item.is_none() && block.lines.len() == 1);
        is_single && (is_line(b'=') || is_line(b'-'))
    }

    /// What is indented further than the item before it belongs to that.
    fn begins_item(&self, indent: usize) -> bool {
        self.block.as_ref().and_then(|block| block.item).is_none_or(|mark| indent < mark + 2)
    }

    fn end(&mut self) {
        let Some(Block { line, lines, .. }) = self.block.take() else { return };
        let text = lines.join("\n").trim_end().to_owned();
        if !text.trim().is_empty() {
            let topics = self.headings.iter().map(|(_, heading)| heading.clone()).collect();
            self.entries.push(Entry { line, said: Ok(Said { text, topics, ..Said::default() }), notes: Vec::new() });
        }
    }
}

/// The width of what is before its text.
fn indent(line: &str) -> usize {
    line.chars().take_while(|c| matches!(c, ' ' | '\t')).map(|c| if c == '\t' { 4 } else { 1 }).sum()
}

/// What a code block that begins here ends with.
fn fence(text: &str) -> Option<String> {
    let mark = text.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let marks = text.chars().take_while(|c| *c == mark).count();
    let is_fence = marks >= 3 && !(mark == '`' && text[marks..].contains('`'));
    is_fence.then(|| text[..marks].to_owned())
}

/// `## Text ##`
fn heading(indent: usize, text: &str) -> Option<(usize, &str)> {
    let level = text.bytes().take_while(|byte| *byte == b'#').count();
    let after = &text[level..];
    let is_heading = indent < 4 && (1..=6).contains(&level) && (after.is_empty() || after.starts_with([' ', '\t']));
    is_heading.then(|| (level, after.trim().trim_end_matches('#').trim_end()))
}

/// `---`, `* * *`
fn is_rule(text: &str) -> bool {
    ['-', '*', '_']
        .into_iter()
        .any(|mark| text.chars().filter(|c| *c == mark).count() >= 3 && text.chars().all(|c| c == mark || c == ' '))
}

/// What stands after the mark of a list. Items with numbers are steps, and stay together.
fn item(text: &str) -> Option<&str> {
    let after = text.strip_prefix(['-', '*', '+'])?;
    after.starts_with([' ', '\t']).then(|| after.trim()).filter(|item| !item.is_empty())
}
