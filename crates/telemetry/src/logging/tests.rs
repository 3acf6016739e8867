use std::borrow::Cow;
use std::io::Write;
use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hide_hunter2(text: &str) -> Cow<'_, str> {
    match text.contains("hunter2") {
        true => Cow::Owned(text.replace("hunter2", "[redacted]")),
        false => Cow::Borrowed(text),
    }
}

/// What is written while `work` runs.
#[track_caller]
fn logged(level: &str, format: Format, work: impl FnOnce(&Guard)) -> String {
    let sink = Memory::default();
    let config = Config { level: level.to_owned(), format, ..Config::default() };
    let (dispatch, guard) = build(&config, Redaction::new(hide_hunter2), Plain(sink.clone()), false).unwrap();
    tracing::dispatcher::with_default(&dispatch, || work(&guard));
    drop(guard);
    let bytes = sink.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_secret_never_reaches_the_output_whichever_way_it_is_logged() {
    for format in [Format::Text, Format::Json] {
        let text = logged("trace", format, |_| {
            let span = tracing::info_span!("login", password = "hunter2", later = tracing::field::Empty);
            span.record("later", "hunter2 again");
            let _entered = span.enter();
            tracing::info!(token = ?Some("hunter2"), "the password is {}", "hunter2");
            tracing::error!(error = %io::Error::other("hunter2 is wrong"), "refused");
        });
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("[redacted]") && text.contains("refused") && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn json_lines_are_json() {
    let text = logged("info", Format::Json, |_| {
        let _entered = tracing::info_span!("outer", task = 7).entered();
        tracing::warn!(answer = 42, "several\nlines");
    });
    let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!((&line["level"], &line["fields"]["answer"]), (&"WARN".into(), &42.into()));
    assert_eq!((&line["fields"]["message"], &line["span"]["task"]), (&"several\nlines".into(), &7.into()));
}

#[test]
fn components_have_levels_of_their_own() {
    let text = logged("warn,loud=debug", Format::Text, |guard| {
        tracing::info!(target: "quiet", "one");
        tracing::debug!(target: "loud", "two");
        guard.set_level("info").unwrap();
        tracing::info!(target: "quiet", "three");
        tracing::debug!(target: "loud", "four");
    });
    let words: Vec<_> = text.lines().filter_map(|line| line.split(' ').next_back()).collect();
    assert_eq!(words, ["two", "three"]);
}

#[test]
fn a_level_that_is_none_is_refused() {
    let error = parse_level("tasks=loud").unwrap_err().to_string();
    assert_eq!(
        error,
        "\"tasks=loud\" is not a log level with per-component directives, such as info,orchestrator_tasks=debug"
    );
}

#[test]
fn a_file_gets_the_same_lines_without_secrets_and_colours() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("daemon.log");
    let config = Config { file: Some(path.clone()), ..Config::default() };
    let sink = Memory::default();
    let (dispatch, guard) = build(&config, Redaction::new(hide_hunter2), Plain(sink.clone()), true).unwrap();
    tracing::dispatcher::with_default(&dispatch, || {
        let _entered = tracing::info_span!("outer", task = 7).entered();
        tracing::warn!(password = "hunter2", "\u{1b}[31mred");
    });
    drop(guard);
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("WARN outer{task=7}") && text.contains("[redacted]") && text.contains("red"), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains("hunter2"), "{text}");
    assert!(String::from_utf8(sink.0.lock().unwrap().clone()).unwrap().contains('\u{1b}'));
}

#[test]
fn what_cannot_be_a_log_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let refused = |config: Config| build(&config, Redaction::none(), Plain(Memory::default()), false).unwrap_err();
    let error = refused(Config { file: Some(directory.path().to_owned()), ..Config::default() });
    assert!(error.to_string().starts_with("cannot open the log file /"), "{error}");
    let missing = directory.path().join("none/daemon.log");
    assert!(matches!(refused(Config { file: Some(missing), ..Config::default() }), Error::File { .. }));
    for rotation in [
        Rotation { bytes_max: 65_535, ..Rotation::default() },
        Rotation { hours_max: 0, ..Rotation::default() },
        Rotation { files_max: 101, ..Rotation::default() },
    ] {
        assert!(matches!(refused(Config { rotation, ..Config::default() }), Error::Rotation { .. }));
    }
}
