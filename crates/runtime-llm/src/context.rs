use orchestrator_transcript::{Block, Content, Message, Role, ToolResult, ToolResultPart};
use orchestrator_vocab::Label;

use crate::Offered;

/// Bytes of text per token, as a first guess; what providers count corrects it.
const BYTES_PER_TOKEN: u64 = 4;
/// What an image is taken for.
const IMAGE_TOKENS: u64 = 1_600;
/// Results shorter than this are not worth leaving out.
const RESULT_BYTES_KEPT: usize = 200;
/// Once something has to go, so much room is made that the next requests share their beginning: providers keep that.
const FILLED_AGAIN: (u64, u64) = (7, 10);
/// How much of the room the newest messages keep when the older ones are summed up.
const KEPT: (u64, u64) = (3, 10);

/// Which part of a conversation a model sees. What is left out stays in the journal.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    limit: u64,
    /// From which thousandth of that on older messages are summed up; 0: never.
    compact_at: u32,
    /// What they were summed up in.
    summary: Option<Summary>,
    /// How it was before each summary that stands, the oldest first.
    before: Vec<Before>,
    /// A summary was taken back: until the next one, nothing is summed up before there is no room left.
    is_taken_back: bool,
    /// Estimated and measured size of the last request.
    last: Option<(u64, u64)>,
    estimated: u64,
    /// Results of calls in messages before this one are left out.
    bare_until: usize,
    /// Messages from the second on that are left out.
    gone_until: usize,
}

/// What stands for the messages from the second to a later one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Summary {
    pub(crate) block: Block,
    /// Shown behind it.
    pub(crate) beside: Vec<Block>,
    /// The first message that it does not stand for.
    pub(crate) upto: usize,
}

/// A window as it was before a summary.
#[derive(Debug, Clone)]
struct Before {
    /// The entry of the journal that brought the summary.
    entry: u64,
    summary: Option<Summary>,
    bare_until: usize,
    gone_until: usize,
}

impl Summary {
    fn blocks(&self) -> impl Iterator<Item = &Block> {
        std::iter::once(&self.block).chain(&self.beside)
    }
}

impl Window {
    pub(crate) fn new(limit: u64, compact_at: u32) -> Self {
        Self {
            limit,
            compact_at,
            summary: None,
            before: Vec::new(),
            is_taken_back: false,
            last: None,
            estimated: 0,
            bare_until: 1,
            gone_until: 1,
        }
    }

    /// What the last request was for the provider.
    pub(crate) fn measured(&mut self, tokens: u64) {
        if tokens > 0 && self.estimated > 0 {
            self.last = Some((self.estimated, tokens));
        }
    }

    /// The provider finds it too long.
    pub(crate) fn shorten(&mut self) {
        self.limit = (self.limit.min(self.scaled(self.estimated)) * 7 / 10).max(1);
    }

    /// Up to which message, itself not included, the conversation is to be summed up before it is too long. Nothing is changed.
    pub(crate) fn stretch(&self, messages: &[Message], system: &str, tools: &[Offered]) -> Option<usize> {
        let fixed = tools.iter().map(offered).sum::<u64>() + text_tokens(system.len());
        // Whoever took a summary back wants to read what it stood for, as long as that is possible.
        let share = if self.is_taken_back { 1_000 } else { self.compact_at };
        let threshold = u128::from(self.limit) * u128::from(share) / 1_000;
        if self.compact_at == 0 || u128::from(self.scaled(fixed + self.size(messages))) <= threshold {
            return None;
        }
        let kept = self.limit * KEPT.0 / KEPT.1;
        let mut newest = 0;
        let mut upto = messages.len();
        for (place, message) in messages.iter().enumerate().skip(1).rev() {
            newest += tokens(message, place < self.bare_until);
            if self.scaled(newest) > kept && upto < messages.len() {
                break;
            }
            upto = place;
        }
        // A call and its results go together: an answer of the model is the first that stays.
        let upto = (upto | 1).min(messages.len().saturating_sub(1));
        let upto = if upto.is_multiple_of(2) { upto.saturating_sub(1) } else { upto };
        (upto > self.gone_until.max(1)).then_some(upto)
    }

    /// The messages that a summary is to stand for, with the summary before it, if there is one.
    pub(crate) fn to_sum_up(&self, messages: &[Message], upto: usize) -> Vec<Message> {
        let summary =
            |summary: &Summary| Message { role: Role::User, content: vec![summary.block.clone()], origin: None };
        let earlier = self.summary.as_ref().map(summary);
        let from = self.summary.as_ref().map_or(1, |summary| summary.upto);
        earlier.into_iter().chain(messages.get(from..upto).into_iter().flatten().cloned()).collect()
    }

    /// What it stands for is shown no more. It came with this entry.
    pub(crate) fn compacted(&mut self, entry: u64, summary: Summary) {
        let (bare_until, gone_until) = (self.bare_until, self.gone_until);
        self.before.push(Before { entry, summary: self.summary.take(), bare_until, gone_until });
        self.is_taken_back = false;
        self.gone_until = self.gone_until.max(summary.upto);
        self.bare_until = self.bare_until.max(summary.upto);
        self.summary = Some(summary);
    }

    /// The entries that brought the summaries that stand, the oldest first.
    pub(crate) fn standing(&self) -> impl DoubleEndedIterator<Item = u64> {
        self.before.iter().map(|before| before.entry)
    }

