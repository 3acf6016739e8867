//! `config.set`: what is asked for is laid over the file, and kept beside it.

use std::collections::{BTreeMap, BTreeSet};

use orchestrator_settings::{Loaded, Overlay, Source};
use orchestrator_vocab::Actor;
use serde_json::{Map, Value};

use super::{Changed, Configuration, Inner, Refused, Trigger};
use crate::config::changes::{Path, dotted};
use crate::config::shown::{self, MASK};
use crate::config::{Config, keys};

/// Deeper than any key.
const DEPTH_MAX: usize = 16;

/// What is to be set, and what is to be as the file says again.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) values: Map<String, Value>,
    pub(crate) unset: Vec<String>,
    /// Whether what was set before stays set.
    pub(crate) merge: bool,
}

/// Why it was not set; nothing is different.
#[derive(Debug)]
pub(crate) struct NotSet {
    /// The key, dotted, if it is about one.
    pub(crate) key: Option<String>,
    pub(crate) message: String,
}

impl NotSet {
    fn about(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: Some(key.into()), message: message.into() }
    }
}

impl Configuration {
    pub(crate) async fn set(&self, wish: Wish, actor: Actor) -> Result<Result<Changed, NotSet>, Refused> {
        let inner = self.0.clone();
        self.apart(async move {
            let _turn = inner.turn.lock().await;
            match inner.set(wish) {
                Ok(done) => inner.tell(Ok(done), &Trigger::Set(actor)).await.map(Ok),
                Err(not_set) => Ok(Err(not_set)),
            }
        })
        .await
    }
}

impl Inner {
    fn set(&self, wish: Wish) -> Result<super::Done, NotSet> {
        let failed = |error: anyhow::Error| {
            let key = error.downcast_ref::<orchestrator_settings::Error>().and_then(|error| error.key());
            let message = self.redactor.redact(&format!("{error:#}")).into_owned();
            NotSet { key: key.map(str::to_owned), message }
        };
        let before = self.reading.overlay(&self.data).map_err(failed)?;
        let values = shown::values(&self.current().loaded, &self.redactor);
        let (overlay, set) = overlaid(&before, &values, wish)?;
        let loaded = self.reading.load_with(overlay.clone()).map_err(failed)?;
        for path in &set {
            check_source(&loaded, path)?;
        }
        let save = || if overlay == before { Ok(()) } else { Ok(overlay.save()?) };
        self.put_in_force(loaded, save).map_err(failed)
    }
}

/// What is set once the wish is granted, and the paths it sets. `values` are those that are configured, as they are shown.
fn overlaid(before: &Overlay, values: &BTreeMap<Path, Value>, wish: Wish) -> Result<(Overlay, Vec<Path>), NotSet> {
    let mut next = before.clone();
    if !wish.merge {
        for section in before.values().keys() {
            next.remove(std::slice::from_ref(section));
        }
    }
    for key in &wish.unset {
        if !next.remove(&split(key)) {
            return Err(NotSet::about(key, "is not set at run time"));
        }
    }
    let mut set = Vec::new();
    for (path, value) in flattened(wish.values)? {
        if values.get(&path) == Some(&value) {
            // As it is: a secret that came back masked, or what need not be set. What was set stays so.
            if let Some(kept) = before.get(&path) {
                next.set(&path, kept.clone());
            }
            continue;
        }
        check_allowed(&path, &value)?;
        next.set(&path, value);
        set.push(path);
    }
    Ok((next, set))
}

/// The single values. At the top, a name may be a whole dotted key.
fn flattened(values: Map<String, Value>) -> Result<BTreeMap<Path, Value>, NotSet> {
    let mut found = BTreeMap::new();
    for (key, value) in values {
        flatten(split(&key), value, &mut found)?;
    }
    let paths: BTreeSet<&Path> = found.keys().collect();
    let clash = paths.iter().zip(paths.iter().skip(1)).find(|(first, second)| second.starts_with(first));
    match clash {
        Some((first, _)) => Err(NotSet::about(dotted(first), "is given both as one value and as a section")),
        None => Ok(found),
    }
}

fn flatten(path: Path, value: Value, found: &mut BTreeMap<Path, Value>) -> Result<(), NotSet> {
    if path.len() > DEPTH_MAX || path.iter().any(String::is_empty) {
        return Err(NotSet::about(dotted(&path), "is not a key"));
    }
    match value {
        Value::Object(section) => {
            section.into_iter().try_for_each(|(name, value)| flatten([path.clone(), vec![name]].concat(), value, found))
        }
        value => match found.insert(path.clone(), value) {
            Some(_) => Err(NotSet::about(dotted(&path), "is given twice")),
            None => Ok(()),
        },
    }
}

fn split(key: &str) -> Path {
    key.split('.').map(str::to_owned).collect()
}

