use orchestrator_rpc::{Call, Code, Error, NoParams, Operation, Scope, Table};
use orchestrator_vocab::OrgId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::changes::{Path, dotted};
use crate::config::shown::{self, Explained};
use crate::configuration::{Changed, Configuration, NotSet, Refused, Trigger, Wish};

/// The parameters of `config.get` and `config.explain`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GetParams {
    /// Keys, or sections, such as `rateLimit.max` or `rateLimit`; else every value that somebody set.
    #[serde(default)]
    keys: Option<Vec<String>>,
    /// Every value, also those that have their default.
    #[serde(default)]
    all: bool,
}

/// What is configured.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Values {
    /// By section, as `config.set` takes them; secrets are `***`.
    values: Map<String, Value>,
}

/// What is configured, and why.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Explanation {
    /// The configuration file that was read, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    items: Vec<Explained>,
}

/// The parameters of `config.set`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SetParams {
    /// By section, or by dotted key. `***` leaves a secret as it is.
    values: Map<String, Value>,
    /// Whether what was set at run time before stays set. Default true.
    #[serde(default = "yes")]
    merge: bool,
    /// Keys or sections that are no longer set at run time: what the file says holds again.
    #[serde(default)]
    unset: Vec<String>,
}

fn yes() -> bool {
    true
}

/// `config.get`, `config.explain`, `config.set`, `config.reload`: of the operator's organisation alone.
pub(crate) fn table(configuration: &Configuration) -> Table {
    let (get, explain, set, reload) =
        (configuration.clone(), configuration.clone(), configuration.clone(), configuration.clone());
    Table::new()
        .with(
            Operation::new(
                "config.get",
                Scope::Read,
                "Tells what is configured, secrets masked",
                move |call, params| {
                    let configuration = get.clone();
                    async move { own(&call).and_then(|()| values(&configuration, &params)) }
                },
            )
            .read_only()
            .fails_with([Code::NotFound]),
        )
        .with(
            Operation::new(
                "config.explain",
                Scope::Read,
                "Tells each value in effect, where it came from, and when a change of it takes effect",
                move |call, params| {
                    let configuration = explain.clone();
                    async move { own(&call).and_then(|()| explanation(&configuration, &params)) }
                },
            )
            .read_only()
            .fails_with([Code::NotFound]),
        )
        .with(
            Operation::new(
                "config.set",
                Scope::Admin,
                "Sets values beside the configuration file and applies them",
                move |call: Call, params: SetParams| {
                    let configuration = set.clone();
                    async move { set_values(&configuration, &call, params).await }
                },
            )
            .fails_with([Code::NotFound, Code::Conflict]),
        )
        .with(
            Operation::new(
                "config.reload",
                Scope::Admin,
                "Reads the configuration again and applies it, or tells why not",
                move |call: Call, NoParams {}| {
                    let configuration = reload.clone();
                    async move {
                        own(&call)?;
                        configuration.reload(Trigger::Reload(call.actor())).await.map_err(refused)
                    }
                },
            )
            .fails_with([Code::NotFound, Code::Conflict]),
        )
}

/// To others there is no configuration.
fn own(call: &Call) -> Result<(), Error> {
    if call.org() == OrgId::LOCAL { Ok(()) } else { Err(Error::not_found("no such configuration")) }
}

fn values(configuration: &Configuration, params: &GetParams) -> Result<Values, Error> {
    let current = configuration.current();
    let wanted = Wanted::of(params);
    let mut section = Map::new();
    for (path, value) in shown::values(&current.loaded, configuration.redactor()) {
        if wanted.has(&dotted(&path), || current.loaded.sources.contains_key(&dotted(&path))) {
            put(&mut section, &path, value);
        }
    }
    wanted.check(&current.loaded)?;
    Ok(Values { values: section })
}

fn explanation(configuration: &Configuration, params: &GetParams) -> Result<Explanation, Error> {
    let current = configuration.current();
    let wanted = Wanted::of(params);
    wanted.check(&current.loaded)?;
    let items = shown::explained(&current.loaded, &current.running, configuration.redactor());
    let is_wanted = |item: &Explained| wanted.has(&item.key, || current.loaded.sources.contains_key(&item.key));
    let items = items.into_iter().filter(is_wanted).collect();
    Ok(Explanation { file: current.loaded.file.as_ref().map(|file| file.display().to_string()), items })
}

/// Which values somebody asks for.
struct Wanted<'a> {
    keys: Option<&'a [String]>,
    all: bool,
}

impl<'a> Wanted<'a> {
    fn of(params: &'a GetParams) -> Self {
        Self { keys: params.keys.as_deref(), all: params.all }
    }

    fn has(&self, key: &str, is_set: impl FnOnce() -> bool) -> bool {
        match self.keys {
            Some(keys) => keys.iter().any(|wanted| is_in(key, wanted)),
            None => self.all || is_set(),
        }
    }

    fn check(&self, loaded: &orchestrator_settings::Loaded<crate::config::Config>) -> Result<(), Error> {
        let known: Vec<String> =
            crate::config::changes::leaves(&loaded.value).keys().map(|path| dotted(path)).collect();
        let unknown = self.keys.into_iter().flatten().find(|wanted| {
            let empty = ["agents", "tasks.concurrency.keys"].contains(&wanted.as_str());
            !empty && !known.iter().any(|key| is_in(key, wanted))
        });
        match unknown {
            Some(key) => Err(Error::not_found(format!("no key or section `{key}`")).with_field("keys")),
            None => Ok(()),
        }
    }
}

/// Whether the key is the wanted one or in the wanted section.
fn is_in(key: &str, wanted: &str) -> bool {
    key.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn put(section: &mut Map<String, Value>, path: &Path, value: Value) {
    let Some((last, sections)) = path.split_last() else { return };
    let place = sections.iter().fold(section, |place, name| {
        let inner = place.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
        inner.as_object_mut().expect("a leaf is no section of another")
    });
    place.insert(last.clone(), value);
}

async fn set_values(configuration: &Configuration, call: &Call, params: SetParams) -> Result<Changed, Error> {
    own(call)?;
    let SetParams { values, merge, unset } = params;
    let wish = Wish { values, unset, merge };
    let outcome = configuration.set(wish, call.actor()).await.map_err(refused)?;
    outcome.map_err(|NotSet { key, message }| match key {
        Some(key) if message.contains(&key) => Error::invalid_params(message).with_field("values"),
        Some(key) => Error::invalid_params(format!("`{key}` {message}")).with_field("values"),
        None => Error::conflict(message),
    })
}

fn refused(Refused(reason): Refused) -> Error {
    Error::conflict(format!("the configuration was refused, the old one stays: {reason}"))
}
