//! What of a body is told. Pure, because it is what strangers wrote.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use serde::Deserialize;

use super::page::readable;

/// More bytes than that are not told if they are no text.
pub(super) const BINARY_BYTES_MAX: usize = 24 * 1024;
/// Where a page says in which encoding it is (HTML, 13.2.3.2).
const PRESCAN_BYTES: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Format {
    /// HTML is made readable.
    #[default]
    Text,
    /// As it came.
    Raw,
}

/// Which part of a text is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) offset: usize,
    pub(super) bytes_max: usize,
    /// Whether asking for the rest does no harm.
    pub(super) may_go_on: bool,
}

/// The text of a body; `None` if it is none.
pub(super) fn text(content_type: &str, body: &[u8], format: Format) -> Option<String> {
    let kind = essence(content_type);
    let is_html = matches!(kind.as_str(), "text/html" | "application/xhtml+xml");
    if !is_text(&kind) && !looks_like_text(body) {
        return None;
    }
    let text = decoded(content_type, is_html || kind.ends_with("xml"), body);
    Some(if is_html && format == Format::Text { readable(&text) } else { text })
}

/// Without parameters, in lowercase.
pub(super) fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_text(kind: &str) -> bool {
    const TEXTS: [&str; 9] = [
        "application/graphql",
        "application/javascript",
        "application/json",
        "application/toml",
        "application/x-ndjson",
        "application/x-www-form-urlencoded",
        "application/x-yaml",
        "application/xml",
        "application/yaml",
    ];
    kind.starts_with("text/") || kind.ends_with("+json") || kind.ends_with("+xml") || TEXTS.contains(&kind)
}

/// Also if it was cut within a character.
fn looks_like_text(body: &[u8]) -> bool {
    let is_utf8 = std::str::from_utf8(body).map_or_else(|error| error.error_len().is_none(), |_| true);
    is_utf8 && !body.contains(&0)
}

fn decoded(content_type: &str, may_say_itself: bool, body: &[u8]) -> String {
    let said = charset(content_type).or_else(|| {
        let head = String::from_utf8_lossy(&body[..body.len().min(PRESCAN_BYTES)]);
        may_say_itself.then(|| charset(&head)).flatten()
    });
    let is_utf8 = std::str::from_utf8(body).map_or_else(|error| error.error_len().is_none(), |_| true);
    // A mark at the beginning wins.
    let encoding = said.unwrap_or(if is_utf8 { UTF_8 } else { WINDOWS_1252 });
    encoding.decode(body).0.into_owned()
}

/// What follows `charset=` (a header, HTML) or `encoding=` (XML).
fn charset(text: &str) -> Option<&'static Encoding> {
    let text = text.to_ascii_lowercase();
    let (_, label) = text.split_once("charset=").or_else(|| text.split_once("encoding="))?;
    let label = label.trim_start_matches(['"', '\'', ' ']);
    let end = label.find(['"', '\'', ' ', ';', '>', '/', '?']).unwrap_or(label.len());
    Encoding::for_label(&label.as_bytes()[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content_type: &str, body: &[u8], expected: Option<&str>) {
        assert_eq!(text(content_type, body, Format::Text).as_deref().map(str::trim_end), expected, "{content_type}");
    }

    #[test]
    fn text_is_told_in_whatever_encoding_it_came() {
        check("text/plain; charset=iso-8859-1", b"Z\xfcrich", Some("Z\u{fc}rich"));
        check("text/plain; charset=\"UTF-8\"", "Z\u{fc}rich".as_bytes(), Some("Z\u{fc}rich"));
        check("text/plain", b"Z\xfcrich", Some("Z\u{fc}rich"));
        check("text/plain", b"\xff\xfea\0b\0", Some("ab"));
        check("text/html", b"<meta charset=shift_jis><p>\x83e", Some("\u{30c6}"));
        check(
            "application/xml",
            b"<?xml version=\"1.0\" encoding='iso-8859-2'?>\xb1",
            Some("<?xml version=\"1.0\" encoding='iso-8859-2'?>\u{105}"),
        );
        check("text/plain; charset=no-such", b"a", Some("a"));
        check("application/problem+json", b"{}", Some("{}"));
    }

    #[test]
    fn what_is_no_text_is_none() {
        check("image/png", b"\x89PNG\r\n\x1a\n\0", None);
        check("application/octet-stream", b"plain after all", Some("plain after all"));
        check("", b"\0\x01", None);
        check("", "cut within \u{fc}".as_bytes().split_last().unwrap().1, Some("cut within \u{fffd}"));
    }

    #[test]
    fn a_page_is_made_readable_and_what_is_no_text_in_it_is_left_out() {
        let page = "<title>T</title><style>p{}</style><script>evil()</script><h1>Hi</h1><p>One <a href='/x'>link</a> &amp; more\
            <ul><li>a<li>b</ul><table><tr><td>1<td>2</table>";
        let told = text("text/html", page.as_bytes(), Format::Text).unwrap();
        assert_eq!(told, "T\n\n# Hi\n\nOne link[1] & more\n\n- a\n- b\n\n1 | 2\n\n[1]: /x");
        assert_eq!(text("text/html", page.as_bytes(), Format::Raw).as_deref(), Some(page));
    }
}
