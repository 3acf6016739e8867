use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;
use serde::de::Error as _;

use super::Seen;

/// How many are found where nobody says.
const MAX: usize = 16;

/// What stands for what was said, and so for nothing that is found.
pub(super) const TAKEN: [&str; 3] = ["first", "last", "results"];

/// What a rule looks for in what was said, before it answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Find {
    /// Where it looks.
    #[serde(default)]
    r#in: Place,
    #[serde(deserialize_with = "pattern")]
    pattern: Regex,
    #[serde(default = "max")]
    max: usize,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Place {
    First,
    Last,
    #[default]
    Results,
    /// In all that people and tools have said so far.
    All,
}

fn max() -> usize {
    MAX
}

fn pattern<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Regex, D::Error> {
    let text = String::deserialize(deserializer)?;
    Regex::new(&text).map_err(|error| D::Error::custom(format!("pattern: {error}")))
}

/// One thing that was found: all of it, then its groups.
pub(super) type Match = Vec<String>;

impl Find {
    /// In the order in which they stand there.
    fn all(&self, seen: &Seen) -> Vec<Match> {
        let texts = match self.r#in {
            Place::First => std::slice::from_ref(&seen.first),
            Place::Last => std::slice::from_ref(&seen.last),
            Place::Results => &seen.results,
            Place::All => &seen.all,
        };
        let groups = |captures: regex::Captures<'_>| {
            captures.iter().map(|group| group.map_or_else(String::new, |group| group.as_str().to_owned())).collect()
        };
        let found = texts.iter().flat_map(|text| self.pattern.captures_iter(text).map(groups));
        found.take(self.max).collect()
    }
}

/// What was found, by what it is called. There is at least one of each.
pub(super) type Found = BTreeMap<String, Vec<Match>>;

/// Everything that is looked for; `None` if something of it is not there.
pub(super) fn all(finds: &BTreeMap<String, Find>, seen: &Seen) -> Option<Found> {
    let found = |(name, find): (&String, &Find)| {
        let matches = find.all(seen);
        (!matches.is_empty()).then(|| (name.clone(), matches))
    };
    finds.iter().map(found).collect()
}

/// What stands for a match: its first group, or all of it where it has none.
pub(super) fn shown(found: &Match) -> &str {
    found.get(1).or(found.first()).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str) -> Find {
        serde_saphyr::from_str(text).unwrap()
    }

    #[test]
    fn groups_are_found_where_they_are_looked_for() {
        let results = vec!["a.md (3 bytes)\nsrc/\n".to_owned(), "b.rs (40 bytes)".to_owned()];
        let all = vec!["of src".to_owned(), "now of c".to_owned()];
        let seen = Seen { first: "of src".into(), last: "now of c".into(), results, all, turn: 2 };
        let files = find(r"pattern: '(?m)^(\S+) \((\d+) bytes\)$'").all(&seen);
        assert_eq!(files, [["a.md (3 bytes)", "a.md", "3"], ["b.rs (40 bytes)", "b.rs", "40"]]);
        assert_eq!(files.iter().map(shown).collect::<Vec<_>>(), ["a.md", "b.rs"]);
        assert_eq!(find(r"{ pattern: '(?m)^(\S+) \(', max: 1 }").all(&seen).len(), 1);
        assert_eq!(find(r"{ in: first, pattern: 'of \w+' }").all(&seen), [["of src"]]);
        assert_eq!(find(r"{ in: all, pattern: 'of \w+' }").all(&seen), [["of src"], ["of c"]]);
        assert!(find(r"{ in: last, pattern: src }").all(&seen).is_empty());
        let finds =
            |names: &[(&str, &str)]| names.iter().map(|(name, text)| ((*name).to_owned(), find(text))).collect();
        assert!(super::all(&finds(&[("a", "{ in: first, pattern: of }"), ("b", "pattern: nowhere")]), &seen).is_none());
        assert_eq!(super::all(&finds(&[("a", "{ in: first, pattern: of }")]), &seen).unwrap()["a"], [["of"]]);
    }
}
