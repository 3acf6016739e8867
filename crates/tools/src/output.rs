use orchestrator_transcript::ToolResultPart;
use orchestrator_vocab::Label;
use serde_json::Value;

/// What a call came back with.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// What the model is told.
    pub content: Vec<ToolResultPart>,
    /// The same as data, as the tool's output schema describes it.
    pub structured: Option<Value>,
    /// Whose words those are.
    pub label: Label,
    /// Whether the tool says that it failed.
    pub is_error: bool,
}

impl Output {
    /// A text that nobody vouches for.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            content: vec![ToolResultPart::Text { text: text.into() }],
            structured: None,
            label: Label::default(),
            is_error: false,
        }
    }

    /// Data, told to the model as JSON too.
    pub fn structured(value: Value) -> Self {
        Self { structured: Some(value.clone()), ..Self::text(value.to_string()) }
    }

    /// Who said it, and how confidential it is.
    #[must_use]
    pub fn labelled(self, label: Label) -> Self {
        Self { label, ..self }
    }

    /// At most so many bytes of text: what is more is cut off between characters, and said to be. The beginning stays.
    #[must_use]
    pub fn capped(mut self, bytes_max: usize) -> Self {
        let mut room = bytes_max;
        for part in &mut self.content {
            let ToolResultPart::Text { text } = part else { continue };
            let kept = text.floor_char_boundary(room.min(text.len()));
            let left_out = text.len() - kept;
            room -= kept;
            if left_out > 0 {
                text.truncate(kept);
                text.push_str(&format!("\n[{left_out} bytes more were left out]"));
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(texts: &[&str], bytes_max: usize, expected: &[&str]) {
        let content = texts.iter().map(|text| ToolResultPart::Text { text: (*text).to_owned() }).collect();
        let capped = Output { content, ..Output::text("") }.capped(bytes_max);
        let told: Vec<_> = capped.content.iter().map(|part| format!("{part:?}")).collect();
        let expected: Vec<_> =
            expected.iter().map(|text| format!("{:?}", ToolResultPart::Text { text: (*text).to_owned() })).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters_and_said_to_be() {
        check(&["abc"], 3, &["abc"]);
        check(&["abcdef"], 4, &["abcd\n[2 bytes more were left out]"]);
        check(&["aé"], 2, &["a\n[2 bytes more were left out]"]);
        check(&["ab", "cd"], 3, &["ab", "c\n[1 bytes more were left out]"]);
        check(&["ab", "cd"], 2, &["ab", "\n[2 bytes more were left out]"]);
    }
}
