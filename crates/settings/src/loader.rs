use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::merge::{self, Origins};
use crate::read::{self, Fault, Problem};
use crate::tree::{Form, Node, Value};
use crate::variables::{self, Kind};
use crate::{
    Environment, Error, Overlay, Reserved, Source, Variable, Warning, file, interpolate, reserved, secret_file,
};

/// Variables that set any key: `ORCHESTRATOR__RATE_LIMIT__CALLS_PER_CREDENTIAL`.
const PREFIX: &str = "ORCHESTRATOR__";

/// Collects what may set the configuration, then reads it: flags win over the environment, that over what was
/// set at run time, that over the file, that over the defaults of `T`.
///
/// `T` and the structs in it should be `#[serde(default, deny_unknown_fields, rename_all = "camelCase")]`: the
/// defaults are serde's, so `T` need not be serialisable and secrets never leave it.
#[derive(Debug)]
pub struct Loader<T> {
    file: FileChoice,
    environment: Environment,
    variables: Vec<Variable>,
    reserved: Vec<Reserved>,
    secrets: Vec<String>,
    flags: Vec<Flag>,
    overlay: Option<Overlay>,
    config: PhantomData<fn() -> T>,
}

#[derive(Debug)]
enum FileChoice {
    None,
    Path(PathBuf),
    Discover { directory: PathBuf, stem: String },
}

struct Flag {
    name: String,
    key: String,
    value: String,
}

impl std::fmt::Debug for Flag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.name)
    }
}

/// A configuration and how it came about.
#[derive(Debug)]
#[non_exhaustive]
pub struct Loaded<T> {
    /// The configuration.
    pub value: T,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// Who set each key, by its dotted path. A key that is not here has its default.
    pub sources: BTreeMap<String, Source>,
    /// The keys, dotted, whose values must not be shown: those of secrets, and those whose text was put together from
    /// variables.
    pub hidden: BTreeSet<String>,
    /// Every file that was read, or would have been if it existed. The file of a `.env` is the caller's to add.
    pub files: Vec<PathBuf>,
    /// To be logged once logging works.
    pub warnings: Vec<Warning>,
}

impl<T> Loaded<T> {
    /// Who set this key (dotted path).
    #[must_use]
    pub fn source(&self, key: &str) -> &Source {
        self.sources.get(key).unwrap_or(&Source::Default)
    }
}

