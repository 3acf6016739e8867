use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The most patterns in one filter.
const PATTERNS_MAX: usize = 64;
/// The longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 256;

/// The filter makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    /// Give 1 to 64 patterns.
    #[error("expected 1 to {PATTERNS_MAX} patterns")]
    Count,
    /// Use dotted segments of letters, digits, `_` and `-`, with `*` for one segment and `**` for any number.
    #[error("`{0}` is not a pattern: expected dotted names such as task.created, task.* or **")]
    Pattern(String),
}

/// Which events a subscriber wants: any of the patterns, and all of the fields; or what another filter wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    patterns: Vec<Pattern>,
    fields: Map<String, Value>,
    others: Vec<Self>,
}

/// One pattern of a subscription, and from where on it counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Over dotted names.
    pub pattern: String,
    /// Fields the payload must have.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
    /// Only events with a number above this one are wanted.
    #[serde(default)]
    pub since: u64,
}

impl Part {
    /// What it wants, whatever the number.
    ///
    /// # Errors
    /// The pattern is none.
    pub fn filter(&self) -> Result<Filter, InvalidFilter> {
        Ok(Filter::parse([&self.pattern])?.with_fields(self.fields.clone()))
    }

    /// Everything any of the parts wants.
    ///
    /// # Errors
    /// There is no part, or a pattern is none.
    pub fn filter_of(parts: &[Self]) -> Result<Filter, InvalidFilter> {
        let (first, rest) = parts.split_first().ok_or(InvalidFilter::Count)?;
        rest.iter().try_fold(first.filter()?, |filter, part| Ok(filter.or(part.filter()?)))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Pattern {
    Everything,
    Exact(String),
    Segments(Vec<Segment>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Segment {
    Name(String),
    One,
    Any,
}

/// Something that everything a filter wants of one kind has in common, to find the filter by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Anchor<'a> {
    /// The payload has this field with this value.
    Field(&'a str, &'a Value),
    /// It has this name, and that is all that is asked.
    Name(&'a str),
    /// Its name matches this, and that is all that is asked.
    Pattern(&'a Pattern),
}

impl Filter {
    /// Whatever the filter wants has at least one of these.
    pub(crate) fn anchors(&self) -> Vec<Anchor<'_>> {
        let mut anchors = Vec::new();
        // Texts are ids more often than not: they leave the fewest to be looked at.
        match self.fields.iter().max_by_key(|(_, value)| value.is_string()) {
            Some((field, value)) => anchors.push(Anchor::Field(field, value)),
            None => anchors.extend(self.patterns.iter().map(|pattern| match pattern {
                Pattern::Exact(name) => Anchor::Name(name),
                Pattern::Everything | Pattern::Segments(_) => Anchor::Pattern(pattern),
            })),
        }
        anchors.extend(self.others.iter().flat_map(Self::anchors));
        anchors
    }

    /// Everything.
    pub fn everything() -> Self {
        Self { patterns: vec![Pattern::Everything], fields: Map::new(), others: Vec::new() }
    }

    /// Patterns over dotted names: `*` is one segment, `**` any number of them (also none), `*` alone everything.
    pub fn parse<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<Self, InvalidFilter> {
        let patterns: Vec<_> = patterns.into_iter().map(|text| pattern(text.as_ref())).collect::<Result<_, _>>()?;
        if patterns.is_empty() || patterns.len() > PATTERNS_MAX {
            return Err(InvalidFilter::Count);
        }
        Ok(Self { patterns, fields: Map::new(), others: Vec::new() })
    }

    /// Also asks that the payload has each of these top-level fields with exactly this value.
    #[must_use]
    pub fn with_fields(mut self, fields: Map<String, Value>) -> Self {
        self.fields = fields;
        self
    }

    /// Also wants what `other` wants, with the fields of each for its own patterns.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.others.push(other);
        self
    }

    /// The filter in parts that can be written down; each wants what has a number above `since`.
    pub fn parts(&self, since: u64) -> Vec<Part> {
        let own = self.patterns.iter().map(|pattern| Part {
            pattern: pattern.to_string(),
            fields: self.fields.clone(),
            since,
        });
        own.chain(self.others.iter().flat_map(|other| other.parts(since))).collect()
    }

    /// Whether something is wanted whose name begins with this segment and has more of them, whatever its payload.
    #[cfg(any(test, feature = "sql"))]
    pub(crate) fn may_want_below(&self, first: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.may_match_below(first))
            || self.others.iter().any(|other| other.may_want_below(first))
    }

    /// Whether an event of this name with this payload is wanted.
    pub fn matches(&self, name: &str, payload: &Value) -> bool {
        let own = self.patterns.iter().any(|pattern| pattern.matches(name))
            && self.fields.iter().all(|(field, wanted)| payload.get(field) == Some(wanted));
        own || self.others.iter().any(|other| other.matches(name, payload))
    }
}

fn pattern(text: &str) -> Result<Pattern, InvalidFilter> {
    let invalid = || InvalidFilter::Pattern(text.chars().take(PATTERN_BYTES_MAX).collect());
    if text == "*" || text == "**" {
        return Ok(Pattern::Everything);
    }
    if text.len() > PATTERN_BYTES_MAX {
        return Err(invalid());
    }
    let segments: Vec<_> = text.split('.').map(segment).collect::<Option<_>>().ok_or_else(invalid)?;
    // Two in a row mean the same as one, and would only make matching slower.
    let doubled = segments.windows(2).any(|pair| pair == [Segment::Any, Segment::Any]);
    if doubled || segments.iter().filter(|segment| **segment == Segment::Any).count() > 2 {
        return Err(invalid());
    }
    let exact = segments.iter().all(|segment| matches!(segment, Segment::Name(_)));
    Ok(if exact { Pattern::Exact(text.to_owned()) } else { Pattern::Segments(segments) })
}

fn segment(text: &str) -> Option<Segment> {
    match text {
        "*" => Some(Segment::One),
        "**" => Some(Segment::Any),
        name if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') => {
            Some(Segment::Name(name.to_owned()))
        }
        _ => None,
    }
}

impl Pattern {
    #[cfg(any(test, feature = "sql"))]
    fn may_match_below(&self, first: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Exact(exact) => exact.split_once('.').is_some_and(|(begin, _)| begin == first),
            Self::Segments(segments) => match segments.as_slice() {
                [Segment::Name(name), _, ..] => name == first,
                [Segment::One, _, ..] | [Segment::Any, ..] => true,
                _ => false,
            },
        }
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Exact(exact) => exact == name,
            Self::Segments(segments) => {
                let names: Vec<&str> = name.split('.').collect();
                segments_match(segments, &names)
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("**"),
            Self::Exact(name) => f.write_str(name),
            Self::Segments(segments) => {
                for (n, segment) in segments.iter().enumerate() {
                    let text = match segment {
                        Segment::Name(name) => name,
                        Segment::One => "*",
                        Segment::Any => "**",
                    };
                    f.write_str(if n == 0 { "" } else { "." })?;
                    f.write_str(text)?;
                }
                Ok(())
            }
        }
    }
}

