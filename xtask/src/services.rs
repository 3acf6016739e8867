//! The servers that tests talk to: those that run already, else throw-away ones from the installed programs.
//!
//! Today that is PostgreSQL. Another server is another field of [`Services`] and another module like `postgres`.

mod account;
mod install;
mod postgres;
mod probe;

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;

use crate::environment::variable;
use crate::workspace::Workspace;
use postgres::Server;

/// What tests read to find PostgreSQL. They create databases of their own on it.
const POSTGRES_FOR_TESTS: &str = "TEST_DATABASE_URL";
/// Where a PostgreSQL usually listens, with the role that its packages create.
const POSTGRES_USUALLY: &str = "postgres://postgres@127.0.0.1:5432/postgres";

/// What to do with the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Action {
    /// Start what does not run, and leave it running.
    Up,
    /// End what `up` started, and delete its data.
    Down,
    /// Say what tests would use.
    Status,
}

/// The servers; those that were started for this run end when this is dropped.
pub(crate) struct Services {
    postgres: Postgres,
}

enum Postgres {
    /// Somebody else's: never stopped from here.
    Running {
        url: String,
        whose: &'static str,
    },
    Started(Server),
}

impl Services {
    /// Finds or starts everything tests need.
    pub(crate) fn ensure(workspace: &Workspace) -> Result<Self> {
        let home = home(workspace)?;
        let services = match running_postgres(&home)? {
            Some(running) => Self { postgres: running },
            None => Self { postgres: Postgres::Started(Server::start_for_this_run(&home)?) },
        };
        println!("PostgreSQL: {}", services.postgres.description());
        Ok(services)
    }

    /// What tests are told.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        vec![(POSTGRES_FOR_TESTS.to_owned(), self.postgres.url().to_owned())]
    }

    /// Installs what starting the servers needs, unless one runs already.
    pub(crate) fn prepare(workspace: &Workspace) -> Result<()> {
        match running_postgres(&home(workspace)?)? {
            Some(running) => println!("PostgreSQL: {}", running.description()),
            None => println!("PostgreSQL: programs in {}", postgres::programs()?.display()),
        }
        Ok(())
    }

    /// `cargo xtask services`.
    pub(crate) fn act(workspace: &Workspace, action: Action) -> Result<()> {
        let home = home(workspace)?;
        match action {
            Action::Up => {
                let url = match running_postgres(&home)? {
                    Some(running) => running.url().to_owned(),
                    None => Server::start_and_keep(&home)?,
                };
                println!("export {POSTGRES_FOR_TESTS}={url}");
            }
            Action::Down => match Server::stop_kept(&home)? {
                true => println!("PostgreSQL: stopped, data deleted"),
                false => println!("PostgreSQL: none was started by `services up`"),
            },
            Action::Status => match running_postgres(&home)? {
                Some(running) => println!("PostgreSQL: {}", running.description()),
                None => println!("PostgreSQL: none runs, tests start their own"),
            },
        }
        Ok(())
    }
}

impl Postgres {
    fn url(&self) -> &str {
        match self {
            Self::Running { url, .. } => url,
            Self::Started(server) => server.url(),
        }
    }

    fn description(&self) -> String {
        match self {
            // The address may hold a password.
            Self::Running { whose, .. } => format!("running, {whose}"),
            Self::Started(server) => format!("started for this run at {}", server.url()),
        }
    }
}

/// What is named by the environment must be there; everything else is a guess that may fail.
fn running_postgres(home: &std::path::Path) -> Result<Option<Postgres>> {
    for (name, whose) in [(POSTGRES_FOR_TESTS, "named by TEST_DATABASE_URL"), ("DATABASE_URL", "named by DATABASE_URL")]
    {
        let named = variable(name).filter(|url| url.starts_with("postgres"));
        if let Some(url) = named {
            probe::is_reachable(&url)?;
            return Ok(Some(Postgres::Running { url, whose }));
        }
    }
    let kept = Server::kept_url(home).map(|url| (url, "started by `cargo xtask services up`"));
    let usual = (POSTGRES_USUALLY.to_owned(), "on its usual port");
    let guesses = kept.into_iter().chain([usual]);
    let found = guesses.into_iter().find(|(url, _)| probe::can_create_databases(url));
    Ok(found.map(|(url, whose)| Postgres::Running { url, whose }))
}

/// Where throw-away servers keep their data. Root cannot run PostgreSQL, and the account that runs it instead may not
/// be able to reach the build directory, so root uses the system's directory for temporary files.
fn home(workspace: &Workspace) -> Result<PathBuf> {
    if account::is_root()? {
        let name = workspace.root.to_string_lossy().replace(['/', ' '], "-");
        return Ok(std::env::temp_dir().join(format!("orchestrator-services{name}")));
    }
    Ok(workspace.target.join("services"))
}
