use serde_json::{Value, json};

use crate::Message;
use crate::plain::shortened;

/// Slack's bounds.
const HEADER_CHARS_MAX: usize = 150;
const FIELDS_MAX: usize = 10;

/// As an incoming webhook of Slack takes it. Nothing in it is markup, and nothing is fetched to be shown beside it.
pub(crate) fn body(message: &Message) -> Value {
    let text = |text: &str| json!({ "type": "plain_text", "text": text, "emoji": false });
    let heading = format!("[{}] {}", message.severity.as_str(), message.title);
    let mut blocks = vec![json!({ "type": "header", "text": text(&shortened(&heading, HEADER_CHARS_MAX)) })];
    if !message.text.is_empty() {
        blocks.push(json!({ "type": "section", "text": text(&message.text) }));
    }
    for facts in message.facts.chunks(FIELDS_MAX) {
        let fields: Vec<Value> = facts.iter().map(|(name, value)| text(&format!("{name}: {value}"))).collect();
        blocks.push(json!({ "type": "section", "fields": fields }));
    }
    // What notifications show is markup, unlike the blocks.
    json!({ "text": escaped(&heading), "blocks": blocks, "unfurl_links": false, "unfurl_media": false })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use orchestrator_vocab::Timestamp;

    use super::*;
    use crate::Severity;

    #[test]
    fn nothing_that_is_said_is_taken_for_markup() {
        let message = Message {
            id: "m".into(),
            topic: "a.b".into(),
            key: String::new(),
            severity: Severity::Critical,
            title: "<!channel> & more".into(),
            text: "*bold*".into(),
            facts: (0..12).map(|n| (format!("n{n}"), "v".into())).collect(),
            time: Timestamp(0),
        };
        let body = body(&message);
        assert_eq!(body["text"], "[critical] &lt;!channel&gt; &amp; more");
        let blocks = body["blocks"].as_array().unwrap();
        assert_eq!(blocks.len(), 4, "{body}");
        assert_eq!(blocks[1]["text"], json!({ "type": "plain_text", "text": "*bold*", "emoji": false }));
        assert_eq!(blocks[3]["fields"].as_array().unwrap().len(), 2);
    }
}
