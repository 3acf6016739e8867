//! Loads a configuration from a file and the environment, shows who set what, what a mistake looks like, and how a change is
//! noticed.
//!
//! `cargo run -p orchestrator-examples --example settings`

use orchestrator_settings::{Environment, Kind, Loader, Overlay, Reserved, Variable, Watch};
use secrecy::SecretString;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Config {
    daemon: Daemon,
    auth: Auth,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Daemon {
    port: u16,
    host: String,
    max_sessions: usize,
}

impl Default for Daemon {
    fn default() -> Self {
        Self { port: 8787, host: "127.0.0.1".to_owned(), max_sessions: 100 }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Auth {
    jwt_secret: Option<SecretString>,
}

const FILE: &str = "\
daemon:
  port: 9000
  host: ${HOST:-localhost}
memory: { compactionEnabled: true }
";

fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("orchestrator.yaml"), FILE)?;
    std::fs::write(folder.path().join("jwt.key"), "an example of a secret of enough bytes\n")?;
    let secret_path = folder.path().join("jwt.key").display().to_string();

    let environment: Environment =
        [("DAEMON_JWT_SECRET_FILE", secret_path.as_str()), ("ORCHESTRATOR__DAEMON__MAX_SESSIONS", "7")]
            .into_iter()
            .collect();
    let loader = || {
        Loader::<Config>::new()
            .discover(folder.path(), "orchestrator")
            .environment(environment.clone())
            .variables([Variable::new("DAEMON_JWT_SECRET", "auth.jwtSecret", Kind::Secret)])
            .reserve([Reserved::section("memory")])
    };

    let loaded = loader().flag("--port", "daemon.port", Some(9001)).load()?;
    println!("{:#?}", loaded.value);
    for (key, source) in &loaded.sources {
        println!("{key:<20} {source}");
    }
    for warning in &loaded.warnings {
        println!("warning: {warning}");
    }

    std::fs::write(folder.path().join("orchestrator.yaml"), FILE.replace("port: 9000", "prot: 9000"))?;
    match loader().load() {
        Ok(_) => anyhow::bail!("the mistake was not found"),
        Err(error) => println!("a mistake: {error}"),
    }

    let (tell, told) = std::sync::mpsc::channel();
    let watch = Watch::new(move || tell.send(()).unwrap_or_default())?;
    watch.follow(loaded.files)?;
    std::fs::write(folder.path().join("orchestrator.yaml"), FILE)?;
    told.recv()?;
    let mut overlay = Overlay::read(folder.path().join("set.json"))?;
    overlay.set(&["daemon".to_owned(), "host".to_owned()], "::1".into());
    overlay.save()?;
    let reloaded = loader().overlay(overlay).load()?;
    println!("changed: daemon.host is {} ({})", reloaded.value.daemon.host, reloaded.source("daemon.host"));
    Ok(())
}
