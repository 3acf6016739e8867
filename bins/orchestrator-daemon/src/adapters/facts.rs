//! What the arguments of a call say, as far as it can be told without running anything.

use std::path::{Component, Path, PathBuf};

use orchestrator_charter::{Action, Fact, Facts};
use orchestrator_redact::Redactor;
use orchestrator_tools::Spec;
use orchestrator_vocab::{Integrity, Label};
use serde_json::Value;
use url::Url;

/// Programs whose arguments name other programs, or are programs: what runs in the end cannot be told by the first word.
const RUNNERS: &[&str] = &[
    "ash",
    "awk",
    "bash",
    "busybox",
    "chroot",
    "csh",
    "dash",
    "doas",
    "docker",
    "emacs",
    "env",
    "eval",
    "exec",
    "expect",
    "find",
    "fish",
    "flock",
    "gawk",
    "gdb",
    "git",
    "ionice",
    "ksh",
    "ld.so",
    "lua",
    "mawk",
    "nice",
    "node",
    "nohup",
    "nsenter",
    "osascript",
    "parallel",
    "perl",
    "php",
    "podman",
    "python",
    "ruby",
    "screen",
    "script",
    "sed",
    "setsid",
    "sh",
    "ssh",
    "stdbuf",
    "strace",
    "su",
    "sudo",
    "systemd-run",
    "taskset",
    "tar",
    "tclsh",
    "time",
    "timeout",
    "tmux",
    "toybox",
    "unshare",
    "vi",
    "vim",
    "watch",
    "xargs",
    "zsh",
];
/// Where programs are what they are called.
const SYSTEM: &[&str] = &["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
/// Names of arguments that are paths.
const PATHS: &[&str] = &["path", "from", "to", "source", "target", "destination", "directory", "file"];
/// What the redactor hides that is no credential.
const PERSONAL: &[&str] = &["card-number", "iban"];

/// A call that somebody else makes, and in words of its own: nothing of what it is about can be told.
pub(super) fn untold(name: &str, spec: Option<&Spec>) -> Action {
    let unknown = [Fact::Hosts, Fact::Paths, Fact::Programs, Fact::Secrets].into();
    let facts = Facts { untrusted: true, unknown, ..Facts::default() };
    Action { name: name.to_owned(), reads: spec.is_some_and(|spec| spec.reads), facts }
}

/// A call as charters see it. Of a tool that is not there, that it reads cannot be told.
pub(super) fn action(name: &str, spec: Option<&Spec>, arguments: &Value, label: Label, redactor: &Redactor) -> Action {
    let mut facts = Facts { untrusted: label.integrity == Integrity::Untrusted, ..Facts::default() };
    hosts(name, arguments, &mut facts);
    match name.split('.').next() {
        Some("fs") => paths(arguments, &mut facts),
        Some("command") => program(arguments, &mut facts),
        _ => {}
    }
    secrets(arguments, redactor, &mut facts);
    Action { name: name.to_owned(), reads: spec.is_some_and(|spec| spec.reads), facts }
}

/// The host of each text that is an address. A request whose address is none may go anywhere.
fn hosts(name: &str, arguments: &Value, facts: &mut Facts) {
    each_text(arguments, &mut |text| {
        let host = text.contains("://").then(|| Url::parse(text.trim()).ok()).flatten();
        facts.hosts.extend(host.and_then(|url| url.host_str().map(str::to_lowercase)));
    });
    if name.starts_with("http.") {
        let address = arguments.get("url").and_then(Value::as_str);
        let is_known = address.and_then(|text| Url::parse(text).ok()).is_some_and(|url| url.host_str().is_some());
        if !is_known {
            facts.unknown.insert(Fact::Hosts);
        }
    }
}

fn paths(arguments: &Value, facts: &mut Facts) {
    let given: Vec<&str> = PATHS.iter().filter_map(|name| arguments.get(name)?.as_str()).collect();
    for text in if given.is_empty() { vec!["."] } else { given } {
        let path = Path::new(text);
        if path.components().any(|part| part == Component::ParentDir) {
            facts.unknown.insert(Fact::Paths);
        }
        let plain: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
        facts.paths.insert(plain.display().to_string());
    }
}

fn program(arguments: &Value, facts: &mut Facts) {
    let first = arguments.get("argv").and_then(|argv| argv.get(0)).and_then(Value::as_str).unwrap_or_default();
    let path = Path::new(first);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let is_elsewhere = directory.is_some_and(|parent| !SYSTEM.iter().any(|system| Path::new(system) == parent));
    // `python3.12` is `python`.
    let family = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.' || letter == '-');
    if name.is_empty() || is_elsewhere || RUNNERS.contains(&name) || RUNNERS.contains(&family) {
        facts.unknown.insert(Fact::Programs);
    }
    if !name.is_empty() {
        facts.programs.insert(name.to_owned());
    }
}

/// What the redactor would hide, by its names; also what it has hidden before: somebody meant to tell it.
fn secrets(arguments: &Value, redactor: &Redactor, facts: &mut Facts) {
    each_text(&redactor.redact_json(arguments.clone()), &mut |text| {
        let names = text.split("[redacted:").skip(1).filter_map(|rest| rest.split_once(']'));
        facts.secrets.extend(names.map(|(name, _)| name.to_owned()).filter(|name| !PERSONAL.contains(&name.as_str())));
    });
}

/// Every text there is, keys included.
fn each_text(value: &Value, tell: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => tell(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, tell)),
        Value::Object(members) => members.iter().for_each(|(key, member)| {
            tell(key);
            each_text(member, tell);
        }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use serde_json::json;

    use super::*;

    fn facts(name: &str, arguments: Value) -> Facts {
        let secret = SecretString::from("correct horse battery staple".to_owned());
        let redactor = Redactor::builder().personal_data().secret("database-url", &secret).build();
        action(name, None, &arguments, Label::USER, &redactor).facts
    }

    #[test]
    fn hosts_are_those_of_addresses_and_unknown_if_a_request_has_none() {
        let found =
            facts("http.request", json!({ "url": "https://API.example:8443/a?b", "also": ["ftp://other.example"] }));
        assert_eq!(found.hosts, ["api.example".to_owned(), "other.example".to_owned()].into());
        assert!(found.unknown.is_empty());
        for arguments in [json!({}), json!({ "url": "api.example" }), json!({ "url": 1 }), json!({ "url": "data:x" })] {
            assert_eq!(facts("http.request", arguments).unknown, [Fact::Hosts].into());
        }
    }

    #[test]
    fn a_program_is_the_first_word_unless_it_runs_others() {
        let of = |argv: Value| {
            let found = facts("command.run", json!({ "argv": argv }));
            (found.programs.into_iter().next().unwrap_or_default(), found.unknown.is_empty())
        };
        assert_eq!(of(json!(["cargo", "test"])), ("cargo".into(), true));
        assert_eq!(of(json!(["/bin/rm", "-rf", "/"])), ("rm".into(), true));
        for runner in ["sh", "/bin/bash", "env", "python3.12", "xargs", "./x", "/home/a/ls", "busybox", "perl"] {
            assert!(!of(json!([runner, "x"])).1, "{runner}");
        }
        assert_eq!((of(json!([])), of(json!("ls"))), ((String::new(), false), (String::new(), false)));
    }

    #[test]
    fn paths_are_plain_and_unknown_if_they_climb() {
        let found = facts("fs.write", json!({ "path": "./deploy//a", "content": "path" }));
        assert_eq!((found.paths, found.unknown.is_empty()), (["deploy/a".to_owned()].into(), true));
        assert!(facts("fs.read", json!({ "path": "a/../b" })).unknown.contains(&Fact::Paths));
        assert_eq!(facts("fs.list", json!({})).paths, [String::new()].into());
    }

    #[test]
    fn secrets_are_told_by_name_and_card_numbers_are_none() {
        let found =
            facts("http.request", json!({ "url": "http://a", "headers": { "x": "correct horse battery staple" } }));
        assert_eq!(found.secrets, ["database-url".to_owned()].into());
        assert!(facts("task.create", json!({ "title": "4111 1111 1111 1111" })).secrets.is_empty());
        assert_eq!(
            facts("task.create", json!({ "title": "[redacted:jwt-key]" })).secrets,
            ["jwt-key".to_owned()].into()
        );
    }
}
