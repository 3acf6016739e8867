use std::borrow::Cow;
use std::io::Read as _;

use serde::Deserialize;
use serde_json::json;

use super::write::Place;
use super::{Job, path_of};
use crate::{Error, Output, Repeat, Spec};

/// Larger files are not edited.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Matches are counted up to here.
const MATCHES_TOLD_MAX: usize = 1_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Arguments {
    path: String,
    old: String,
    new: String,
    #[serde(default)]
    replace_all: bool,
}

pub(super) fn spec() -> Spec {
    let properties = json!({
        "path": path_of("The file"),
        "old": { "type": "string", "minLength": 1, "description": "The text to replace, exactly as it is in the file, without line \
            numbers, and with so much around it that it is there once." },
        "new": { "type": "string", "description": "What comes in its place." },
        "replaceAll": { "type": "boolean", "description": "Replaces every match instead of the only one. Default false." },
    });
    let description =
        "Replaces a text in a file by another. The text has to be there exactly once, unless replaceAll is true.";
    super::spec("fs.edit", description, Repeat::Effective, properties, &["path", "old", "new"])
}

pub(super) fn run(job: &Job, arguments: Arguments) -> Result<Output, Error> {
    let workspace = job.workspace()?;
    let relative = workspace.relative(&arguments.path)?;
    let shown = relative.display();
    // Opened before its place is looked for: nothing is made for a file that does not exist.
    let (file, metadata) = workspace.open_file(&relative)?;
    let place = Place::find(&workspace, &arguments.path)?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(Error::Failed(format!(
            "{shown} has {} bytes; up to {FILE_BYTES_MAX} can be edited",
            metadata.len()
        )));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(|error| workspace.problem(&relative, &error))?;
    let text = String::from_utf8(bytes).map_err(|_| Error::Failed(format!("{shown} is no text in UTF-8")))?;
    let (edited, count) = edited(&text, &arguments.old, &arguments.new, arguments.replace_all)
        .map_err(|problem| Error::Failed(format!("{shown}: {problem}")))?;
    place.replace(&workspace, edited.as_bytes(), || {
        job.go_on()?;
        let changed = || Error::Failed(format!("{shown} was changed by somebody else just now; read it again"));
        place.is_unchanged().then_some(()).ok_or_else(changed)
    })?;
    let times = if count == 1 { "1 time".to_owned() } else { format!("{count} times") };
    Ok(Output::text(format!("edited {shown}: replaced {times}")))
}

/// The text with `new` in the place of `old`, and how often. Where all lines end with CR LF, those of `old` and `new` do too.
fn edited(text: &str, old: &str, new: &str, all: bool) -> Result<(String, usize), String> {
    if old.is_empty() {
        return Err("old is empty; fs.write writes a whole file".to_owned());
    }
    let is_dos = text.contains('\n') && text.matches('\n').count() == text.matches("\r\n").count();
    let (old, new) = if is_dos { (dos(old), dos(new)) } else { (Cow::from(old), Cow::from(new)) };
    if old == new {
        return Err("old and new are the same".to_owned());
    }
    match (matches(text, &old), all) {
        (0, _) => Err("old is not in it; read the file again and take its words exactly, with their spaces".to_owned()),
        (1, false) => Ok((text.replacen(&*old, &new, 1), 1)),
        (MATCHES_TOLD_MAX.., false) => Err(format!("old is in it {MATCHES_TOLD_MAX} times or more; {MORE}")),
        (count, false) => Err(format!("old is in it {count} times; {MORE}")),
        (_, true) => {
            let count = text.matches(&*old).count();
            let bytes = (text.len() as u64).saturating_add((count as u64).saturating_mul(new.len() as u64));
            if bytes > FILE_BYTES_MAX {
                return Err(format!("it would have more than {FILE_BYTES_MAX} bytes with {count} replacements"));
            }
            Ok((text.replace(&*old, &new), count))
        }
    }
}

