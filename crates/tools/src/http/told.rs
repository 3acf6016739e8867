use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::body::{BINARY_BYTES_MAX, Format, Window, essence, text};
use crate::Output;

/// What of an answer's headers says something about what came, or about asking again.
const SAYS_SOMETHING: [&str; 15] = [
    "accept-ranges",
    "allow",
    "cache-control",
    "content-disposition",
    "content-language",
    "content-length",
    "content-range",
    "content-type",
    "etag",
    "last-modified",
    "link",
    "location",
    "retry-after",
    "warning",
    "www-authenticate",
];

const SAYS_LIMITS: [&str; 2] = ["ratelimit", "x-ratelimit"];
const HEADERS_MAX: usize = 24;
const HEADER_BYTES_MAX: usize = 1_000;
const URL_BYTES_MAX: usize = 4_000;

/// What came, or as much of it as may.
pub(super) struct Came {
    pub(super) status: u16,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) is_whole: bool,
}

/// A body as it is told, and what is missing of it.
struct Body {
    text: Option<String>,
    base64: Option<String>,
    left_out: usize,
    note: String,
}

pub(super) fn told(came: &Came, format: Format, window: Window) -> Output {
    let content_type = came.header("content-type").unwrap_or_default();
    let headers = came.worth_telling();
    let body = match text(content_type, &came.body, format) {
        Some(text) => part(&text, window),
        None => binary(&came.body, content_type),
    };
    let url = cut(&came.url, URL_BYTES_MAX);
    let mut said = format!("[{} from {url}, {} bytes]\n", came.status, came.body.len());
    headers.iter().for_each(|(name, value)| said.push_str(&format!("{name}: {value}\n")));
    said.push('\n');
    said.push_str(body.text.as_deref().or(body.base64.as_deref()).unwrap_or_default());
    said.push_str(&body.note);
    said.push_str(&came.unread_note());
    let mut structured = json!({
        "status": came.status, "url": url, "headers": headers, "bytes": came.body.len(),
        "truncated": !came.is_whole || body.left_out > 0, "leftOutBytes": body.left_out,
    });
    if !came.is_whole {
        structured["unreadBytes"] = json!(came.unread());
    }
    let optional = [
        ("contentType", (!content_type.is_empty()).then(|| cut(content_type, HEADER_BYTES_MAX))),
        ("text", body.text),
        ("base64", body.base64),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            structured[name] = Value::String(value);
        }
    }
    Output { structured: Some(structured), is_error: came.status >= 400, ..Output::text(said) }
}

impl Came {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    fn worth_telling(&self) -> BTreeMap<&str, String> {
        let says_something = |name: &str| {
            SAYS_SOMETHING.contains(&name) || SAYS_LIMITS.iter().any(|beginning| name.starts_with(beginning))
        };
        let mut told: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in self.headers.iter().filter(|(name, _)| says_something(name)) {
            if told.len() == HEADERS_MAX && !told.contains_key(name.as_str()) {
                continue;
            }
            let all = told.entry(name).or_default();
            let more = if all.is_empty() { value.clone() } else { format!("{all}, {value}") };
            *all = cut(&more, HEADER_BYTES_MAX);
        }
        told
    }

    /// How much was not read, if that is known: of what is packed nobody knows how much it is.
    fn unread(&self) -> Option<usize> {
        let is_packed =
            self.header("content-encoding").is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity"));
        let length: usize = self.header("content-length").filter(|_| !is_packed)?.trim().parse().ok()?;
        length.checked_sub(self.body.len())
    }

    fn unread_note(&self) -> String {
        match (self.is_whole, self.unread()) {
            (true, _) => String::new(),
            (false, Some(bytes)) => format!("\n[the answer is too long: its last {bytes} bytes were not read]"),
            (false, None) => {
                "\n[the answer is too long: what follows was not read, and nobody knows how much that is]".to_owned()
            }
        }
    }
}