fn segments_match(pattern: &[Segment], names: &[&str]) -> bool {
    match (pattern, names) {
        ([], []) => true,
        ([Segment::Any, rest @ ..], _) => (0..=names.len()).any(|skip| segments_match(rest, &names[skip..])),
        ([Segment::One, rest @ ..], [_, names @ ..]) => segments_match(rest, names),
        ([Segment::Name(wanted), rest @ ..], [name, names @ ..]) => wanted == name && segments_match(rest, names),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, name: &str, wanted: bool) {
        let filter = Filter::parse([pattern]).unwrap();
        assert_eq!(filter.matches(name, &Value::Null), wanted, "{pattern} on {name}");
    }

    #[test]
    fn who_may_want_output_is_known_without_a_piece_of_it() {
        let may = |pattern: &str| Filter::parse([pattern]).unwrap().may_want_below("stream");
        assert_eq!(["*", "**", "stream.*", "stream.end", "*.chunk", "**.end"].map(may), [true; 6]);
        assert_eq!(["task.*", "stream", "streams.a", "task.created"].map(may), [false; 4]);
        let filter = Filter::parse(["task.*"]).unwrap();
        assert!(filter.or(Filter::parse(["stream.*"]).unwrap()).may_want_below("stream"));
    }

    #[test]
    fn a_star_is_one_segment_and_two_are_any_number() {
        check("task.created", "task.created", true);
        check("task.created", "task.createdx", false);
        check("task.*", "task.created", true);
        check("task.*", "task.a.b", false);
        check("task.*", "task", false);
        check("task.**", "task", true);
        check("task.**", "task.a.b", true);
        check("**.failed", "a.b.failed", true);
        check("**.failed", "failed", true);
        check("*.failed", "a.b.failed", false);
        check("*", "a.b.c", true);
        check("**", "a", true);
        check("a.**.z", "a.z", true);
        check("a.**.z", "a.b.c.z", true);
        check("a.**.z", "a.b.c", false);
    }

    #[test]
    fn patterns_that_make_no_sense_are_refused() {
        for text in ["", ".", "task.", "task.cre*", "task created", "a.**.**", "**.a.**.b.**"] {
            assert!(matches!(Filter::parse([text]), Err(InvalidFilter::Pattern(_))), "{text}");
        }
        assert_eq!(Filter::parse::<&str>([]), Err(InvalidFilter::Count));
        assert_eq!(Filter::parse(vec!["a"; 65]), Err(InvalidFilter::Count));
    }

    #[test]
    fn all_fields_must_have_their_value() {
        let fields = json!({ "taskId": "task_1", "n": 2 });
        let filter = Filter::parse(["task.*"]).unwrap().with_fields(fields.as_object().unwrap().clone());
        assert!(filter.matches("task.created", &json!({ "taskId": "task_1", "n": 2, "more": true })));
        assert!(!filter.matches("task.created", &json!({ "taskId": "task_1" })));
        assert!(!filter.matches("task.created", &json!({ "taskId": "task_1", "n": "2" })));
        assert!(!filter.matches("task.created", &Value::Null));
    }

    #[test]
    fn one_or_the_other_is_enough() {
        let field = |name: &str| json!({ name: 1 }).as_object().unwrap().clone();
        let filter = Filter::parse(["task.*"]).unwrap().with_fields(field("a"));
        let filter = filter.or(Filter::parse(["session.*"]).unwrap().with_fields(field("b")));
        assert!(filter.matches("task.created", &json!({ "a": 1 })));
        assert!(filter.matches("session.created", &json!({ "b": 1 })));
        assert!(!filter.matches("session.created", &json!({ "a": 1 })));
    }

    #[test]
    fn filters_can_be_written_down_in_parts() {
        let fields = json!({ "a": 1 }).as_object().unwrap().clone();
        let everything = Filter::parse(["*"]).unwrap().with_fields(fields);
        let parts = Filter::parse(["task.created", "a.**.z"]).unwrap().or(everything).parts(7);
        let patterns: Vec<_> =
            parts.iter().map(|part| (part.pattern.as_str(), part.fields.len(), part.since)).collect();
        assert_eq!(patterns, [("task.created", 0, 7), ("a.**.z", 0, 7), ("**", 1, 7)]);
        for part in parts {
            assert_eq!(part.filter().unwrap().parts(7), [part]);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_parsing_panic(text in ".{0,300}") {
            let _ = Filter::parse([text]);
        }

        #[test]
        fn a_name_matches_itself_and_everything(name in "[a-z]{1,5}(\\.[a-z]{1,5}){0,4}") {
            prop_assert!(Filter::parse([&name]).unwrap().matches(&name, &Value::Null));
            prop_assert!(Filter::everything().matches(&name, &Value::Null));
        }
    }
}
