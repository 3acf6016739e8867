//! How many tokens a request is, estimated so that it is not too few; how far off it is stands in the README.

use orchestrator_models::Request;
use orchestrator_transcript::{Block, Content, ToolResultPart};

/// What every message costs besides its words.
const PER_MESSAGE: u64 = 8;
/// What every tool costs besides its words.
const PER_TOOL: u64 = 16;
/// What the largest pictures cost, but for `gpt-4o-mini`, which multiplies them.
const PER_IMAGE: u64 = 4_096;
const PER_IMAGE_OF_4O_MINI: u64 = 49_152;
/// Letters of ASCII per token that are reckoned with. English has four to five, base64 fewer than two.
const LETTERS: u64 = 2;
/// Runs longer than this are one token more, in case they are no words.
const WORD: u64 = 5;

pub(crate) fn count(request: &Request) -> u64 {
    let image = if request.model.contains("gpt-4o-mini") { PER_IMAGE_OF_4O_MINI } else { PER_IMAGE };
    let system: u64 = request.system.iter().map(|each| block(each, image)).sum();
    let messages = request
        .messages
        .iter()
        .map(|message| PER_MESSAGE + message.content.iter().map(|each| PER_MESSAGE + block(each, image)).sum::<u64>());
    let tools = request
        .tools
        .iter()
        .map(|tool| PER_TOOL + words(&tool.name) + words(&tool.description) + words(&tool.parameters.to_string()));
    PER_MESSAGE + system + messages.sum::<u64>() + tools.sum::<u64>()
}

fn block(block: &Block, image: u64) -> u64 {
    match &block.content {
        Content::Text { text } => words(text),
        Content::Image { .. } => image,
        Content::Thinking { text, signature } => words(text) + signature.as_deref().map(words).unwrap_or_default(),
        Content::RedactedThinking { data } => words(data),
        Content::ToolCall(call) => {
            words(&call.id)
                + words(&call.name)
                + words(&call.arguments.to_string())
                + call.malformed.as_deref().map(words).unwrap_or_default()
        }
        Content::ToolResult(result) => {
            let part = |part: &ToolResultPart| match part {
                ToolResultPart::Text { text } => words(text),
                ToolResultPart::Image { .. } => image,
            };
            words(&result.call_id) + result.content.iter().map(part).sum::<u64>()
        }
        Content::Opaque { value, .. } => words(&value.to_string()),
    }
}

/// Runs of letters by their length, everything else by the sign: a tokenizer joins more than that, hardly ever less.
fn words(text: &str) -> u64 {
    let (mut tokens, mut run, mut spaces) = (0, Run::default(), 0_u64);
    let mut last = ' ';
    for sign in text.chars() {
        if !sign.is_ascii_lowercase() {
            tokens += std::mem::take(&mut run).tokens();
        }
        let is_glued = last.is_ascii_alphanumeric();
        last = sign;
        if sign.is_ascii_alphabetic() {
            run.is_glued = if run.letters == 0 { is_glued } else { run.is_glued };
            run.letters += 1;
            spaces = 0;
            continue;
        }
        spaces = if sign == ' ' { spaces + 1 } else { 0 };
        tokens += match sign {
            // One space goes with the word after it; long runs are few tokens.
            ' ' => u64::from(spaces > 1 && spaces % 4 == 2),
            '\0'..='\u{6ff}' => 1,
            // From Devanagari to Lao; Chinese, Japanese and Korean.
            '\u{900}'..='\u{eff}' | '\u{3000}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' => 2,
            other => other.len_utf8() as u64,
        };
    }
    tokens + run.tokens()
}

/// Letters of ASCII, of which only the first may be large.
#[derive(Default)]
struct Run {
    letters: u64,
    /// It follows a letter or a digit.
    is_glued: bool,
}

impl Run {
    fn tokens(self) -> u64 {
        match self.letters {
            // Keys and digests, not words.
            letters if self.is_glued && letters < WORD => letters,
            letters => letters.div_ceil(LETTERS) + u64::from(letters > WORD),
        }
    }
}

#[cfg(test)]
mod tests {
    use orchestrator_transcript::Message;
    use orchestrator_vocab::Label;

    use super::*;

    /// The counts are those of `o200k_base`, OpenAI's tokenizer since GPT-4o.
    #[track_caller]
    fn check(text: &str, counted: u64) {
        let estimate = words(text);
        assert!((counted..=counted * 6).contains(&estimate), "{text}: {estimate}, counted {counted}");
    }

    #[test]
    fn words_of_any_kind_are_not_too_few() {
        check("The supervisor keeps a durable backlog of tasks and gives each to the agent that fits.", 17);
        check(
            "pub(crate) fn words(text: &str) -> u64 { text.chars().filter(|c| c.is_alphabetic()).count() as u64 }",
            34,
        );
        check(
            "{\"id\":17,\"name\":\"user_17\",\"tags\":[\"a\",\"b\"],\"nested\":{\"x\":25.5,\"ok\":true,\"n\":null}}",
            34,
        );
        check("Der Vorrat der Aufgaben überlebt jeden Neustart, auch den unfreiwilligen.", 18);
        check("Бэклог задач переживает перезапуск.", 10);
        check("作業リストは再起動しても失われません。", 14);
        check("任务列表在重启后不会丢失。", 11);
        check("งานจะไม\u{e48}หายไปเม\u{e37}\u{e48}อเร\u{e34}\u{e48}มใหม\u{e48}", 10);
        check("ስራዎቹ ዳግም ሲጀመር አይጠፉም።", 37);
        check("👍🏽👨\u{200d}👩\u{200d}👧\u{200d}👦🎉🇩🇪 ok", 21);
        check("q8XzR1vKc0mNwP4LhTjGyB7dUeSfQaZi2oHkVx9EbWnYr3ICuM5tAsDgJlF6pO", 53);
        check("7f3a9c51e0b84d26a1c97e35f02b68d4", 25);
        check("4815162342 3141592653 2718281828", 14);
        check("a b c d e f g h", 8);
    }

    #[test]
    fn pictures_are_as_dear_as_the_model_makes_them() {
        let source = orchestrator_transcript::ImageSource::Url { url: "https://example.com/a.png".into() };
        let mut request = Request::new("gpt-4o", vec![Message::user(Label::USER, "hi")]);
        request.messages[0].content.push(Block::new(Label::USER, Content::Image { source }));
        assert!((PER_IMAGE..PER_IMAGE + 100).contains(&count(&request)));
        request.model = "gpt-4o-mini".into();
        assert!(count(&request) > PER_IMAGE_OF_4O_MINI);
    }
}
