//! Each mistake gives one exact message: where it is, which key, and what would be right.

use crate::loading::{load, loader, without_folder, write};
use orchestrator_settings::{Environment, Kind, Loader, Variable};
use proptest::prelude::*;

#[track_caller]
fn refuses(name: &str, text: &str, expected: &str) {
    let error = load(name, text, &[]).unwrap_err();
    assert_eq!(without_folder(&error.to_string()), expected, "{text}");
}

#[track_caller]
fn refuses_variables(variables: &[(&str, &str)], expected: &str) {
    assert_eq!(loader(variables).load().unwrap_err().to_string(), expected);
}

#[test]
fn unknown_keys_are_named_with_their_place() {
    let expected = "2:1: unknown key `daemon.prot`, did you mean `port`?";
    refuses("c.toml", "[daemon]\nprot = 1\n", &format!("c.toml:{expected}"));
    refuses("c.json", "{\"daemon\": {\n\"prot\": 1}}", "c.json:2:9: unknown key `daemon.prot`, did you mean `port`?");
    refuses(
        "c.yaml",
        "daemon:\n  max_sessions: 1\n",
        "c.yaml:2:3: unknown key `daemon.max_sessions`, did you mean `maxSessions`?",
    );
    refuses("c.toml", "[deamon]\nport = 1\n", "c.toml:1:2: unknown key `deamon`, did you mean `daemon`?");
    refuses("c.yaml", "zebra: 1\n", "c.yaml:1:1: unknown key `zebra`, known here: daemon, auth, rateLimit");
}

