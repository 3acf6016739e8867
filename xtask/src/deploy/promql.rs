//! Which metrics an expression of Prometheus reads.

use std::collections::BTreeSet;

/// Words of the language, and functions that may stand before `by (…)` instead of their argument.
const WORDS: [&str; 27] = [
    "and",
    "or",
    "unless",
    "bool",
    "offset",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "sum",
    "min",
    "max",
    "avg",
    "count",
    "group",
    "stddev",
    "stdvar",
    "topk",
    "bottomk",
    "quantile",
    "count_values",
    "inf",
    "nan",
    "start",
    "end",
];
/// Labels, not metrics, follow in parentheses.
const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

pub(super) fn metrics(expression: &str) -> BTreeSet<String> {
    let (mut found, mut rest) = (BTreeSet::new(), expression);
    while let Some(first) = rest.chars().next() {
        match first {
            '{' => rest = after_braces(rest),
            '[' => rest = after(rest, ']'),
            '"' | '\'' => rest = after_text(rest, first),
            _ if first.is_ascii_alphabetic() || first == '_' || first == ':' => {
                let (word, after_word) = split_word(rest);
                let next = after_word.trim_start();
                rest = match BEFORE_LABELS.contains(&word) && next.starts_with('(') {
                    true => after(next, ')'),
                    false => after_word,
                };
                if !next.starts_with('(') && !WORDS.contains(&word) {
                    found.insert(word.to_owned());
                }
            }
            // A number, perhaps with a unit: `5m`.
            _ if first.is_ascii_digit() => {
                rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.')
            }
            _ => rest = &rest[first.len_utf8()..],
        }
    }
    found
}

fn split_word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    text.split_at(end)
}

fn after(text: &str, end: char) -> &str {
    text.split_once(end).map_or("", |(_, rest)| rest)
}

/// A brace within a text closes nothing.
fn after_braces(text: &str) -> &str {
    let mut rest = &text[1..];
    while let Some(at) = rest.find(['}', '"', '\'']) {
        let first = rest[at..].chars().next().unwrap_or('}');
        rest = if first == '}' { return &rest[at + 1..] } else { after_text(&rest[at..], first) };
    }
    ""
}

fn after_text(text: &str, quote: char) -> &str {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return &text[at + letter.len_utf8()..],
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expression: &str, expected: &[&str]) {
        assert_eq!(metrics(expression).iter().collect::<Vec<_>>(), expected, "{expression}");
    }

    #[test]
    fn functions_labels_durations_and_texts_are_no_metrics() {
        check("up == 0", &["up"]);
        check("sum by (status, priority) (rate(a_total{b=\"c_total}\"}[5m])) / 2e9", &["a_total"]);
        check("histogram_quantile(0.95, sum(rate(x_bucket[$__rate_interval])) by (le)) > 1", &["x_bucket"]);
        check("a > 0 and on (job) b offset 5m unless time() - c{d=~'e'} > 1.5", &["a", "b", "c"]);
        check("absent(up{job=\"o\\\"p\"})", &["up"]);
        check("topk(10, sum by (m) (y))", &["y"]);
    }
}
