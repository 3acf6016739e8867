//! Rules about names and lines, for every text file.

use std::path::Path;

use crate::findings::Finding;

const LINES_MAX: usize = 600;
/// Names that gather what has no place.
const FORBIDDEN_NAMES: [&str; 6] = ["core", "common", "utils", "helpers", "types", "manager"];
/// Written apart so that this file does not violate its own rule.
const FORBIDDEN_WORDS: [&str; 5] =
    [concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK"), concat!("lorem ", "ipsum"), concat!("WI", "P")];
/// Directories of one machine that mean nothing on another.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("/ho", "me/runner/")];
const TEXT_ENDINGS: [&str; 12] =
    ["rs", "toml", "lock", "md", "yml", "yaml", "json", "sh", "sql", "html", "txt", "editorconfig"];

pub(super) fn is_text(place: &str) -> bool {
    let name = file_name(place);
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    ending.is_some_and(|ending| TEXT_ENDINGS.contains(&ending)) || name.starts_with("LICENSE") || place == ".ci/run"
}

/// A Rust file is named for what is in it.
pub(super) fn check_name(place: &str) -> Option<Finding> {
    let path = Path::new(place);
    if path.extension().is_none_or(|extension| extension != "rs") {
        return None;
    }
    let is_forbidden = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| FORBIDDEN_NAMES.contains(&name));
    let stem = path.file_stem().into_iter();
    let folders = path.parent().into_iter().flat_map(Path::iter);
    let name = stem.chain(folders).find(|name| is_forbidden(name))?.to_string_lossy().into_owned();
    Some(Finding::new(place, format!("the name `{name}` says nothing: name what is in it")))
}

pub(super) fn check(place: &str, content: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let lines = content.lines().count();
    if place.ends_with(".rs") && lines > LINES_MAX {
        found.push(Finding::new(place, format!("{lines} lines: split by responsibility, the cap is {LINES_MAX}")));
    }
    if !content.is_empty() && !content.ends_with('\n') {
        found.push(Finding::new(place, "the last line does not end"));
    }
    if content.ends_with("\n\n") {
        found.push(Finding::new(place, "empty lines at the end"));
    }
    for (index, line) in content.split('\n').enumerate() {
        let at = format!("{place}:{}", index + 1);
        found.extend(problems_of(line).into_iter().map(|problem| Finding::new(&at, problem)));
    }
    found
}

fn problems_of(line: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if line.ends_with([' ', '\t', '\r']) {
        problems.push("whitespace at the end of the line".to_owned());
    }
    if let Some(path) = MACHINE_PATHS.iter().find(|path| names_path(line, path)) {
        problems.push(format!("`{path}` is a directory of one machine"));
    }
    if let Some(word) = FORBIDDEN_WORDS.iter().find(|word| has_word(line, word)) {
        problems.push(format!("`{word}` does not belong into a finished file"));
    }
    problems
}

/// A path that starts there, not `src/…` in the middle of a longer one.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !"._-/~$}".contains(c))
    })
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

fn file_name(place: &str) -> &str {
    place.rsplit('/').next().unwrap_or(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn finds(content: &str, expected: &[&str]) {
        let found: Vec<_> = check("a/b.rs", content).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found:?} should contain {expected:?}");
        }
    }

    #[test]
    fn a_clean_file_passes() {
        finds("//! Fine.\n\nfn f() {}\n", &[]);
        finds("", &[]);
        finds(&"\n".repeat(LINES_MAX - 1).replace('\n', "a\n"), &[]);
    }

    #[test]
    fn a_file_that_is_too_long_is_found() {
        finds(&"a\n".repeat(LINES_MAX + 1), &["601 lines"]);
    }

    #[test]
    fn a_last_line_without_end_is_found() {
        finds("fn f() {}", &["the last line does not end"]);
    }

    #[test]
    fn empty_lines_at_the_end_are_found() {
        finds("a\n\n", &["empty lines at the end"]);
    }

    #[test]
    fn whitespace_at_the_end_of_a_line_is_found() {
        finds("a \n", &["b.rs:1: whitespace"]);
        finds("a\n\t\n", &["b.rs:2: whitespace"]);
        finds("a\r\n", &["b.rs:1: whitespace"]);
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        for path in MACHINE_PATHS {
            finds(&format!("// see {path}x\n"), &["a directory of one machine"]);
            finds(&format!("see src{path}x and ~{path}\n"), &[]);
        }
    }

    #[test]
    fn a_word_of_unfinished_work_is_found() {
        for word in FORBIDDEN_WORDS {
            finds(&format!("// {word}: later\n"), &["finished file"]);
            finds(&format!("// a{word}b\n"), &[]);
        }
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        for name in FORBIDDEN_NAMES {
            assert!(check_name(&format!("crates/x/src/{name}.rs")).is_some());
            assert!(check_name(&format!("crates/x/src/{name}/mod.rs")).is_some());
        }
        assert_eq!(check_name("crates/x/src/type_names.rs"), None);
        assert_eq!(check_name("docs/common.md"), None);
    }

    #[test]
    fn pictures_are_not_read_as_text() {
        assert!(is_text("crates/x/README.md") && is_text("LICENSE-MIT") && is_text(".ci/run"));
        assert!(!is_text("docs/way-of-a-task.png"));
    }
}
