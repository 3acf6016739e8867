//! How the configuration is read: at the start, and again whenever it may have changed.

use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};
use orchestrator_settings::{Environment, Loaded, Loader, Overlay, Source};

use super::{Config, names};
use crate::args::{Args, Command};
use crate::demo;

/// The name, in the data directory, of what was set at run time.
const OVERLAY: &str = "config.set.json";
const ENVIRONMENT_FILE: &str = ".env";

/// Everything that decides what is read.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    args: Args,
    /// Once the daemon runs, it keeps its data directory whatever the configuration says by then.
    data: Option<PathBuf>,
}

impl Reading {
    pub(crate) fn new(args: &Args) -> Self {
        Self { args: args.clone(), data: None }
    }

    pub(crate) fn of_running(args: &Args, data: &Path) -> Self {
        Self { args: args.clone(), data: Some(data.to_owned()) }
    }

    /// Flags > environment > set at run time > file > defaults, checked as a whole.
    pub(crate) fn load(&self) -> anyhow::Result<Loaded<Config>> {
        let data = match &self.data {
            Some(data) => data.clone(),
            // Where it is said what was set at run time cannot be set there.
            None => self.loader()?.load()?.value.daemon.data_dir,
        };
        self.load_with(Overlay::read(data.join(OVERLAY))?)
    }

    /// The same, as if this had been set at run time.
    pub(crate) fn load_with(&self, overlay: Overlay) -> anyhow::Result<Loaded<Config>> {
        let mut loaded = self.loader()?.overlay(overlay).load()?;
        ensure!(
            !matches!(loaded.source("daemon.dataDir"), Source::RunTime { .. }),
            "daemon.dataDir cannot be set at run time: it says where that is kept"
        );
        // Whoever may set it could have the keys sent to himself.
        let is_address = |key: &str| key.starts_with("models.providers.") && key.ends_with(".baseUrl");
        let address =
            loaded.sources.iter().find(|(key, source)| is_address(key) && matches!(source, Source::RunTime { .. }));
        if let Some((key, _)) = address {
            bail!("{key} cannot be set at run time: keys are sent there");
        }
        let cassette = loaded
            .sources
            .iter()
            .find(|(key, source)| key.starts_with("models.cassette.") && matches!(source, Source::RunTime { .. }));
        if let Some((key, _)) = cassette {
            bail!("{key} cannot be set at run time: it says where conversations are written");
        }
        loaded.files.push(self.args.env_file.clone().unwrap_or_else(|| ENVIRONMENT_FILE.into()));
        if let Some(Command::Demo { .. }) = self.args.command {
            demo::join(&mut loaded.value, std::env::current_dir()?)?;
        }
        loaded.value.validate()?;
        Ok(loaded)
    }

    /// What is set at run time.
    pub(crate) fn overlay(&self, data: &Path) -> anyhow::Result<Overlay> {
        Ok(Overlay::read(data.join(OVERLAY))?)
    }

    fn loader(&self) -> anyhow::Result<Loader<Config>> {
        let args = &self.args;
        let environment = Environment::from_process();
        let environment = match &args.env_file {
            Some(file) => environment.with_file(file)?,
            None => environment.with_file_if_present(ENVIRONMENT_FILE)?,
        };
        let named = args.config.clone().or_else(|| environment.get("ORCHESTRATOR_CONFIG").map(PathBuf::from));
        let mut loader = Loader::<Config>::new().variables(names::VARIABLES).reserve(names::reserved());
        loader = match named {
            Some(file) => loader.file(file),
            None => loader.discover(".", "orchestrator"),
        };
        let shown = |path: &Option<PathBuf>| path.as_deref().map(Path::display).map(|path| path.to_string());
        Ok(loader
            .environment(environment)
            .secret("database.url")
            .secret("redis.url")
            .secret("auth.jwtSecret")
            .secret("auth.jwtSecretPrevious")
            .secret("auth.ed25519Key")
            .secret("auth.ed25519KeyPrevious")
            .secret("telemetry.otlp.headers")
            .secret("notify.destinations.*.url")
            .secret("notify.destinations.*.secret")
            .secret("notify.destinations.*.password")
            .flag("--port", "daemon.port", args.port)
            .flag("--host", "daemon.host", args.host.as_ref())
            .flag("--verbose", "daemon.verbose", args.verbose.then_some(true))
            .flag("--data-dir", "daemon.dataDir", shown(&args.data_dir))
            .flag("--tls-cert", "tls.cert", shown(&args.tls_cert))
            .flag("--tls-key", "tls.key", shown(&args.tls_key)))
    }
}