#[test]
fn wrong_types_and_values_say_what_is_right() {
    let port = "expected a whole number from 0 to 65535";
    refuses("c.toml", "[daemon]\nport = 'x'\n", &format!("c.toml:2:8: `daemon.port` is \"x\", {port}"));
    refuses("c.yaml", "daemon:\n  port: 70000\n", &format!("c.yaml:2:9: `daemon.port` is 70000, {port}"));
    refuses("c.json", r#"{"daemon": {"port": -1}}"#, &format!("c.json:1:21: `daemon.port` is -1, {port}"));
    refuses("c.yaml", "daemon: { port: '80' }\n", &format!("c.yaml:1:17: `daemon.port` is \"80\", {port}"));
    let text = "c.yaml:1:17: `daemon.host` is 8, expected text (in quotes, if it looks like something else)";
    refuses("c.yaml", "daemon: { host: 8 }\n", text);
    refuses(
        "c.yaml",
        "daemon: { verbose: maybe }",
        "c.yaml:1:20: `daemon.verbose` is \"maybe\", expected true or false",
    );
    refuses("c.yaml", "daemon: 5", "c.yaml:1:9: `daemon` is 5, expected a section with keys");
    refuses(
        "c.yaml",
        "daemon: { origins: [a, 1] }",
        "c.yaml:1:24: `daemon.origins[1]` is 1, expected text (in quotes, if it looks like something else)",
    );
    refuses(
        "c.yaml",
        "daemon: { log: jason }",
        "c.yaml:1:16: `daemon.log` is \"jason\", did you mean \"json\"? known: text, json, file",
    );
    refuses(
        "c.yaml",
        "daemon: { log: { file: { sizeMax: x } } }",
        "c.yaml:1:35: `daemon.log.file.sizeMax` is \"x\", expected a whole number from 0",
    );
}

#[test]
fn text_that_is_no_configuration_is_refused_with_its_place() {
    refuses("c.toml", "[daemon\n", "c.toml:1:8: unclosed table, expected `]`");
    refuses("c.toml", "[daemon]\nport = 1\nport = 2\n", "c.toml:3:1: duplicate key");
    refuses("c.json", "{\"daemon\": ", "c.json:1:11: EOF while parsing a value");
    refuses("c.json", r#"{"daemon": {"port": 1, "port": 2}}"#, "c.json:1:32: `port` is written twice");
    refuses("c.json", "{} x", "c.json:1:4: trailing characters");
    refuses("c.yaml", "daemon: [1\n", "c.yaml:1:9: unclosed bracket '['");
    refuses("c.yaml", "daemon:\n  port: 1\n  port: 2\n", "c.yaml:3:3: `port` is written twice");
    refuses("c.yaml", "- 1\n", "c.yaml:1:1: expected sections and keys at the top of the file");
    refuses("c.yaml", "a[99999999999]: 1\n", "c.yaml:1:17: `a[99999999999]` cannot be the name of a section");
    refuses("c.ini", "", "c.ini: unknown format, the name must end in .toml, .yaml, .yml or .json");
    let deep = format!("{{\"daemon\": {}{}}}", "[".repeat(100), "]".repeat(100));
    refuses("c.json", &deep, "c.json:1:76: nested too deeply");
}

#[test]
fn interpolation_that_fails_names_key_and_line() {
    let unset =
        "c.yaml:2:9: `daemon.host` needs the variable NOPE, which is not set (set it, or write ${NOPE:-default})";
    refuses("c.yaml", "daemon:\n  host: ${NOPE}\n", unset);
    refuses("c.yaml", "daemon: { host: '${' }", "c.yaml:1:17: `daemon.host` has `${` without `}`");
}

#[test]
fn what_is_not_built_cannot_be_switched_on() {
    let message = "cannot be switched on: this part is not built yet";
    let federation = format!("c.yaml:2:12: `federation.enabled` {message}");
    refuses("c.yaml", "federation:\n  enabled: true\n", &federation);
    let variable = "ORCHESTRATOR__FEDERATION__ENABLED";
    refuses_variables(
        &[(variable, "yes")],
        &format!("environment variable {variable}: `federation.enabled` {message}"),
    );
    let alerts = "TOKEN_BUDGET_ALERTS_ENABLED";
    refuses_variables(&[(alerts, "true")], &format!("environment variable {alerts}: `{alerts}` {message}"));
}

#[test]
fn variables_are_refused_by_name() {
    let port = "environment variable DAEMON_PORT: `daemon.port` is";
    refuses_variables(&[("DAEMON_PORT", "x")], &format!("{port} \"x\", expected a whole number"));
    refuses_variables(&[("DAEMON_PORT", "")], &format!("{port} \"\", expected a whole number"));
    refuses_variables(&[("DAEMON_PORT", "70000")], &format!("{port} 70000, expected a whole number from 0 to 65535"));
    let interval = "environment variable DAEMON_HEARTBEAT_INTERVAL: `daemon.heartbeatInterval` is";
    let span = "expected milliseconds, or a number with ms, s, m, h or d";
    refuses_variables(&[("DAEMON_HEARTBEAT_INTERVAL", "5 weeks")], &format!("{interval} \"5 weeks\", {span}"));
    let unknown = "environment variable ORCHESTRATOR__DAEMON__PROT: unknown key `daemon.prot`, did you mean `port`?";
    refuses_variables(&[("ORCHESTRATOR__DAEMON__PROT", "1")], unknown);
    let section = "environment variable ORCHESTRATOR__DEAMON__PORT: unknown key `deamon`, did you mean `daemon`?";
    refuses_variables(&[("ORCHESTRATOR__DEAMON__PORT", "1")], section);
    let shape = "expected ORCHESTRATOR__SECTION__KEY in capital letters, digits and `_`";
    refuses_variables(&[("ORCHESTRATOR__daemon", "1")], &format!("environment variable ORCHESTRATOR__daemon: {shape}"));
    let both = "environment variable DAEMON_PORT and environment variable ORCHESTRATOR__DAEMON__PORT both set `daemon.port`: keep one";
    refuses_variables(&[("DAEMON_PORT", "1"), ("ORCHESTRATOR__DAEMON__PORT", "2")], both);
}

#[test]
fn flags_are_refused_by_name() {
    let error = loader(&[]).flag("--port", "daemon.port", Some("high")).load().unwrap_err();
    assert_eq!(error.to_string(), "flag --port: `daemon.port` is \"high\", expected a whole number from 0 to 65535");
}

#[test]
fn a_mistake_in_the_file_is_found_even_if_a_variable_overrides_it() {
    let error = load("c.yaml", "daemon: { port: x }", &[("DAEMON_PORT", "1")]).unwrap_err();
    assert!(error.to_string().contains("c.yaml:1:17: `daemon.port` is \"x\""), "{error}");
}

#[test]
fn secret_files_fail_by_name() {
    let both = [("DAEMON_JWT_SECRET", "hunter2"), ("DAEMON_JWT_SECRET_FILE", "/nonexistent")];
    let message = "environment variable DAEMON_JWT_SECRET and environment variable DAEMON_JWT_SECRET_FILE both set `auth.jwtSecret`: keep one";
    let error = loader(&both).load().unwrap_err().to_string();
    assert!(
        error.contains("DAEMON_JWT_SECRET_FILE") && error.ends_with("both set `auth.jwtSecret`: keep one"),
        "{error}"
    );
    assert_eq!(error.len(), message.len());
    refuses_variables(&[("DAEMON_JWT_SECRET_FILE", "/nonexistent")], "cannot read /nonexistent");
}

#[test]
fn a_missing_key_names_its_variable() {
    #[derive(Debug, serde::Deserialize)]
    struct Strict {
        #[expect(dead_code, reason = "only its absence matters")]
        url: String,
    }
    let loader = |variables: &[Variable]| Loader::<Strict>::new().variables(variables.iter().cloned());
    let error = loader(&[]).load().unwrap_err();
    assert_eq!(error.to_string(), "missing key `url`: set it in the configuration file");
    let error = loader(&[Variable::new("THE_URL", "url", Kind::Text)]).load().unwrap_err();
    assert_eq!(error.to_string(), "missing key `url`: set it in the configuration file or as THE_URL");
}

#[test]
fn two_files_and_missing_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "orchestrator.toml", "");
    write(folder.path(), "orchestrator.yml", "");
    let error = loader(&[]).discover(folder.path(), "orchestrator").load().unwrap_err();
    let expected =
        "more than one configuration file: orchestrator.toml, orchestrator.yml (keep one, or name one explicitly)";
    assert_eq!(without_folder(&error.to_string()), expected);
    let error = loader(&[]).file(folder.path().join("none.toml")).load().unwrap_err();
    assert_eq!(without_folder(&error.to_string()), "cannot read none.toml");
}

