//! Starts the image's tree as a container engine would: in namespaces of its own, as its user, by its entry point.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::dockerfile::Stage;
use super::image::is_root;
use super::started::{Started, signal};
use crate::environment::find_program;

/// What an engine mounts before it starts anything. Then the user is changed and nothing of ours is left: the last
/// program is process 1.
const ROOT_SCRIPT: &str = "mount -t proc proc \"$1/proc\" && mount --rbind /dev \"$1/dev\" && mount -t tmpfs tmpfs \"$1/tmp\" \
     && root=$1 work=$2 user=$3 group=$4 && shift 4 \
     && exec unshare --root=\"$root\" --wd=\"$work\" --setgid \"$group\" --setuid \"$user\" -- \"$@\"";
/// Who is not root is the image's user already, in a user namespace, and keeps its capabilities there for the mounts.
const USER_SCRIPT: &str = "mount -t proc proc \"$1/proc\" && mount --rbind /dev \"$1/dev\" && mount -t tmpfs tmpfs \"$1/tmp\" \
     && root=$1 work=$2 && shift 4 && exec unshare --root=\"$root\" --wd=\"$work\" -- \"$@\"";

struct Container<'a> {
    stage: &'a Stage,
    running: Option<Started>,
    /// Process 1 of the container, by its number out here.
    first: u32,
    is_root: bool,
}

/// It starts as nobody's root, is healthy, is unhealthy when it hangs, and ends well when it is told to.
pub(super) fn check(tree: &Path, stage: &Stage) -> Result<()> {
    let container = Container::start(tree, stage)?;
    container.check_identity()?;
    ensure!(container.is_healthy()?, "HEALTHCHECK {:?} fails in a container that listens", stage.healthcheck);
    let daemon = container.daemon()?;
    signal("STOP", daemon)?;
    let is_healthy = container.is_healthy();
    signal("CONT", daemon)?;
    ensure!(!is_healthy?, "HEALTHCHECK {:?} does not notice a daemon that hangs", stage.healthcheck);
    ensure!(container.is_healthy()?, "HEALTHCHECK fails after the daemon went on");
    container.stop()
}

impl<'a> Container<'a> {
    fn start(tree: &Path, stage: &'a Stage) -> Result<Self> {
        let is_root = is_root()?;
        let mut command = Command::new(program("unshare")?);
        if !is_root {
            command.arg("--user").arg(format!("--map-user={}", stage.user)).arg(format!("--map-group={}", stage.group));
            command.arg("--keep-caps");
        }
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--", "/bin/sh", "-c"]);
        command.arg(if is_root { ROOT_SCRIPT } else { USER_SCRIPT }).arg("sh");
        command.arg(tree).arg(&stage.working_directory).args([stage.user.to_string(), stage.group.to_string()]);
        command.args(&stage.entrypoint);
        set_environment(&mut command, stage);
        let mut running = Started::new(&mut command)?;
        // Once the daemon is up, everything before it has been replaced.
        let told = running.line_with("listening on http");
        let told =
            told.context("the image did not start: are namespaces allowed here (unshare --mount --pid, or --user)?")?;
        println!("container: {told}");
        let first = only_child(running.id())?;
        Ok(Self { stage, running: Some(running), first, is_root })
    }

    /// The entry point's program is process 1, and the user is the image's.
    fn check_identity(&self) -> Result<()> {
        let init =
            self.stage.entrypoint.first().and_then(|path| Path::new(path).file_name()).context("no entry point")?;
        let name = fs::read_to_string(format!("/proc/{}/comm", self.first))?;
        ensure!(name.trim() == init, "process 1 is `{}`, not {init:?}", name.trim());
        let namespaces = field(self.first, "NSpid")?;
        ensure!(namespaces.split_whitespace().last() == Some("1"), "{init:?} is not process 1: {namespaces}");
        for process in [self.first, self.daemon()?] {
            let user = field(process, "Uid")?;
            let is_image_user = user.split_whitespace().all(|id| id == self.stage.user.to_string());
            // Seen from out here a mapped user is ourselves, which is not root.
            ensure!(if self.is_root { is_image_user } else { !user.starts_with('0') }, "it runs as {user}");
            ensure!(!self.is_root || field(process, "CapEff")?.trim_matches('0').is_empty(), "it has capabilities");
        }
        Ok(())
    }

    fn daemon(&self) -> Result<u32> {
        only_child(self.first)
    }

    /// Runs the health check as an engine does: inside, with the image's user and environment.
    fn is_healthy(&self) -> Result<bool> {
        let mut command = Command::new(program("nsenter")?);
        command.arg("--target").arg(self.first.to_string()).args(["--mount", "--pid", "--root", "--wd"]);
        match self.is_root {
            true => command.arg(format!("--setuid={}", self.stage.user)).arg(format!("--setgid={}", self.stage.group)),
            false => command.args(["--user", "--preserve-credentials"]),
        };
        command.arg("--").args(&self.stage.healthcheck);
        set_environment(&mut command, self.stage);
        let output = command.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            println!("health check: {} {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(output.status.success())
    }

    /// As an engine does: SIGTERM to process 1, which has to pass it on.
    fn stop(mut self) -> Result<()> {
        signal("TERM", self.first)?;
        let status = self.running.take().context("it runs")?.ended()?;
        ensure!(status.success(), "after SIGTERM it ended with {status}: it did not drain");
        println!("container: ended by SIGTERM with exit code 0");
        Ok(())
    }
}

/// Ends with the check, however that ends: nobody outside holds the namespaces. Whoever changes their user is no longer
/// killed with their parent.
impl Drop for Container<'_> {
    fn drop(&mut self) {
        if self.running.is_none() {
            return;
        }
        // It may have ended already.
        drop(Command::new("kill").args(["-s", "KILL", &self.first.to_string()]).stderr(Stdio::null()).status());
    }
}

/// The image's, and a port of its own as `--env DAEMON_PORT=0` would give it.
fn set_environment(command: &mut Command, stage: &Stage) {
    command.env_clear().envs(stage.environment.iter().map(|(name, value)| (name, value)));
    command.env("DAEMON_PORT", "0");
    let path = stage.environment.iter().find(|(name, _)| name == "PATH").map_or("", |(_, value)| value);
    // The script before it needs `mount`.
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
}

fn program(name: &str) -> Result<PathBuf> {
    find_program(name, &[]).with_context(|| format!("`{name}` is needed: install the package `util-linux`"))
}

fn only_child(process: u32) -> Result<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"))?;
    match children.split_whitespace().collect::<Vec<_>>().as_slice() {
        [only] => Ok(only.parse()?),
        other => bail!("process {process} has {} children, not one", other.len()),
    }
}

fn field(process: u32, name: &str) -> Result<String> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let found = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.map(|value| value.trim().to_owned()).with_context(|| format!("/proc/{process}/status has no {name}"))
}
