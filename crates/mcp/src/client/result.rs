use orchestrator_tools::Output;
use orchestrator_transcript::{ImageSource, ToolResultPart};
use orchestrator_vocab::Label;
use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};

/// The largest picture that is passed on, in bytes of base64; the registry bounds text.
const IMAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How many parts of a result are passed on.
const PARTS_MAX: usize = 100;
/// Kinds of pictures that models take.
const IMAGES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// What a server answered, as nobody's words: untrusted, whatever the call was.
pub(super) fn output(answer: CallToolResult) -> Output {
    let CallToolResult { content, structured_content, is_error, .. } = answer;
    let left_out = content.len().saturating_sub(PARTS_MAX);
    let mut parts: Vec<ToolResultPart> = content.into_iter().take(PARTS_MAX).map(part).collect();
    if left_out > 0 {
        parts.push(text(format!("[{left_out} parts more were left out]")));
    }
    if let (true, Some(value)) = (parts.is_empty(), &structured_content) {
        parts.push(text(value.to_string()));
    }
    Output {
        content: parts,
        structured: structured_content,
        label: Label::default(),
        is_error: is_error.unwrap_or_default(),
    }
}

fn text(text: String) -> ToolResultPart {
    ToolResultPart::Text { text }
}

fn part(content: ContentBlock) -> ToolResultPart {
    match content {
        ContentBlock::Text(said) => text(said.text),
        ContentBlock::Image(image) if is_fit(&image.mime_type, &image.data) => {
            ToolResultPart::Image { source: ImageSource::Base64 { media_type: image.mime_type, data: image.data } }
        }
        ContentBlock::Image(image) => left_out("a picture", Some(&image.mime_type), image.data.len()),
        ContentBlock::Audio(audio) => left_out("a recording", Some(&audio.mime_type), audio.data.len()),
        ContentBlock::Resource(resource) => match resource.resource {
            ResourceContents::TextResourceContents { uri, text: said, .. } => text(format!("{uri}\n{said}")),
            ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
                left_out(&uri, mime_type.as_deref(), blob.len())
            }
            _ => left_out("a resource", None, 0),
        },
        ContentBlock::ResourceLink(link) => text(format!("{}: {}", link.name, link.uri)),
        _ => left_out("something of another kind", None, 0),
    }
}

fn is_fit(mime_type: &str, data: &str) -> bool {
    IMAGES.contains(&mime_type) && data.len() <= IMAGE_BYTES_MAX
}

fn left_out(what: &str, mime_type: Option<&str>, bytes: usize) -> ToolResultPart {
    let kind = mime_type.map(|kind| format!(" ({kind})")).unwrap_or_default();
    text(format!("[{what}{kind} of {bytes} bytes was left out]"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(answer: serde_json::Value, expected: serde_json::Value) {
        let output = output(serde_json::from_value(answer).unwrap());
        assert_eq!(serde_json::to_value(&output.content).unwrap(), expected);
        assert_eq!(output.label, Label::default(), "nobody vouches for it");
    }

    #[test]
    fn words_and_pictures_are_passed_on_and_the_rest_is_said_to_be_left_out() {
        let said = |text: &str| json!({"type": "text", "text": text});
        let image = json!({"type": "image", "data": "AAAA", "mimeType": "image/png"});
        let source = json!({"kind": "base64", "mediaType": "image/png", "data": "AAAA"});
        check(
            json!({"content": [{"type": "text", "text": "a"}, image]}),
            json!([said("a"), {"type": "image", "source": source}]),
        );
        let odd = json!({"type": "image", "data": "AAAA", "mimeType": "image/svg+xml"});
        let audio = json!({"type": "audio", "data": "AAAA", "mimeType": "audio/wav"});
        check(
            json!({"content": [odd, audio]}),
            json!([
                said("[a picture (image/svg+xml) of 4 bytes was left out]"),
                said("[a recording (audio/wav) of 4 bytes was left out]"),
            ]),
        );
        let file = json!({"type": "resource", "resource": {"uri": "file:///a", "text": "b"}});
        check(json!({"content": [file]}), json!([said("file:///a\nb")]));
        check(json!({"structuredContent": {"sum": 3}}), json!([said("{\"sum\":3}")]));
        let many = vec![json!({"type": "text", "text": "a"}); PARTS_MAX + 2];
        let told = output(serde_json::from_value(json!({"content": many})).unwrap());
        assert_eq!(told.content.len(), PARTS_MAX + 1);
        assert_eq!(serde_json::to_value(told.content.last()).unwrap(), said("[2 parts more were left out]"));
    }
}
