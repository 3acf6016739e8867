//! The servers that tests talk to: those that run already, else throw-away ones from the installed programs.
//!
//! Those are PostgreSQL and Redis, and two programs from npm, which tests start themselves: one speaks like the vendors of language models, one is a
//! server of the Model Context Protocol. The files of a small language model from PyPI lie beside them. Another server is another field of [`Services`] and another module like `redis`.

mod account;
mod install;
mod npm;
mod postgres;
mod probe;
mod redis;

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;

use crate::environment::variable;
use crate::pypi;
use crate::workspace::Workspace;

/// What tests read to find PostgreSQL. They create databases of their own on it.
const POSTGRES_FOR_TESTS: &str = "TEST_DATABASE_URL";
/// Where a PostgreSQL usually listens, with the role that its packages create.
const POSTGRES_USUALLY: &str = "postgres://postgres@127.0.0.1:5432/postgres";
/// What tests read to find Redis. Their names there begin with a prefix of their own.
const REDIS_FOR_TESTS: &str = "TEST_REDIS_URL";
/// Where a Redis usually listens.
const REDIS_USUALLY: &str = "redis://127.0.0.1:6379";

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
    postgres: Service<postgres::Server>,
    redis: Service<redis::Server>,
}

enum Service<S> {
    Running(Running),
    Started(S),
}

/// Somebody else's: never stopped from here.
struct Running {
    url: String,
    whose: &'static str,
}

impl Services {
    /// Finds or starts everything tests need.
    pub(crate) fn ensure(workspace: &Workspace) -> Result<Self> {
        let home = home(workspace)?;
        let postgres = match running_postgres(&home)? {
            Some(running) => Service::Running(running),
            None => Service::Started(postgres::Server::start_for_this_run(&home)?),
        };
        // Tests also start some of their own, to kill them.
        redis::program()?;
        let redis = match running_redis(&home)? {
            Some(running) => Service::Running(running),
            None => Service::Started(redis::Server::start_for_this_run(&home)?),
        };
        npm::ensure(workspace, &npm::AIMOCK)?;
        npm::ensure(workspace, &npm::EVERYTHING)?;
        pypi::minilm(workspace)?;
        println!("PostgreSQL: {}", postgres.description(postgres::Server::url));
        println!("Redis: {}", redis.description(redis::Server::url));
        Ok(Self { postgres, redis })
    }

    /// What tests are told.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        vec![
            (POSTGRES_FOR_TESTS.to_owned(), self.postgres.url(postgres::Server::url).to_owned()),
            (REDIS_FOR_TESTS.to_owned(), self.redis.url(redis::Server::url).to_owned()),
        ]
    }

    /// Installs what starting the servers needs, unless one runs already.
    pub(crate) fn prepare(workspace: &Workspace) -> Result<()> {
        let home = home(workspace)?;
        match running_postgres(&home)? {
            Some(running) => println!("PostgreSQL: {}", running.description()),
            None => println!("PostgreSQL: programs in {}", postgres::programs()?.display()),
        }
        println!("Redis: program {}", redis::program()?.display());
        for wanted in [&npm::AIMOCK, &npm::EVERYTHING] {
            println!("npm: {}", npm::ensure(workspace, wanted)?.display());
        }
        println!("PyPI: {}", pypi::minilm(workspace)?.model.display());
        Ok(())
    }

    /// `cargo xtask services`.
    pub(crate) fn act(workspace: &Workspace, action: Action) -> Result<()> {
        let home = home(workspace)?;
        let (postgres, redis) = (running_postgres(&home)?, running_redis(&home)?);
        match action {
            Action::Up => {
                let url =
                    postgres.map_or_else(|| postgres::Server::start_and_keep(&home), |running| Ok(running.url))?;
                println!("export {POSTGRES_FOR_TESTS}={url}");
                let url = redis.map_or_else(|| redis::Server::start_and_keep(&home), |running| Ok(running.url))?;
                println!("export {REDIS_FOR_TESTS}={url}");
            }
            Action::Down => {
                println!("PostgreSQL: {}", ended(postgres::Server::stop_kept(&home)?));
                println!("Redis: {}", ended(redis::Server::stop_kept(&home)?));
            }
            Action::Status => {
                for (name, running) in [("PostgreSQL", postgres), ("Redis", redis)] {
                    let none = || "none runs, tests start their own".to_owned();
                    println!("{name}: {}", running.as_ref().map_or_else(none, Running::description));
                }
            }
        }
        Ok(())
    }
}

fn ended(was_kept: bool) -> &'static str {
    if was_kept { "stopped, data deleted" } else { "none was started by `services up`" }
}

impl<S> Service<S> {
    fn url<'a>(&'a self, of_started: impl Fn(&'a S) -> &'a str) -> &'a str {
        match self {
            Self::Running(Running { url, .. }) => url,
            Self::Started(server) => of_started(server),
        }
    }

    fn description<'a>(&'a self, of_started: impl Fn(&'a S) -> &'a str) -> String {
        match self {
            Self::Running(running) => running.description(),
            Self::Started(server) => format!("started for this run at {}", of_started(server)),
        }
    }
}

impl Running {
    /// The address may hold a password.
    fn description(&self) -> String {
        format!("running, {}", self.whose)
    }
}

/// What is named by the environment must be there; everything else is a guess that may fail.
fn running_postgres(home: &std::path::Path) -> Result<Option<Running>> {
    for (name, whose) in [(POSTGRES_FOR_TESTS, "named by TEST_DATABASE_URL"), ("DATABASE_URL", "named by DATABASE_URL")]
    {
        let named = variable(name).filter(|url| url.starts_with("postgres"));
        if let Some(url) = named {
            probe::is_reachable(&url)?;
            return Ok(Some(Running { url, whose }));
        }
    }
    let kept = postgres::Server::kept_url(home).map(|url| (url, "started by `cargo xtask services up`"));
    let usual = (POSTGRES_USUALLY.to_owned(), "on its usual port");
    let guesses = kept.into_iter().chain([usual]);
    let found = guesses.into_iter().find(|(url, _)| probe::can_create_databases(url));
    Ok(found.map(|(url, whose)| Running { url, whose }))
}

/// As for PostgreSQL.
fn running_redis(home: &std::path::Path) -> Result<Option<Running>> {
    for (name, whose) in [(REDIS_FOR_TESTS, "named by TEST_REDIS_URL"), ("REDIS_URL", "named by REDIS_URL")] {
        if let Some(url) = variable(name) {
            redis::is_reachable(&url)?;
            return Ok(Some(Running { url, whose }));
        }
    }
    let kept = redis::Server::kept_url(home).map(|url| (url, "started by `cargo xtask services up`"));
    let usual = (REDIS_USUALLY.to_owned(), "on its usual port");
    let found = kept.into_iter().chain([usual]).find(|(url, _)| redis::answers(url));
    Ok(found.map(|(url, whose)| Running { url, whose }))
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