fn check_allowed(path: &Path, value: &Value) -> Result<(), NotSet> {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    if matches!(
        names[..],
        ["agents", _, "program", ..]
            | ["codingAgents", ..]
            | ["agentFiles", "directories"]
            | ["daemon", "dataDir"]
            | ["workspaces", "sources", ..]
            | ["tools", ..]
            | ["mcp", "servers", ..]
            | ["notify", "destinations" | "routes" | "allowHosts" | "allowNetworks", ..]
            | ["charters", ..]
            | ["sandbox", ..]
            | ["proxy", ..]
            | ["security", ..]
            | ["approvals", ..]
            | ["hooks", ..]
            | ["skills", ..]
    ) {
        return Err(NotSet::about(dotted(path), "is written in the configuration file and nowhere else"));
    }
    let is_mask = |value: &Value| value.as_str() == Some(MASK);
    if is_mask(value) || value.as_array().is_some_and(|items| items.iter().any(is_mask)) {
        let message = format!("`{MASK}` stands for a secret that is set, and there is none");
        return Err(NotSet::about(dotted(path), message));
    }
    Ok(())
}

/// Whether what was set is what counts.
fn check_source(loaded: &Loaded<Config>, path: &Path) -> Result<(), NotSet> {
    let key = dotted(path);
    match loaded.source(&key) {
        Source::RunTime { .. } => Ok(()),
        // Warned of, and not there; or a secret that was given as the path of its file.
        Source::Default if keys::of(path).is_none() && !key.ends_with("File") => {
            Err(NotSet::about(key, "is for a part that is not built yet"))
        }
        Source::Default => Ok(()),
        other => Err(NotSet::about(key, format!("is set by {other}, which wins: change it there"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(values) => values,
            other => panic!("{other} is no object"),
        }
    }

    /// What is set, after what was, and what it says of a configuration that is shown like this.
    #[track_caller]
    fn check(before: Value, values: Value, merge: bool, expected: Result<Value, &str>) {
        let folder = tempfile::tempdir().unwrap();
        let mut overlay = Overlay::read(folder.path().join("o.json")).unwrap();
        object(before).into_iter().for_each(|(key, value)| overlay.set(&split(&key), value));
        let shown = json!({"daemon": {"name": "me", "port": 1}, "auth": {"jwtSecret": MASK}});
        let shown = flattened(object(shown)).unwrap();
        let wish = Wish { values: object(values), unset: Vec::new(), merge };
        let given = overlaid(&overlay, &shown, wish).map(|(next, _)| Value::Object(next.values().clone()));
        let expected = expected.map_err(str::to_owned);
        assert_eq!(given.map_err(|not_set| not_set.key.unwrap_or_default()), expected);
    }

    #[test]
    fn values_are_set_by_section_and_by_key_beside_those_that_were() {
        let both = json!({"daemon": {"name": "you", "port": 2}});
        check(json!({}), both.clone(), true, Ok(both.clone()));
        check(json!({"daemon.name": "you"}), json!({"daemon.port": 2}), true, Ok(both));
        check(json!({"daemon.name": "you"}), json!({"daemon.port": 2}), false, Ok(json!({"daemon": {"port": 2}})));
        check(json!({}), json!({"daemon.port": 1}), true, Ok(json!({})));
    }

    #[test]
    fn a_masked_secret_that_comes_back_stays_as_it_is() {
        let masked = || json!({"auth": {"jwtSecret": MASK}});
        check(json!({}), masked(), true, Ok(json!({})));
        let set = json!({"auth": {"jwtSecret": "s3cret"}});
        check(json!({"auth.jwtSecret": "s3cret"}), masked(), true, Ok(set.clone()));
        check(json!({"auth.jwtSecret": "s3cret"}), masked(), false, Ok(set));
        check(json!({}), json!({"daemon.name": MASK}), true, Err("daemon.name"));
        check(json!({}), json!({"cors.origins": [MASK]}), true, Err("cors.origins"));
    }

    #[test]
    fn what_is_in_the_file_only_and_what_contradicts_itself_is_refused() {
        check(
            json!({}),
            json!({"agents": {"a": {"program": {"command": ["sh"]}}}}),
            true,
            Err("agents.a.program.command"),
        );
        let command = json!({"codingAgents": {"claude-code": {"command": ["sh"]}}});
        check(json!({}), command, true, Err("codingAgents.claude-code.command"));
        check(json!({}), json!({"daemon.dataDir": "/"}), true, Err("daemon.dataDir"));
        check(json!({}), json!({"tools.allow": ["*"]}), true, Err("tools.allow"));
        check(json!({}), json!({"charters.directory": "/tmp"}), true, Err("charters.directory"));
        let url = json!({"notify": {"destinations": {"ops": {"url": "http://a"}}}});
        check(json!({}), url, true, Err("notify.destinations.ops.url"));
        check(json!({}), json!({"daemon.port": 2, "daemon": {"port": 3}}), true, Err("daemon.port"));
        check(json!({}), json!({"daemon": 1, "daemon.port": 3}), true, Err("daemon"));
        check(json!({}), json!({"": 1}), true, Err(""));
    }
}
