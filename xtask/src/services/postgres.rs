//! A throw-away PostgreSQL: made by `initdb`, on a free port of the loopback interface, deleted at its end.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::environment::find_program;
use crate::run::Run;
use crate::services::account::Account;
use crate::services::install::{self, Package};

const PACKAGE: Package = Package {
    title: "PostgreSQL",
    debian: "postgresql",
    homebrew: "postgresql@17",
    instead: ", or set TEST_DATABASE_URL",
};
/// Where Debian and Homebrew put the programs of each version.
const PROGRAM_FOLDERS: [&str; 3] = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"];
/// Tests run side by side, each with a pool.
const CONNECTIONS_MAX: u16 = 400;
/// Between finding a free port and using it somebody else may take it.
const STARTS_MAX: u32 = 3;
/// The server that outlives us.
const KEPT: &str = "postgres-kept";
/// Servers of runs, each with the number of a slot.
const FOR_RUN: &str = "postgres-run-";
const SLOTS: u32 = 64;

/// A running server that ends with this value.
pub(super) struct Server {
    place: Place,
    url: String,
    /// Held as long as we live: by the lock, the next run knows that the server is still used.
    _lock: File,
}

/// The directory of one server: `data`, `log`, `url`, `lock`.
struct Place {
    directory: PathBuf,
    account: Account,
    programs: PathBuf,
}

impl Server {
    pub(super) fn start_for_this_run(home: &Path) -> Result<Self> {
        Self::start_in_free_slot(home, Account::for_servers()?, programs()?)
    }

    fn start_in_free_slot(home: &Path, account: Account, programs: PathBuf) -> Result<Self> {
        for slot in 0..SLOTS {
            let directory = home.join(format!("{FOR_RUN}{slot}"));
            std::fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
            let lock = File::create(directory.join("lock"))?;
            if lock.try_lock().is_err() {
                continue; // another run is using it
            }
            let place = Place { directory, account, programs };
            place.stop(); // left over from a run that was interrupted
            let url = place.start()?;
            return Ok(Self { place, url, _lock: lock });
        }
        anyhow::bail!("{SLOTS} runs of tests use a PostgreSQL in {}", home.display())
    }

    /// Starts a server that stays until [`Server::stop_kept`] and returns its address.
    pub(super) fn start_and_keep(home: &Path) -> Result<String> {
        let place = Place { directory: home.join(KEPT), account: Account::for_servers()?, programs: programs()? };
        place.stop();
        place.start()
    }

    pub(super) fn kept_url(home: &Path) -> Option<String> {
        std::fs::read_to_string(home.join(KEPT).join("url")).ok()
    }

    /// Whether there was one.
    pub(super) fn stop_kept(home: &Path) -> Result<bool> {
        if Self::kept_url(home).is_none() {
            return Ok(false);
        }
        let directory = home.join(KEPT);
        let place = Place { directory: directory.clone(), account: Account::for_servers()?, programs: programs()? };
        place.stop();
        std::fs::remove_dir_all(&directory).with_context(|| format!("cannot delete {}", directory.display()))?;
        Ok(true)
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.place.stop();
    }
}

impl Place {
    fn start(&self) -> Result<String> {
        self.account.create_directory(&self.directory)?;
        self.initialise()?;
        for attempt in 1..=STARTS_MAX {
            let port = free_port()?;
            match self.start_on(port) {
                Ok(()) => {
                    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
                    std::fs::write(self.directory.join("url"), &url)?;
                    return Ok(url);
                }
                Err(error) if attempt == STARTS_MAX => {
                    let log = std::fs::read_to_string(self.log()).unwrap_or_default();
                    return Err(error.context(format!("PostgreSQL does not start; its log:\n{log}")));
                }
                Err(_) => {}
            }
        }
        unreachable!("the last attempt returned")
    }

