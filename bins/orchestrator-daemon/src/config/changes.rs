//! What a new configuration changes: at once, and at the next start. Pure.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::{Config, Daemon, Events, Tools};

/// The path of a value: a name of an agent may have dots in it.
pub(crate) type Path = Vec<String>;

/// Keys, dotted and in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Of values that take effect now.
    pub(crate) applied: Vec<String>,
    /// Of values that differ from those in effect, and stay so until the next start.
    pub(crate) restart: Vec<String>,
}

/// What is in effect once everything of `wanted` is, that can be while the daemon runs.
///
/// What is not named here needs a restart; a section that is new is so by itself.
pub(crate) fn effective(running: &Config, wanted: &Config) -> Config {
    Config {
        daemon: Daemon {
            max_sessions: wanted.daemon.max_sessions,
            verbose: wanted.daemon.verbose,
            heartbeat_interval_ms: wanted.daemon.heartbeat_interval_ms,
            shutdown_timeout_ms: wanted.daemon.shutdown_timeout_ms,
            ..running.daemon.clone()
        },
        rate_limit: wanted.rate_limit.clone(),
        cors: wanted.cors.clone(),
        gateway: wanted.gateway.clone(),
        // The ready index was written with the step.
        tasks: orchestrator_tasks::Config { ageing_step_ms: running.tasks.ageing_step_ms, ..wanted.tasks.clone() },
        events: Events { retention_days: wanted.events.retention_days, ..running.events.clone() },
        agents: wanted.agents.clone(),
        coding_agents: wanted.coding_agents.clone(),
        agent_files: wanted.agent_files.clone(),
        registry: wanted.registry.clone(),
        workspaces: wanted.workspaces.clone(),
        llm: wanted.llm.clone(),
        budget: wanted.budget.clone(),
        charters: wanted.charters.clone(),
        skills: wanted.skills.clone(),
        proxy: wanted.proxy.clone(),
        security: wanted.security.clone(),
        tools: Tools {
            allow: wanted.tools.allow.clone(),
            confirm: wanted.tools.confirm.clone(),
            ..running.tools.clone()
        },
        logging: orchestrator_telemetry::Config { level: wanted.logging.level.clone(), ..running.logging.clone() },
        ..running.clone()
    }
}

/// What changes when `wanted` is put in the place of `running`.
pub(crate) fn plan(running: &Config, wanted: &Config) -> Changes {
    let next = effective(running, wanted);
    Changes { applied: differing(running, &next), restart: differing(&next, wanted) }
}

/// Every value of a configuration, secrets masked. Sections without anything in them have none.
pub(crate) fn leaves(config: &Config) -> BTreeMap<Path, Value> {
    let tree = serde_json::to_value(config).expect("a configuration has text for keys and finite numbers");
    let mut found = BTreeMap::new();
    collect(&mut Vec::new(), tree, &mut found);
    found
}

/// As people write it.
pub(crate) fn dotted(path: &[String]) -> String {
    path.join(".")
}

fn collect(path: &mut Path, value: Value, found: &mut BTreeMap<Path, Value>) {
    match value {
        Value::Object(section) => {
            for (name, value) in section {
                path.push(name);
                collect(path, value, found);
                path.pop();
            }
        }
        value => drop(found.insert(path.clone(), value)),
    }
}

fn differing(before: &Config, after: &Config) -> Vec<String> {
    let (old, new) = (leaves(before), leaves(after));
    let paths: BTreeSet<&Path> = old.keys().chain(new.keys()).collect();
    let mut keys: BTreeSet<String> =
        paths.into_iter().filter(|path| old.get(*path) != new.get(*path)).map(|path| dotted(path)).collect();
    // Masked, they are all alike.
    let (old, new) = (secrets(before), secrets(after));
    let same = |key: &String| match (old.get(key), new.get(key)) {
        (Some(old), Some(new)) => old.expose_secret() == new.expose_secret(),
        (old, new) => old.is_none() && new.is_none(),
    };
    keys.extend(old.keys().chain(new.keys()).filter(|key| !same(key)).cloned());
    keys.into_iter().collect()
}