impl<T: DeserializeOwned> Default for Loader<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: DeserializeOwned> Loader<T> {
    /// A loader with no file, no environment and no flags: it gives the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            file: FileChoice::None,
            environment: Environment::default(),
            variables: Vec::new(),
            reserved: Vec::new(),
            secrets: Vec::new(),
            flags: Vec::new(),
            overlay: None,
            config: PhantomData,
        }
    }

    /// Reads this file, which must exist; `.toml`, `.yaml`, `.yml` or `.json`.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = FileChoice::Path(path.into());
        self
    }

    /// Reads `<directory>/<stem>.{toml,yaml,yml,json}` if there is one; two of them are an error.
    #[must_use]
    pub fn discover(mut self, directory: impl AsRef<Path>, stem: &str) -> Self {
        self.file = FileChoice::Discover { directory: directory.as_ref().to_owned(), stem: stem.to_owned() };
        self
    }

    /// What `${NAME}`, the variables of [`Loader::variables`] and `ORCHESTRATOR__SECTION__KEY` are looked up in.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Variables with names of their own. The keys of [`Kind::Secret`] count as secrets.
    #[must_use]
    pub fn variables(mut self, variables: impl IntoIterator<Item = Variable>) -> Self {
        self.variables.extend(variables);
        self
    }

    /// A key whose value is never shown, and which may be given as `<key>File`: the path of a file that holds it. One part
    /// of it may be `*`, for any name.
    #[must_use]
    pub fn secret(mut self, key: &str) -> Self {
        self.secrets.push(key.to_owned());
        self
    }

    /// Values that were set at run time: they win over the file, and yield to the environment and to flags. Nothing is
    /// interpolated in them.
    #[must_use]
    pub fn overlay(mut self, overlay: Overlay) -> Self {
        self.overlay = Some(overlay);
        self
    }

    /// Names that are known but not built yet.
    #[must_use]
    pub fn reserve(mut self, names: impl IntoIterator<Item = Reserved>) -> Self {
        self.reserved.extend(names);
        self
    }

    /// A command-line flag and the key it sets; `None` if it was not given. Lists are separated by commas.
    #[must_use]
    pub fn flag(mut self, name: &str, key: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.flags.push(Flag { name: name.to_owned(), key: key.to_owned(), value: value.to_string() });
        }
        self
    }

    /// Reads everything.
    ///
    /// # Errors
    /// The first thing that is wrong, wherever it is: a file is checked on its own, so a mistake in it is found
    /// even if a variable overrides it.
    pub fn load(mut self) -> Result<Loaded<T>, Error> {
        let named = self.variables.iter().filter(|variable| variable.kind == Kind::Secret);
        self.secrets.extend(named.map(|variable| variable.key.to_owned()));
        let mut warnings = Vec::new();
        let path = self.choose_file()?;
        let mut files = self.candidates();
        let mut layers = Vec::new();
        if let Some(path) = &path {
            let mut layer = file::read(path)?;
            interpolate::interpolate(&mut layer, &self.environment)?;
            self.prepare(&mut layer, &mut warnings, &mut files)?;
            self.check_alone(&layer)?;
            layers.push(layer);
        }
        if let Some(overlay) = &self.overlay {
            let mut layer = overlay.layer()?;
            self.prepare(&mut layer, &mut warnings, &mut files)?;
            self.check_alone(&layer)?;
            layers.push(layer);
        }
        let mut layer = variables::layer(&self.environment, &self.variables, PREFIX)?;
        self.prepare(&mut layer, &mut warnings, &mut files)?;
        layers.push(layer);
        layers.push(self.flag_layer()?);
        reserved::check_variables(&self.environment, &self.reserved, &mut warnings)?;

        let (merged, origins) = merge::merge(&layers, &self.secrets).map_err(merge_failed)?;
        let value = read::read(&merged, &origins).map_err(|fault| self.explain(fault, &origins))?;
        let hidden = merge::hidden(&merged, &origins, &self.secrets);
        Ok(Loaded { value, file: path, sources: merge::sources(&merged, &origins), hidden, files, warnings })
    }

    fn choose_file(&self) -> Result<Option<PathBuf>, Error> {
        match &self.file {
            FileChoice::None => Ok(None),
            FileChoice::Path(path) => Ok(Some(path.clone())),
            FileChoice::Discover { directory, stem } => file::discover(directory, stem),
        }
    }

    fn candidates(&self) -> Vec<PathBuf> {
        match &self.file {
            FileChoice::None => Vec::new(),
            FileChoice::Path(path) => vec![path.clone()],
            FileChoice::Discover { directory, stem } => file::candidates(directory, stem).collect(),
        }
    }

    fn prepare(&self, layer: &mut Node, warnings: &mut Vec<Warning>, files: &mut Vec<PathBuf>) -> Result<(), Error> {
        reserved::take_sections(layer, &self.reserved, warnings)?;
        secret_file::resolve(layer, &self.secrets, files)
    }

    /// Finds mistakes in a file. What only the other layers can put right is left to the reading of the whole:
    /// missing keys, and sections that are refused for what they say together.
    fn check_alone(&self, layer: &Node) -> Result<(), Error> {
        let (value, origins) = merge::alone(layer, &self.secrets);
        match read::read::<T>(&value, &origins) {
            Err(Fault { problem: Problem::Missing(_), .. }) => Ok(()),
            Err(Fault { problem: Problem::Other(_), about_section: true, .. }) => Ok(()),
            Err(fault) => Err(self.explain(fault, &origins)),
            Ok(_) => Ok(()),
        }
    }

    fn flag_layer(&self) -> Result<Node, Error> {
        let mut root = Node::table(Source::Flag(String::new()));
        for flag in &self.flags {
            let value = Value::Text(flag.value.clone());
            root.insert(&flag.key, Node::new(Source::Flag(flag.name.clone()), Form::Flexible, value))?;
        }
        Ok(root)
    }

    fn explain(&self, fault: Fault, origins: &Origins) -> Error {
        fault.into_error(origins, &self.variables)
    }
}

/// Merging trees cannot fail; if it does, say so rather than start with half a configuration.
fn merge_failed(error: config::ConfigError) -> Error {
    Error::Syntax { place: Source::Default, message: format!("the layers cannot be merged: {error}") }
}
