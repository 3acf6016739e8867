//! Reads the last stage of a Dockerfile, as far as ours goes: what it does not know is an error, never passed over.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// What the image is made of and how it starts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stage {
    /// Of the distribution.
    pub(super) packages: Vec<String>,
    /// Names of the programs that the build stage made, and the directory they go to.
    pub(super) programs: Vec<(String, PathBuf)>,
    pub(super) accounts: Vec<Account>,
    pub(super) directories: Vec<Directory>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) working_directory: PathBuf,
    pub(super) ports: Vec<u16>,
    pub(super) user: u32,
    pub(super) group: u32,
    pub(super) healthcheck: Vec<String>,
    pub(super) entrypoint: Vec<String>,
}

/// A line for `/etc/passwd` or `/etc/group`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) id: u32,
    /// `None` for a group.
    pub(super) home: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Directory {
    pub(super) path: PathBuf,
    pub(super) mode: u32,
    /// User and group; root's if `None`.
    pub(super) owner: Option<u32>,
}

impl Stage {
    pub(super) fn last(text: &str) -> Result<Self> {
        let instructions = instructions(text);
        let from = instructions.iter().rposition(|(name, _)| name == "FROM").context("there is no FROM")?;
        let mut stage = Self::default();
        for (name, rest) in &instructions[from + 1..] {
            stage.take(name, rest).with_context(|| format!("{name} {rest}"))?;
        }
        if stage.user == 0 || stage.entrypoint.is_empty() || stage.healthcheck.is_empty() || stage.ports.is_empty() {
            bail!("the last stage needs a USER that is not root, EXPOSE, HEALTHCHECK and ENTRYPOINT");
        }
        Ok(stage)
    }

    fn take(&mut self, name: &str, rest: &str) -> Result<()> {
        match name {
            "RUN" => rest.split("&&").try_for_each(|command| self.take_command(command.trim())),
            "COPY" => self.take_copy(rest),
            "ENV" => rest.split_whitespace().try_for_each(|pair| {
                let (name, value) = pair.split_once('=').context("expected NAME=value")?;
                self.environment.push((name.to_owned(), value.to_owned()));
                Ok(())
            }),
            "WORKDIR" => {
                self.working_directory = rest.into();
                Ok(())
            }
            "EXPOSE" => {
                self.ports.push(rest.parse()?);
                Ok(())
            }
            "USER" => {
                let (user, group) = rest.split_once(':').context("expected user and group by number")?;
                (self.user, self.group) = (user.parse()?, group.parse()?);
                Ok(())
            }
            "HEALTHCHECK" => {
                let (_, command) = rest.split_once("CMD ").context("expected CMD")?;
                self.healthcheck = words(command)?;
                Ok(())
            }
            "ENTRYPOINT" => {
                self.entrypoint = words(rest)?;
                Ok(())
            }
            // A mount of its own, made by whoever starts the image, and what stops it by default.
            "VOLUME" => words(rest).map(drop),
            "STOPSIGNAL" if rest == "SIGTERM" => Ok(()),
            _ => bail!("the check of the image does not know this instruction"),
        }
    }

    fn take_copy(&mut self, rest: &str) -> Result<()> {
        let rest = rest.strip_prefix("--from=build ").context("only what the build stage made is copied")?;
        let mut paths: Vec<&str> = rest.split_whitespace().collect();
        let into = paths.pop().context("no destination")?;
        for path in paths {
            let name = path.strip_prefix("/source/target/release/").context("expected a built program")?;
            self.programs.push((name.to_owned(), into.into()));
        }
        Ok(())
    }

    fn take_command(&mut self, command: &str) -> Result<()> {
        let words: Vec<&str> = command.split_whitespace().collect();
        let option = |name: &str| words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1)).copied();
        let last = words.last().copied().unwrap_or_default();
        match words.as_slice() {
            ["apt-get", "update"] | ["rm", "-rf", "/var/lib/apt/lists/*"] => {}
            ["apt-get", "install", "--yes", "--no-install-recommends", packages @ ..] => {
                self.packages.extend(packages.iter().map(|name| (*name).to_owned()));
            }
            ["groupadd", ..] => {
                let id = option("--gid").context("no --gid")?.parse()?;
                self.accounts.push(Account { name: last.to_owned(), id, home: None });
            }
            ["useradd", ..] => {
                let id = option("--uid").context("no --uid")?.parse()?;
                let home = Some(option("--home-dir").context("no --home-dir")?.to_owned());
                self.accounts.push(Account { name: last.to_owned(), id, home });
            }
            ["install", "--directory", ..] => {
                let mode = u32::from_str_radix(option("--mode").context("no --mode")?, 8)?;
                let owner = option("--owner").map(str::parse).transpose()?;
                self.directories.push(Directory { path: last.into(), mode, owner });
            }
            _ => bail!("the check of the image does not know the command `{command}`"),
        }
        Ok(())
    }
}

/// Name and rest of each, continued lines joined, comments left out.
fn instructions(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (mut found, mut whole) = (Vec::new(), String::new());
    for line in lines {
        let continued = line.strip_suffix('\\');
        whole.push_str(continued.unwrap_or(line));
        if continued.is_none()
            && let Some((name, rest)) = std::mem::take(&mut whole).split_once(' ')
        {
            found.push((name.to_owned(), rest.trim().to_owned()));
        }
    }
    found
}

/// The form of an array: without it a shell would be process 1.
fn words(text: &str) -> Result<Vec<String>> {
    serde_json::from_str(text).context("expected an array of words")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "FROM a AS build\nRUN whatever\nFROM b\n# a comment\nRUN apt-get update \\\n  && apt-get install --yes \
         --no-install-recommends x y \\\n  && useradd --uid 7 --home-dir /h me\nCOPY --from=build /source/target/release/p /bin/\n\
         ENV A=1 \\\n  B=2\nWORKDIR /w\nEXPOSE 80\nUSER 7:8\nHEALTHCHECK --interval=1s CMD [\"p\", \"ok\"]\nENTRYPOINT [\"p\"]\n";

    #[test]
    fn the_last_stage_is_read() {
        let stage = Stage::last(GOOD).unwrap();
        assert_eq!((stage.packages, stage.user, stage.group), (vec!["x".to_owned(), "y".to_owned()], 7, 8));
        assert_eq!(stage.accounts, [Account { name: "me".to_owned(), id: 7, home: Some("/h".to_owned()) }]);
        assert_eq!(stage.programs, [("p".to_owned(), PathBuf::from("/bin/"))]);
        assert_eq!(stage.environment.len(), 2);
        assert_eq!(
            (stage.healthcheck, stage.entrypoint),
            (vec!["p".to_owned(), "ok".to_owned()], vec!["p".to_owned()])
        );
    }

    #[test]
    fn what_is_not_known_or_not_safe_is_refused() {
        for (from, to, why) in [
            ("USER 7:8", "USER 0:0", "not root"),
            ("USER 7:8\n", "", "not root"),
            ("ENTRYPOINT [\"p\"]", "ENTRYPOINT p", "an array"),
            ("EXPOSE 80", "ADD x y", "does not know this instruction"),
            ("useradd", "curl | sh &&", "does not know the command `curl | sh`"),
        ] {
            let error = format!("{:#}", Stage::last(&GOOD.replace(from, to)).unwrap_err());
            assert!(error.contains(why), "{to}: {error}");
        }
    }
}