    fn initialise(&self) -> Result<()> {
        let run = self.command("initdb").arg("--pgdata").arg(self.data());
        let run =
            run.args(["--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync"]);
        run.output().context("cannot create a PostgreSQL")?;
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = {CONNECTIONS_MAX}\n\
             log_min_messages = fatal\n"
        );
        let mut file = OpenOptions::new().append(true).open(self.data().join("postgresql.conf"))?;
        file.write_all(settings.as_bytes())?;
        Ok(())
    }

    fn start_on(&self, port: u16) -> Result<()> {
        let run = self.command("pg_ctl").arg("--pgdata").arg(self.data()).arg("--log").arg(self.log());
        run.args(["--options", &format!("-p {port}"), "--wait", "--silent", "start"]).run()
    }

    /// Ends the server, if there is one, and deletes its data. Nothing in it is worth a slow end.
    fn stop(&self) {
        if self.data().join("postmaster.pid").exists() {
            let run = self.command("pg_ctl").arg("--pgdata").arg(self.data());
            run.args(["--mode", "immediate", "--wait", "stop"]).succeeds();
        }
        for path in [self.directory.join("url"), self.log()] {
            std::fs::remove_file(path).ok();
        }
        std::fs::remove_dir_all(self.data()).ok();
    }

    fn command(&self, program: &str) -> Run {
        // The account may not be able to enter the directory we stand in.
        self.account.command(&self.programs.join(program)).within(&self.directory).quiet()
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }
}

/// The directory with `initdb` and `pg_ctl`; installs them where that is allowed.
pub(super) fn programs() -> Result<PathBuf> {
    if let Some(found) = find_programs() {
        return Ok(found);
    }
    install::install(&PACKAGE)?;
    find_programs().context("PostgreSQL was installed and its `initdb` is still not found")
}

fn find_programs() -> Option<PathBuf> {
    let mut folders = Vec::new();
    for folder in PROGRAM_FOLDERS {
        let versions = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        folders.extend(versions.filter(|path| version(path).is_some()));
    }
    folders.sort_by_key(|path| std::cmp::Reverse(version(path)));
    let folders: Vec<_> = folders.into_iter().map(|path| path.join("bin")).collect();
    let initdb = find_program("initdb", &folders)?;
    let pg_ctl = find_program("pg_ctl", &folders)?;
    let (initdb, pg_ctl) = (initdb.parent()?, pg_ctl.parent()?);
    (initdb == pg_ctl).then(|| initdb.to_owned())
}

/// The 17 of `…/postgresql/17` and `…/postgresql@17`.
fn version(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix("postgresql@").unwrap_or(name).parse().ok()
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_version_is_read_from_the_folder() {
        assert_eq!(version(Path::new("/usr/lib/postgresql/15")), Some(15));
        assert_eq!(version(Path::new("/opt/homebrew/opt/postgresql@17")), Some(17));
        assert_eq!(version(Path::new("/opt/homebrew/opt/openssl@3")), None);
    }

    /// Programs that leave the traces of the real ones: `pg_ctl` writes what it was asked into `calls`.
    fn pretended_programs() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let initdb = "#!/bin/sh\nmkdir -p \"$2\" && : > \"$2/postgresql.conf\"\n";
        let pg_ctl = "#!/bin/sh\nfor last; do :; done\necho \"$last\" >> \"$(dirname \"$0\")/calls\"\n\
                      if [ \"$last\" = start ]; then : > \"$2/postmaster.pid\"; fi\n";
        for (name, text) in [("initdb", initdb), ("pg_ctl", pg_ctl)] {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        directory
    }

    fn start(home: &Path, programs: &Path) -> Server {
        Server::start_in_free_slot(home, Account::Ourselves, programs.to_owned()).unwrap()
    }

    fn calls(programs: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(programs.join("calls")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_server_ends_with_its_value_and_its_data_is_deleted() {
        let (home, programs) = (tempfile::tempdir().unwrap(), pretended_programs());
        let server = start(home.path(), programs.path());
        let data = home.path().join("postgres-run-0/data");
        let settings = std::fs::read_to_string(data.join("postgresql.conf")).unwrap();
        assert!(settings.contains("listen_addresses = '127.0.0.1'"));
        drop(server);
        assert!(!data.exists());
        assert_eq!(calls(programs.path()), ["start", "stop"]);
    }

    #[test]
    fn runs_side_by_side_have_servers_of_their_own() {
        let (home, programs) = (tempfile::tempdir().unwrap(), pretended_programs());
        let (one, two) = (start(home.path(), programs.path()), start(home.path(), programs.path()));
        assert_ne!(one.place.directory, two.place.directory);
    }

    #[test]
    fn what_an_interrupted_run_left_is_ended_first() {
        let (home, programs) = (tempfile::tempdir().unwrap(), pretended_programs());
        let left = home.path().join("postgres-run-0/data");
        std::fs::create_dir_all(&left).unwrap();
        std::fs::write(left.join("postmaster.pid"), "").unwrap();
        let _server = start(home.path(), programs.path());
        assert_eq!(calls(programs.path()), ["stop", "start"]);
    }
}