/// The values that are masked wherever a configuration is shown, by their keys.
pub(crate) fn secrets(config: &Config) -> BTreeMap<String, SecretString> {
    let auth = &config.auth;
    let declared = [
        ("auth.jwtSecret", &auth.jwt_secret),
        ("auth.jwtSecretPrevious", &auth.jwt_secret_previous),
        ("auth.ed25519Key", &auth.ed25519_key),
        ("auth.ed25519KeyPrevious", &auth.ed25519_key_previous),
        ("database.url", &config.database.url),
        ("redis.url", &config.redis.url),
    ];
    let mut found: BTreeMap<String, SecretString> =
        declared.into_iter().filter_map(|(key, secret)| Some((key.to_owned(), secret.clone()?))).collect();
    for (name, agent) in &config.agents {
        for (variable, value) in &agent.program.environment.set {
            found.insert(format!("agents.{name}.program.environment.set.{variable}"), value.clone().into());
        }
    }
    for (name, agent) in &config.coding_agents {
        for (variable, value) in &agent.environment.set {
            let key = format!("codingAgents.{}.environment.set.{variable}", name.as_str());
            found.insert(key, value.clone().into());
        }
    }
    found.extend(config.models.secrets().map(|(key, secret)| (key, secret.clone())));
    found.extend(config.mcp.secrets().map(|(key, secret)| (key, secret.clone())));
    found.extend(config.notify.secrets().map(|(key, secret)| (key, secret.clone())));
    found.extend(config.hooks.secrets().map(|(key, secret)| (format!("hooks.{key}"), secret.clone())));
    found
}

#[cfg(test)]
mod tests {
    use orchestrator_sessions::Program;
    use serde_json::json;

    use super::*;
    use crate::config::AgentConfig;
    use crate::config::keys::{self, Effect};

    fn config(values: Value) -> Config {
        serde_json::from_value(values).unwrap()
    }

    #[track_caller]
    fn check(running: Value, wanted: Value, applied: &[&str], restart: &[&str]) {
        let changes = plan(&config(running), &config(wanted));
        assert_eq!((changes.applied, changes.restart), (owned(applied), owned(restart)));
    }