const MORE: &str = "take more of what is around it, or set replaceAll";

/// How often it is there, also where that overlaps; more than can be told are not counted.
fn matches(text: &str, old: &str) -> usize {
    let (mut count, mut from) = (0, 0);
    while let Some(at) = text[from..].find(old) {
        count += 1;
        from += at + old.chars().next().map_or(1, char::len_utf8);
        if count == MATCHES_TOLD_MAX {
            break;
        }
    }
    count
}

/// With CR LF at the end of each line.
fn dos(text: &str) -> Cow<'_, str> {
    if text.contains('\n') { text.replace("\r\n", "\n").replace('\n', "\r\n").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, old: &str, new: &str, expected: Result<&str, &str>) {
        match (edited(text, old, new, false), expected) {
            (Ok((text, 1)), Ok(expected)) => assert_eq!(text, expected),
            (Err(problem), Err(expected)) => assert!(problem.contains(expected), "{problem}"),
            (got, expected) => panic!("{got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn one_match_is_replaced_and_others_are_counted() {
        check("let a = 1;\n", "a = 1", "a = 2", Ok("let a = 2;\n"));
        check("a b a", "a", "c", Err("2 times"));
        check("aaa", "aa", "c", Err("2 times"));
        check("éé", "é", "e", Err("2 times"));
        check("abc", "x", "y", Err("not in it"));
        check("abc", "", "y", Err("empty"));
        check("abc", "b", "b", Err("same"));
        check(&"a".repeat(5_000), "a", "b", Err("1000 times or more"));
    }

    #[test]
    fn line_ends_stay_what_they_are() {
        check("one\r\ntwo\r\n", "one\ntwo", "1\n2", Ok("1\r\n2\r\n"));
        check("one\r\ntwo\r\n", "one", "1\n1", Ok("1\r\n1\r\ntwo\r\n"));
        check("one\r\ntwo\r\n", "one\r\n", "1\r\n", Ok("1\r\ntwo\r\n"));
        check("one\ntwo\r\n", "two", "2\n", Ok("one\n2\n\r\n"));
        check("one\n", "one\n", "1\r\n", Ok("1\r\n"));
    }

    proptest! {
        #[test]
        fn a_unique_text_is_replaced_and_all_else_stays(before in "[a-m\n]{0,40}", old in "[n-z\n]{0,10}[n-z]", new in "[a-z\n]{0,10}", after in "[a-m\n]{0,40}") {
            prop_assume!(old != new);
            let text = format!("{before}{old}{after}");
            if matches(&text, &old) == 1 {
                prop_assert_eq!(edited(&text, &old, &new, false), Ok((format!("{before}{new}{after}"), 1)));
            }
        }

        #[test]
        fn an_edit_can_be_undone_where_the_new_text_is_unique(text in "[ab\r\n]{0,40}", old in "[ab]{1,3}", new in "[cd]{1,3}") {
            if let Ok((there, 1)) = edited(&text, &old, &new, false) {
                prop_assert_eq!(edited(&there, &new, &old, false), Ok((text, 1)));
            }
        }

        #[test]
        fn a_file_with_dos_line_ends_keeps_them(lines in prop::collection::vec("[a-c]{0,4}", 2..8), new in "[x-z\n]{1,6}") {
            let text = lines.join("\r\n") + "\r\nQ\r\n";
            let (edited, _) = edited(&text, "Q", &new, false).unwrap();
            prop_assert_eq!(edited.matches('\n').count(), edited.matches("\r\n").count());
        }

        #[test]
        fn after_replacing_all_as_many_are_there_as_were_said(text in "[ab]{0,60}", old in "[ab]{1,3}") {
            match edited(&text, &old, "c", true) {
                Ok((there, count)) => prop_assert_eq!(there.matches('c').count(), count),
                Err(_) => prop_assert!(!text.contains(&old)),
            }
        }
    }
}
