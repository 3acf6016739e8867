//! Skills: where this daemon has them, and who looks at their files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use orchestrator_settings::Watch;
use orchestrator_skills::{Catalogue, Parts, Root, Skills, SqlStore};
use orchestrator_vocab::Actor;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::daemon::Base;
use crate::files::DataDir;

/// Directories of the home directory that other programs use too.
const OF_THE_USER: [&str; 2] = [".claude/skills", ".agents/skills"];

/// The skills of this daemon, and what keeps them up to date. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SkillFiles {
    pub(crate) skills: Skills,
    /// What relative directories are relative to.
    base: Arc<PathBuf>,
    /// Wakes whoever looks at the files.
    look: Arc<Notify>,
}

/// Where they are, the first before the others.
fn roots(config: &orchestrator_skills::Config, base: &Path) -> Vec<Root> {
    let own = config.directories.iter().map(|path| Root { path: base.join(path), shown: path.display().to_string() });
    let home = std::env::home_dir().filter(|home| config.user_directories && home.is_absolute());
    let of_the_user =
        home.iter().flat_map(|home| OF_THE_USER.map(|path| Root { path: home.join(path), shown: format!("~/{path}") }));
    own.chain(of_the_user).collect()
}

/// What there is for this configuration. Blocks while it reads.
pub(crate) fn read(config: &Config, base: &Path) -> Catalogue {
    match config.skills.enabled {
        true => Catalogue::read(&roots(&config.skills, base), &config.skills, &Catalogue::default()),
        false => Catalogue::default(),
    }
}

impl SkillFiles {
    /// Reads them.
    ///
    /// # Errors
    /// The store's; skills that are wrong are none.
    pub(crate) async fn open(config: &Config, data: &DataDir, base: &Base) -> anyhow::Result<Self> {
        let here = std::env::current_dir()?;
        let parts = Parts {
            config: config.skills.clone(),
            roots: roots(&config.skills, &here),
            store: Arc::new(SqlStore::open(base.database.clone()).await?),
            clock: base.clock.clone(),
            shelf: data.skills(),
        };
        let skills = Skills::open(parts).await.context("skills")?;
        Ok(Self { skills, base: Arc::new(here), look: Arc::default() })
    }

    /// Puts another configuration in force; files are read soon.
    pub(crate) fn apply(&self, config: &Config) {
        let roots = roots(&config.skills, &self.base);
        if *self.skills.config() != config.skills || self.skills.roots() != roots {
            self.skills.reconfigure(config.skills.clone(), roots);
            self.look.notify_one();
        }
    }

    /// Something was confirmed, by whichever daemon.
    pub(crate) fn look_again(&self) {
        self.look.notify_one();
    }

    /// Follows the files until `stop`.
    ///
    /// # Errors
    /// None: what cannot be watched, or stored, is logged, and the rest goes on.
    pub(crate) async fn run(&self, stop: CancellationToken) -> std::io::Result<()> {
        let told = self.look.clone();
        let watch = Watch::new(move || told.notify_one());
        if let Err(error) = &watch {
            let error = error as &dyn std::error::Error;
            tracing::warn!(error, "changes of skills are not noticed; use skill.scan");
        }
        loop {
            if let Ok(watch) = &watch {
                match watch.follow_trees(self.skills.roots().into_iter().map(|root| root.path), "*") {
                    // What was written between reading and this is read now.
                    Ok(true) => self.look.notify_one(),
                    Ok(false) => {}
                    Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "use skill.scan"),
                }
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.look.notified() => {}
            }
            if let Err(error) = self.skills.reload(Actor::system("skills")).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "skills could not be read again");
            }
        }
    }
}