fn part(text: &str, window: Window) -> Body {
    let start = text.floor_char_boundary(window.offset.min(text.len()));
    let end = text.floor_char_boundary(start.saturating_add(window.bytes_max).min(text.len()));
    // A character that does not fit would never be got past.
    let end = if end == start { text.ceil_char_boundary((start + 1).min(text.len())) } else { end };
    let left_out = text.len() - end;
    let note = match (left_out, window.may_go_on) {
        (0, _) if start > 0 && start == end => {
            format!("[the text has {} bytes, none from byte {start} on]", text.len())
        }
        (0, _) => String::new(),
        (_, true) => format!("\n[{left_out} bytes more were left out: go on with offset {end}]"),
        (_, false) => format!("\n[{left_out} bytes more were left out]"),
    };
    Body { text: Some(text[start..end].to_owned()), base64: None, left_out, note }
}

fn binary(body: &[u8], content_type: &str) -> Body {
    let kind = match essence(content_type) {
        kind if kind.is_empty() => "something that is no text".to_owned(),
        kind => cut(&kind, 100),
    };
    if body.len() <= BINARY_BYTES_MAX {
        let note = format!("\n[{kind}, as base64]");
        return Body { text: None, base64: Some(BASE64.encode(body)), left_out: 0, note };
    }
    let note = format!("[{kind}: {} bytes were left out, more than {BINARY_BYTES_MAX} are not told]", body.len());
    Body { text: None, base64: None, left_out: body.len(), note }
}

/// Between characters, and said to be.
fn cut(text: &str, bytes_max: usize) -> String {
    match text.floor_char_boundary(bytes_max.min(text.len())) {
        end if end == text.len() => text.to_owned(),
        end => format!("{}… [{} bytes more]", &text[..end], text.len() - end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, offset: usize, bytes_max: usize) -> String {
        let body = part(text, Window { offset, bytes_max, may_go_on: true });
        body.text.unwrap() + &body.note
    }

    #[test]
    fn a_text_is_told_in_parts_that_together_are_all_of_it() {
        assert_eq!(shown("abc", 0, 3), "abc");
        assert_eq!(shown("abcdef", 0, 4), "abcd\n[2 bytes more were left out: go on with offset 4]");
        assert_eq!(shown("abcdef", 4, 4), "ef");
        assert_eq!(shown("a\u{fc}b", 0, 2), "a\n[3 bytes more were left out: go on with offset 1]");
        assert_eq!(shown("\u{fc}b", 0, 1), "\u{fc}\n[1 bytes more were left out: go on with offset 2]");
        assert_eq!(shown("abc", 9, 4), "[the text has 3 bytes, none from byte 3 on]");
        assert_eq!(shown("", 0, 4), "");
    }

    fn came(headers: &[(&str, &str)], body: &[u8], is_whole: bool) -> Came {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Came { status: 200, url: "http://a/".into(), headers, body: body.to_vec(), is_whole }
    }

    #[test]
    fn headers_that_say_nothing_are_not_told() {
        let headers =
            [("set-cookie", "secret"), ("link", "<a>"), ("link", "<b>"), ("x-ratelimit-left", "1"), ("server", "x")];
        let came_so = came(&headers, b"", true);
        let told: Vec<_> = came_so.worth_telling().into_iter().collect();
        assert_eq!(told, [("link", "<a>, <b>".to_owned()), ("x-ratelimit-left", "1".to_owned())]);
        let long = "x".repeat(2_000);
        assert!(came(&[("etag", &long)], b"", true).worth_telling()["etag"].ends_with("[1000 bytes more]"));
    }

    #[test]
    fn what_was_not_read_is_told_if_it_is_known() {
        let note = |headers: &[(&str, &str)]| came(headers, b"abc", false).unread_note();
        assert!(note(&[("content-length", "10")]).contains("last 7 bytes"));
        assert!(note(&[]).contains("nobody knows"));
        assert!(note(&[("content-length", "10"), ("content-encoding", "gzip")]).contains("nobody knows"));
    }

    #[test]
    fn what_is_no_text_is_told_while_it_is_small() {
        let body = binary(b"\0\x01", "Image/PNG; a=b");
        assert_eq!((body.base64.as_deref(), body.note.as_str()), (Some("AAE="), "\n[image/png, as base64]"));
        let body = binary(&[0; BINARY_BYTES_MAX + 1], "");
        assert!(body.base64.is_none() && body.left_out == BINARY_BYTES_MAX + 1 && body.note.contains("left out"));
    }
}
