//! HTML as text, in time that grows with its length alone: the markup is taken apart into tags and text, and no tree is built of
//! it, because what strangers nest without end would take the time of a tree's square.

use std::cell::RefCell;

use html5ever::TokenizerResult;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, CharacterTokens, StartTag, Tag, TagToken, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

/// Links beyond that are not listed.
const LINKS_MAX: usize = 500;

/// Headings, lists, rows and what is preformatted are kept; links stand at the end, by number.
pub(super) fn readable(html: &str) -> String {
    let queue = BufferQueue::default();
    queue.push_back(StrTendril::from_slice(html));
    let tokenizer = Tokenizer::new(Reader::default(), TokenizerOpts::default());
    // Nothing is executed, so a script is passed over like anything else.
    while !matches!(tokenizer.feed(&queue), TokenizerResult::Done) {}
    tokenizer.end();
    tokenizer.sink.0.into_inner().finished()
}

#[derive(Default)]
struct Reader(RefCell<Page>);

/// What was read, and what comes before the next word.
#[derive(Default)]
struct Page {
    text: String,
    links: Vec<String>,
    newlines: usize,
    has_space: bool,
    prefix: String,
    /// The element whose content is no text, and how many of its name are open in it.
    hidden: Option<(String, u32)>,
    preformatted: u32,
    /// Where the link leads whose words are being read.
    link: Option<String>,
}

