//! What the arguments of a call say, as far as it can be told without running anything.

mod commands;
mod foreign;

use std::path::{Component, Path, PathBuf};

use orchestrator_charter::{Action, Fact, Facts};
use orchestrator_commands::Analysis;
use orchestrator_redact::Redactor;
use orchestrator_tools::Spec;
use orchestrator_vocab::{Confidentiality, Integrity, Label};
use serde_json::Value;
use url::Url;

pub(crate) use foreign::{Foreign, unasked};

/// Names of arguments that are paths.
const PATHS: &[&str] = &["path", "from", "to", "source", "target", "destination", "directory", "file"];
/// What the redactor hides that is no credential.
const PERSONAL: &[&str] = &["card-number", "iban"];

/// A call that somebody else makes, as far as its words are known. What nobody vouches for has a say in it.
pub(super) fn foreign(call: &Foreign<'_>, spec: Option<&Spec>, label: Label, redactor: &Redactor) -> Action {
    let mut facts = Facts { secret: labelled(label).secret, ..foreign::facts(call) };
    secrets(call.arguments, redactor, &mut facts);
    of_foreign(call.alike, spec, facts)
}

/// A call of which this is known, by the name of our tool that is like it.
pub(super) fn of_foreign(alike: &str, spec: Option<&Spec>, facts: Facts) -> Action {
    Action { name: alike.to_owned(), reads: spec.is_some_and(|spec| spec.reads), facts }
}

/// A call of one of our tools, with what its command line would run, if it is one: analysing that costs the most, and whoever thinks
/// about the call needs it.
pub(super) struct Seen<'a> {
    pub(super) tool: &'a str,
    pub(super) arguments: &'a Value,
    pub(super) command: Option<Analysis>,
}

impl<'a> Seen<'a> {
    pub(super) fn new(tool: &'a str, arguments: &'a Value) -> Self {
        Self { tool, arguments, command: is_of(tool, "command").then(|| commands::analysis(arguments)) }
    }
}

fn is_of(tool: &str, family: &str) -> bool {
    tool.split('.').next() == Some(family)
}

/// A call as charters see it. Of a tool that is not there, that it reads cannot be told.
pub(super) fn action(seen: &Seen<'_>, spec: Option<&Spec>, label: Label, redactor: &Redactor) -> Action {
    let Seen { tool, arguments, command } = seen;
    let mut facts = labelled(label);
    hosts(tool, arguments, &mut facts);
    if let Some(found) = command {
        commands::of_arguments(arguments, found, &mut facts);
    }
    if is_of(tool, "fs") {
        paths(arguments, &mut facts);
    }
    secrets(arguments, redactor, &mut facts);
    Action { name: (*tool).to_owned(), reads: spec.is_some_and(|spec| spec.reads), facts }
}

/// What a call's words say by whose they are.
fn labelled(label: Label) -> Facts {
    Facts {
        untrusted: label.integrity == Integrity::Untrusted,
        secret: label.confidentiality == Confidentiality::Secret,
        ..Facts::default()
    }
}

/// The host of each text that is an address. A request whose address is none may go anywhere.
fn hosts(name: &str, arguments: &Value, facts: &mut Facts) {
    each_text(arguments, &mut |text| host(text, facts));
    if name.starts_with("http.") {
        let address = arguments.get("url").and_then(Value::as_str);
        let is_known = address.and_then(|text| Url::parse(text).ok()).is_some_and(|url| url.host_str().is_some());
        if !is_known {
            facts.unknown.insert(Fact::Hosts);
        }
    }
}

fn host(text: &str, facts: &mut Facts) {
    let address = text.contains("://").then(|| Url::parse(text.trim()).ok()).flatten();
    facts.hosts.extend(address.and_then(|url| url.host_str().map(str::to_lowercase)));
}

fn paths(arguments: &Value, facts: &mut Facts) {
    let given: Vec<&str> = PATHS.iter().filter_map(|name| arguments.get(name)?.as_str()).collect();
    for text in if given.is_empty() { vec!["."] } else { given } {
        let path = Path::new(text);
        if path.components().any(|part| part == Component::ParentDir) {
            facts.unknown.insert(Fact::Paths);
        }
        facts.paths.insert(plain(text).display().to_string());
    }
}

fn plain(path: impl AsRef<Path>) -> PathBuf {
    path.as_ref().components().filter(|part| *part != Component::CurDir).collect()
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
        action(&Seen::new(name, &arguments), None, Label::USER, &redactor).facts
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
    fn programs_are_those_that_would_run_and_unknown_where_that_cannot_be_told() {
        let of = |arguments: Value| {
            let found = facts("command.run", arguments);
            let is_known = !found.unknown.contains(&Fact::Programs);
            (found.programs.into_iter().collect::<Vec<_>>().join(" "), is_known)
        };
        let argv = |words: Value| of(json!({ "argv": words }));
        assert_eq!(argv(json!(["cargo", "test"])), ("cargo".into(), true));
        assert_eq!(argv(json!(["/bin/rm", "-rf", "/"])), ("rm".into(), true));
        assert_eq!(argv(json!(["sh", "-c", "true && env -i reboot"])), ("env reboot sh true".into(), true));
        assert_eq!(argv(json!(["find", ".", "-delete"])), ("find rm".into(), true));
        for words in [
            json!(["sh", "x"]),
            json!(["sh", "-c", "$X"]),
            json!(["python3.12", "x"]),
            json!(["./x"]),
            json!(["/home/a/ls"]),
            json!(["perl", "x"]),
            json!([]),
            json!("ls"),
            json!(["ls", 1]),
        ] {
            assert!(!argv(words.clone()).1, "{words}");
        }
        assert!(!of(json!({ "argv": ["ls"], "env": { "LD_PRELOAD": "x" } })).1);
        assert!(of(json!({ "argv": ["ls"], "env": { "COLUMNS": "80" } })).1);
    }

    #[test]
    fn a_command_s_hosts_and_files_are_told_as_far_as_they_stand_there() {
        let found =
            facts("command.run", json!({ "argv": ["sh", "-c", "curl https://API.example/x > deploy/./a; rm old"] }));
        assert_eq!(found.hosts, ["api.example".to_owned()].into());
        assert_eq!(found.paths, ["deploy/a".to_owned(), "old".to_owned()].into());
        assert!(found.unknown.contains(&Fact::Paths), "what a program does with files is its own affair");
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
