//! Reads a property list, as far as they are written here; everything else in it is a mistake.

use serde_json::{Map, Value};

/// # Panics
/// The text is no property list.
#[track_caller]
pub(crate) fn parse(text: &str) -> Value {
    assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist "), "{text}");
    let (_, body) = text.split_once("<plist version=\"1.0\">").expect("a list");
    let (body, after) = body.split_once("</plist>").expect("the list ends");
    assert_eq!(after, "\n");
    let mut rest = body.trim();
    let value = value(&mut rest);
    assert_eq!(rest, "", "nothing follows");
    value
}

fn value(rest: &mut &str) -> Value {
    let (tag, after) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')).expect("a tag");
    *rest = after.trim_start();
    match tag {
        "true/" => Value::Bool(true),
        "integer" => Value::from(content(rest, tag).parse::<u64>().expect("a number")),
        "string" => Value::from(content(rest, tag)),
        "array" => {
            let mut items = Vec::new();
            while !ends(rest, tag) {
                items.push(value(rest));
            }
            Value::Array(items)
        }
        "dict" => {
            let mut entries = Map::new();
            while !ends(rest, tag) {
                *rest = rest.strip_prefix("<key>").expect("a key");
                let key = content(rest, "key");
                let value = value(rest);
                assert!(entries.insert(key, value).is_none(), "keys are there once");
            }
            Value::Object(entries)
        }
        other => panic!("`{other}` is not expected"),
    }
}

fn ends(rest: &mut &str, tag: &str) -> bool {
    let after = rest.strip_prefix(&format!("</{tag}>"));
    if let Some(after) = after {
        *rest = after.trim_start();
    }
    after.is_some()
}

fn content(rest: &mut &str, tag: &str) -> String {
    let (content, after) = rest.split_once(&format!("</{tag}>")).expect("it ends");
    *rest = after.trim_start();
    assert!(!content.contains(['<', '>']), "{content}");
    content.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}