    fn owned(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn what_can_be_applied_is_told_from_what_needs_a_restart() {
        check(json!({}), json!({}), &[], &[]);
        check(
            json!({"rateLimit": {"max": 5}, "daemon": {"port": 1, "maxSessions": 2}}),
            json!({"rateLimit": {"max": 6}, "daemon": {"port": 2, "maxSessions": 3}}),
            &["daemon.maxSessions", "rateLimit.max"],
            &["daemon.port"],
        );
        check(
            json!({"tasks": {"ageingStepMs": 1}}),
            json!({"tasks": {"leaseMs": 20000}}),
            &["tasks.leaseMs"],
            &["tasks.ageingStepMs"],
        );
    }

    #[test]
    fn a_secret_that_changed_is_noticed_and_not_shown() {
        let url = |text: &str| json!({"database": {"url": text}});
        check(url("postgres://a"), url("postgres://b"), &[], &["database.url"]);
        check(json!({}), url("postgres://b"), &[], &["database.url"]);
        assert!(!format!("{:?}", leaves(&config(url("postgres://b")))).contains("postgres"));
        let agent = |value: &str| json!({"agents": {"a": {"program": {"command": ["x"], "environment": {"set": {"KEY": value}}}}}});
        check(agent("one"), agent("two"), &["agents.a.program.environment.set.KEY"], &[]);
        let coding = |value: &str| json!({"codingAgents": {"ruflo": {"command": ["x"], "environment": {"set": {"KEY": value}}}}});
        check(coding("one"), coding("two"), &["codingAgents.ruflo.environment.set.KEY"], &[]);
        assert!(!format!("{:?}", leaves(&config(coding("s3cret")))).contains("s3cret"));
    }

    #[test]
    fn an_agent_that_is_gone_is_a_change_of_all_its_values() {
        let program = json!({"agents": {"a": {"program": {"command": ["x"]}}}});
        let changes = plan(&config(program), &Config::default());
        assert!(changes.applied.contains(&"agents.a.program.command".to_owned()) && changes.restart.is_empty());
    }

    /// With something in every map, so that every key has a value.
    fn full() -> Config {
        let mut config = Config::default();
        let mut program = Program::new(["x"]);
        // Masked and read again it is the same.
        program.environment.set.insert("NAME".into(), crate::config::shown::MASK.into());
        let workspace = json!({"source": "some", "mode": "worktree"});
        let workspace = Some(serde_json::from_value(workspace).unwrap());
        config.agents.insert("some".parse().unwrap(), AgentConfig { workspace, ..AgentConfig::new(program) });
        let mut coding = orchestrator_runtime_claude::Claude::new(["x"]);
        coding.environment.set.insert("NAME".into(), crate::config::shown::MASK.into());
        config.coding_agents.insert(coding.dialect, coding);
        config.workspaces.sources.insert("some".parse().unwrap(), "/some".into());
        config.tasks.concurrency.keys.insert("some".into(), 1);
        config.registry.max_per_type.insert(orchestrator_agents::Role::Developer, 1);
        let long = json!({"tokens": 1, "input": 1, "output": 1, "cacheRead": 1});
        let price =
            json!({"input": 1, "output": 1, "cacheRead": 1, "cacheWrite5m": 1, "cacheWrite1h": 1, "long": long});
        let provider = json!({
            "kind": "scripted", "apiKey": crate::config::shown::MASK, "anthropic": {}, "openai": {},
            "models": {"some": {"price": price}},
        });
        let long = json!({"above": 1, "input": 1, "output": 1, "cacheRead": 1});
        let batch = json!({"input": 1, "output": 1});
        let price = json!({
            "input": 1, "output": 1, "cacheRead": 1, "cacheWrite5m": 1, "cacheWrite1h": 1, "long": long, "batch": batch,
        });
        config.budget.prices.insert("some".into(), serde_json::from_value(price).unwrap());
        config.memory.embedder = serde_json::from_value(json!({
            "model": "some/embedder", "dimensions": 1, "local": {"model": "/some", "tokenizer": "/some"},
        }))
        .unwrap();
        config.budget.degrade.models.insert("some".into(), "other".into());
        config.tools.command.environment.set.insert("NAME".into(), "value".into());
        config.sandbox.readable.push("/some".into());
        config.tools.allow.insert("some.tool".parse().unwrap());
        config.tools.confirm.insert("some.tool".parse().unwrap());
        config.security.labels.secret_tools.insert("some.tool".parse().unwrap());
        config.charters.everyone.insert("some".into());
        config.charters.organisations.insert(orchestrator_vocab::OrgId::LOCAL, ["some".to_owned()].into());
        config.tools.http.only_hosts = Some(vec!["some.example".parse().unwrap()]);
        let secret = json!({"SOME": crate::config::shown::MASK});
        let server = json!({"environment": {"set": secret}, "headers": secret});
        config.mcp.servers.insert("some".parse().unwrap(), serde_json::from_value(server).unwrap());
        let destination = json!({ "kind": "webhook" });
        config.notify.destinations.insert("some".into(), serde_json::from_value(destination).unwrap());
        config.charters.actions.insert("some".into(), Vec::new());
        let hook = json!({"program": {"environment": {"set": secret}}, "http": {"secret": crate::config::shown::MASK}});
        config.hooks.custom.insert("some".into(), serde_json::from_value(hook).unwrap());
        config.models.cassette = serde_json::from_value(json!({"mode": "replay", "directory": "/some"})).unwrap();
        config.tools.workspaces.insert("some".into(), "/some".into());
        config.models.providers.insert("some".into(), serde_json::from_value(provider).unwrap());
        config
    }

    #[test]
    fn every_value_has_one_key_and_every_key_a_value() {
        let leaves = leaves(&full());
        for path in leaves.keys() {
            let matching = keys::all().filter(|key| keys::of(path).is_some_and(|of| of.path == key.path)).count();
            assert_eq!(matching, 1, "{} is not in the list of keys (or twice): add it", dotted(path));
        }
        for key in keys::all() {
            let has_value = leaves.keys().any(|path| keys::of(path).is_some_and(|of| of.path == key.path));
            assert!(has_value, "{} is in the list of keys and not in the configuration", key.path);
        }
    }

    /// Each value is changed to something else of its type, one at a time: nothing is said about a key that is not so.
    #[test]
    fn each_key_takes_effect_as_its_entry_says() {
        for (path, value) in leaves(&full()) {
            let Some(wanted) = another(&path, &value) else { continue };
            let changes = plan(&full(), &wanted);
            let key = keys::of(&path).unwrap();
            let needs_restart = changes.restart == [dotted(&path)];
            assert!(needs_restart || changes.applied == [dotted(&path)], "{}: {changes:?}", key.path);
            assert_eq!(needs_restart, key.effect == Effect::Restart, "{}: {changes:?}", key.path);
        }
    }

    /// The full configuration with another value at this path; `None` where none is known to fit.
    fn another(path: &Path, value: &Value) -> Option<Config> {
        let candidates = match value {
            Value::Bool(value) => vec![json!(!value)],
            Value::Number(_) => vec![json!(7), json!(9)],
            Value::Null => vec![json!(7), json!("/other")],
            Value::Array(_) => vec![json!(["other.example"]), json!(["192.0.2.1"]), json!(["192.0.2.0/24"])],
            _ => vec![
                json!("192.0.2.1"),
                json!("EdDSA"),
                json!("json"),
                json!("least-loaded"),
                json!("org_00000000000070008000000000000002"),
            ],
        };
        let mut tree = serde_json::to_value(full()).unwrap();
        candidates.into_iter().filter(|candidate| candidate != value).find_map(|candidate| {
            let pointer = format!("/{}", path.join("/"));
            *tree.pointer_mut(&pointer).unwrap() = candidate;
            serde_json::from_value(tree.clone()).ok()
        })
    }
}
