use std::fmt::Write as _;

use orchestrator_transcript::Message;
use orchestrator_vocab::Label;
use serde_json::{Map, Value};

/// The task in words: its title and description, the data that came with it, and what came of the tasks it depended on.
pub(crate) fn message(document: &Value, label: Label) -> Message {
    let text = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or_default().trim();
    let (title, description) = (text("title"), text("description"));
    let mut said = String::new();
    if !title.is_empty() && title != description {
        let _ = writeln!(said, "# {title}\n");
    }
    if !description.is_empty() {
        let _ = writeln!(said, "{description}\n");
    }
    let metadata = metadata(document);
    if !metadata.is_empty() {
        let _ = writeln!(said, "Data that came with it:\n\n```json\n{}\n```\n", pretty(&Value::Object(metadata)));
    }
    for dependency in document.get("dependencies").and_then(Value::as_array).into_iter().flatten() {
        let named = |field: &str| dependency.get(field).and_then(Value::as_str).unwrap_or("unknown");
        let _ = writeln!(said, "What came of \"{}\" ({}):\n", named("title"), named("status"));
        match dependency.get("result") {
            None | Some(Value::Null) => said.push_str("nothing was said\n\n"),
            Some(Value::String(result)) => {
                let _ = writeln!(said, "{result}\n");
            }
            Some(result) => {
                let _ = writeln!(said, "```json\n{}\n```\n", pretty(result));
            }
        }
    }
    // A document of another form is shown as it is.
    if said.is_empty() {
        said = pretty(document);
    }
    Message::user(label, said.trim_end())
}

/// What whoever gave the work says in their own words: the description, or the title if there is none.
pub(crate) fn words(document: &Value) -> &str {
    let text = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or_default().trim();
    let (title, description) = (text("title"), text("description"));
    if description.is_empty() { title } else { description }
}

/// The creator's data; what the daemon keeps beside it is nobody's business.
fn metadata(document: &Value) -> Map<String, Value> {
    let all = document.get("metadata").and_then(Value::as_object).into_iter().flatten();
    all.filter(|(key, _)| !key.starts_with("daemon.")).map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_task_is_told_with_what_it_depends_on() {
        let said = message(
            &json!({
                "title": "Write the report", "description": "One page.", "metadata": { "path": "report.md", "daemon.spawn": { "depth": 0 } },
                "dependencies": [{ "title": "Count", "status": "completed", "result": { "files": 3 } }],
            }),
            Label::USER,
        );
        let text = said.text();
        assert!(text.starts_with("# Write the report\n\nOne page."), "{text}");
        assert!(
            text.contains("\"path\": \"report.md\"") && text.contains("What came of \"Count\" (completed)"),
            "{text}"
        );
        assert_eq!(said.label(), Label::USER);
    }

    #[test]
    fn a_document_of_another_form_is_shown_as_it_is() {
        let said = message(&json!({ "anything": 1 }), Label::default());
        assert!(said.text().contains("anything"));
        assert_eq!(said.label(), Label::default());
    }
}