    /// What the summary of this entry stood for is shown again, and with it what later ones stood for. Nothing changes if it does not
    /// stand.
    pub(crate) fn take_back(&mut self, entry: u64) {
        let Some(place) = self.before.iter().position(|before| before.entry == entry) else { return };
        if let Some(before) = self.before.drain(place..).next() {
            self.summary = before.summary;
            self.bare_until = before.bare_until;
            self.gone_until = before.gone_until;
            self.is_taken_back = true;
        }
    }

    /// How long the conversation is as it would be shown, and how long it may be, in tokens.
    pub(crate) fn length(&self, messages: &[Message], system: &str, tools: &[Offered]) -> (u64, u64) {
        let fixed = tools.iter().map(offered).sum::<u64>() + text_tokens(system.len());
        (self.scaled(fixed + self.size(messages)), self.limit)
    }

    /// Leaves out as much as has to go, the oldest first.
    pub(crate) fn fit(&mut self, messages: &[Message], system: &str, tools: &[Offered]) {
        let fixed = tools.iter().map(offered).sum::<u64>() + text_tokens(system.len());
        let size = |window: &Self| fixed + window.size(messages);
        self.estimated = size(self);
        if self.scaled(self.estimated) <= self.limit {
            return;
        }
        let target = self.limit * FILLED_AGAIN.0 / FILLED_AGAIN.1;
        // What was said last has to stay.
        let newest = messages.len().saturating_sub(1);
        while self.bare_until < newest && self.scaled(self.estimated) > target {
            self.bare_until += 1;
            self.estimated = size(self);
        }
        // A call and its results go together: from one message of the model to the next.
        while self.gone_until + 1 < newest && self.scaled(self.estimated) > target {
            self.gone_until += 2;
            self.estimated = size(self);
        }
    }

    fn is_shown(&self, place: usize) -> bool {
        place == 0 || place >= self.gone_until
    }

    fn size(&self, messages: &[Message]) -> u64 {
        let shown = messages.iter().enumerate().filter(|(place, _)| self.is_shown(*place));
        let summary =
            self.summary.iter().flat_map(Summary::blocks).map(|block| block_tokens(block, false)).sum::<u64>();
        summary + shown.map(|(place, message)| tokens(message, place < self.bare_until)).sum::<u64>()
    }

    /// What the model sees.
    pub(crate) fn view(&self, messages: &[Message]) -> Vec<Message> {
        let covered = self.summary.as_ref().map_or(1, |summary| summary.upto);
        let gone = self.gone_until.saturating_sub(covered);
        let shown = messages.iter().enumerate().filter(|(place, _)| self.is_shown(*place));
        let mut view: Vec<Message> = shown
            .map(|(place, message)| if place < self.bare_until { bare(message) } else { message.clone() })
            .collect();
        if let (Some(first), Some(summary)) = (view.first_mut(), &self.summary) {
            first.content.extend(summary.blocks().cloned());
        }
        if let Some(first) = view.first_mut().filter(|_| gone > 0) {
            let left_out = format!("[{gone} messages between this and the next were left out, for want of room]");
            first.content.push(Block::text(Label::USER, left_out));
        }
        view
    }

    fn scaled(&self, estimated: u64) -> u64 {
        match self.last {
            Some((guess, measured)) if guess > 0 => {
                u64::try_from(u128::from(estimated) * u128::from(measured) / u128::from(guess)).unwrap_or(u64::MAX)
            }
            _ => estimated,
        }
    }
}

fn bare(message: &Message) -> Message {
    let content = message.content.iter().map(|block| match &block.content {
        Content::ToolResult(result) if bytes(result) > RESULT_BYTES_KEPT => {
            let text = format!("[a result of {} bytes was left out, for want of room]", bytes(result));
            let content = vec![ToolResultPart::Text { text }];
            Block::new(block.label, Content::ToolResult(ToolResult { content, ..result.clone() }))
        }
        _ => block.clone(),
    });
    Message { content: content.collect(), ..message.clone() }
}

fn bytes(result: &ToolResult) -> usize {
    let part = |part: &ToolResultPart| match part {
        ToolResultPart::Text { text } => text.len(),
        ToolResultPart::Image { .. } => IMAGE_TOKENS as usize * BYTES_PER_TOKEN as usize,
    };
    result.content.iter().map(part).sum()
}

fn tokens(message: &Message, is_bare: bool) -> u64 {
    message.content.iter().map(|block| block_tokens(block, is_bare)).sum::<u64>() + 4
}

fn block_tokens(block: &Block, is_bare: bool) -> u64 {
    match &block.content {
        Content::Text { text } => text_tokens(text.len()),
        Content::Image { .. } => IMAGE_TOKENS,
        Content::Thinking { text, signature } => text_tokens(text.len() + signature.as_ref().map_or(0, String::len)),
        Content::RedactedThinking { data } => text_tokens(data.len()),
        Content::ToolCall(call) => text_tokens(call.name.len() + call.arguments.to_string().len()),
        Content::ToolResult(result) if is_bare => text_tokens(bytes(result).min(RESULT_BYTES_KEPT)),
        Content::ToolResult(result) => text_tokens(bytes(result)),
        Content::Opaque { value, .. } => text_tokens(value.to_string().len()),
    }
}

fn offered(tool: &Offered) -> u64 {
    text_tokens(tool.name.len() + tool.description.len() + tool.parameters.to_string().len())
}

fn text_tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(BYTES_PER_TOKEN)
}

#[cfg(test)]
mod tests;