#[test]
fn lines_of_an_env_file_are_refused_by_number_and_never_shown() {
    for (text, message) in [
        ("A=1\nhunter2\n", ".env:2:1: expected NAME=value"),
        ("  A='hunter2\n", ".env:1:3: a quote is not closed"),
        ("A=\"hunter2\" x\n", ".env:1:1: unexpected text after the closing quote"),
        ("A=1\nA=hunter2\n", ".env:2:1: A is set a second time"),
        ("1A=1\n", ".env:1:1: the name before `=` must be letters, digits and `_`, and not start with a digit"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), ".env", text);
        let error = Environment::default().with_file(folder.path().join(".env")).unwrap_err();
        assert_eq!(without_folder(&error.to_string()), message);
    }
}

#[test]
fn values_of_secrets_are_never_shown() {
    for text in ["auth: { jwtSecret: [hunter2] }", "auth: { jwtSecret: 31337 }", "daemon: { port: '${SECRET}' }"] {
        let error = load("c.yaml", text, &[("SECRET", "hunter2")]).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("31337"), "{shown}");
    }
    let loader = loader(&[("DAEMON_JWT_SECRET", "hunter2")]).flag("--x", "auth.jwtSecret", Some("hunter3"));
    let shown = format!("{loader:?} {:?}", loader);
    assert!(!shown.contains("hunter"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_text_makes_it_panic(text in "[ -~\n]{0,60}|[\\[\\]{}:,\"' \n$a-z0-9=&*!-]{0,60}|\\PC{0,40}") {
        for name in ["c.toml", "c.yaml", "c.json"] {
            let _ = load(name, &text, &[("A", &text)]);
        }
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), ".env", &text);
        let _ = Environment::default().with_file(folder.path().join(".env"));
    }

    #[test]
    fn no_variable_makes_it_panic(name in "[A-Z0-9_]{0,20}", value in "\\PC{0,20}") {
        let _ = loader(&[(&format!("ORCHESTRATOR__{name}"), &value), ("DAEMON_HEARTBEAT_INTERVAL", &value)]).load();
    }
}