impl TokenSink for Reader {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        let mut page = self.0.borrow_mut();
        match token {
            CharacterTokens(text) if page.hidden.is_none() => page.read(&text),
            TagToken(tag) => return page.tag(&tag),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl Page {
    fn tag(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let is_start = tag.kind == StartTag;
        if !self.is_hidden_after(tag, is_start) {
            self.lay_out(tag, is_start);
        }
        match (is_start, &*tag.name) {
            (true, "script") => TokenSinkResult::RawData(RawKind::ScriptData),
            (true, "style" | "iframe" | "noembed" | "noframes" | "xmp") => TokenSinkResult::RawData(RawKind::Rawtext),
            (true, "textarea" | "title") => TokenSinkResult::RawData(RawKind::Rcdata),
            (true, "plaintext") => TokenSinkResult::Plaintext,
            _ => TokenSinkResult::Continue,
        }
    }

    /// Whether the tag belongs to what is no text.
    fn is_hidden_after(&mut self, tag: &Tag, is_start: bool) -> bool {
        let name = &*tag.name;
        match &mut self.hidden {
            Some((hidden, open)) if hidden == name => {
                *open = if is_start { *open + 1 } else { *open - 1 };
                if *open == 0 {
                    self.hidden = None;
                }
                true
            }
            Some(_) => true,
            None => {
                let hides = matches!(name, "script" | "style" | "template" | "svg" | "iframe" | "noembed" | "noframes");
                if hides && is_start && !(tag.self_closing && name == "svg") {
                    self.hidden = Some((name.to_owned(), 1));
                }
                hides
            }
        }
    }

    fn lay_out(&mut self, tag: &Tag, is_start: bool) {
        match &*tag.name {
            "br" => self.newlines = (self.newlines + 1).min(2),
            "li" | "dt" | "dd" | "tr" | "option" => self.new_line(1),
            "td" | "th" if is_start => self.cell(),
            "a" if is_start => self.link = attribute(tag, "href"),
            "a" => self.end_link(),
            "img" => self.image(tag),
            "pre" => {
                self.new_line(2);
                self.preformatted = if is_start { self.preformatted + 1 } else { self.preformatted.saturating_sub(1) };
            }
            name if is_block(name) => self.new_line(2),
            _ => {}
        }
        if is_start {
            match &*tag.name {
                "li" => self.prefix = "- ".to_owned(),
                "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                    let level = usize::from(tag.name.as_bytes()[1] - b'0');
                    self.prefix = format!("{} ", "#".repeat(level));
                }
                _ => {}
            }
        }
    }

    fn read(&mut self, text: &str) {
        if self.preformatted > 0 {
            return self.put(text);
        }
        for (number, word) in text.split([' ', '\n', '\t', '\r', '\u{c}']).enumerate() {
            self.has_space |= number > 0;
            if !word.is_empty() {
                self.put(word);
            }
        }
    }

    fn put(&mut self, text: &str) {
        if !self.text.is_empty() {
            let needs_space = self.has_space && self.newlines == 0 && self.prefix.is_empty();
            self.text.extend(std::iter::repeat_n('\n', self.newlines));
            self.text.push_str(if needs_space { " " } else { "" });
        }
        self.text.push_str(&self.prefix);
        self.text.push_str(text);
        self.prefix.clear();
        (self.newlines, self.has_space) = (0, false);
    }

    fn new_line(&mut self, newlines: usize) {
        self.newlines = self.newlines.max(newlines);
        self.prefix.clear();
    }

    /// The first of a row begins the line.
    fn cell(&mut self) {
        if self.newlines == 0 && !self.text.is_empty() {
            self.prefix = " | ".to_owned();
        }
    }

    fn end_link(&mut self) {
        let Some(link) = self.link.take() else { return };
        let leads_elsewhere = !link.is_empty() && !link.starts_with('#') && !link.starts_with("javascript:");
        if leads_elsewhere && self.links.len() < LINKS_MAX {
            self.links.push(link);
            let number = format!("[{}]", self.links.len());
            self.put(&number);
        }
    }

    fn image(&mut self, tag: &Tag) {
        if let Some(said) = attribute(tag, "alt").filter(|said| !said.trim().is_empty()) {
            self.has_space = true;
            self.put(&format!("[image: {}]", said.trim()));
            self.has_space = true;
        }
    }

    fn finished(mut self) -> String {
        let links = std::mem::take(&mut self.links);
        for (number, link) in links.iter().enumerate() {
            self.new_line(if number == 0 { 2 } else { 1 });
            self.put(&format!("[{}]: {link}", number + 1));
        }
        self.text
    }
}

/// Its value, on one line.
fn attribute(tag: &Tag, name: &str) -> Option<String> {
    let found = tag.attrs.iter().find(|attribute| &*attribute.name.local == name)?;
    Some(found.value.trim().replace(['\n', '\r'], ""))
}

fn is_block(name: &str) -> bool {
    const BLOCKS: [&str; 32] = [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "details",
        "dialog",
        "div",
        "dl",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "main",
        "nav",
        "ol",
        "p",
        "section",
        "summary",
        "table",
        "title",
        "ul",
    ];
    BLOCKS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(html: &str, expected: &str) {
        assert_eq!(readable(html), expected, "{html}");
    }

    #[test]
    fn what_makes_a_page_readable_stays() {
        check(
            "<title>A page</title><h2>Hi</h2><p>One <a href='/x'>link</a> &amp;\n more<br>lines",
            "A page\n\n## Hi\n\nOne link[1] & more\nlines\n\n[1]: /x",
        );
        check("<ul><li>a<li><b>b</b>c</ul>d", "- a\n- bc\n\nd");
        check("<table><tr><th>a<th>b<tr><td>1<td></td><td>3</table>", "a | b\n1 | 3");
        check("x<pre>a  b\n c</pre>y", "x\n\na  b\n c\n\ny");
        check("<img alt='a cat'><img alt=''> sits", "[image: a cat] sits");
        check("<a href='#top'>up</a> <a href='javascript:x()'>run</a>", "up run");
    }

    #[test]
    fn what_is_no_text_is_left_out() {
        check("a<script>if (1 < 2) { '<b>' }</script> b<style>p{}</style>", "a b");
        check(
            "a<!-- comment --><template>t<template>u</template></template>b<svg><text>s</text></svg>c<svg/>d",
            "abcd",
        );
        check("<textarea><b>typed</b></textarea>", "<b>typed</b>");
        check("</template></svg></a>a", "a");
        check("", "");
        check("&lt;b&gt; < 3 & 4 &nosuch;", "<b> < 3 & 4 &nosuch;");
    }

    #[test]
    fn nesting_without_end_takes_neither_the_stack_nor_the_time() {
        for tags in ["<div>", "<b>", "<blockquote>", "<ul><li>", "<table><tr><td>", "<template>", "<a href=x>", "<"] {
            assert!(readable(&(tags.repeat(200_000) + "the end")).len() < 3_000_000, "{tags}");
        }
    }
}
